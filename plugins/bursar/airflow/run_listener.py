"""The note of a run in Airflow's user interface says how it ended, so that nobody needs to open a log.

A task can't write a run's note. The scheduler can: it calls these functions when a run ends, with the run in its own
session, and commits the note together with the run's state. The text is what the run's last task left as an XCom.
"""

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from sqlalchemy.orm import object_session

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

NOTE = "note"
"""The key of the XCom."""
REPORTING_TASK = "report_run"
MAX_NOTE_LENGTH = 1_000  # characters, in Airflow's database
_OURS = "Outcome: "


@hookimpl
def on_dag_run_success(dag_run: "DagRun", msg: str) -> None:  # noqa: ARG001  Airflow passes it
    """Writes the note of a run that succeeded."""
    _write(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: "DagRun", msg: str) -> None:  # noqa: ARG001
    """Writes the note of a run that failed."""
    _write(dag_run)


def format_note(outcome: str, sentences: list[str]) -> str:
    """The text for a run: its outcome, then sentences as a list."""
    return "\n".join([f"{_OURS}**{outcome}**", *(f"- {sentence}" for sentence in sentences)])


def merge_notes(ours: str, existing: str | None) -> str:
    """Our note above what a person wrote, in the place of an older one of ours."""
    theirs = existing or ""
    if theirs.startswith(_OURS):
        theirs = theirs.partition("\n\n")[2]
    theirs = theirs[: MAX_NOTE_LENGTH // 2]
    room = MAX_NOTE_LENGTH - (len(theirs) + 2 if theirs else 0)
    shortened = ours if len(ours) <= room else f"{ours[: room - 2]} …"
    return f"{shortened}\n\n{theirs}" if theirs else shortened


def _write(dag_run: "DagRun") -> None:
    session = object_session(dag_run)
    if session is None or not dag_run.dag_id.startswith("bursar_"):
        return
    from airflow.models.xcom import XComModel  # noqa: PLC0415  a worker, which loads this plugin too, has no use for it

    query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=REPORTING_TASK, key=NOTE)
    left = session.scalars(query).first()
    text = XComModel.deserialize_value(left) if left else None
    if isinstance(text, str) and text.startswith(_OURS):
        dag_run.note = merge_notes(text, dag_run.note)
