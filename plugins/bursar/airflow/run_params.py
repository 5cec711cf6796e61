"""The parameters of an export run, given in Airflow's form, on its command line or by its REST API."""

from dataclasses import dataclass
from datetime import UTC, datetime

from airflow.sdk import Context, Param

from bursar.errors import BursarError
from bursar.moments import parse_moment
from bursar.page_names import Page
from bursar.profiles import Profile

MAX_BATCH = 2**31 - 1
"""The largest number of a batch: the upload lock is a 4-byte number."""
_MOMENT_PATTERN = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"


def export_params() -> dict[str, Param]:
    """Returns the fields of the form. Airflow refuses a run whose values break their rules."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            pattern=_MOMENT_PATTERN,
            title="As of",
            description="For a single run: measure the age of fines from this moment, not from now. Airflow's own "
            "Logical Date changes nothing.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Select fines, build the file and check it, but upload nothing, close no fines and claim none.",
        ),
        "resend_batch": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=MAX_BATCH,
            title="Resend batch",
            description="The number of a batch whose file is to be sent again, byte for byte. Nothing else is done. "
            f"{Page.PROFILES}, Run of this profile, offers them by their files.",
        ),
        "resend_files": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Resend files",
            description="With Resend batch: the names of those of its files that are to be sent again, one a line. "
            "Blank: all.",
        ),
    }


@dataclass(frozen=True)
class ExportParams:
    """The parameters of a run. `as_of` is aware; unless it was given, it is the moment for which the run is due."""

    as_of: datetime
    dry_run: bool
    resend_batch: int | None
    resend_files: tuple[str, ...] = ()


def parse_params(context: Context, profile: Profile) -> ExportParams:
    """Parses the parameters of the run that a task belongs to.

    Raises:
        BursarError: a parameter is unknown, or they contradict each other.
    """
    dag_run, params = context["dag_run"], dict(context["params"])
    given = set(dag_run.conf or {})
    if unknown := sorted(given - set(export_params())):
        raise BursarError(
            f"This run was given {', '.join(unknown)}, but the parameters of an export are "
            f"{', '.join(export_params())}. Nothing was done. Trigger it again."
        )
    as_of, dry_run, resend_batch = params["as_of"], params["dry_run"], params["resend_batch"]
    resend_files = tuple(params["resend_files"] or ())
    if dag_run.run_type in ("scheduled", "backfill") and (as_of or resend_batch):
        raise BursarError(
            "as_of and resend_batch are for manual runs: a scheduled or backfilled run has a date of its own."
        )
    if resend_batch and (as_of or dry_run):
        raise BursarError(
            "resend_batch sends a file again as it was, so it can't be combined with as_of or dry_run. Give it alone."
        )
    if resend_files and not resend_batch:
        raise BursarError("resend_files names files of a batch. Give resend_batch, the number of the batch, too.")
    moment = parse_moment(as_of, profile.time_zone) if as_of else dag_run.run_after
    if as_of and moment > datetime.now(UTC):
        raise BursarError(f"as_of is {moment:%Y-%m-%d %H:%M %Z}, which is in the future. Give a moment in the past.")
    return ExportParams(moment, dry_run, resend_batch, resend_files)
