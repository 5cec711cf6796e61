"""`make bench`: what export and import take beside plain C tools, by turns, with the results checked.

make bench FINES='100000 1000000' ROUNDS=3 JSON=found.json
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
from bench.rounds import Bench, Round


def main() -> None:
    """Runs the bench."""
    arguments = _arguments()
    if refusal := servers.missing():
        sys.exit(refusal)
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        sizes = [_measure(bench, fines, arguments.rounds) for fines in arguments.fines]
        runs = [asdict(found) for found in measure_runs(bench)]
    found = {
        "machine": report.machine(),
        "rounds": arguments.rounds,
        "sizes": sizes,
        "airflow": {"fines": FINES, "rounds": runs},
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report.tables(found))


def _measure(bench: Bench, fines: int, rounds: int) -> dict[str, Any]:
    ways: dict[str, list[Round]] = {"export": [], "import": []}
    filled = bench.fill(fines)
    for number in range(rounds):
        ways["export"].append(bench.export(filled, fines, keep_as="exported" if number == rounds - 1 else None))
    outcomes = bench.answer(fines)
    for _ in range(rounds):
        ways["import"].append(bench.import_("exported", outcomes))
    return {"fines": fines, "ways": {way: [asdict(found) for found in rounds_] for way, rounds_ in ways.items()}}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--fines", type=int, nargs="+", default=[100_000], metavar="N", help="how many are exported")
    parser.add_argument("--rounds", type=int, default=3, help="of product and reference by turns; medians are shown")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser.parse_args()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder outside any that only root may enter: root's PostgreSQL is another user."""
    with TemporaryDirectory(prefix="bursar-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
