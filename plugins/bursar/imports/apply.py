"""Applies the records of a payment file to the fines that they pay, each once.

The rules are in `match_records` and `settle_records` in include/sql/imports: a record is matched by its transaction id,
else by its internal id, and gets one outcome. `user_payments` has what a layout can add.
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
from bursar.imports.unclosed_exports import require_closed_batches
from bursar.imports.user_payments import find_payments_of_users
from bursar.ledger.import_files import FileState, ImportFile, get_import_file
from bursar.ledger.totals import Amounts, OutcomeTotals, sum_by_currency, to_json
from bursar.money import get_currency_decimals, pluralize

log = logging.getLogger(__name__)


def apply_payments(
    engine: Engine, file_id: int, *, run_id: str | None, max_overpayment: int | None = None
) -> ImportFile:
    """Applies all records of a loaded file; does nothing if the file has been applied.

    Few records are applied in one transaction, many in partitions; a repeated call applies those that have no outcome
    yet. The fines of a partition are locked while it is applied, so that their outstanding amounts do not change
    meanwhile.

    Args:
        engine: the ledger.
        file_id: the file.
        run_id: the run that applies the file; another run may have loaded it. None if a person applies it.
        max_overpayment: the largest rest of an overpayment that becomes a credit by itself; None: the amount of the
            fine. A larger rest waits for a person.

    Raises:
        TransientError: a fine of the file is in an export that has not been closed yet, or another worker applies the
            file: repeat the step.
        InputFileError: the file was rejected, or has not been loaded.
        BatchError: counts or sums differ from those of the file. The partition and the file were not applied.
    """
    with engine.begin() as connection:
        file = get_import_file(connection, file_id, lock=True)
        if file.state is FileState.APPLIED:
            log.info("%s has already been applied, at %s. Nothing is applied twice.", file.name, file.applied_at)
            return file
        if file.state is not FileState.READ:
            raise InputFileError(
                f"{file.name} is {file.state.description} and can't be applied. Repeat the task that loads it first."
            )
        log.info("Applying the %s of %s.", pluralize(file.records or 0, "record"), file.name)
        partitions = count_partitions(file.records or 0)
        if file.user_matching or file.has_payment_keys:
            file, partitions = find_payments_of_users(connection, file), 1  # a partition can't see this transaction
        apply = partial(apply_partition, file, max_overpayment=max_overpayment)
        run_partitioned(connection, partitions, apply)
        # The partition of a record follows from its match. A record may find its fine after that partition was applied.
        if connection.execute(query("imports/count_unsettled_records"), {"file_id": file_id}).scalar_one():
            run_partitioned(connection, 1, apply)
        outcomes = _get_outcomes(connection, file)
        connection.execute(
            query("imports/mark_applied"),
            {"file_id": file_id, "outcomes": json.dumps(to_json(outcomes)), "applied_by_run_id": run_id},
        )
        applied = get_import_file(connection, file_id)
    log.info("Applied %s: %s.", applied.name, _describe(outcomes))
    return applied


def apply_partition(
    file: ImportFile, connection: Connection, partition: Mapping[str, int], *, max_overpayment: int | None = None
) -> None:
    """Applies the records of a partition (see `run_partitioned`) that have no outcome.

    Raises:
        TransientError: a record has got its outcome from another worker, after Airflow gave up on this one. Nothing was
            changed.
    """
    parameters = {
        "file_id": file.id,
        "profile": file.profile,
        "amount_mode": file.amount_mode,
        "max_overpayment": max_overpayment,
        "decimals": json.dumps(get_currency_decimals()),
        **partition,
    }
    connection.execute(query("imports/create_matches"))
    connection.execute(query("imports/match_records"), parameters)
    connection.execute(query("imports/analyze_matches"))
    require_closed_batches(file, connection.execute(query("imports/list_unclosed_batches")).all())
    records = _count_records(connection, file, parameters)
    connection.execute(query("imports/lock_fines"), parameters)
    settled = connection.execute(query("imports/settle_records"), parameters).rowcount
    mismatches = connection.execute(query("imports/count_mismatches"), parameters).scalar_one()
    if settled != records:
        raise TransientError(
            f"{file.name}: another worker has applied {records - settled:,} of {pluralize(records, 'record')}. Nothing "
            "was changed. Repeat the step: it applies those that have no outcome."
        )
    if mismatches:
        raise _internal_error(file, f"the outcomes of {pluralize(mismatches, 'record')} do not account for their sums")
    connection.execute(query("imports/post_payments"), parameters)
    connection.execute(query("imports/post_credits"), parameters)


def _count_records(connection: Connection, file: ImportFile, parameters: Mapping[str, Any]) -> int:
    """Returns how many records of a partition have no outcome.

    Raises:
        BatchError: the matches of all partitions differ from the loaded file in counts or sums.
    """
    rows = connection.execute(query("imports/sum_matches"), parameters).all()
    _compare(file, "matched", sum(row.records for row in rows), {row.currency: row.sum for row in rows})
    return sum(row.records_in_partition for row in rows)


def _get_outcomes(connection: Connection, file: ImportFile) -> dict[str, OutcomeTotals]:
    """Returns the outcomes in counts and sums.

    Raises:
        BatchError: they differ from the loaded file.
    """
    rows = connection.execute(query("imports/count_outcomes"), {"file_id": file.id}).all()
    if missing := sum(row.records for row in rows if row.outcome is None):
        raise _internal_error(file, f"{pluralize(missing, 'record')} got no outcome")
    outcomes = {name: _outcome_totals(list(group)) for name, group in groupby(rows, lambda row: str(row.outcome))}
    records = sum(one.records for one in outcomes.values())
    _compare(file, "settled", records, sum_by_currency(one.sums for one in outcomes.values()))
    return outcomes


def _outcome_totals(rows: Sequence[Row[Any]]) -> OutcomeTotals:
    """Returns the totals of the rows of one outcome, one row a currency."""
    return OutcomeTotals(
        sum(row.records for row in rows),
        sums={row.currency: row.sum for row in rows},
        applied={row.currency: row.applied for row in rows},
        credited={row.currency: row.credit_amount for row in rows},
        paid_twice={row.currency: row.paid_twice for row in rows if row.paid_twice},
        held={row.currency: row.held_amount for row in rows if row.held_amount},
    )


def _compare(file: ImportFile, verb: str, records: int, sums: Amounts) -> None:
    found_sums = {currency: amount for currency, amount in sums.items() if amount}
    loaded = {currency: total for currency, total in (file.totals or {}).items() if total}
    if records != file.records or found_sums != loaded:
        raise _internal_error(
            file, f"of {pluralize(file.records or 0, 'record')} with {loaded}, {records:,} with {found_sums} {verb}"
        )


def _internal_error(file: ImportFile, reason: str) -> BatchError:
    return BatchError(
        f"{file.name} was not applied, or not all of it: {reason}. This is an error in Bursar. Keep the file and "
        "report the error; do not have another file sent in its place."
    )


def _describe(outcomes: Mapping[str, OutcomeTotals]) -> str:
    return ", ".join(f"{outcome.records} {name}" for name, outcome in outcomes.items()) or "no records"
