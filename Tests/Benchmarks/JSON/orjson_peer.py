"""Reads a document from standard input; prints the nanoseconds orjson.loads and orjson.dumps take for it."""
import sys
import time

import orjson

body = sys.stdin.buffer.read()
value = orjson.loads(body)


def best(work, argument, calls=20_000, rounds=15):
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter_ns()
        for _ in range(calls):
            work(argument)
        least = min(least, (time.perf_counter_ns() - start) / calls)
    return least


print(best(orjson.loads, body), best(orjson.dumps, value))
