"""Exports beyond their limits: they wait for a person's approval, and its answer decides what follows.

The module is long because the cases are tables of limits and reasons.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar.errors import BatchError, BursarError
from bursar.exports import approval
from bursar.exports.recover import record_answer
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.approvals import ApprovalAnswer
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles.monitoring import Approval
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery

ANY = Approval(max_fines=0)


def select_batch(library: Library, *amounts: str, currency: str = "USD", run_id: str = "today") -> Batch:
    """Selects a batch of one user's fines of these amounts."""
    user = library.user()
    for amount in amounts:
        library.fine(user, amount, currency=currency)
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW + timedelta(days=1))


def add_past_export(library: Library, fines: int, charges: str, profile: str = "STUDENTS") -> None:
    """Adds a completed export to the history of a profile."""
    totals = json.dumps({"USD": {"charges": charges, "credits": "0"}})
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, "
                "output_file_path,"
                " users, fines, totals, skipped, closed_at) VALUES (:profile, gen_random_uuid(), now(),"
                " true, '{}', 'x', 'out', 1, :fines, :totals, '{}', now())"
            ),
            {"profile": profile, "fines": fines, "totals": totals},
        )


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({}, None),
        ({"max_fines": 3}, None),
        ({"max_fines": 2}, ("3 fines: more than the limit of 2.",)),
        ({"max_amount": 30}, None),
        ({"max_amount": 29}, ("Charges of 30.00 USD: more than the limit of 29.00 USD.",)),
        ({"max_amount": 4}, ("Charges of 30.00 USD: more than the limit of 4.00 USD.",
                        "Credits of -5.00 USD: more than the limit of 4.00 USD.")),
        ({"max_fines": 0, "max_amount": 30}, ("3 fines: more than the limit of 0.",)),
    ],
)  # fmt: skip
def test_a_batch_beyond_a_limit_needs_an_approval_with_the_reasons(
    library: Library, limits: dict[str, Any], reasons: tuple[str, ...] | None
) -> None:
    batch = select_batch(library, "10", "20", "-5")

    found = approval.request_approval(library.ledger, batch.id, Approval.model_validate(limits))

    assert (found and found.reasons) == reasons


@pytest.mark.parametrize(
    ("before", "amounts", "reasons"),
    [
        ([(1, "10"), (1, "10")], ["1000"] * 3, None),  # two exports are too few for a median
        (
            [(1, "10"), (2, "20"), (99, "9000")],
            ["20", "20", "0.01"],
            ("Charges of 40.01 USD: more than 2 times the usual 20.00 USD.",),
        ),
        ([(1, "10"), (2, "20"), (99, "9000")], ["10", "10", "10", "10"], None),
        ([(1, "10"), (2, "20"), (99, "9000")], ["1"] * 5, ("5 fines: more than 2 times the usual 2.",)),
        ([(0, "0")] * 9 + [(5, "50")] * 2, ["10"] * 11, None),  # exports without fines do not count
    ],
)  # fmt: skip
def test_a_batch_is_compared_with_the_median_of_earlier_exports(
    library: Library, before: list[tuple[int, str]], amounts: list[str], reasons: tuple[str, ...] | None
) -> None:
    for fines, charges in before:
        add_past_export(library, fines, charges)
    for _ in range(10):
        add_past_export(library, 1, "1", profile="OTHER")

    found = approval.request_approval(
        library.ledger, select_batch(library, *amounts).id, Approval(max_ratio_to_median=2)
    )

    assert (found and found.reasons) == reasons


def test_a_currency_that_was_never_exported_needs_an_approval(library: Library) -> None:
    for _ in range(3):
        add_past_export(library, 1, "10")

    found = approval.request_approval(
        library.ledger, select_batch(library, "1", currency="CAD").id, Approval(max_ratio_to_median=2)
    )

    assert found
    assert found.reasons == ("Charges of 1.00 CAD: more than 2 times the usual 0.00 CAD.",)


def test_only_the_last_exports_count_for_the_median(library: Library) -> None:
    for charges in ["1000"] * 10 + ["10"] * 10:
        add_past_export(library, 1, charges)

    assert approval.request_approval(library.ledger, select_batch(library, "30").id, Approval(max_ratio_to_median=2))


def test_an_approved_batch_needs_no_other_approval(library: Library) -> None:
    batch = select_batch(library, "10")
    approval.request_approval(library.ledger, batch.id, ANY)
    with pytest.raises(BatchError, match="was not uploaded: it is beyond the limits .* no answer is recorded"):
        approval.require_approved(library.ledger, batch.id, ANY)

    assert record_answer(library.ledger, batch.id, ApprovalAnswer.APPROVED, by="admin").state is BatchState.SELECTED

    approval.require_approved(library.ledger, batch.id, ANY)
    again = approval.request_approval(library.ledger, batch.id, ANY)
    assert again
    assert (again.reasons, again.answer, again.answered_by, again.times_asked) == (
        ("1 fine: more than the limit of 0.",),
        ApprovalAnswer.APPROVED,
        "admin",
        1,
    )


@pytest.mark.parametrize(
    ("answer", "by", "reason"),
    [
        (ApprovalAnswer.REFUSED, "admin", "a person refused it"),
        (ApprovalAnswer.UNANSWERED, None, "nobody answered in time"),
    ],
)
def test_a_refused_or_unanswered_batch_is_released(
    library: Library, answer: ApprovalAnswer, by: str | None, reason: str
) -> None:
    batch = select_batch(library, "10")
    approval.request_approval(library.ledger, batch.id, ANY)

    for _ in range(2):
        assert record_answer(library.ledger, batch.id, answer, by=by).state is BatchState.RELEASED

    assert library.one("SELECT count(*) FROM batch_claims") == 0
    with pytest.raises(BatchError, match=f"was not uploaded: {reason}.* It has been released"):
        approval.require_approved(library.ledger, batch.id, ANY)
    assert select_batch(library, run_id="tomorrow").fines == 1


