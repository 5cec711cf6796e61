"""Letters as text and as HTML, by the templates in include/mail."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from bursar.notifications.messages import Message, Table

TEMPLATES = Path(__file__).parents[3] / "include" / "mail"


@dataclass(frozen=True)
class RenderedMessage:
    """A letter, ready to go; the subject is one line.

    `brief` is for a chat room: what to look at, and the link. `markdown` is for Airflow's own pages: all but the link.
    """

    subject: str
    text: str
    html: str
    brief: str
    markdown: str


def render_message(letter: Message) -> RenderedMessage:
    """Renders a letter. Names of files and the like come from outside: markup and control characters do nothing."""
    return RenderedMessage(
        subject=_harmless(letter.subject),
        text=_environment().get_template("letter.txt.jinja").render(letter=letter),
        html=_environment().get_template("letter.html.jinja").render(letter=letter),
        markdown=_environment().get_template("letter.md.jinja").render(letter=letter),
        brief="\n".join(map(_harmless, filter(None, [letter.summary, *letter.messages, letter.link]))),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html.jinja",)),
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["aligned"] = _aligned
    return environment


def _harmless(value: object) -> str:
    if isinstance(value, Markup):
        return value
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in " ".join(str(value).splitlines())
    )


def _aligned(table: Table) -> list[str]:
    """The rows of a table in columns of one width, numbers to the right."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
