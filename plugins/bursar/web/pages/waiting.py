"""The page of all that waits for a person: approvals, exports, files of payments, overpayments, and rows of loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, RowMapping

from bursar.airflow.dag_ids import MAINTENANCE, dag_id
from bursar.db.queries import query
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.jobs import Job
from bursar.ledger.totals import Totals, read_totals
from bursar.sources.records import LoadRecord
from bursar.web.airflow_runs import AirflowRun, list_runs
from bursar.web.pages.profiles import list_profile_names
from bursar.web.rights import CurrentPerson, Person
from bursar.web.sources import list_loaded_codes, list_newest_loads, list_source_names
from bursar.web.views import PAGE_LENGTH, read_ledger, render, settings

router = APIRouter()
MAX_CONTESTED = 1_000
"""Contested identifiers that are counted."""


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
    """All that waits, in lists of at most `PAGE_LENGTH` rows; `is_cut` if a list would be longer."""

    approvals: Sequence[WaitingApproval]
    batches: Sequence[WaitingBatch]
    overpayments: Sequence[RowMapping]
    rejected: Sequence[RowMapping]
    repeated: Sequence[RowMapping]
    loads: Sequence[LoadRecord]
    contested: RowMapping | None
    is_cut: bool

    @property
    def any(self) -> bool:
        """Whether anything waits."""
        lists = (self.approvals, self.batches, self.overpayments, self.rejected, self.repeated, self.loads)
        return any(lists) or self.contested is not None


@router.get("/waiting", name="show_waiting")
def show_waiting(request: Request, person: CurrentPerson) -> Response:
    """Shows what waits for a person, of the profiles and jobs that the person may see."""
    names = list_profile_names(person)
    with read_ledger() as connection:
        profiles = _list_profiles(connection, person, names)
        found = _load_waiting(connection, person, profiles)
    return render(
        request,
        "waiting",
        section="show_waiting",
        time_zone=settings().time_zone,
        found=found,
        length=PAGE_LENGTH,
        may_edit=person.may_edit(),
        acting={profile for profile in profiles if person.may_act(profile, Job.IMPORT)},
        named={profile for profile in profiles if person.may_see_names(profile)},
        dag_id=dag_id,
        profile_names=names,
        source_names=list_source_names(person),
        all_users=person.may_see_all_users(),
        max_contested=MAX_CONTESTED,
    )


def _list_profiles(connection: Connection, person: Person, names: Mapping[str, str]) -> list[str]:
    """Returns the codes of the profiles that the person may see. Batches of a removed profile wait, too."""
    recorded = set(connection.execute(query("web/list_profiles_of_ledger")).scalars())
    return sorted(names.keys() | {code for code in recorded - names.keys() if person.may_see(code)})


def _load_waiting(connection: Connection, person: Person, profiles: list[str]) -> Waiting:
    chosen: Mapping[str, Any] = {
        "profiles": profiles,
        "jobs": [job for job in MAINTENANCE if person.may_act(None, job)],
        "limit": PAGE_LENGTH + 1,
    }

    def load(name: str) -> Sequence[RowMapping]:
        return connection.execute(query(f"web/{name}"), chosen).mappings().all()

    approvals, batches = load("list_waiting_approvals"), load("list_waiting_batches")
    overpayments, rejected = load("list_waiting_overpayments"), load("list_rejected_files")
    repeated = load("list_repeated_files")
    sources = list_loaded_codes(connection, person)
    newest = list_newest_loads(connection, sources)
    counted = connection.execute(query("web/count_contested_identifiers"), {"limit": MAX_CONTESTED + 1})
    contested = counted.mappings().one()
    return Waiting(
        approvals=[_read_approval(row) for row in approvals[:PAGE_LENGTH]],
        batches=_read_batches(batches[:PAGE_LENGTH], person),
        overpayments=overpayments[:PAGE_LENGTH],
        rejected=rejected[:PAGE_LENGTH],
        repeated=repeated[:PAGE_LENGTH],
        loads=[one for one in newest if _needs_a_look(one)],
        contested=contested if contested["identifiers"] and sources else None,
        is_cut=any(len(rows) > PAGE_LENGTH for rows in (approvals, batches, overpayments, rejected, repeated)),
    )


def _needs_a_look(load: LoadRecord) -> bool:
    counts = load.counts
    return load.is_refused or bool(counts.rejected or counts.fines_deferred or counts.warnings)


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
