"""Approvals: the recorded requests to people, and their answers.

The ledger keeps request and answer. The step that needs an approval reads it here, whatever the state of Airflow's
tasks. Two persons: unless the rules allow it, the person who triggered a run does not approve it. A constraint of the
table rejects such an answer too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import BursarError
from bursar.ledger.jobs import UserJob
from bursar.ledger.totals import Totals, read_totals, to_json
from bursar.profiles.monitoring import ApprovalRules


class ApprovalAnswer(StrEnum):
    """The recorded answer to a request for approval."""

    APPROVED = "approved"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class RejectionReason(DescribedEnum):
    """The reason why an approval by a person has no effect."""

    REQUESTER = "requester", "the person who triggered the run may not approve it (requester_may_approve)"
    NO_APPROVER = "no_approver", "the person is not one of the approvers"
    UNKNOWN = "unknown", "Airflow does not say who has answered"


@dataclass(frozen=True)
class ApprovalSubject:
    """The batch or the run of a maintenance job that needs an approval."""

    batch_id: int | None = None
    job: UserJob | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Figures:
    """The effect of a maintenance job that a person approves: no more may be purged and waived."""

    users: int
    fines: int
    totals: Totals


@dataclass(frozen=True)
class ApprovalRequest:
    """The reasons why a batch or a job has to wait, in sentences, and the recorded answer, None while there is none.

    `times_asked` counts the requests to people: 0 if only the step that needs the approval detected it. `requested_by`
    is the person who triggered the run, None for the schedule. `requested_at` is the moment of the last request, from
    which the time limit counts. `figures` are those of a maintenance job.
    """

    id: int
    reasons: tuple[str, ...]
    answer: ApprovalAnswer | None
    answered_by: str | None
    times_asked: int
    requested_by: str | None
    requester_may_approve: bool
    requested_at: datetime
    figures: Figures | None = None


def get_request(connection: Connection, subject: ApprovalSubject) -> ApprovalRequest | None:
    """Returns the approval request of a batch or a job; None if it has none."""
    row = connection.execute(query("ledger/get_approval"), vars(subject)).one_or_none()
    if row is None:
        return None
    return ApprovalRequest(
        id=row.id,
        reasons=tuple(row.reasons),
        answer=ApprovalAnswer(row.answer) if row.answer else None,
        answered_by=row.answered_by,
        times_asked=row.times_asked,
        requested_by=row.requested_by,
        requester_may_approve=row.requester_may_approve,
        requested_at=row.requested_at,
        figures=None if row.totals is None else Figures(row.users, row.fines, read_totals(row.totals)),
    )


def insert_request(
    connection: Connection,
    subject: ApprovalSubject,
    reasons: Sequence[str],
    rules: ApprovalRules,
    *,
    requested_by: str | None,
    figures: Figures | None = None,
) -> None:
    """Records a request for an approval, unless there is one."""
    connection.execute(
        query("ledger/insert_approval_request"),
        {
            **vars(subject),
            "reasons": list(reasons),
            "requested_by": requested_by,
            "requester_may_approve": rules.requester_may_approve,
            "users": figures and figures.users,
            "fines": figures and figures.fines,
            "totals": json.dumps(to_json(figures.totals)) if figures else None,
        },
    )


def count_request(connection: Connection, request: ApprovalRequest, rules: ApprovalRules) -> None:
    """Counts a request to people, and updates who may answer to the rules of now."""
    connection.execute(
        query("ledger/count_approval_request"),
        {"approval_id": request.id, "requester_may_approve": rules.requester_may_approve},
    )


def reject_answer(
    connection: Connection, request: ApprovalRequest, rules: ApprovalRules, answer: ApprovalAnswer, by: str | None
) -> RejectionReason | None:
    """Records an approval by a person who may not approve, and returns the reason; returns None for any other answer.

    Anybody who can answer may refuse: then nothing happens.
    """
    reason = find_rejection(request, rules, by) if answer is ApprovalAnswer.APPROVED else None
    if reason:
        facts = {"approval_id": request.id, "answer": answer, "answered_by": by, "reason": reason}
        connection.execute(query("ledger/insert_rejected_answer"), facts)
    return reason


def count_rejected_answers(connection: Connection, request: ApprovalRequest) -> int:
    """Counts the approvals of a request by people who may not approve."""
    return int(connection.execute(query("ledger/count_rejected_answers"), {"approval_id": request.id}).scalar_one())


def record_answer(
    connection: Connection, subject: ApprovalSubject, answer: ApprovalAnswer, *, by: str | None
) -> ApprovalRequest:
    """Records the answer to a request, and returns the request; the first answer counts.

    Raises:
        BursarError: nobody was asked, or there is another answer.
    """
    request = get_request(connection, subject)
    if request:
        connection.execute(
            query("ledger/record_approval_answer"), {"approval_id": request.id, "answer": answer, "answered_by": by}
        )
        request = get_request(connection, subject)
    if request is None or request.answer != answer:
        name = f"Batch {subject.batch_id}" if subject.batch_id else f"Run {subject.run_id}"
        raise BursarError(f"{name} was {request.answer if request else 'not asked about'} before.")
    return request


def find_rejection(request: ApprovalRequest, rules: ApprovalRules, by: str | None) -> RejectionReason | None:
    """Returns the reason why a person may not approve a request, None if the person may."""
    if not request.requester_may_approve:
        if by is None:
            return RejectionReason.UNKNOWN
        if by.casefold() == (request.requested_by or "").casefold():
            return RejectionReason.REQUESTER
    if rules.approvers and by not in {approver.name for approver in rules.approver_users}:
        return RejectionReason.NO_APPROVER
    return None
