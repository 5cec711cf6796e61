"""The page of all that waits for a person: approvals, exports, files of payments, overpayments, loads and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, RowMapping

from bursar.airflow.dag_ids import MAINTENANCE, dag_id
from bursar.db.queries import query
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.jobs import Job
from bursar.ledger.totals import Totals, read_totals
from bursar.sources.outbox_events import EventState
from bursar.sources.records import LoadRecord
from bursar.sources.system import EventKind
from bursar.web.airflow_runs import AirflowRun, list_runs
from bursar.web.pages.profiles import list_profile_names
from bursar.web.pages.reports import Below, From
from bursar.web.rights import CurrentPerson, Person
from bursar.web.sources import list_loaded_codes, list_source_names
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
MAX_CONTESTED = 1_000
"""Contested identifiers that are counted."""
ListName = Literal["approvals", "batches", "overpayments", "rejected", "repeated", "loads", "events"]
_QUERIES: Mapping[ListName, str] = {
    "approvals": "web/list_waiting_approvals",
    "batches": "web/list_waiting_batches",
    "overpayments": "web/list_waiting_overpayments",
    "rejected": "web/list_rejected_files",
    "repeated": "web/list_repeated_files",
    "loads": "web/list_waiting_loads",
    "events": "web/list_waiting_events",
}


@dataclass(frozen=True)
class WaitingBatch:
    """A batch that holds fines, its run in Airflow, and whether the person may act on it."""

    batch: Batch
    run: AirflowRun
    may_act: bool

    @property
    def is_unclear(self) -> bool:
        """Whether nobody knows if the bursar has its file."""
        return self.batch.state is BatchState.UNCLEAR


@dataclass(frozen=True)
class WaitingApproval:
    """A request for approval without an answer; `profile` is None for a job over users."""

    id: int
    job: Job
    profile: str | None
    users: int
    fines: int
    totals: Totals
    reasons: Sequence[str]
    requested_at: datetime


@dataclass(frozen=True)
class Waiting:
    """All that waits, in lists of at most `PAGE_LENGTH` rows; `more` has the addresses of their next pages."""

    approvals: Sequence[WaitingApproval]
    batches: Sequence[WaitingBatch]
    overpayments: Sequence[RowMapping]
    rejected: Sequence[RowMapping]
    repeated: Sequence[RowMapping]
    loads: Sequence[LoadRecord]
    events: Sequence[RowMapping]
    contested: RowMapping | None
    more: Mapping[ListName, str]

    @property
    def any(self) -> bool:
        """Whether anything waits."""
        lists = (self.approvals, self.batches, self.overpayments, self.rejected, self.repeated, self.loads, self.events)
        return any(lists) or self.contested is not None


@router.get("/waiting", name="show_waiting")
def show_waiting(
    request: Request,
    person: CurrentPerson,
    only: ListName | None = None,
    after: From = 0,
    record: From = 0,
    below: Below = None,
) -> Response:
    """Shows what waits for a person, of the profiles and jobs that the person may see; or a later page of one list.

    A page begins `after` the id of a row, or `below` it if the newest rows are first; in the list of overpayments it
    begins after a `record` of a file.
    """
    names = list_profile_names(person)
    with read_ledger() as connection:
        profiles = _list_profiles(connection, person, names)
        sources = list_loaded_codes(connection, person)
        chosen = {
            "profiles": profiles,
            "sources": sources,
            "jobs": [job for job in MAINTENANCE if person.may_act(None, job)],
            "after": after,
            "record": record,
            "below": below,
            "limit": PAGE_LENGTH + 1,
        }
        rows = {
            name: connection.execute(query(statement), chosen).mappings().all() if only in (None, name) else []
            for name, statement in _QUERIES.items()
        }
        contested = _count_contested(connection) if sources and only is None else None
    address = address_of(request, "show_waiting")
    found = Waiting(
        approvals=[_read_approval(row) for row in rows["approvals"][:PAGE_LENGTH]],
        batches=_read_batches(rows["batches"][:PAGE_LENGTH], person),
        overpayments=rows["overpayments"][:PAGE_LENGTH],
        rejected=rows["rejected"][:PAGE_LENGTH],
        repeated=rows["repeated"][:PAGE_LENGTH],
        loads=[LoadRecord.of_row(row) for row in rows["loads"][:PAGE_LENGTH]],
        events=rows["events"][:PAGE_LENGTH],
        contested=contested,
        more={
            name: f"{address}?{urlencode({'only': name} | _find_place(name, some[PAGE_LENGTH - 1]))}"
            for name, some in rows.items()
            if len(some) > PAGE_LENGTH
        },
    )
    return render(
        request,
        "waiting",
        section="show_waiting",
        time_zone=settings().time_zone,
        found=found,
        only=only,
        may_edit=person.may_edit(),
        acting={profile for profile in profiles if person.may_act(profile, Job.IMPORT)},
        named={profile for profile in profiles if person.may_see_names(profile)},
        dag_id=dag_id,
        profile_names=names,
        source_names=list_source_names(person),
        event_kind=EventKind.describe,
        event_state=EventState.describe,
        all_users=person.may_see_all_users(),
        max_contested=MAX_CONTESTED,
    )


def _list_profiles(connection: Connection, person: Person, names: Mapping[str, str]) -> list[str]:
    """Returns the codes of the profiles that the person may see. Batches of a removed profile wait, too."""
    recorded = set(connection.execute(query("web/list_profiles_of_ledger")).scalars())
    return sorted(names.keys() | {code for code in recorded - names.keys() if person.may_see(code)})


def _find_place(name: ListName, last: RowMapping) -> dict[str, int]:
    """Returns the parameters of the page that follows a row of a list."""
    if name == "overpayments":
        return {"after": last["file_id"], "record": last["record"]}
    return {"below" if name in ("rejected", "repeated", "loads") else "after": last["id"]}


def _count_contested(connection: Connection) -> RowMapping | None:
    """Returns the counts of contested identifiers, or None if there are none."""
    counted = connection.execute(query("web/count_contested_identifiers"), {"limit": MAX_CONTESTED + 1})
    contested = counted.mappings().one()
    return contested if contested["identifiers"] else None


def _read_batches(rows: Sequence[RowMapping], person: Person) -> list[WaitingBatch]:
    batches = {
        (dag_id(Job.EXPORT, batch.profile), batch.run_id): batch for batch in (Batch.from_row(row) for row in rows)
    }
    runs = list_runs(batches.keys())
    return [WaitingBatch(batch, runs[key], person.may_act(batch.profile, Job.EXPORT)) for key, batch in batches.items()]


def _read_approval(row: RowMapping) -> WaitingApproval:
    return WaitingApproval(
        id=row["id"],
        job=Job(row["job"]) if row["job"] else Job.EXPORT,
        profile=row["profile"],
        users=row["users"],
        fines=row["fines"],
        totals=read_totals(row["totals"]),
        reasons=row["reasons"],
        requested_at=row["requested_at"],
    )
