"""A client for the APIs of library systems: careful with time, size, secrets and repetition.

Reading requests are repeated after faults that may pass. A request that changes something is sent once: after a fault,
only the library's system knows whether it arrived. Addresses of requests and texts of answers may name people, and are
neither logged nor part of an error.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLCertVerificationError
from time import sleep
from types import MappingProxyType
from typing import Any, Self

import httpx

from bursar.errors import BursarError, TransientError
from bursar.sources.request_deadline import Deadline
from bursar.sources.system import FailedRequestError
from bursar.sources.system_account import SystemAccount, check_url, make_ssl_context

for _name in ("httpx", "httpcore"):
    # At INFO they log the addresses of requests, and at DEBUG the headers of answers, with tokens.
    logging.getLogger(_name).setLevel(logging.WARNING)

PAUSES_SECONDS = (1.0, 5.0, 15.0)
"""The pauses before a reading request is repeated."""
MAX_PAUSE_SECONDS = 60.0
"""The longest pause that an answer can ask for with Retry-After."""
MAX_ANSWER_BYTES = 64_000_000
MAX_TOTAL_FACTOR = 10
"""How many times as long as a silence may last, a request may last in all."""
RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses after which a reading request is repeated."""
MAX_DIGITS = 100
"""The most digits before or after the point of a number in an answer; written in full, others fill the memory."""
_NOTHING: Mapping[str, str] = MappingProxyType({})


class UnknownOutcomeError(TransientError):
    """A request that changes something was sent, or a part of it, and no complete answer came."""


@dataclass(frozen=True)
class HttpAnswer:
    """A complete answer of a server, of any status but a redirect."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    server: str

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return httpx.codes.is_success(self.status)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def parse_json(self) -> Any:  # noqa: ANN401  only the caller knows what was asked for
        """Returns the body, with exact numbers: amounts are Decimal or int.

        Raises:
            BursarError: it is not JSON.
        """
        try:
            return json.loads(self.body, parse_float=_parse_number, parse_constant=_parse_number)
        except (ValueError, RecursionError):
            raise BursarError(
                f"{self.server} has answered with something other than JSON. Most likely the host of the connection "
                "is not that of the API."
            ) from None  # the cause quotes the body


class HttpClient:
    """A client for one server, to be closed. It keeps no cookies, follows no redirects and verifies certificates.

    `subject` in its methods says what a request is about, in words without personal data, for messages.
    """

    def __init__(
        self,
        account: SystemAccount,
        *,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        check_url(account)
        self.account = account
        self._pauses_seconds, self._max_answer_bytes = pauses_seconds, max_answer_bytes
        self._client = httpx.Client(
            base_url=account.url,
            verify=make_ssl_context(account),
            timeout=account.timeout_seconds,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )
        self._deadline = Deadline(account.timeout_seconds * MAX_TOTAL_FACTOR)

    def __enter__(self) -> Self:
        """Returns the client, which connects with its first request."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes its connection."""
        self._client.close()

    def get(
        self,
        path: str,
        *,
        subject: str,
        params: Mapping[str, str | int | Sequence[str]] = MappingProxyType({}),
        headers: Mapping[str, str] = _NOTHING,
    ) -> HttpAnswer:
        """Reads; repeats the request after faults that may pass. Returns the answer, also one that says no.

        Raises:
            TransientError: the server could not be reached, was busy, or did not answer in time, each time.
            FailedRequestError: it answered with the status 500, each time.
            BursarError: it redirects, or its answer is too large.
        """
        pauses = iter(self._pauses_seconds)
        while True:
            pause = next(pauses, None)
            try:
                answer = self._send(self._client.build_request("GET", path, params=params, headers=headers), subject)
            except TransientError:
                if pause is None:
                    raise
            else:
                if answer.status not in RETRIED:
                    return answer
                if pause is None:
                    # Other statuses are of a server, or of a gateway before it, that is busy as a whole.
                    kind = FailedRequestError if answer.status == httpx.codes.INTERNAL_SERVER_ERROR else TransientError
                    raise kind(
                        f"{self.account} answers with the status {answer.status} to {subject}. Try again later; if it "
                        "stays so, ask those who run it."
                    )
                pause = max(pause, _get_retry_after(answer))
            sleep(pause)

    def post(
        self,
        path: str,
        *,
        subject: str,
        data: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _NOTHING,
    ) -> HttpAnswer:
        """Sends JSON, or a form, once. Returns the answer, of whatever status: after 500 it may have been done, too.

        Raises:
            UnknownOutcomeError: it may have been carried out.
            TransientError: the server could not be reached; nothing was sent.
            BursarError: the server redirects, which carries nothing out.
        """
        return self._send(self._client.build_request("POST", path, json=data, data=form, headers=headers), subject)

    def _send(self, request: httpx.Request, subject: str) -> HttpAnswer:
        request.extensions["trace"] = self._deadline.observe
        lost: type[TransientError] = TransientError if request.method == "GET" else UnknownOutcomeError
        try:
            with self._deadline.running():
                response = self._client.send(request, stream=True)
                try:
                    body = self._read_body(response, subject)
                finally:
                    response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise _make_connect_error(self.account, error) from None  # the cause has the address of the request
        except httpx.TimeoutException:
            raise lost(
                f"{self.account} has not answered to {subject} within {self.account.timeout_seconds:g} seconds."
            ) from None
        except (httpx.RequestError, httpx.StreamError) as error:
            raise lost(f"The answer of {self.account} to {subject} was lost: {_describe(error)}.") from None
        if response.is_redirect:
            raise BursarError(
                f"{self.account} redirects {subject} to another address, which is not followed. Enter the address of "
                "the API in the connection."
            )
        return HttpAnswer(response.status_code, response.headers, body, str(self.account))

    def _read_body(self, response: httpx.Response, subject: str) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_answer_bytes:
                if response.request.method != "GET":
                    raise UnknownOutcomeError(f"The answer of {self.account} to {subject} is too large to be read.")
                raise BursarError(
                    f"The answer of {self.account} to {subject} is larger than {self._max_answer_bytes:,} bytes, the "
                    "most that is read."
                )
        return bytes(body)


def _parse_number(text: str) -> Decimal:
    """Returns a number of JSON; raises a ValueError for NaN, infinity and numbers of too many digits."""
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError
    return number


def _make_connect_error(account: SystemAccount, error: Exception) -> BursarError:
    if isinstance(cause := _find_cause(error), SSLCertVerificationError):
        return BursarError(
            f"The certificate of {account} is not trusted: {cause.verify_message}. If the library has an authority of "
            "its own, enter the file with its certificate in the connection."
        )
    return TransientError(
        f"{account} can't be reached: {_describe(error)}. Check the host and the port of the connection, and the "
        "network."
    )


def _find_cause(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _describe(error: Exception) -> str:
    """Returns why a request failed, without addresses."""
    cause = _find_cause(error)
    return cause.strerror if cause and cause.strerror else "the connection has ended too early"


def _get_retry_after(answer: HttpAnswer) -> float:
    value = answer.headers.get("Retry-After", "")
    return min(float(value), MAX_PAUSE_SECONDS) if value.isascii() and value.isdigit() else 0.0
