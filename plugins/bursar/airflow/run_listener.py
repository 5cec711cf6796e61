"""Writes the outcome of a run into its note, which Airflow shows in the list of runs.

A task can't write the note of a run. The scheduler can: when a run ends it calls these functions with the run in its
own session, and commits the note with the state of the run. The text is an XCom of the last task of the run.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from sqlalchemy.orm import object_session

from bursar.escaping import escape_markdown, escape_sentence
from bursar.page_names import Page, without_commands

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

NOTE = "note"
"""The key of the XCom that holds the text."""
REPORTING_TASK = "report_run"
MAX_NOTE_LENGTH = 1_000  # characters, in Airflow's database
_PREFIX = "Outcome: "
_OURS = re.compile(rf"{_PREFIX}|\*\*The [\w\\ ]+ failed: ")


@hookimpl
def on_dag_run_success(dag_run: "DagRun", msg: str) -> None:  # noqa: ARG001
    """Writes the note of a run that succeeded."""
    _write(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: "DagRun", msg: str) -> None:  # noqa: ARG001
    """Writes the note of a run that failed."""
    _write(dag_run)


def format_note(outcome: str, sentences: Sequence[str], *, reason: str | None = None, report: str | None = None) -> str:
    """Formats the note of a run as Markdown: its outcome, then sentences as a list.

    With `reason`, the note begins with it: Airflow's list of runs shows the beginning of a note.
    `report` is the address of the job report, which the outcome is followed by, or else by the way to the job history.
    Commands, which a librarian can't run, are left out. Markup in the sentences, as in the names of files and the
    answers of servers, has no effect.
    """
    link = f" ([job report]({report}))" if report else f" ({escape_markdown(Page.HISTORY)})"
    lines = [f"- {escape_sentence(without_commands(one))}" for one in sentences if one]
    if reason:
        return "\n".join(
            [f"**{escape_sentence(without_commands(reason))}**", f"- {_PREFIX}{escape_sentence(outcome)}{link}", *lines]
        )
    return "\n".join([f"{_PREFIX}**{escape_sentence(outcome)}**{link}", *lines])


def merge_notes(ours: str, existing: str | None) -> str:
    """Returns our note, followed by the text of a person in the existing note; an older note of ours is replaced."""
    theirs = existing or ""
    if _OURS.match(theirs):
        theirs = theirs.partition("\n\n")[2]
    theirs = theirs[: MAX_NOTE_LENGTH // 2]
    room = MAX_NOTE_LENGTH - (len(theirs) + 2 if theirs else 0)
    shortened = ours if len(ours) <= room else f"{ours[: room - 2]} …"
    return f"{shortened}\n\n{theirs}" if theirs else shortened


def _write(dag_run: "DagRun") -> None:
    session = object_session(dag_run)
    if session is None or not dag_run.dag_id.startswith("bursar_"):
        return
    from airflow.models.xcom import XComModel  # noqa: PLC0415  workers load this plugin too, but not the model

    query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=REPORTING_TASK, key=NOTE)
    xcom = session.scalars(query).first()
    text = XComModel.deserialize_value(xcom) if xcom else None
    if isinstance(text, str):
        dag_run.note = merge_notes(text, dag_run.note)
