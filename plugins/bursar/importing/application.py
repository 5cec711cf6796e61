"""Application: each record of a file meets the fine that it pays, once.

The rules are SQL, include/sql/import/apply_*.sql: transaction id first, then internal id, and one outcome a record.
"""

import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError, InputFileError, PassingError
from bursar.ledger.imports import FileState, ImportFile, import_file
from bursar.ledger.shares import forget_shares, in_shares
from bursar.ledger.statements import statement
from bursar.money import many

log = logging.getLogger(__name__)


def apply_payments(engine: Engine, file_id: int, *, run: str) -> ImportFile:
    """Applies all records of a file that was read, in shares; a file that was applied is left alone.

    `run` is the run that applies it; another may have read it. The fines of a share are locked while it is applied, so
    that what is outstanding stays what it was judged by.

    Raises:
        PassingError: a fine of the file is in an export that is delivered but not closed yet: try again.
        InputFileError: the file was refused, or has not been read.
        BatchError: counts or sums of the outcomes are not those of the file; nothing of the share was applied.
    """
    with engine.begin() as connection:
        found = import_file(connection, file_id, lock=True)
        if found.state is FileState.APPLIED:
            log.info("%s was applied before, at %s; nothing is applied twice.", found.name, found.applied_at)
            return found
        if found.state is not FileState.READ:
            raise InputFileError(f"{found.name} is {found.state} and can't be applied. Repeat its reading first.")
        log.info("Applying the %s of %s.", many(found.records or 0, "record"), found.name)
        in_shares(engine, "apply", file_id, found.records or 0, partial(_apply_share, found))
        outcomes = _outcomes(connection, file_id)
        connection.execute(
            statement("import/apply_record"),
            {"file_id": file_id, "outcomes": json.dumps(outcomes), "applied_by": run},
        )
        forget_shares(connection, "apply", file_id)
        applied = import_file(connection, file_id)
    log.info("Applied %s: %s.", applied.name, _in_words(outcomes))
    return applied


def _apply_share(found: ImportFile, connection: Connection, share: Mapping[str, int]) -> None:
    this = {"file_id": found.id, "amounts": found.amounts, **share}
    connection.execute(statement("import/matched"))
    connection.execute(statement("import/apply_parse"), this)
    connection.execute(statement("import/analyze_matched"))
    _wait_for_exports(connection, found)
    records = _compared_with_the_reading(connection, found, this)
    connection.execute(statement("import/lock_fines"), this)
    settled = connection.execute(statement("import/apply_settle"), this).rowcount
    uneven = connection.execute(statement("import/uneven"), this).scalar_one()
    if settled != records or uneven:
        raise BatchError(
            f"{found.name} was not applied: {settled} of {records} records have an outcome, and {uneven} one that "
            "does not account for their sum. This is an error in Bursar; keep the file and report it."
        )
    connection.execute(statement("import/apply_payments"), this)
    connection.execute(statement("import/apply_credits"), this)


def _wait_for_exports(connection: Connection, found: ImportFile) -> None:
    unclosed = connection.execute(statement("import/apply_unclosed_batches")).all()
    if unclosed:
        batches = ", ".join(f"{row.id} of {row.profile}" for row in unclosed)
        raise PassingError(
            f"{found.name} pays fines of an export that has not closed them yet (batch {batches}). The file waits "
            "until it has; if it does not, see `bin/bursar batches`."
        )


def _compared_with_the_reading(connection: Connection, found: ImportFile, this: Mapping[str, Any]) -> int:
    """How many records are in a share, if those of all shares are what the reader counted."""
    rows = connection.execute(statement("import/matched_sums"), this).all()
    records = sum(row.records for row in rows)
    sums = {row.currency: row.sum for row in rows if row.sum}
    read = {currency: Decimal(total) for currency, total in (found.totals or {}).items() if Decimal(total)}
    if records != found.records or sums != read:
        raise BatchError(
            f"{found.name} was not applied: it holds {found.records} records with {read}, and {records} with {sums} "
            "were matched. This is an error in Bursar; keep the file and report it."
        )
    return sum(row.of_share for row in rows)


def _outcomes(connection: Connection, file_id: int) -> Mapping[str, Any]:
    outcomes: dict[str, dict[str, Any]] = {}
    for row in connection.execute(statement("import/apply_outcomes"), {"file_id": file_id}):
        outcome = outcomes.setdefault(row.outcome, {"records": 0, "sums": {}, "applied": {}, "credited": {}})
        outcome["records"] += row.records
        for name, amount in (("sums", row.sum), ("applied", row.applied), ("credited", row.credited)):
            outcome[name][row.currency] = str(amount)
        if row.paid_twice:
            outcome.setdefault("paid_twice", {})[row.currency] = str(row.paid_twice)
    return outcomes


def _in_words(outcomes: Mapping[str, Any]) -> str:
    return ", ".join(f"{outcome['records']} {name}" for name, outcome in outcomes.items()) or "no records"
