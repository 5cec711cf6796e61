"""The values of each enumeration are those of the ledger's constraints, columns and statements."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import get_args

import pytest
from sqlalchemy import Engine, text

from bursar.db.queries import query
from bursar.exports.skip_reason import SkipReason
from bursar.imports.overpayments import HeldDecision
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.ledger.approvals import ApprovalAnswer, RejectionReason
from bursar.ledger.batches import BatchState
from bursar.ledger.deliveries import DeliveryKind, DeliveryState, UnclearReason
from bursar.ledger.entry_type import EntryType, FineStatus
from bursar.ledger.import_files import APPLIED_OUTCOMES, FileState, PaymentOutcome
from bursar.ledger.jobs import Job, UserJob
from bursar.profiles import Import
from bursar.reporting.run_report import RunOutcome
from bursar.users.keep_reason import KeepReason

_LITERAL = re.compile(r"'([^']+)'::text")
_REASON = re.compile(r"THEN '([a-z_]+)'")


def get_column_values(ledger: Engine, table: str, column: str) -> set[str]:
    """Returns the values in the check constraint of a column, or in the expression of a generated one."""
    definitions = """
        SELECT pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
        WHERE contype = 'c' AND conrelid = CAST(:table AS regclass) AND attname = :column
        UNION ALL
        SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
        JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE attgenerated <> '' AND adrelid = CAST(:table AS regclass) AND attname = :column
    """
    with ledger.connect() as connection:
        found = connection.execute(text(definitions), {"table": table, "column": column}).scalars().all()
    return set(_LITERAL.findall(" ".join(found)))


@pytest.mark.parametrize(
    ("table", "column", "enumeration"),
    [
        ("journal_entries", "entry_type", EntryType),
        ("fines", "status", FineStatus),
        ("import_records", "outcome", PaymentOutcome),
        ("run_reports", "job", Job),
        ("run_reports", "outcome", RunOutcome),
        ("approvals", "answer", ApprovalAnswer),
        ("rejected_answers", "reason", RejectionReason),
        ("deliveries", "state", DeliveryState),
        ("deliveries", "unclear_reason", UnclearReason),
        ("import_files", "state", FileState),
        ("import_records", "held_decision", HeldDecision),
    ],
)
def test_a_column_and_its_enumeration_have_the_same_values(
    ledger: Engine, table: str, column: str, enumeration: type[StrEnum]
) -> None:
    assert get_column_values(ledger, table, column) == set(enumeration)


def test_the_states_of_a_batch_include_those_of_its_delivery(ledger: Engine) -> None:
    with ledger.connect() as connection:
        view = connection.execute(text("SELECT pg_get_viewdef('batches_with_state'::regclass)")).scalar_one()
    own = {value for value in _LITERAL.findall(view) if value.isupper()}
    assert (own | set(DeliveryState)) - {DeliveryState.REQUESTED} == set(BatchState)


def test_literal_types_have_the_values_of_their_columns(ledger: Engine) -> None:
    assert get_column_values(ledger, "maintenance_jobs", "job") == set(get_args(UserJob))
    assert get_column_values(ledger, "deliveries", "kind") == set(get_args(DeliveryKind))
    modes = Import.model_fields["amount_mode"].annotation
    assert get_column_values(ledger, "import_files", "amount_mode") == set(get_args(modes))


@pytest.mark.parametrize(
    ("reasons", "statements"),
    [
        ([reason for reason in SkipReason if not reason.is_of_layout], ["exports/select_candidates"]),
        (KeepReason, ["users/select_candidate_users", "users/select_candidate_fines"]),
    ],
)
def test_reasons_are_those_of_the_selecting_statements(reasons: Iterable[StrEnum], statements: list[str]) -> None:
    assert {reason for name in statements for reason in _REASON.findall(str(query(name)))} == set(reasons)


def test_the_rules_of_an_export_are_in_the_order_of_the_reasons() -> None:
    reasons = dict.fromkeys(_REASON.findall(str(query("exports/select_candidates"))))
    assert [*reasons, *UnfitReason] == list(SkipReason)


def test_applied_outcomes_are_those_of_the_statements() -> None:
    unremarkable = re.search(r"outcome NOT IN \(([^)]*)\)", str(query("imports/list_rejects")))
    settle = re.search(r"outcome IN \(([^)]*)\)", str(query("imports/settle_records")))
    of_a_person = {PaymentOutcome.OVERPAID_HELD, PaymentOutcome.PAYMENT_REVERSED}
    for found, known in (
        (unremarkable, APPLIED_OUTCOMES - of_a_person | {PaymentOutcome.REPEATED}),
        (settle, APPLIED_OUTCOMES),
    ):
        assert found
        assert set(re.findall(r"'([A-Z_]+)'", found[1])) == known
