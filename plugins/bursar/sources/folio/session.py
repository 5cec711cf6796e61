"""A session with FOLIO, behind Okapi or Kong: logs in, renews tokens that expire, and names missing permissions."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any

from bursar.errors import BursarError, TransientError
from bursar.sources.http_client import RETRIED, HttpAnswer, HttpClient

ACCESS, REFRESH = "folioAccessToken", "folioRefreshToken"
PAGE = 1000
"""Records of a page. FOLIO looks up the items of each account of a page, so larger ones are heavy."""
MAX_IDS = 50
"""Ids in a query: addresses of more than 4 kB may be refused."""
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_PERMISSION = re.compile(r"requires permission: ([a-z0-9._-]{1,100})", re.IGNORECASE)


class FolioSession:
    """A session of one tenant. It logs in with its first request.

    Each session has tokens of its own, since a refresh token works once.
    """

    def __init__(self, client: HttpClient, tenant: str) -> None:
        self._client, self._tenant = client, tenant
        self._tokens: dict[str, str] = {}
        self.name = f"FOLIO at {client.account}"

    def get(self, path: str, *, subject: str, params: Mapping[str, str | int] | None = None) -> HttpAnswer:
        """Returns the answer to a reading request, also one that says no; raises as `HttpClient.get`."""
        return self._send(lambda head: self._client.get(path, subject=subject, params=params or {}, headers=head))

    def post(
        self, path: str, data: Mapping[str, object], *, subject: str, before: Callable[[], object] = lambda: None
    ) -> HttpAnswer:
        """Sends JSON once, or again if FOLIO did not take the token; calls `before` directly before it.

        Raises as `HttpClient.post` and `before`.
        """

        def send(head: dict[str, str]) -> HttpAnswer:
            before()
            return self._client.post(path, subject=subject, data=data, headers=head)

        return self._send(send)

    def get_json(self, path: str, *, subject: str, params: Mapping[str, str | int] | None = None) -> Any:  # noqa: ANN401
        """Returns the JSON that FOLIO answers; None if there is nothing of that id.

        Raises:
            TransientError: FOLIO can't be reached, or is busy.
            BursarError: a permission is missing, or FOLIO does not understand the request.
        """
        answer = self.get(path, subject=subject, params=params)
        if answer.is_success:
            return answer.parse_json()
        if answer.status == _NOT_FOUND:
            return None
        raise self.make_error(answer, subject)

    def get_page(self, path: str, name: str, query: str, *, subject: str, limit: int = PAGE) -> list[dict[str, Any]]:
        """Returns the first records of a query in CQL, by id; raises as `get_json`."""
        params: dict[str, str | int] = {"query": f"{query} sortBy id", "limit": limit}
        answer = self.get_json(path, params=params, subject=subject)
        records = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise BursarError(f"{self.name} has answered to {subject} without a list `{name}` of records.")
        ids = [str(record.get("id", "")) for record in records]
        if ids != sorted(set(ids)):
            raise BursarError(f"{self.name} gives {subject} in no order, so some would be missing.")
        return records

    def list_all(self, path: str, name: str, query: str, *, subject: str) -> Iterator[dict[str, Any]]:
        """Yields all records of a query in CQL, by id.

        The next page begins after the last id, since an offset would skip records when others change meanwhile. The
        total that FOLIO gives may be an estimate: an empty page is the end.
        """
        after, last = "", ""
        while records := self.get_page(path, name, f"({query}){after}", subject=subject):
            if str(records[0]["id"]) <= last:
                raise BursarError(f"{self.name} gives {subject} more than once.")
            yield from records
            last = str(records[-1]["id"])
            after = f" and id>{quote_cql(last)}"

    def list_by_ids(self, path: str, name: str, ids: list[str], *, subject: str) -> Iterator[dict[str, Any]]:
        """Yields the records that have one of some ids; an id without a record is left out."""
        for start in range(0, len(ids), MAX_IDS):
            query = f"id==({' or '.join(map(quote_cql, ids[start : start + MAX_IDS]))})"
            yield from self.get_page(path, name, query, subject=subject, limit=MAX_IDS)

    def get_moment(self) -> datetime:
        """Returns the moment, in UTC, of FOLIO's own clock; that of this machine if FOLIO does not say it."""
        answer = self.get("/groups", subject="the patron groups", params={"limit": 1})
        if not answer.is_success:
            raise self.make_error(answer, "the patron groups")
        try:
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            return datetime.now(UTC)

    def make_error(self, answer: HttpAnswer, subject: str) -> BursarError:
        """Returns the error of an answer that says no, without its text, which may name people."""
        if answer.status == _FORBIDDEN:
            found = _PERMISSION.search(answer.text)
            which = f" {found[1]}" if found else ""
            return BursarError(
                f"{self.name} denies {subject}: the account lacks the permission{which}. Give it to the account."
            )
        return BursarError(f"{self.name} answers with the status {answer.status} to {subject}.")

    def _send(self, send: Callable[[dict[str, str]], HttpAnswer]) -> HttpAnswer:
        if not self._tokens:
            self._log_in()
        answer = send(self._headers)
        if answer.status == _UNAUTHORIZED:
            # The gateway refuses it before a module sees it, so nothing was done.
            self._renew()
            answer = send(self._headers)
            if answer.status == _UNAUTHORIZED:
                raise BursarError(f"{self.name} does not accept the token that it has just given. Check the tenant.")
        return answer

    @property
    def _headers(self) -> dict[str, str]:
        head = {"X-Okapi-Tenant": self._tenant, "Accept": "application/json, text/plain"}
        return head | ({"X-Okapi-Token": self._tokens[ACCESS]} if self._tokens else {})

    def _renew(self) -> None:
        """Renews the tokens, or logs in again."""
        cookie = {"Cookie": f"{REFRESH}={self._tokens.get(REFRESH, '')}"}
        self._tokens = {}
        answer = self._client.post("/authn/refresh", subject="the renewal of the login", headers=self._headers | cookie)
        if not (answer.is_success and self._read_tokens(answer)):
            self._log_in()

    def _log_in(self) -> None:
        account = self._client.account
        data = {"username": account.login, "password": account.password}
        subject = "the login"
        answer = self._client.post("/authn/login-with-expiry", subject=subject, data=data, headers=self._headers)
        if answer.is_success and self._read_tokens(answer):
            return
        if answer.status in RETRIED:
            raise TransientError(f"{self.name} answers with the status {answer.status} to the login. Try again later.")
        if answer.status == _NOT_FOUND:
            raise BursarError(
                f"{self.name} has no /authn/login-with-expiry. Enter the address of Okapi or Kong in the connection, "
                "not that of the user interface. FOLIO has to be Poppy or later."
            )
        raise BursarError(
            f"{self.name} refuses the login of the tenant {self._tenant} with the status {answer.status}. Check login "
            "and password in the connection, and the tenant in the file of the source."
        )

    def _read_tokens(self, answer: HttpAnswer) -> bool:
        """Reads the tokens of the cookies, which http.cookiejar would not send back to another port or scheme."""
        found: dict[str, str] = {}
        for line in answer.headers.get_list("Set-Cookie"):
            try:
                found |= {name: one.value for name, one in SimpleCookie(line).items()}
            except CookieError:
                continue
        self._tokens = {name: found[name] for name in (ACCESS, REFRESH) if name in found}
        return ACCESS in self._tokens


def quote_cql(value: str) -> str:
    """Returns a text as a term in CQL."""
    return '"' + re.sub(r'([\\"*?^])', r"\\\1", value) + '"'
