"""`python -m tests.bench [NAME …]`: every figure that the project claims, measured here and now.

Each prints medians of several runs beside a peer measured in the same run: compare the ratios, since the
numbers are this machine's.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

NAMES = ("startup", "memory", "queue", "intake", "catalogue", "match", "verify", "pipeline", "live", "upkeep")
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="where the real data lies (default: %(default)s)"
    )
    parser.add_argument(
        "--explain", action="store_true", help="of match: list what was missed or only tolerated, and why"
    )
    parser.add_argument(
        "--fresh",
        type=int,
        metavar="SEED",
        help="of match: draw cases from the catalogue",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(NAMES)}")
    failed = 0
    for name in arguments.names or NAMES:
        print(f"\n== {name}", flush=True)
        failed |= bool(import_module(f"tests.bench.{name}").run(arguments.data))
    return failed


if __name__ == "__main__":
    sys.exit(main())
