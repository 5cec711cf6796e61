"""Application: each record of a file meets the fine that it pays, once.

The rules are SQL, include/sql/import/apply_*.sql: transaction id first, then internal id, and one outcome a record.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError, InputFileError, PassingError
from bursar.ledger.imports import FileState, ImportFile, import_file
from bursar.ledger.statements import statement
from bursar.money import many

log = logging.getLogger(__name__)

EFFECTIVE = ("PAID", "PARTLY_PAID", "OVERPAID")
"""The outcomes that move money; the others change nothing, and their records are in the rejects report."""


def apply_payments(engine: Engine, file_id: int, *, run: str) -> ImportFile:
    """Applies all records of a file that was read, in one transaction; a file that was applied is left alone.

    `run` is the run that applies it; another may have read it.

    While it runs no other change of a balance does, so that what is outstanding stays what it was judged by.

    Raises:
        PassingError: a fine of the file is in an export that is delivered but not closed yet: try again.
        InputFileError: the file was refused, or has not been read.
        BatchError: counts or sums of the outcomes are not those of the file; nothing was applied.
    """
    log.info("Applying file %s, once no other job changes balances.", file_id)
    with engine.begin() as connection:
        connection.execute(statement("export/freeze_ledger"))
        found = import_file(connection, file_id, lock=True)
        if found.state is FileState.APPLIED:
            log.info("%s was applied before, at %s; nothing is applied twice.", found.name, found.applied_at)
            return found
        if found.state is not FileState.READ:
            raise InputFileError(f"{found.name} is {found.state} and can't be applied. Repeat its reading first.")
        log.info("Matching the %s of %s with the fines that they pay.", many(found.records or 0, "record"), found.name)
        this = {"file_id": file_id}
        connection.execute(statement("import/matched"))
        connection.execute(statement("import/apply_parse"), this)
        connection.execute(statement("import/analyze_matched"))
        _wait_for_exports(connection, found)
        connection.execute(statement("import/apply_settle"), this | {"amounts": found.amounts})
        log.info("Each record has its outcome; the payments are written to the ledger.")
        connection.execute(statement("import/apply_payments"), this)
        connection.execute(statement("import/apply_credits"), this)
        outcomes = _compared_outcomes(connection, found)
        connection.execute(
            statement("import/apply_record"), this | {"outcomes": json.dumps(outcomes), "applied_by": run}
        )
        applied = import_file(connection, file_id)
    log.info("Applied %s: %s.", applied.name, _in_words(outcomes))
    return applied


def _wait_for_exports(connection: Connection, found: ImportFile) -> None:
    unclosed = connection.execute(statement("import/apply_unclosed_batches")).all()
    if unclosed:
        batches = ", ".join(f"{row.id} of {row.profile}" for row in unclosed)
        raise PassingError(
            f"{found.name} pays fines of an export that has not closed them yet (batch {batches}). The file waits "
            "until it has; if it does not, see `bin/bursar batches`."
        )


def _compared_outcomes(connection: Connection, found: ImportFile) -> Mapping[str, Any]:
    """The outcomes in counts and sums, compared with what the reader counted."""
    outcomes: dict[str, dict[str, Any]] = {}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    uneven = False
    for row in connection.execute(statement("import/apply_outcomes"), {"file_id": found.id}):
        outcome = outcomes.setdefault(row.outcome, {"records": 0, "sums": {}, "applied": {}, "credited": {}})
        outcome["records"] += row.records
        for name, amount in (("sums", row.sum), ("applied", row.applied), ("credited", row.credited)):
            outcome[name][row.currency] = str(amount)
        if row.paid_twice:
            outcome.setdefault("paid_twice", {})[row.currency] = str(row.paid_twice)
        sums[row.currency] += row.sum
        if row.outcome in EFFECTIVE and found.amounts == "incremental":
            uneven |= row.sum != row.applied + row.credited + row.settled_before
    records = sum(outcome["records"] for outcome in outcomes.values())
    read = {currency: Decimal(total) for currency, total in (found.totals or {}).items()}
    if uneven or records != found.records or _without_zeros(sums) != _without_zeros(read):
        raise BatchError(
            f"{found.name} was not applied: it holds {found.records} records with {read}, its outcomes have {records} "
            f"with {dict(sums)}. This is an error in Bursar; keep the file and report it."
        )
    return outcomes


def _without_zeros(sums: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in sums.items() if amount}


def _in_words(outcomes: Mapping[str, Any]) -> str:
    return ", ".join(f"{outcome['records']} {name}" for name, outcome in outcomes.items()) or "no records"
