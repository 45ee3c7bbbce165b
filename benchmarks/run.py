"""The one command: `python -m benchmarks.run [--quick] [table ...]` prints tables and writes them as JSON too.

Corpora, peers and nginx that are missing are fetched by the machine's own pip and apt (apt only as root); what cannot
be had is said on stderr and left out. Results lie in `benchmarks/results/`, quick ones in a folder of their own.
"""

import argparse
import os
import signal
import sys
from importlib import import_module

from benchmarks.bench import Bench
from benchmarks.measure import python_start
from benchmarks.report import RESULTS, Table, machine, markdown, write
from benchmarks.workplace import say

TABLES = {
    "identity": "benchmarks.tables.identity",
    "dedup": "benchmarks.tables.dedup",
    "publish": "benchmarks.tables.publish",
    "install": "benchmarks.tables.install",
    "verify": "benchmarks.tables.verify",
    "updates": "benchmarks.tables.updates",
    "locality": "benchmarks.tables.locality",
    "manifest": "benchmarks.tables.manifest",
    "small": "benchmarks.tables.small",
    "trust": "benchmarks.tables.trust",
    "cutters": "benchmarks.tables.cutters",
    "two-million": "benchmarks.tables.two_million",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="table", help=f"of {', '.join(TABLES)}; default all")
    parser.add_argument("--quick", action="store_true", help="small inputs, one round: shows that everything works")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds behind each median (default 5)")
    parser.add_argument("--no-peers", action="store_true", help="only Lading and its floors")
    chosen = parser.parse_args()
    if unknown := set(chosen.tables) - set(TABLES):
        parser.error(f"no such table: {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    # An exception, unlike a signal, lets every scratch folder be removed on the way out: they hold gigabytes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    bench = Bench(chosen.quick, 1 if chosen.quick else chosen.rounds, not chosen.no_peers)
    introduce()
    for name in chosen.tables or TABLES:
        say(f"measuring {name} (load {os.getloadavg()[0]:.1f})")
        table: Table = import_module(TABLES[name]).measure(bench)
        path = write(table, RESULTS / "quick" if chosen.quick else RESULTS)
        print(markdown(table), flush=True)
        say(f"written to {path}")


def introduce() -> None:
    facts = machine()
    memory = f"{facts['memory_bytes'] / 2**30:.0f} GiB"
    print(f"{facts['processor']}, {facts['processors']} processors, {memory}, {facts['system']}")
    start = f"{python_start().wall * 1000:.0f} ms"
    print(f"Python {facts['python']}: its bare start of {start} is taken off every Python program.\n")


if __name__ == "__main__":
    main()
