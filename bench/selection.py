"""What a nightly export takes in a ledger that keeps all that was ever closed: 1,000 fines out of 20,000,000.

PYTHONPATH=plugins .venv/bin/python -m bench.selection 200000 20000000
"""

import sys
import time
from collections.abc import Callable

from bench import servers
from bench.__main__ import temporary_folder
from bench.product import AS_OF, PROFILE, SETTINGS
from bench.rounds import Bench
from bursar.exporting.closing import close_fines, release
from bursar.exporting.selection import preview, select_fines
from bursar.ledger.connection import ledger_engine
from bursar.ledger.statements import statement

ELIGIBLE = 1_000


def main() -> None:
    """Prints a table, a row for each size of the ledger; each step is warmed up once before it is timed."""
    if refusal := servers.missing():
        sys.exit(refusal)
    print("| fines in the ledger | preview | select | close | a fine's life |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        for size in map(int, sys.argv[1:] or ["20000000"]):
            ledger = Bench(postgres, server, folder).fill(ELIGIBLE, closed=size - ELIGIBLE)
            engine = ledger_engine(postgres.url(ledger))

            def look() -> None:
                preview(engine, PROFILE, as_of=AS_OF, limit=50)  # noqa: B023  called before the next size comes

            def select(run: str) -> int:
                return select_fines(engine, PROFILE, SETTINGS, run=run, as_of=AS_OF).id  # noqa: B023

            def life() -> None:
                with engine.connect() as connection:  # noqa: B023
                    for name in ("fine", "entries", "without_effect"):
                        connection.execute(statement(f"history/{name}"), {"fine_id": size}).all()  # noqa: B023

            look()
            release(engine, select("warm up"))
            life()
            seconds = [_timed(look), _timed(lambda: select("timed"))]
            with postgres.connect(ledger) as connection:
                batch = connection.execute("UPDATE batches SET delivered_at = now() WHERE run = 'timed' RETURNING id")
                number = int(next(batch)[0])
            seconds += [_timed(lambda: close_fines(engine, number)), _timed(life)]  # noqa: B023
            print(f"| {size:,} | {' | '.join(f'{one * 1000:,.0f} ms' for one in seconds)} |")


def _timed(step: Callable[[], object]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
