"""What a person can ask of a run of an export, in Airflow's form, on its command line or by its REST API."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pendulum
from airflow.sdk import Context, Param
from sqlalchemy import Engine

from bursar.errors import BursarError
from bursar.exports.resend import get_resendable_batch
from bursar.profiles import Profile

_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"


def export_params() -> dict[str, Param]:
    """The form: what may be given, and what Airflow refuses before there is a run."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            pattern=_MOMENT,
            title="As of",
            description="For a single run: measure the age of fines from this moment, not from now. Airflow's own "
            "Logical Date changes nothing.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Select, build and check the file, but send nothing, close nothing, hold no fine.",
        ),
        "resend_batch": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Resend batch",
            description="The number of a batch whose file is to be sent again, the same bytes, and nothing else. "
            "bin/bursar batches list --all lists them.",
        ),
    }


@dataclass(frozen=True)
class ExportParams:
    """What is asked of a run. `as_of` is aware; it is the run's own moment unless another was given."""

    as_of: datetime
    dry_run: bool
    resend_batch: int | None


def parse_params(context: Context, profile: Profile) -> ExportParams:
    """What is asked of the run that a task belongs to.

    Raises:
        BursarError: the parameters can't be followed; nothing has happened.
    """
    dag_run, params = context["dag_run"], dict(context["params"])
    given = set(dag_run.conf or {})
    if unknown := sorted(given - set(export_params())):
        raise BursarError(
            f"This run was given {', '.join(unknown)}, which an export does not know; there are "
            f"{', '.join(export_params())}. Nothing was done. Trigger it again."
        )
    as_of, dry_run, resend_batch = params["as_of"], params["dry_run"], params["resend_batch"]
    if dag_run.run_type in ("scheduled", "backfill") and (as_of or resend_batch):
        raise BursarError("as_of and resend_batch are for manual runs: a scheduled or backfilled run has its own day.")
    if resend_batch and (as_of or dry_run):
        raise BursarError("resend_batch sends a file as it was; as_of and dry_run don't go with it. Give one of them.")
    moment = _moment(as_of, profile.time_zone) if as_of else dag_run.run_after
    if as_of and moment > datetime.now(UTC):
        raise BursarError(f"as_of is {moment:%Y-%m-%d %H:%M %Z}, which has not come yet. Give a moment in the past.")
    return ExportParams(moment, dry_run, resend_batch)


def check_params(engine: Engine, profile: Profile, request: ExportParams) -> None:
    """Raises a BatchError if a batch is to be sent again that can't be."""
    if request.resend_batch:
        get_resendable_batch(engine, profile.code, request.resend_batch)


def _moment(text: str, time_zone: str) -> datetime:
    try:
        return pendulum.parse(text, tz=time_zone, exact=False)  # type: ignore[return-value]
    except ValueError as error:
        raise BursarError(f"as_of is {text!r}, which is no moment. Write it as in 2026-03-01T02:00.") from error