def test_the_first_answer_counts(library: Library) -> None:
    batch = select_batch(library, "10")
    approval.request_approval(library.ledger, batch.id, ANY)
    record_answer(library.ledger, batch.id, ApprovalAnswer.REFUSED, by="admin")

    with pytest.raises(BursarError, match=f"Batch {batch.id} was refused before"):
        record_answer(library.ledger, batch.id, ApprovalAnswer.APPROVED, by="somebody")


def test_a_batch_within_the_limits_needs_no_approval(library: Library) -> None:
    batch = select_batch(library, "10")
    limits = Approval(max_fines=1, max_amount=10)

    assert approval.request_approval(library.ledger, batch.id, limits) is None
    approval.require_approved(library.ledger, batch.id, limits)
    assert library.one("SELECT count(*) FROM approvals") == 0


def test_a_batch_without_a_request_is_not_uploaded_and_the_request_is_recorded(library: Library) -> None:
    batch = select_batch(library, "10", "20")

    for _ in range(2):
        with pytest.raises(BatchError) as refused:
            approval.require_approved(library.ledger, batch.id, Approval(max_fines=1))

    assert str(refused.value) == (
        f"Batch {batch.id} was not uploaded: it is beyond the limits of its profile, and nobody was asked to approve "
        "it. 2 fines: more than the limit of 1. Clear the task wait_for_approval of run today, and answer it "
        "under Required Actions. If the run has no such task any more, start the DAG anew: it releases the batch, and "
        "selects its fines again."
    )
    asked = approval.request_approval(library.ledger, batch.id, Approval(max_fines=1))
    assert asked
    assert (asked.reasons, asked.answer, asked.times_asked) == (("2 fines: more than the limit of 1.",), None, 1)
    record_answer(library.ledger, batch.id, ApprovalAnswer.APPROVED, by="admin")
    approval.require_approved(library.ledger, batch.id, Approval(max_fines=1))


def test_a_request_is_not_affected_by_later_limits(library: Library) -> None:
    waits, approved = select_batch(library, "10", run_id="waits"), select_batch(library, "10", run_id="approved")
    for batch in (waits, approved):
        approval.request_approval(library.ledger, batch.id, ANY)
    record_answer(library.ledger, approved.id, ApprovalAnswer.APPROVED, by="admin")

    for limits in (Approval(), Approval(max_fines=100), Approval(max_fines=0, max_amount=0)):
        approval.require_approved(library.ledger, approved.id, limits)
        with pytest.raises(BatchError, match="no answer is recorded"):
            approval.require_approved(library.ledger, waits.id, limits)
        again = approval.request_approval(library.ledger, waits.id, limits)
        assert again
        assert again.reasons == ("1 fine: more than the limit of 0.",)


def test_lower_limits_apply_to_a_batch_whose_upload_has_not_started(library: Library) -> None:
    within, started = select_batch(library, "10", run_id="within"), select_batch(library, "10", run_id="started")
    for batch in (within, started):
        assert approval.request_approval(library.ledger, batch.id, Approval(max_fines=1)) is None
    record_delivery(library.ledger, started.id, "upload_started")

    approval.require_approved(library.ledger, started.id, ANY)
    with pytest.raises(BatchError, match="nobody was asked to approve it. 1 fine: more than the limit of 0. Clear"):
        approval.require_approved(library.ledger, within.id, ANY)


@pytest.mark.parametrize("answer", [None, ApprovalAnswer.REFUSED])
def test_the_next_run_uploads_no_batch_without_its_approval(
    library: Library, bursar: ExportServer, tmp_path: Path, answer: ApprovalAnswer | None
) -> None:
    """The approval was requested after the upload had started under higher limits."""
    batch = select_batch(library, "10")
    with pytest.raises(KilledError):
        upload_file(library.ledger, batch.id, bursar.open(kill_at=2), tmp_path)
    library._run(  # noqa: SLF001
        "INSERT INTO approvals (batch_id, reasons, times_asked) VALUES (:batch, '{Too many.}', 1)", batch=batch.id
    )
    if answer:
        with pytest.raises(BatchError, match="may be in"):
            record_answer(library.ledger, batch.id, answer, by="admin")

    def recover() -> list[Batch]:
        return bursar.recover_batches(library, tmp_path)

    with pytest.raises(BatchError) as refused:
        recover()

    assert batch.file_name not in bursar.files()
    if answer:
        assert f"Look for {batch.file_name} in sftp://{bursar.host}/out" in str(refused.value)
    else:
        assert "Clear the task wait_for_approval of run today" in str(refused.value)
        assert approval.request_approval(library.ledger, batch.id, ANY)
        record_answer(library.ledger, batch.id, ApprovalAnswer.APPROVED, by="admin")
        assert [ended.state for ended in recover()] == [BatchState.CLOSED]
        assert list(bursar.files()) == [batch.file_name]


def test_a_delivered_batch_needs_no_approval(library: Library) -> None:
    batch = select_batch(library, "10")
    record_delivery(library.ledger, batch.id)

    assert approval.request_approval(library.ledger, batch.id, ANY) is None
    approval.require_approved(library.ledger, batch.id, ANY)
