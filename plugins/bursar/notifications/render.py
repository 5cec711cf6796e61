"""Renders messages as text, HTML and Markdown, with the templates in include/mail."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from bursar.escaping import escape_markdown, escape_sentence, replace_controls
from bursar.notifications.messages import Message
from bursar.page_names import without_commands
from bursar.reporting.run_description import Table

TEMPLATES = Path(__file__).parents[3] / "include" / "mail"


@dataclass(frozen=True)
class RenderedMessage:
    """A message in each form; the subject is one line.

    `brief` is for a chat room: the summary, the sentences and the link. `markdown` is for Airflow's own pages, without
    the link.
    """

    subject: str
    text: str
    html: str
    brief: str
    markdown: str


def render_message(message: Message) -> RenderedMessage:
    """Renders a message in each form, without commands, which its readers can't run.

    Markup and control characters in it, as in names of files, have no effect.
    """
    message = replace(message, messages=tuple(map(without_commands, message.messages)))
    brief = (message.summary, *message.messages, message.link or message.page)
    return RenderedMessage(
        subject=replace_controls(message.subject),
        text=_environment().get_template("message.txt.jinja").render(message=message),
        html=_environment().get_template("message.html.jinja").render(message=message),
        markdown=_environment().get_template("message.md.jinja").render(message=message),
        brief="\n".join(replace_controls(line) for line in brief if line),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html.jinja",)),
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"aligned": _aligned, "markdown": escape_markdown, "sentence": escape_sentence}
    return environment


def _finalize(value: object) -> str:
    return value if isinstance(value, Markup) else replace_controls(str(value))


def _aligned(table: Table) -> list[str]:
    """Returns the lines of a table in columns of equal width, numbers to the right."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
