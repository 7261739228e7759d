"""Rates of a no-op function mapped with chunksize 1: rpar, ipyparallel and multiprocessing, in turn.

Prints a line for each pair: rpar, ipyparallel, Pool, in calls a second. Needs `rpar` and `ipyparallel` in the interpreter
that runs it, and a running rpar cluster of two engines on the profile `local`.
"""

import multiprocessing
import sys
import time

import ipyparallel

import rpar


def nothing(argument):
    return None


def rate(count, call):
    start = time.perf_counter()
    results = call(count)
    took = time.perf_counter() - start
    assert len(results) == count
    return count / took


def main(pairs):
    view = rpar.Client().load_balanced_view()
    cluster = ipyparallel.Cluster(n=2, log_level=40)
    with cluster as peer, multiprocessing.Pool(2) as pool:
        peer.wait_for_engines(2)
        peer_view = peer.load_balanced_view()
        rows = [
            (100_000, lambda n: view.map_sync(nothing, range(n))),
            (1_000, lambda n: peer_view.map_sync(nothing, range(n), chunksize=1)),
            (20_000, lambda n: list(pool.imap(nothing, range(n), chunksize=1))),
        ]
        for _, call in rows:
            call(100)
        for _ in range(pairs):
            print(*(round(rate(count, call)) for count, call in rows), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
