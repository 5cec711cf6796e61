"""Runs a campaign of random faults against exports and imports, and prints the violations that it found.

python -m tests.campaign --seed 1 --faults 1000 --seconds 0

With --systems, it is one against the readings of library systems, and what is written into them.
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
MAX_TRACE_LINES = 400


def main(arguments: Sequence[str]) -> int:
    """Runs a campaign; returns 1 if it found a violation, else 0."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="bursar-campaign-") as folder:
        for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
            del os.environ[name]
        os.environ |= {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        return _campaign(options, Path(folder))


def _campaign(options: argparse.Namespace, folder: Path) -> int:
    # Airflow reads its variables when it is imported.
    import airflow.providers.ftp.hooks.ftp  # noqa: PLC0415
    import airflow.providers.sftp.hooks.sftp  # noqa: F401, PLC0415
    from lxml import etree  # noqa: F401, PLC0415

    from tests.campaign.days import ExportRounds  # noqa: PLC0415
    from tests.campaign.report import Tally  # noqa: PLC0415
    from tests.campaign.systems.rounds import SystemRounds  # noqa: PLC0415

    logging.disable(logging.CRITICAL)  # workers log to a file in the folder
    tally = Tally()
    rounds = (SystemRounds if options.systems else ExportRounds)(folder, options.seed, tally)
    try:
        rounds.start()
        gc.freeze()
        number = 0
        reported_at = time.monotonic()
        while number == 0 or not _is_over(options, tally):
            round_, found = rounds.run(number)
            tally.count(round_.injected, found)
            if found:
                _show(options, number, found, round_.trace.lines)
                if not options.keep_going:
                    break
            number = options.round if options.round and number == 0 else number + 1
            if options.round and number > options.round:
                break
            if time.monotonic() - reported_at > PROGRESS_SECONDS:
                reported_at = time.monotonic()
                print(f"seed {options.seed}: {tally.summary()}", flush=True)
    finally:
        rounds.end()
    print(f"\nSeed {options.seed}: {tally.summary()}\n\n{tally.table()}")
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
    parser.add_argument("--systems", action="store_true", help="read library systems, and write into them")
    parser.add_argument("--keep-going", action="store_true", help="go on after a violation, and count them by kind")
    return parser.parse_args(arguments)


def _is_over(options: argparse.Namespace, tally: Any) -> bool:
    limits = ((options.faults, tally.faults), (options.seconds, tally.seconds), (options.rounds, tally.rounds - 1))
    return any(limit and reached >= limit for limit, reached in limits)


def _show(options: argparse.Namespace, number: int, found: Sequence[object], lines: Sequence[str]) -> None:
    print(f"\nVIOLATION in round {number} of seed {options.seed}; to play it again:")
    part = " --systems" if options.systems else ""
    print(f"    .venv/bin/python -m tests.campaign{part} --seed {options.seed} --round {number}")
    for violation in found:
        print(f"  {violation}")
    print("Trace of the round:", *lines[-MAX_TRACE_LINES:], sep="\n  ")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
