"""The maintenance jobs: their parameters, their results, and the steps that they share."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Engine, RowMapping

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.ledger.entry_type import EntryType
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import (
    SelectionSummary,
    Skipped,
    Totals,
    net_by_currency,
    read_skipped,
    read_totals,
    summarize_candidates,
    to_json,
)
from bursar.profiles.rules import RuledModel

log = logging.getLogger(__name__)


def _reject_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('write the sum in quotation marks, as in "12.50"')  # noqa: TRY004  pydantic reports ValueError
    return value


Amount = Annotated[Decimal, BeforeValidator(_reject_float), Field(ge=0, max_digits=14, decimal_places=3)]
"""A sum of money, written as text or as a whole number."""

Codes = tuple[str, ...]
"""Codes to select by; an empty tuple selects all."""


class JobParams(RuledModel):
    """The parameters that a person chose in the form of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_groups: Codes = ()
    dry_run: bool = True

    @classmethod
    def of_form(cls, values: Mapping[str, Any]) -> Self:
        """Checks the values of the form; a blank field counts as absent.

        Raises:
            BursarError: a value is invalid; the message names each field and its fault.
        """
        try:
            return cls.model_validate({name: value for name, value in values.items() if value not in (None, "", [])})
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise BursarError(f"The form can't be used, and nothing was changed. {'; '.join(wrong)}.") from error


@dataclass(frozen=True, kw_only=True)
class MaintenanceJob:
    """The result of a run of a job; for a dry run, the result that a real run would have.

    `users` were purged, or had fines that were waived; `fines` were waived. `totals` has the waived sums,
    `skipped` the kept users and the fines that were not waived, by `KeepReason`. `requested_by` is the person who
    triggered the run. Moments are in UTC.
    """

    id: int
    job: UserJob
    run_id: str
    requested_by: str | None
    params: Mapping[str, Any]
    dry_run: bool
    as_of: datetime
    users: int
    fines: int
    totals: Totals
    skipped: Mapping[str, Skipped]
    started_at: datetime
    ended_at: datetime

    @property
    def net(self) -> dict[str, Decimal]:
        """The waived charges and credits together, by currency."""
        return net_by_currency(self.totals)

    @classmethod
    def from_row(cls, row: RowMapping) -> "MaintenanceJob":
        """Makes a job of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        typed = {
            "job": Job(row["job"]),
            "totals": read_totals(row["totals"]),
            "skipped": read_skipped(row["skipped"]),
        }
        return cls(**values | typed)


def get_job_of_run(connection: Connection, job: UserJob, run_id: str) -> MaintenanceJob | None:
    """Returns the result of a run of a job, None if it has none yet."""
    row = connection.execute(query("users/get_job_of_run"), {"job": job, "run_id": run_id}).mappings().first()
    return MaintenanceJob.from_row(row) if row else None


def validate_codes(connection: Connection, user_groups: tuple[str, ...], libraries: tuple[str, ...] = ()) -> None:
    """Checks that the ledger has the chosen codes: a mistyped code would select nobody without an error.

    Raises:
        BursarError: a code is unknown.
    """
    parameters = {"user_groups": list(user_groups), "libraries": list(libraries)}
    unknown = [f"{row.kind} {row.code}" for row in connection.execute(query("users/find_unknown_codes"), parameters)]
    if unknown:
        raise BursarError(f"The ledger does not know {', '.join(unknown)}. Nothing was changed.")


def summarize(connection: Connection, users: Mapping[str | None, int]) -> SelectionSummary:
    """Returns the totals of `candidate_fines`; `users` counts those of each reason (None: purged or waived)."""
    return summarize_candidates(connection.execute(query("users/summarize_candidates")), users)


def preview(engine: Engine, evaluate: Callable[[Connection], Mapping[str | None, int]]) -> SelectionSummary:
    """Returns the totals of an evaluation in a transaction that is rolled back."""
    with engine.connect() as connection:
        return summarize(connection, evaluate(connection))


def next_job(connection: Connection) -> int:
    """Reserves the id of a job and returns it."""
    return int(connection.execute(query("users/reserve_job_id")).scalar_one())


def waive(connection: Connection, comment: str, *, by: str | None) -> None:
    """Waives the fines in the temporary table `candidate_fines` that have no reason to stay."""
    fine_ids = connection.execute(query("users/list_waived_fines")).scalar_one() or []
    parameters = {
        "entry_type": EntryType.WAIVED,
        "fine_ids": fine_ids,
        "amount": None,
        "comment": comment,
        "posted_by": by,
    }
    connection.execute(query("ledger/post_settlement"), parameters)


def record(  # noqa: PLR0913 - a job has that many facts
    connection: Connection,
    job: UserJob,
    job_id: int,
    choices: JobParams,
    *,
    run_id: str,
    requested_by: str | None,
    as_of: datetime,
    users: Mapping[str | None, int],
) -> MaintenanceJob:
    """Records the result of a job, from `candidate_fines` and the users of each reason (None: purged or waived)."""
    summary = summarize(connection, users)
    recorded = connection.execute(
        query("users/insert_job"),
        {
            "job_id": job_id,
            "job": job,
            "run_id": run_id,
            "requested_by": requested_by,
            "params": choices.model_dump_json(),
            "dry_run": choices.dry_run,
            "as_of": as_of,
            "users": summary.users,
            "fines": summary.fines,
            "totals": json.dumps(to_json(summary.totals)),
            "skipped": json.dumps(to_json(summary.skipped)),
        },
    )
    return MaintenanceJob.from_row(recorded.mappings().one())
