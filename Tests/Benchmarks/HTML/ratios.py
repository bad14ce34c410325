"""Holds what bench-html printed against what html_peer.py did: ratios.py OURS THEIRS. Ends with 1 below the bars: 1 x nh3, 10 x bleach."""

import statistics
import sys

ours = {line.split()[0]: float(line.split()[1]) for line in open(sys.argv[1])}
theirs = {line.split()[0]: tuple(map(float, line.split()[1:])) for line in open(sys.argv[2])}
print("nanoseconds a call; ratio = theirs / ours")
fast, slow = [], []
for name, own in ours.items():
    nh3, bleach = theirs[name]
    fast.append(nh3 / own)
    slow.append(bleach / own)
    if not name.startswith("commonmark"):
        print(f"{name:14} {own:8.0f}   nh3 {nh3:8.0f} {nh3 / own:6.1f}   bleach {bleach:9.0f} {bleach / own:7.1f}")
print(f"{len(ours)} rows: nh3 median {statistics.median(fast):.1f} least {min(fast):.1f} (bar 1), "
      f"bleach median {statistics.median(slow):.0f} least {min(slow):.0f} (bar 10)")
sys.exit(0 if min(fast) >= 1 and min(slow) >= 10 else 1)
