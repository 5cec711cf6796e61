"""Measures each job on 1,000 fines in a ledger that keeps up to 20,000,000 closed ones.

PYTHONPATH=plugins .venv/bin/python -m bench.selection 200000 20000000
"""

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from bench import servers
from bench.__main__ import temporary_folder
from bench.profile import AS_OF, PROFILE, SETTINGS
from bench.rounds import Bench
from bursar.db.engine import ledger_engine
from bursar.db.queries import query
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import preview, select_fines
from bursar.imports.apply import apply_payments
from bursar.ledger.batches import Batch
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines

ELIGIBLE = 1_000
PAYMENTS = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at)
SELECT 'BENCH', 'timed', 'paid.xml', 1, now(), 'x', 'incremental', count(*),
       jsonb_build_object('USD', CAST(sum(amount) AS text)), now()
FROM batch_lines WHERE batch_id = CAST(current_setting('bench.batch') AS bigint);
INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum)
SELECT 1, number, number, transaction_id, currency, amount
FROM batch_lines WHERE batch_id = CAST(current_setting('bench.batch') AS bigint)
"""  # all fines of a batch, to the cent


def main() -> None:
    """Prints a table, a row for each size of the ledger."""
    if missing := servers.list_missing_packages():
        sys.exit(missing)
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        rows = {size: _measure(bench, size) for size in map(int, sys.argv[1:] or ["20000000"])}
    print(f"| fines in the ledger | {' | '.join(next(iter(rows.values())))} |")
    print("| ---: |" + " ---: |" * len(next(iter(rows.values()))))
    for size, seconds in rows.items():
        print(f"| {size:,} | {' | '.join(f'{one * 1000:,.0f} ms' for one in seconds.values())} |")


def _measure(bench: Bench, size: int) -> dict[str, float]:
    """Returns the seconds of each step in a ledger of that size. Repeatable steps are warmed up first."""
    ledger = bench.create_ledger(ELIGIBLE, closed=size - ELIGIBLE)
    engine = ledger_engine(bench.url(ledger))

    def select(run_id: str) -> Batch:
        return select_fines(engine, PROFILE, SETTINGS, run_id=run_id, as_of=AS_OF)

    def purge(run_id: str) -> None:
        purge_users(engine, PurgeParams(), SETTINGS, run_id=run_id, as_of=AS_OF)

    def waive(run_id: str) -> None:
        chosen = WaiveParams(threshold=Decimal(1000), reason="Amnesty")
        waive_fines(engine, chosen, SETTINGS, run_id=run_id, as_of=AS_OF)

    def life(_run: str) -> None:
        with engine.connect() as connection:
            for name in ("get_fine", "list_journal_entries", "list_ineffective_records"):
                connection.execute(query(f"commands/{name}"), {"fine_id": size}).all()

    steps: dict[str, Callable[[str], object]] = {
        "preview": lambda _run: preview(engine, PROFILE, as_of=AS_OF, limit=50),
        "purge (dry)": purge,
        "waive (dry)": waive,
        "a fine's life": life,
    }
    for step in steps.values():
        step("warm up")
    release_batch(engine, select("warm up").id)
    seconds = {name: _measure_step(partial(step, "timed")) for name, step in steps.items()}
    seconds["select"] = _measure_step(partial(select, "timed"))
    batch = select("timed").id
    with bench.postgres.connect(ledger) as connection:
        connection.execute(
            "INSERT INTO deliveries (batch_id, file_number, kind, run_id, delivered_at)"
            " SELECT id, 1, 'first', run_id, now() FROM batches WHERE id = %s",
            [batch],
        )
    seconds["close"] = _measure_step(partial(close_fines, engine, batch))
    with bench.postgres.connect(ledger) as connection:
        connection.execute("SELECT set_config('bench.batch', %s, false)", [str(batch)])
        connection.execute(PAYMENTS)
    seconds["apply"] = _measure_step(partial(apply_payments, engine, 1, run_id="timed"))
    return seconds


def _measure_step(step: Callable[[], object]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
