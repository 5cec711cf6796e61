"""The DAGs over users, which a person starts from a form: Purge User Records and Bulk Fine Waiving."""

from airflow.sdk import DAG, Param, get_current_context, task

from bursar.airflow.base_dag import DEFAULT_ARGS, Summary
from bursar.airflow.config import maintenance_placement
from bursar.airflow.connections import ledger_url
from bursar.airflow.report_task import recorded, report_run
from bursar.db.engine import ledger_engine
from bursar.ledger.jobs import Job
from bursar.ledger.totals import to_json
from bursar.profiles import INCLUDE, load_settings
from bursar.users import purging, waiving
from bursar.users.maintenance_job import MaintenanceJob

SUM = "^[0-9]{1,11}([.][0-9]{1,3})?$"

DRY_RUN = Param(
    default=True,
    type="boolean",
    title="Dry run",
    description="Only count and report. Switch it off to do it in earnest.",
)
USER_GROUPS = Param(
    default=[],
    type=["null", "array"],
    items={"type": "string"},
    title="User groups",
    description="Codes, one a line. Blank: every group.",
)

PURGE_FORM = {
    "date": Param(
        default="purge_date",
        type="string",
        enum=["purge_date", "expiry_date"],
        values_display={"purge_date": "Purge date", "expiry_date": "Expiry date"},
        title="Which date",
        description="Users without this date are never due, and are counted in the report.",
    ),
    "days": Param(
        default=0,
        type="integer",
        minimum=0,
        maximum=36_500,
        title="Days",
        description="How many days after that date a user is purged.",
    ),
    "user_groups": USER_GROUPS,
    "waive_threshold": Param(
        default="0",
        type="string",
        pattern=SUM,
        title="Waive threshold",
        description="Such as 5 or 12.50. Users who owe at most this, at the library and at bursars together, in each "
        "currency, are forgiven it and purged. Above it they are kept and nothing is waived.",
    ),
    "dry_run": DRY_RUN,
}

WAIVE_FORM = {
    "threshold": Param(
        type="string",
        pattern=SUM,
        title="Threshold",
        description="Such as 5 or 12.50. Only fines of users who owe at most this, library and bursars together, in "
        "each currency.",
    ),
    "user_groups": USER_GROUPS,
    "fine_fee_types": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Fine/fee types",
        description="One a line. Blank: every type.",
    ),
    "libraries": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Libraries",
        description="Codes of the owners, one a line. Blank: every owner, the institution too.",
    ),
    "created_from": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created from",
        description="The first day. Blank: however old.",
    ),
    "created_to": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created to",
        description="The last day, included. Blank: until now.",
    ),
    "fine_ids": Param(
        default=None,
        type=["null", "string"],
        title="File of fine ids",
        description="The name of a file in the folder fine_ids of the staging folder: one internal id a line. Only "
        "these fines, as far as they fit the other choices. Blank: no file.",
    ),
    "reason": Param(
        type="string", minLength=1, maxLength=200, title="Reason", description="Stands in the history of each fine."
    ),
    "comment": Param(
        default=None, type=["null", "string"], maxLength=2_000, title="Comment", description="Stands behind the reason."
    ),
    "dry_run": DRY_RUN,
}

PURGE_DOCUMENTATION = """
Deletes users whose purge date, or expiry date, has passed. The money stays accountable, the personal data goes.

Nobody is purged who has fines outstanding at a bursar, in an export that has not ended, or in dispute, or whom the
library owes money. The report counts who was kept and why; `bin/bursar users jobs` lists the runs, and
`bin/bursar users report <job>` each user, by internal id.

It is one transaction. A failed or repeated task changes nothing twice; exports and imports wait while it takes place.
"""

WAIVE_DOCUMENTATION = """
Waives the fines that fit all that is chosen, of users who owe at most the threshold in all.

What is outstanding at a bursar counts as debt. It is waived only if the institution allows it
(`allow_activity_on_transferred_finesfees` in bursar.yaml), and the next export tells the bursar. Credits, disputed
fines and fines in an export that has not ended are left alone. The report counts what stayed and why; `bin/bursar
users jobs` lists the runs, and `bin/bursar users report <job>` each fine.

It is one transaction. A failed or repeated task changes nothing twice; exports and imports wait while it takes place.
"""


def purge_dag() -> DAG:
    """Builds the DAG of Purge User Records."""
    with _dag("bursar_purge_users", Job.PURGE.display_name(), PURGE_FORM, PURGE_DOCUMENTATION) as dag:

        @task
        @recorded(None, Job.PURGE)
        def purge_users() -> Summary:
            """Purges the users that are due, or in a dry run counts them."""
            context = get_current_context()
            settings = load_settings(INCLUDE / "bursar.yaml")
            choices = purging.PurgeParams.of_form(context["params"])
            run_id, as_of = context["run_id"], context["dag_run"].run_after
            return _summary(
                purging.purge_users(ledger_engine(ledger_url()), choices, settings, run_id=run_id, as_of=as_of)
            )

        purge_users() >> report_run(None, Job.PURGE, dag)
    return dag


def waive_dag() -> DAG:
    """Builds the DAG of Bulk Fine Waiving."""
    with _dag("bursar_waive_fines", Job.WAIVE.display_name(), WAIVE_FORM, WAIVE_DOCUMENTATION) as dag:

        @task
        @recorded(None, Job.WAIVE)
        def waive_fines() -> Summary:
            """Waives the fines that were chosen, or in a dry run counts them."""
            context = get_current_context()
            settings = load_settings(INCLUDE / "bursar.yaml")
            choices = waiving.WaiveParams.of_form(context["params"])
            run_id, as_of = context["run_id"], context["dag_run"].run_after
            return _summary(
                waiving.waive_fines(ledger_engine(ledger_url()), choices, settings, run_id=run_id, as_of=as_of)
            )

        waive_fines() >> report_run(None, Job.WAIVE, dag)
    return dag


def _dag(dag_id: str, name: str, form: dict[str, Param], documentation: str) -> DAG:
    return DAG(
        dag_id=dag_id,
        dag_display_name=name,
        doc_md=documentation,
        schedule=None,
        params=form,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["bursar", "users"],
        default_args=DEFAULT_ARGS | maintenance_placement(),
    )


def _summary(job: MaintenanceJob) -> Summary:
    return {
        "job": job.id,
        "dry_run": job.dry_run,
        "users": job.users,
        "fines": job.fines,
        "totals": to_json(job.totals),
        "skipped": to_json(job.skipped),
    }
