"""Saved SQL reports of the Koha server: it runs their real text, with the rules and traps of svc/report.

Read in the source: parameters are quoted texts, in the order of their labels; forbidden words and columns; the row
limit, which cuts silently; the cache; errors of SQL as an object with the status 200; values as texts. The statement
runs in SQLite, which lacks little that MySQL has; what SQLite would take and MySQL not, is not noticed.
"""

import re
import sqlite3
import time
from typing import Any

from tests.support.koha_login import Logins
from tests.support.koha_state import KohaState
from tests.support.koha_traps import Traps
from tests.support.koha_wire import Answer, Request, json_answer

FORBIDDEN_WORDS = re.compile(r";?\W?(UPDATE|DELETE|DROP|INSERT|SHOW|CREATE)\W", re.IGNORECASE)
FORBIDDEN_COLUMNS = re.compile(r"\w*(?:password|token|uuid|secret)\w*", re.IGNORECASE)
LIMIT = re.compile(r"\bLIMIT\b\s*(\d+)(\s*,\s*(\d+))?\s*", re.IGNORECASE)
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Log in to Koha</title></head><body>Log in</body></html>"


def save_report(text: str) -> str:
    """Returns the text of a report as Koha saves it; raises a ValueError if Koha refuses it."""
    if word := FORBIDDEN_WORDS.search(text):
        raise ValueError(f"Koha refuses reports with {word[1]}")
    if not re.match(r"\s*SELECT\b\s*", text, re.IGNORECASE):
        raise ValueError("Koha refuses reports that do not begin with SELECT")
    if column := FORBIDDEN_COLUMNS.search(text):
        raise ValueError(f"Koha refuses reports with {column[0]}")
    return re.sub(r"\s*;\s*$", "", text)


class Reports:
    """The saved reports by their numbers, and the answers that are cached."""

    def __init__(self, state: KohaState, traps: Traps, logins: Logins) -> None:
        self.state, self.traps, self.logins = state, traps, logins
        self.texts: dict[int, str] = {}
        self.cache: dict[str, tuple[float, bytes]] = {}

    def run(self, request: Request) -> Answer:
        """Answers GET svc/report."""
        if not self.logins.has_session(request):
            return Answer(200, LOGIN_PAGE, {"Content-Type": "text/html; charset=UTF-8"})
        if "catalogue" not in self.traps.permissions:
            return Answer(200, b"<html>Error: you do not have permission to view this page</html>", _HTML)
        number = request.parameters.get("id", ["0"])[0]
        text = self.texts.get(int(number)) if number.isdigit() else None
        if text is None:
            return Answer(500, b"<html>Software error: There is no such report.</html>", _HTML)
        parameters = request.parameters.get("sql_params", [])
        key = f"{number}:{'' if self.traps.cache_ignores_parameters else '-'.join(parameters)}"
        end, body = self.cache.get(key, (0.0, b""))
        if end > time.monotonic():
            return Answer(200, body, _JSON)
        is_annotated = request.parameters.get("annotated", ["0"])[0] == "1"
        answer = self._execute(_fill_in(text, parameters), is_annotated=is_annotated)
        if self.traps.report_cache_seconds:
            self.cache[key] = time.monotonic() + self.traps.report_cache_seconds, answer.body
        return answer

    def _execute(self, sql: str, *, is_annotated: bool) -> Answer:
        if "WHERE" not in sql.upper():
            sql = LIMIT.sub(" ", sql)
        statement = f"{sql}\nLIMIT 0, {self.traps.max_report_rows or 10}"
        try:
            with self.state.lock:
                cursor = self.state.database.execute(statement)
                names = [column[0] for column in cursor.description]
                rows = cursor.fetchall()
        except sqlite3.Error as error:
            return json_answer(200, {"queryerr": str(error)})
        money = [name in ("amount", "balance") for name in names]
        values = [[_as_text(value, is_money=money[i]) for i, value in enumerate(row)] for row in rows]
        return json_answer(200, [dict(zip(names, row, strict=True)) for row in values] if is_annotated else values)


_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_HTML = {"Content-Type": "text/html; charset=UTF-8"}


def _fill_in(text: str, parameters: list[str]) -> str:
    """Returns the text with its labels replaced by quoted texts, in their order."""
    values = iter(parameters)
    return re.sub("<<.*?>>", lambda _: "'{}'".format(next(values, "").replace("'", "''")), text)


def _as_text(value: Any, *, is_money: bool) -> str | None:
    if value is None:
        return None
    return f"{value:.6f}" if is_money else str(value)
