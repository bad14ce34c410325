"""html_peer.py ROWS: prints for each row its id and the nanoseconds that nh3.clean and bleach.clean take for it, with the elements of
`HTMLPolicy.chat`. Processor time, the median of several rounds, as in `bench-html`."""
import json
import statistics
import sys
import time

import bleach
import nh3

TAGS = set("a b i em strong u s del p br hr ul ol li code pre blockquote h1 h2 h3 h4 h5 h6 span sub sup".split())
ATTRIBUTES = {"a": {"href", "title"}}
SCHEMES = {"http", "https", "mailto", "tel"}


def median(work, calls, rounds):
    all = []
    for _ in range(rounds):
        start = time.thread_time_ns()
        for _ in range(calls):
            work()
        all.append((time.thread_time_ns() - start) / calls)
    return statistics.median(all)


cleaner = bleach.Cleaner(tags=TAGS, attributes={"a": ["href", "title"]}, protocols=SCHEMES, strip=True)
for line in open(sys.argv[1]):
    row = json.loads(line)
    text = row["input"]
    calls = max(10, 100_000 // (len(text) + 100))
    fast = median(lambda: nh3.clean(text, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES), calls, 9)
    slow = median(lambda: cleaner.clean(text), 1, 3)
    print(row["id"], fast, slow, flush=True)
