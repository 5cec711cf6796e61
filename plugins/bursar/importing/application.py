"""Application: each record of a file meets the fine that it pays, once.

The rules are SQL, include/sql/import/apply_*.sql: transaction id first, then internal id, and one outcome a record.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError, InputFileError, PassingError
from bursar.ledger.imports import FileState, ImportFile, import_file
from bursar.ledger.shares import in_shares, shares_of
from bursar.ledger.statements import statement
from bursar.money import many

log = logging.getLogger(__name__)


def apply_payments(engine: Engine, file_id: int, *, run: str) -> ImportFile:
    """Applies all records of a file that was read; a file that was applied is left alone.

    Few are applied in one transaction, many in shares; a repeated call applies those that have no outcome yet. `run` is
    the run that applies the file; another may have read it. The fines of a share are locked while it is applied, so
    that what is outstanding stays what it was judged by.

    Raises:
        PassingError: a fine of the file is in an export that is delivered but not closed yet, or somebody else is
            applying the file: try again.
        InputFileError: the file was refused, or has not been read.
        BatchError: counts or sums are not those of the file. Nothing of the share was applied, and the file is not.
    """
    with engine.begin() as connection:
        found = import_file(connection, file_id, lock=True)
        if found.state is FileState.APPLIED:
            log.info("%s was applied before, at %s; nothing is applied twice.", found.name, found.applied_at)
            return found
        if found.state is not FileState.READ:
            raise InputFileError(f"{found.name} is {found.state} and can't be applied. Repeat its reading first.")
        log.info("Applying the %s of %s.", many(found.records or 0, "record"), found.name)
        in_shares(connection, shares_of(found.records or 0), partial(apply_share, found))
        # Whose share a record is follows from its match: one that found its fine only after the share of that was done.
        if connection.execute(statement("import/unsettled"), {"file_id": file_id}).scalar_one():
            in_shares(connection, 1, partial(apply_share, found))
        outcomes = _compared_outcomes(connection, found)
        connection.execute(
            statement("import/apply_record"),
            {"file_id": file_id, "outcomes": json.dumps(outcomes), "applied_by": run},
        )
        applied = import_file(connection, file_id)
    log.info("Applied %s: %s.", applied.name, _in_words(outcomes))
    return applied


def apply_share(found: ImportFile, connection: Connection, share: Mapping[str, int]) -> None:
    """Applies those records of a share (see `in_shares`) that have no outcome.

    Whoever was taken for dead may come here late: it finds fewer of them than it matched, and gives up.
    """
    this = {"file_id": found.id, "amounts": found.amounts, **share}
    connection.execute(statement("import/matched"))
    connection.execute(statement("import/apply_parse"), this)
    connection.execute(statement("import/analyze_matched"))
    _wait_for_exports(connection, found)
    records = _compared_with_the_reading(connection, found, this)
    connection.execute(statement("import/lock_fines"), this)
    settled = connection.execute(statement("import/apply_settle"), this).rowcount
    uneven = connection.execute(statement("import/uneven"), this).scalar_one()
    if settled != records:
        raise PassingError(
            f"{found.name}: of {many(records, 'record')} {records - settled} got their outcome from somebody else "
            "meanwhile. This changed nothing; repeated, it applies what is left."
        )
    if uneven:
        raise _wrong(found, f"the outcomes of {many(uneven, 'record')} do not account for their sums")
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
    """How many records are left in a share, if those of all shares are what the reader counted."""
    rows = connection.execute(statement("import/matched_sums"), this).all()
    _compare(found, "matched", sum(row.records for row in rows), {row.currency: row.sum for row in rows})
    return sum(row.of_share for row in rows)


def _compared_outcomes(connection: Connection, found: ImportFile) -> Mapping[str, Any]:
    """The outcomes in counts and sums, if these are what the reader counted."""
    outcomes: dict[str, dict[str, Any]] = {}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in connection.execute(statement("import/apply_outcomes"), {"file_id": found.id}):
        if row.outcome is None:
            raise _wrong(found, f"{many(row.records, 'record')} got no outcome")
        outcome = outcomes.setdefault(row.outcome, {"records": 0, "sums": {}, "applied": {}, "credited": {}})
        outcome["records"] += row.records
        for name, amount in (("sums", row.sum), ("applied", row.applied), ("credited", row.credited)):
            outcome[name][row.currency] = str(amount)
        if row.paid_twice:
            outcome.setdefault("paid_twice", {})[row.currency] = str(row.paid_twice)
        sums[row.currency] += row.sum
    _compare(found, "settled", sum(outcome["records"] for outcome in outcomes.values()), sums)
    return outcomes


def _compare(found: ImportFile, what: str, records: int, sums: Mapping[str, Decimal]) -> None:
    there = {currency: amount for currency, amount in sums.items() if amount}
    read = {currency: Decimal(total) for currency, total in (found.totals or {}).items() if Decimal(total)}
    if records != found.records or there != read:
        raise _wrong(found, f"of {many(found.records or 0, 'record')} with {read}, {records:,} with {there} {what}")


def _wrong(found: ImportFile, what: str) -> BatchError:
    return BatchError(
        f"{found.name} was not applied, or not all of it: {what}. This is an error in Bursar; keep the file, report "
        "it, and let nothing be sent in its place."
    )


def _in_words(outcomes: Mapping[str, Any]) -> str:
    return ", ".join(f"{outcome['records']} {name}" for name, outcome in outcomes.items()) or "no records"
