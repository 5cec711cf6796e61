"""The maintenance DAGs, which a person starts from a form: Purge User Records and Bulk Fine Waiving."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Context, Param
from sqlalchemy import Engine

from bursar.airflow.base_dag import DEFAULT_ARGS, task_of_run
from bursar.airflow.config import maintenance_placement
from bursar.airflow.connections import ledger_url
from bursar.airflow.report_task import report_task
from bursar.airflow.task_summaries import MaintenanceResult
from bursar.db.engine import ledger_engine
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import to_json
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.users import purging, waiving
from bursar.users.maintenance_job import MaintenanceJob

AMOUNT_PATTERN = "^[0-9]{1,11}([.][0-9]{1,3})?$"

DRY_RUN = Param(
    default=True,
    type="boolean",
    title="Dry run",
    description="Count and report only. Switch it off to change the ledger.",
)
USER_GROUPS = Param(
    default=[],
    type=["null", "array"],
    items={"type": "string"},
    title="User groups",
    description="Codes, one per line. Blank: all groups.",
)

PURGE_FORM = {
    "date": Param(
        default="purge_date",
        type="string",
        enum=["purge_date", "expiry_date"],
        values_display={"purge_date": "Purge date", "expiry_date": "Expiry date"},
        title="Date",
        description="Users without this date are never due. The report counts them.",
    ),
    "days": Param(
        default=0,
        type="integer",
        minimum=0,
        maximum=36_500,
        title="Days",
        description="Number of days after that date on which a user is due.",
    ),
    "user_groups": USER_GROUPS,
    "waive_threshold": Param(
        default="0",
        type="string",
        pattern=AMOUNT_PATTERN,
        title="Waive threshold",
        description="For example 5 or 12.50. Users who owe at most this amount in each currency, at the library and at "
        "bursars together, are purged, and their fines are waived. Users who owe more are kept, and their fines stay.",
    ),
    "dry_run": DRY_RUN,
}

WAIVE_FORM = {
    "threshold": Param(
        type="string",
        pattern=AMOUNT_PATTERN,
        title="Threshold",
        description="For example 5 or 12.50. Only fines of users who owe at most this amount in each currency, at the "
        "library and at bursars together.",
    ),
    "user_groups": USER_GROUPS,
    "fine_fee_types": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Fine/fee types",
        description="One per line. Blank: all types.",
    ),
    "libraries": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Libraries",
        description="Codes of the owning libraries, one per line. Blank: all owners, including the institution.",
    ),
    "created_from": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created from",
        description="The first day. Blank: no limit.",
    ),
    "created_to": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created to",
        description="The last day, inclusive. Blank: no limit.",
    ),
    "fine_ids": Param(
        default=None,
        type=["null", "string"],
        title="File of fine ids",
        description="The name of a file in the folder `fine_ids` of the work directory, with one internal id per line. "
        "Only fines that are listed there and fit the other fields. Blank: no file.",
    ),
    "reason": Param(
        type="string", minLength=1, maxLength=200, title="Reason", description="Is shown in the history of each fine."
    ),
    "comment": Param(
        default=None,
        type=["null", "string"],
        maxLength=2_000,
        title="Comment",
        description="Is shown after the reason.",
    ),
    "dry_run": DRY_RUN,
}

PURGE_DOCUMENTATION = """
Deletes the personal data of users whose purge date, or expiry date, has passed. Fines and journal stay.

A user is kept if a fine is outstanding at a bursar, is in an unfinished export, or is disputed, or if the library owes
the user money. The report counts the users who were kept, by reason. `bin/bursar jobs list` lists the runs, and
`bin/bursar jobs results <job>` lists each user by internal id.

The run is one transaction. A repeated task does not repeat the purge. Exports and imports wait until it has ended.
"""

WAIVE_DOCUMENTATION = """
Waives the fines that fit all fields of the form. Their users owe at most the threshold in all.

Amounts outstanding at a bursar count as debt. They are waived only if the institution allows it
(`allow_activity_on_transferred_finesfees` in bursar.yaml); the next export reports it to the bursar. Credits, disputed
fines and fines in an unfinished export are not waived. The report counts the fines that stay, by reason. `bin/bursar
jobs list` lists the runs, and `bin/bursar jobs results <job>` lists each fine.

The run is one transaction. A repeated task does not repeat the waiving. Exports and imports wait until it has ended.
"""


@dataclass(frozen=True, kw_only=True)
class MaintenanceRun:
    """A run of a job over users: the first argument of its task.

    `requested_by` is the person who triggered it, `form` holds the fields that the person filled in.
    """

    engine: Engine
    settings: Settings
    run_id: str
    requested_by: str | None
    as_of: datetime
    form: Mapping[str, Any]

    @classmethod
    def from_context(cls, context: Context) -> "MaintenanceRun":
        """Makes the run that a task belongs to. Settings are read by the task, so the DAG exists without them.

        Raises:
            ProfileError: the settings are wrong.
            BursarError: there is no connection to the ledger.
        """
        return cls(
            engine=ledger_engine(ledger_url()),
            settings=load_settings(INCLUDE / "bursar.yaml"),
            run_id=context["run_id"],
            requested_by=context["dag_run"].triggering_user_name,
            as_of=context["dag_run"].run_after,
            form=context["params"],
        )


def purge_dag() -> DAG:
    """Builds the DAG of Purge User Records."""
    with _maintenance_dag("bursar_purge_users", Job.PURGE, PURGE_FORM, PURGE_DOCUMENTATION) as dag:
        purge = task_of_run(Job.PURGE, None, MaintenanceRun.from_context, purge_users)()
        report = report_task(Job.PURGE, None)

        purge >> report
    return dag


def waive_dag() -> DAG:
    """Builds the DAG of Bulk Fine Waiving."""
    with _maintenance_dag("bursar_waive_fines", Job.WAIVE, WAIVE_FORM, WAIVE_DOCUMENTATION) as dag:
        waive = task_of_run(Job.WAIVE, None, MaintenanceRun.from_context, waive_fines)()
        report = report_task(Job.WAIVE, None)

        waive >> report
    return dag


def purge_users(run: MaintenanceRun) -> MaintenanceResult:
    """Purges the users that are due. A dry run counts them."""
    params = purging.PurgeParams.of_form(run.form)
    return _result(
        purging.purge_users(
            run.engine, params, run.settings, run_id=run.run_id, requested_by=run.requested_by, as_of=run.as_of
        )
    )


def waive_fines(run: MaintenanceRun) -> MaintenanceResult:
    """Waives the fines that fit the form. A dry run counts them."""
    params = waiving.WaiveParams.of_form(run.form)
    return _result(
        waiving.waive_fines(
            run.engine, params, run.settings, run_id=run.run_id, requested_by=run.requested_by, as_of=run.as_of
        )
    )


def _maintenance_dag(dag_id: str, job: UserJob, form: dict[str, Param], documentation: str) -> DAG:
    return DAG(
        dag_id=dag_id,
        dag_display_name=job.display_name(),
        doc_md=documentation,
        schedule=None,
        params=form,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["bursar", "users"],
        default_args=DEFAULT_ARGS | maintenance_placement(),
    )


def _result(job: MaintenanceJob) -> MaintenanceResult:
    return {
        "job_id": job.id,
        "dry_run": job.dry_run,
        "users": job.users,
        "fines": job.fines,
        "totals": to_json(job.totals),
        "skipped": to_json(job.skipped),
    }
