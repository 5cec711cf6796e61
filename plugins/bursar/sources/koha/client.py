"""Requests to a Koha: the REST API, with OAuth2 or Basic, and the staff site, with a session.

A login that has ended is renewed once for each request. Answers of the API have errors in two shapes.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from typing import Any

from bursar.errors import BursarError
from bursar.sources.http_client import HttpAnswer, HttpClient
from bursar.sources.system import FailedRequestError

API = "/api/v1"
AUTHENTICATION = "/cgi-bin/koha/svc/authentication"
REPORT = "/cgi-bin/koha/svc/report"
MAX_MESSAGE_LENGTH = 200
"""Characters of Koha's own message that an error repeats."""
EARLY_SECONDS = 60
"""How long before its end a token is no more used."""


class KohaClient:
    """A client of one Koha, which logs in when it must."""

    def __init__(self, http: HttpClient) -> None:
        self.http, self.account = http, http.account
        self._authorization, self._ends_at = "", 0.0
        self._session = ""

    def get(self, path: str, subject: str, params: Mapping[str, str | int] = MappingProxyType({})) -> HttpAnswer:
        """Reads from the API; returns an answer of any status but 401.

        Raises:
            TransientError: Koha can't be reached, or does not answer in time.
            BursarError: the login is refused, or a permission is missing.
        """
        return self._call(
            lambda headers: self.http.get(f"{API}{path}", subject=subject, params=params, headers=headers), subject
        )

    def post(self, path: str, subject: str, data: Mapping[str, Any], before: Callable[[], object]) -> HttpAnswer:
        """Sends JSON to the API, as `get`. Calls `before` directly before it, and sends nothing if that raises.

        After an UnknownOutcomeError it may have been carried out.
        """

        def send(headers: Mapping[str, str]) -> HttpAnswer:
            before()
            return self.http.post(f"{API}{path}", subject=subject, data=data, headers=headers)

        return self._call(send, subject)

    def run_report(self, number: int, params: Sequence[str]) -> HttpAnswer:
        """Runs a saved report with the values of its parameters in their order.

        Raises:
            TransientError: Koha can't be reached, or does not answer in time; or answers with the status 500, as when
                it does not have the report.
            BursarError: the login is refused, or Koha does not run the report.
        """
        values: dict[str, str | int | Sequence[str]] = {"id": number, "annotated": 1, "sql_params": list(params)}
        for is_last in (False, True):
            if not self._session or is_last:
                self._session = self._open_session()
            headers = {"Cookie": f"CGISESSID={self._session}"}
            try:
                answer = self.http.get(REPORT, subject=f"the saved report {number}", params=values, headers=headers)
            except FailedRequestError:
                raise FailedRequestError(self._describe_missing_report(number, "the status 500")) from None
            if answer.is_success and "html" not in answer.headers.get("Content-Type", ""):
                return answer
        raise BursarError(self._describe_missing_report(number, f"a page, and the status {answer.status}"))

    def _describe_missing_report(self, number: int, what: str) -> str:
        return (
            f"Report {number} does not exist or can't be run by this user: {self.account} has answered with {what}. "
            "Open the report in Koha as the user of the connection. If it is missing, save the text of the manual "
            "again, and write the number that it gets into the source's file (report). If it can't be opened, give the "
            "user the permissions catalogue and reports:execute_reports. If it runs there, try again later."
        )

    def _call(self, send: Callable[[Mapping[str, str]], HttpAnswer], subject: str) -> HttpAnswer:
        answer = send(self._get_headers())
        if answer.status == 401:  # noqa: PLR2004  nothing was carried out
            self._authorization = ""
            answer = send(self._get_headers())
        if answer.status == 401:  # noqa: PLR2004
            raise BursarError(
                f"{self.account} refuses the login to its API: {get_message(answer)}. Check login and password, and "
                "that RESTBasicAuth is on; or enter client_id and client_secret in the connection."
            )
        if answer.status == 403:  # noqa: PLR2004
            raise BursarError(
                f"{self.account} refuses {subject}: the user lacks permissions, {_get_permissions(answer)}. Grant them "
                "in Koha."
            )
        return answer

    def _get_headers(self) -> Mapping[str, str]:
        if self.account.client_id is None:
            login = base64.b64encode(f"{self.account.login}:{self.account.password}".encode()).decode()
            return {"Authorization": f"Basic {login}"}
        if not self._authorization or time.monotonic() > self._ends_at:
            self._authorization = self._fetch_token(self.account.client_id)
        return {"Authorization": self._authorization}

    def _fetch_token(self, client_id: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": self.account.client_secret,
        }
        answer = self.http.post(f"{API}/oauth/token", subject="the login", form=form)
        if not answer.is_success:
            raise BursarError(
                f"{self.account} refuses client_id and client_secret: {get_message(answer)}. Check them in the "
                "connection, and that RESTOAuth2ClientCredentials is on."
            )
        token = answer.parse_json()
        lasts = token.get("expires_in", 0) if isinstance(token, dict) else 0
        self._ends_at = time.monotonic() + max(lasts - EARLY_SECONDS, lasts / 2)
        if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
            raise BursarError(f"{self.account} has answered to the login without a token.")
        return f"Bearer {token['access_token']}"

    def _open_session(self) -> str:
        """Logs in to the staff site; returns the session."""
        page = self.http.get(AUTHENTICATION, subject="the staff site's login")
        headers = {"Cookie": f"CGISESSID={_get_session(page)}"}
        names = ("userid", "password")
        if csrf := page.headers.get("Csrf-Token"):  # since 24.05
            headers["Csrf-Token"], names = csrf, ("login_userid", "login_password")
        form = dict(zip(names, (self.account.login, self.account.password), strict=True))
        answer = self.http.post(AUTHENTICATION, subject="the staff site's login", form=form, headers=headers)
        session = _get_session(answer)
        if "<status>ok</status>" not in answer.text or not session:
            raise BursarError(
                f"{self.account} refuses the login to the staff site. Check login and password of the connection, "
                "and that the address is that of the staff site. Some versions of Koha want the permission "
                "editcatalogue for it."
            )
        return session


def _get_session(answer: HttpAnswer) -> str:
    cookie: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("Set-Cookie"):
        try:
            cookie.load(header)
        except CookieError:
            continue
    return cookie["CGISESSID"].value if "CGISESSID" in cookie else ""


def get_message(answer: HttpAnswer) -> str:
    """Returns Koha's own message in an answer that is no success, with its status."""
    try:
        data = answer.parse_json()
    except BursarError:
        data = None
    message = data.get("error") if isinstance(data, dict) else None
    errors = data.get("errors") if isinstance(data, dict) else None
    if message is None and isinstance(errors, list) and errors and isinstance(errors[0], dict):
        message = f"{errors[0].get('message')} ({errors[0].get('path')})"
    return f"{message or 'no message'} (status {answer.status})"[:MAX_MESSAGE_LENGTH]


def _get_permissions(answer: HttpAnswer) -> str:
    try:
        data = answer.parse_json()
    except BursarError:
        return "of which Koha gives no list"
    required = data.get("required_permissions") if isinstance(data, dict) else None
    if not isinstance(required, dict):
        return "of which Koha gives no list"
    return "most likely " + ", ".join(f"{name}:{value}" for name, value in sorted(required.items()))
