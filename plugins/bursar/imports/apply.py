"""Application: each record of a file meets the fine that it pays, once.

The rules are SQL, include/sql/import/apply_*.sql: transaction id first, then internal id, and one outcome a record.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Row

from bursar.db.partitions import count_partitions, run_partitioned
from bursar.db.queries import query
from bursar.errors import BatchError, InputFileError, TransientError
from bursar.ledger.import_files import FileState, ImportFile, get_import_file
from bursar.ledger.totals import Amounts, OutcomeTotals, sum_by_currency, to_json
from bursar.money import pluralize

log = logging.getLogger(__name__)


def apply_payments(engine: Engine, file_id: int, *, run_id: str) -> ImportFile:
    """Applies all records of a file that was read; a file that was applied is left alone.

    A small file is applied in one transaction, a large one in partitions. A repeated call applies the records that have
    no outcome yet. `run_id` is the run that applies the file; another may have read it. The fines of a partition are
    locked while it is applied, so that their outstanding amounts stay the same.

    Raises:
        TransientError: a fine of the file is in an export that is delivered but not closed yet, or somebody else is
            applying the file: try again.
        InputFileError: the file was refused, or has not been read.
        BatchError: counts or sums are not those of the file. Nothing of the partition was applied, and the file is not.
    """
    with engine.begin() as connection:
        found = get_import_file(connection, file_id, lock=True)
        if found.state is FileState.APPLIED:
            log.info("%s was applied before, at %s; nothing is applied twice.", found.name, found.applied_at)
            return found
        if found.state is not FileState.READ:
            raise InputFileError(f"{found.name} is {found.state} and can't be applied. Repeat its reading first.")
        log.info("Applying the %s of %s.", pluralize(found.records or 0, "record"), found.name)
        run_partitioned(connection, count_partitions(found.records or 0), partial(apply_partition, found))
        # The partition of a record follows from its match. A record may find its fine after that partition was applied.
        if connection.execute(query("imports/list_unsettled_files"), {"file_id": file_id}).scalar_one():
            run_partitioned(connection, 1, partial(apply_partition, found))
        outcomes = _compared_outcomes(connection, found)
        connection.execute(
            query("imports/mark_applied"),
            {"file_id": file_id, "outcomes": json.dumps(to_json(outcomes)), "applied_by_run_id": run_id},
        )
        applied = get_import_file(connection, file_id)
    log.info("Applied %s: %s.", applied.name, _describe(outcomes))
    return applied


def apply_partition(found: ImportFile, connection: Connection, partition: Mapping[str, int]) -> None:
    """Applies the records of a partition (see `run_partitioned`) that have no outcome.

    Raises:
        TransientError: a record has got its outcome from another worker, after Airflow gave up on this one. Nothing was
            changed.
    """
    this = {"file_id": found.id, "amount_mode": found.amount_mode, **partition}
    connection.execute(query("imports/create_matches"))
    connection.execute(query("imports/match_records"), this)
    connection.execute(query("imports/analyze_matches"))
    _wait_for_exports(connection, found)
    records = _compared_with_the_reading(connection, found, this)
    connection.execute(query("imports/lock_fines"), this)
    settled = connection.execute(query("imports/settle_records"), this).rowcount
    uneven = connection.execute(query("imports/count_mismatches"), this).scalar_one()
    if settled != records:
        raise TransientError(
            f"{found.name}: of {pluralize(records, 'record')} {records - settled} got their outcome from somebody else "
            "meanwhile. This changed nothing; repeated, it applies what is left."
        )
    if uneven:
        raise _wrong(found, f"the outcomes of {pluralize(uneven, 'record')} do not account for their sums")
    connection.execute(query("imports/post_payments"), this)
    connection.execute(query("imports/post_credits"), this)


def _wait_for_exports(connection: Connection, found: ImportFile) -> None:
    unclosed = connection.execute(query("imports/list_unclosed_batches")).all()
    if unclosed:
        batches = ", ".join(f"{row.id} of {row.profile}" for row in unclosed)
        raise TransientError(
            f"{found.name} pays fines of an export that has not closed them yet (batch {batches}). The file waits "
            "until it has; if it does not, see `bin/bursar batches list`."
        )


def _compared_with_the_reading(connection: Connection, found: ImportFile, this: Mapping[str, Any]) -> int:
    """Returns the number of records left in a partition, if all partitions hold what the reader counted."""
    rows = connection.execute(query("imports/sum_matches"), this).all()
    _compare(found, "matched", sum(row.records for row in rows), {row.currency: row.sum for row in rows})
    return sum(row.records_of_partition for row in rows)


def _compared_outcomes(connection: Connection, found: ImportFile) -> dict[str, OutcomeTotals]:
    """The outcomes in counts and sums, if these are what the reader counted."""
    rows = connection.execute(query("imports/count_outcomes"), {"file_id": found.id}).all()
    if missing := sum(row.records for row in rows if row.outcome is None):
        raise _wrong(found, f"{pluralize(missing, 'record')} got no outcome")
    outcomes = {name: _outcome_totals(list(group)) for name, group in groupby(rows, lambda row: str(row.outcome))}
    records = sum(one.records for one in outcomes.values())
    _compare(found, "settled", records, sum_by_currency(one.sums for one in outcomes.values()))
    return outcomes


def _outcome_totals(rows: Sequence[Row[Any]]) -> OutcomeTotals:
    """Returns the totals of the rows of one outcome, one row a currency."""
    return OutcomeTotals(
        sum(row.records for row in rows),
        sums={row.currency: row.sum for row in rows},
        applied={row.currency: row.applied for row in rows},
        credited={row.currency: row.credit_amount for row in rows},
        paid_twice={row.currency: row.paid_twice for row in rows if row.paid_twice},
    )


def _compare(found: ImportFile, what: str, records: int, sums: Amounts) -> None:
    there = {currency: amount for currency, amount in sums.items() if amount}
    read = {currency: total for currency, total in (found.totals or {}).items() if total}
    if records != found.records or there != read:
        raise _wrong(
            found, f"of {pluralize(found.records or 0, 'record')} with {read}, {records:,} with {there} {what}"
        )


def _wrong(found: ImportFile, what: str) -> BatchError:
    return BatchError(
        f"{found.name} was not applied, or not all of it: {what}. This is an error in Bursar; keep the file, report "
        "it, and let nothing be sent in its place."
    )


def _describe(outcomes: Mapping[str, OutcomeTotals]) -> str:
    return ", ".join(f"{outcome.records} {name}" for name, outcome in outcomes.items()) or "no records"
