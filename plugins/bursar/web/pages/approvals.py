"""A request for approval, and its answer, which the page's script gives to Airflow with the person's own rights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection, Row

from bursar.airflow.dag_ids import dag_id
from bursar.airflow.profile_store import get_pinned_profile, load_all_profiles
from bursar.db.queries import query
from bursar.ledger.approvals import ApprovalRequest, ApprovalSubject, find_rejection, get_request
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.jobs import Job
from bursar.ledger.totals import Totals
from bursar.money import format_money
from bursar.profiles.monitoring import ApprovalRules
from bursar.reporting.run_description import count_fines, make_tables
from bursar.web import views
from bursar.web.accesses import record_access
from bursar.web.airflow_runs import APPROVAL_TASK, get_run, run_path
from bursar.web.fine_types import describe_fine_type
from bursar.web.pages.batch_decisions import describe_batch
from bursar.web.pages.profiles import list_profile_names
from bursar.web.pages.reports import Id
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PAGE_LENGTH, read_ledger, render, settings

router = APIRouter()


@dataclass(frozen=True)
class Case:
    """The batch or the run of a job over users that a person approves."""

    job: Job
    profile: str | None
    run_id: str
    request: ApprovalRequest
    totals: Totals
    facts: list[tuple[str, str]]
    batch: Batch | None = None

    @property
    def dag(self) -> str:
        """The id of its DAG."""
        return dag_id(self.job, self.profile)


@router.get("/approvals/{approval}", name="show_approval")
def show_approval(request: Request, person: CurrentPerson, approval: Id) -> Response:
    """Shows a request for approval with its reasons and fines, and the buttons to answer it."""
    with read_ledger() as connection:
        case = _get_case(connection, approval)
        if case.profile is None:
            require(person.may_act(None, case.job), f"trigger the DAG {case.dag}")
        else:
            require(person.may_see(case.profile), f"read the DAGs of profile {case.profile}")
        lines = _list_lines(connection, person, case.batch) if case.batch else []
    record_access(person, (line.user_id for line in lines))
    answered = case.request.answer
    name = case.job.display_name(list_profile_names(person).get(case.profile or "", case.profile))
    by = f" by {case.request.answered_by}" if case.request.answered_by else ""
    return render(
        request,
        "approval",
        section="show_waiting",
        title=name if answered else f"Approve {name}?",
        answer=f"{answered}{by}" if answered else "",
        obstacle="" if answered else _find_obstacle(person, case),
        rejection=None if answered else find_rejection(case.request, _get_rules(case), person.name),
        reasons=case.request.reasons,
        facts=case.facts,
        tables=make_tables(case.totals, {}, {}),
        batch=case.batch,
        dag=case.dag,
        run_id=case.run_id,
        answer_path=f"{run_path(case.dag, case.run_id)}/taskInstances/{APPROVAL_TASK}/-1/hitlDetails",
        lines=[
            (
                line.patron_name,
                line.identifier,
                describe_fine_type(line.fine_fee_type),
                str(line.fine_id),
                format_money(line.amount, line.currency),
            )
            for line in lines
        ],
    )


def _list_lines(connection: Connection, person: Person, batch: Batch) -> Sequence[Row[Any]]:
    """Returns the first fines of a batch, for those who may see names; the page of the batch has all."""
    if not person.may_see_names(batch.profile):
        return []
    parameters = {"batch_id": batch.id, "after": 0, "limit": PAGE_LENGTH}
    return connection.execute(query("web/list_batch_lines"), parameters).all()


def _get_case(connection: Connection, approval: int) -> Case:
    row = connection.execute(query("web/get_approval"), {"id": approval}).one_or_none()
    if row is None:
        raise HTTPException(404)
    found = get_request(connection, ApprovalSubject(row.batch_id, row.job, row.run_id))
    if found is None:
        raise HTTPException(404)
    if row.batch_id:
        batch = get_batch(connection, row.batch_id)
        facts = [("Batch", str(batch.id)), *describe_batch(batch)]
        return Case(Job.EXPORT, batch.profile, batch.run_id, found, batch.totals, facts, batch)
    job = Job(row.job)
    figures = found.figures
    facts = [("Triggered by", found.requested_by or "")]
    if figures:
        facts.insert(0, ("Fines" if job is Job.WAIVE else "Users and fines", count_fines(figures.fines, figures.users)))
    return Case(job, None, row.run_id, found, figures.totals if figures else {}, facts)


def _find_obstacle(person: Person, case: Case) -> str:
    """Returns a sentence on why the person can't answer now, or an empty text."""
    if case.batch and case.batch.state is BatchState.RELEASED:
        return "The batch has been released: its fines are open again, and it is never sent. The next export asks anew."
    if not person.may_act(case.profile, case.job):
        return f"You may look at it. To answer, you need the right to trigger the DAG {case.dag}."
    if not get_run(case.dag, case.run_id).waits_for_approval:
        return (
            f"Its run does not wait for an answer at the moment. If it has ended, clear its task {APPROVAL_TASK} in "
            "Airflow: then it asks again."
        )
    return ""


def _get_rules(case: Case) -> ApprovalRules:
    if case.profile is None:
        return settings().approval
    with read_ledger() as connection:
        pinned = get_pinned_profile(connection, settings(), case.profile, Job.EXPORT, case.run_id)
    if pinned:
        return pinned.export.approval
    profiles: Any = load_all_profiles(settings(), code=case.profile, get_engine=views.engine)[0]
    return profiles[0].export.approval if profiles else ApprovalRules()
