"""The logins of the Koha server: OAuth2, Basic, and the session of the staff site.

[page]: the staff site's form (24.05 wants a Csrf-Token, and other names of the fields). Read in the source: a request
without a session gets the login page, as HTML with the status 200.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie

from tests.support.koha_traps import CLIENT_ID, CLIENT_SECRET, LOGIN, PASSWORD, Traps
from tests.support.koha_wire import Answer, Request, json_answer


class Logins:
    """The tokens and sessions that the server has given, each with the moment of its end."""

    def __init__(self, traps: Traps) -> None:
        self.traps = traps
        self.tokens: dict[str, float] = {}
        self.sessions: dict[str, float] = {}
        self.csrf_tokens: dict[str, str] = {}

    def give_token(self, request: Request) -> Answer:
        """Answers POST /oauth/token."""
        if not self.traps.oauth:
            return json_answer(404, {"error": "Unimplemented"})
        form = request.form
        if form.get("grant_type") != "client_credentials":
            return json_answer(400, {"error": "Unimplemented grant type"})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return json_answer(403, {"error": "access_denied"})
        token = secrets.token_hex(16)
        self.tokens[token] = time.monotonic() + self.traps.token_seconds
        return json_answer(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self.traps.token_seconds)}
        )

    def find_refusal(self, request: Request, permissions: tuple[str, ...]) -> Answer | None:
        """Returns the answer to a request of the API that is not allowed; None if it is."""
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            is_known = self.tokens.get(value, 0) > time.monotonic()
        elif kind == "Basic" and self.traps.basic_auth:
            is_known = base64.b64decode(value).decode() == f"{LOGIN}:{PASSWORD}"
        else:
            is_known = False
        if not is_known:
            return json_answer(401, {"error": "Authentication failure."})
        if missing := [permission for permission in permissions if permission not in self.traps.permissions]:
            required = dict(permission.partition(":")[::2] for permission in missing)
            return json_answer(
                403,
                {
                    "error": "Authorization failure. Missing required permission(s).",
                    "required_permissions": {name: value or "1" for name, value in required.items()},
                },
            )
        return None

    def authenticate(self, request: Request) -> Answer:
        """Answers svc/authentication: GET gives an anonymous session, POST logs in."""
        if request.method == "GET":
            session, csrf = secrets.token_hex(16), secrets.token_hex(8)
            self.csrf_tokens[session] = csrf
            headers = {"Set-Cookie": f"CGISESSID={session}; path=/; HttpOnly"}
            if self.traps.csrf:
                headers["Csrf-Token"] = csrf
            return _authentication_answer("failed", headers)
        given = get_session(request.headers)
        if self.traps.csrf:
            names = ("login_userid", "login_password")
            if not given or request.headers.get("Csrf-Token") != self.csrf_tokens.get(given):
                return Answer(403, b"Wrong CSRF token", {"Content-Type": "text/plain"})
        else:
            names = ("userid", "password")
        if tuple(request.form.get(name) for name in names) != (LOGIN, PASSWORD):
            return _authentication_answer("failed", {})
        session = secrets.token_hex(16)
        self.sessions[session] = time.monotonic() + self.traps.session_seconds
        return _authentication_answer("ok", {"Set-Cookie": f"CGISESSID={session}; path=/; HttpOnly"})

    def has_session(self, request: Request) -> bool:
        """Returns whether a request is of a session of the staff site that lasts."""
        return self.sessions.get(get_session(request.headers) or "", 0) > time.monotonic()


def get_session(headers: Mapping[str, str]) -> str | None:
    """Returns the session of a request."""
    cookies = SimpleCookie(headers.get("Cookie", ""))
    return cookies["CGISESSID"].value if "CGISESSID" in cookies else None


def _authentication_answer(status: str, headers: Mapping[str, str]) -> Answer:
    body = f"<?xml version='1.0' standalone='yes'?>\n<response>\n  <status>{status}</status>\n</response>\n"
    return Answer(200, body.encode(), {"Content-Type": "text/xml", **headers})
