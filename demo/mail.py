"""A mail server in the process that starts it, for the demo and the tests. It listens on this machine only."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from anyio.from_thread import start_blocking_portal

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Login:
    """The login that a client needs, over TLS, before the server accepts a mail."""

    user: str
    password: str
    tls: ssl.SSLContext


@contextmanager
def mail_server(
    folder: Path, *, port: int = 0, login: Login | None = None, refuses: frozenset[str] = frozenset()
) -> Iterator[int]:
    """Accepts mails until the block ends; yields the port.

    Args:
        folder: gets each mail as received, `0001 <subject>.eml`, and its HTML part as a file for a browser.
        port: 0 chooses a free one.
        login: the only login that it accepts; None accepts every client.
        refuses: recipients that it rejects.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving(_Mailroom(folder, login, refuses), port, login)) as bound,
    ):
        yield bound


def mails(folder: Path) -> list[EmailMessage]:
    """Returns the mails in a folder, in the order of their arrival."""
    files = sorted(folder.glob("*.eml"))
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


@asynccontextmanager
async def _serving(mailroom: "_Mailroom", port: int, login: Login | None) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()

    connections: list[SMTP] = []

    def protocol() -> SMTP:
        connection = SMTP(
            mailroom,
            loop=loop,
            hostname="localhost",
            tls_context=login.tls if login else None,
            require_starttls=login is not None,
            auth_required=login is not None,
            authenticator=mailroom.knows,
        )
        connections.append(connection)
        return connection

    server = await loop.create_server(protocol, HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            if connection.transport:
                connection.transport.close()
        await server.wait_closed()


class _Mailroom:
    """Writes received mails into a folder."""

    def __init__(self, folder: Path, login: Login | None, refuses: frozenset[str]) -> None:
        self._folder = folder
        self._login = login
        self._refuses = refuses
        self._numbers = count(len(list(folder.glob("*.eml"))) + 1)

    def knows(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        said: object,
    ) -> AuthResult:
        expected = self._login and LoginPassword(self._login.user.encode(), self._login.password.encode())
        return AuthResult(success=said == expected, handled=False)

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address in self._refuses:
            return "550 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        mail = message_from_bytes(content, policy=policy.default)
        name = f"{next(self._numbers):04} {re.sub(r'[^A-Za-z0-9 ,.()-]+', ' ', mail['Subject'])[:80].strip()}"
        if page := mail.get_body(("html",)):
            (self._folder / f"{name}.html").write_text(page.get_content(), encoding="utf-8")
        (self._folder / f"{name}.eml").write_bytes(
            b"X-RcptTo: " + ", ".join(envelope.rcpt_tos).encode() + b"\r\n" + content
        )
        return "250 OK"
