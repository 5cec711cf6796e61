"""Renders the templates, and reads the ledger for a page."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape
from sqlalchemy import Connection, Engine, text

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.ledger.entry_type import EntryType, FineStatus
from bursar.ledger.import_files import FileState, PaymentOutcome
from bursar.money import format_amount, format_money, format_totals, pluralize
from bursar.page_names import Page, without_commands
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.reporting.run_description import describe_reason, format_minute
from bursar.reporting.task_names import describe_task
from bursar.statements.records import StatementOutcome
from bursar.web.fine_types import describe_fine_type

FOLDER = Path(__file__).parent
PAGE_TIMEOUT = "10s"
"""PostgreSQL ends a statement of a page after this time."""
PART_TIMEOUT = "60s"
"""PostgreSQL ends a statement of a part after this time; a part that reads many fines is loaded into the page later."""
PAGE_LENGTH = 50
"""Rows of a list on one page."""
_AMOUNT = re.compile(r"(?<=\d) (?=[A-Z]{3}\b)")


@cache
def engine() -> Engine:
    """Returns the engine of the ledger, one for this process."""
    return ledger_engine(ledger_url(), pooled=True)


@contextmanager
def read_ledger(timeout: str = PAGE_TIMEOUT) -> Iterator[Connection]:
    """Yields a connection that reads the ledger for a page; statements that take too long end."""
    with engine().connect() as connection:
        connection.execute(text(f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{timeout}'"))
        yield connection


@contextmanager
def write_ledger() -> Iterator[Connection]:
    """Yields a connection whose transaction is committed at the end."""
    with engine().begin() as connection:
        yield connection


def settings() -> Settings:
    """Returns the institution's settings."""
    return load_settings(INCLUDE / "bursar.yaml")


def new_run_id() -> str:
    """Returns an id for a run that a form starts, like those that Airflow makes; a form sent twice starts one run."""
    return f"manual__{datetime.now(UTC).isoformat()}_{token_hex(4)}"


def zone() -> ZoneInfo:
    """Returns the time zone of the institution."""
    return ZoneInfo(settings().time_zone)


def show_message(value: object) -> Markup:
    """Returns a message as HTML, without the commands that it has; text between backticks is shown as code."""
    parts = str(escape(value if isinstance(value, Markup) else without_commands(str(value)))).split("`")
    return Markup("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))  # noqa: S704  escaped


def keep_amounts(value: str) -> str:
    """Returns text in which no line ends between an amount and its currency."""
    return _AMOUNT.sub("\N{NO-BREAK SPACE}", value)


templates = Jinja2Templates(directory=FOLDER / "templates")
templates.env.autoescape = True  # by default only in files that end in .html
templates.env.trim_blocks = templates.env.lstrip_blocks = True
templates.env.globals["Page"] = Page
templates.env.filters |= {
    "money": format_money,
    "amount": format_amount,
    "totals": format_totals,
    "count": pluralize,
    "reason": describe_reason,
    "fine_type": describe_fine_type,
    "fine_status": FineStatus.describe,
    "entry_type": EntryType.describe,
    "payment_outcome": PaymentOutcome.describe,
    "file_state": FileState.describe,
    "statement_outcome": StatementOutcome.describe,
    "task": describe_task,
    "message": show_message,
    "keep_amounts": keep_amounts,
}


def address_of(request: Request, name: str, **parameters: object) -> str:
    """Returns the address of a page by the name of its route."""
    return f"{request.scope['root_path']}{request.app.url_path_for(name, **parameters)}"


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> Response:  # noqa: ANN401
    """Renders a template to a response. `path` gives addresses of pages, `moment` shows a moment of `time_zone`.

    `api` gives addresses of Airflow's REST API, for the page's script.
    """
    zone = ZoneInfo(values.get("time_zone") or "UTC")

    def path(name: str, **parameters: object) -> str:
        return address_of(request, name, **parameters)

    def moment(value: datetime | None) -> str:
        # On one line, also in a narrow column.
        return Markup('<span class="moment">{}</span>').format(format_minute(value, zone)) if value else ""

    def api(path: str) -> str:
        return f"{request.scope['root_path']}/../api/v2/{path}"

    context: Mapping[str, Any] = {"path": path, "moment": moment, "api": api, "new_run_id": new_run_id, **values}
    return templates.TemplateResponse(request, f"{template}.html.jinja", dict(context), status_code=status_code)
