"""Maps a serial function over a list of arguments on a cluster's engines.

Start the cluster first:

    rpar --profile carver start --nodes 2 --ppn 8        # 16 engines on two nodes

then run this; without an argument it uses the profile `local`, for which `rpar start` is enough:

    python examples/carver.py carver
"""

import sys

from rpar import Client


def serial_func(seed):
    """Estimates pi from 100,000 random points; any function of one argument will do."""
    from random import Random

    random = Random(seed)
    count = 100_000
    inside = sum(random.random() ** 2 + random.random() ** 2 <= 1 for _ in range(count))
    return 4 * inside / count


def main():
    rc = Client(profile=sys.argv[1] if len(sys.argv) > 1 else None)
    lview = rc.load_balanced_view()
    list_of_arguments = range(64)
    result = lview.map(serial_func, list_of_arguments)
    estimates = result.get()
    print("%d tasks on %d engines: pi is about %.4f" % (len(estimates), len(rc), sum(estimates) / len(estimates)))


if __name__ == "__main__":
    main()
