"""Runs a campaign of random faults against exports and imports, and says what it found.

python -m tests.campaign --seed 1 --faults 1000 --seconds 0
"""

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PROGRESS_SECONDS = 15
LINES_SHOWN = 400


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if nothing was found that must never happen, else 1."""
    asked = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="bursar-campaign-") as folder:
        for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
            del os.environ[name]
        os.environ |= {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        return _campaign(asked, Path(folder))


def _campaign(asked: argparse.Namespace, folder: Path) -> int:
    # Airflow reads its variables when it is imported.
    import airflow.providers.ftp.hooks.ftp  # noqa: PLC0415
    import airflow.providers.sftp.hooks.sftp  # noqa: F401, PLC0415
    from lxml import etree  # noqa: F401, PLC0415

    from tests.campaign.days import play  # noqa: PLC0415
    from tests.campaign.report import Tally  # noqa: PLC0415
    from tests.campaign.round import Round  # noqa: PLC0415
    from tests.campaign.world import World  # noqa: PLC0415

    logging.disable(logging.CRITICAL)  # what workers log goes to a file in the folder
    world, tally = World(folder), Tally()
    acts: dict[str, dict[Any, int]] = {}
    try:
        world.start()
        gc.freeze()
        number = 0
        told = time.monotonic()
        while number == 0 or not _is_over(asked, tally):
            round_ = Round(world, asked.seed, number, tally, acts)
            found = play(round_)
            tally.count(round_.injected, found)
            if found:
                _show(asked, number, found, round_.trace.lines)
                if not asked.keep_going:
                    break
            number = asked.round if asked.round and number == 0 else number + 1
            if asked.round and number > asked.round:
                break
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                print(f"seed {asked.seed}: {tally.summary()}", flush=True)
    finally:
        world.end()
    print(f"\nSeed {asked.seed}: {tally.summary()}\n\n{tally.table()}")
    for kind, count in tally.violations.most_common():
        print(f"VIOLATION, {count} times: {kind}")
    return bool(tally.violations)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description="A campaign of random faults.")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plan of faults")
    parser.add_argument("--faults", type=int, default=1000, help="end after so many; 0: no limit")
    parser.add_argument("--seconds", type=int, default=0, help="end after so many; 0: no limit")
    parser.add_argument("--rounds", type=int, default=0, help="end after so many; 0: no limit")
    parser.add_argument("--round", type=int, default=0, help="play this round alone, as in a trace")
    parser.add_argument("--keep-going", action="store_true", help="go on after a violation, and count them by kind")
    return parser.parse_args(arguments)


def _is_over(asked: argparse.Namespace, tally: Any) -> bool:
    limits = ((asked.faults, tally.faults), (asked.seconds, tally.seconds), (asked.rounds, tally.rounds - 1))
    return any(limit and reached >= limit for limit, reached in limits)


def _show(asked: argparse.Namespace, number: int, found: Sequence[object], lines: Sequence[str]) -> None:
    print(f"\nVIOLATION in round {number} of seed {asked.seed}; to play it again:")
    print(f"    .venv/bin/python -m tests.campaign --seed {asked.seed} --round {number}")
    for violation in found:
        print(f"  {violation}")
    print("Trace of the round:", *lines[-LINES_SHOWN:], sep="\n  ")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
