"""`make bench`: measures the product beside plain tools, by turns, and checks the results.

make bench FINES='100000 1000000' ROUNDS=3 JSON=found.json
make bench ONLY='builds systems'
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import report, servers
from bench.airflow_runs import FINES, measure_runs
from bench.building import BuildBench
from bench.loading import LoadBench
from bench.rounds import Bench, Round
from bench.system_sources import SOURCES
from bench.systems import SystemBench

PARTS = {
    "exports": "exports and imports",
    "loads": "loads of CSV files",
    "builds": "files in layouts",
    "systems": "readings of libraries' systems, in one round",
    "runs": "exports on Airflow",
}
"""What can be measured apart."""


def main() -> None:
    """Measures all sizes, then the runs on Airflow, and prints the tables."""
    arguments = _arguments()
    if missing := servers.list_missing_packages():
        sys.exit(missing)
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        sizes = [_measure(bench, fines, arguments) for fines in arguments.fines]
        runs = [asdict(found) for found in measure_runs(bench)] if "runs" in arguments.only else []
    found = {
        "machine": report.describe_machine(),
        "rounds": arguments.rounds,
        "sizes": sizes,
    } | ({"airflow": {"fines": FINES, "rounds": runs}} if runs else {})
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report.format_tables(found))


def _measure(bench: Bench, fines: int, arguments: argparse.Namespace) -> dict[str, Any]:
    rounds, parts = arguments.rounds, arguments.only
    ways: dict[str, list[Round]] = {}
    filled = bench.create_ledger(fines)
    if "exports" in parts:
        ways |= _measure_exports(bench, filled, fines, rounds)
    if "loads" in parts:
        loading = LoadBench(bench, fines)
        ways["load"] = [loading.run() for _ in range(rounds)]
    if "builds" in parts:
        building = BuildBench(bench, filled, fines)
        ways["build"] = [building.run() for _ in range(rounds)]
    if "systems" in parts:
        for system in SOURCES:
            synchronizing = SystemBench(bench, system, fines, write_all=arguments.write_all)
            ways[f"synchronization with {system}"] = [synchronizing.run()]
    return {"fines": fines, "ways": {way: [asdict(found) for found in rounds_] for way, rounds_ in ways.items()}}


def _measure_exports(bench: Bench, filled: str, fines: int, rounds: int) -> dict[str, list[Round]]:
    exports = [
        bench.export(filled, fines, keep_as="exported" if number == rounds - 1 else None) for number in range(rounds)
    ]
    outcomes = bench.write_payments(fines)
    return {"export": exports, "import": [bench.import_file("exported", outcomes) for _ in range(rounds)]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--fines", type=int, nargs="+", default=[100_000], metavar="N", help="fines of each export")
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="rounds of product and reference by turns, of which the tables show medians",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="; ".join(f"{part}: {text}" for part, text in PARTS.items()),
    )
    parser.add_argument(
        "--write-all",
        action="store_true",
        help="write back all fines of libraries' systems, and not a part: about 20 minutes for 100000 of each",
    )
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yields a temporary folder that every user may enter: run as root, PostgreSQL is another user."""
    with TemporaryDirectory(prefix="bursar-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
