"""Servers that go silent or send single bytes, at any step, end with a TransientError in a bounded time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from bursar.airflow.connections import open_folder
from bursar.errors import TransientError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder
from tests.airflow.conftest import Connect
from tests.support.servers import RemoteServer, make_limits
from tests.support.stalling_proxy import StallingProxy, stalling_proxy

pytestmark = pytest.mark.usefixtures("empty_ssh_folder")

LIMITS = make_limits(timeout_seconds=0.2)
MAX_SECONDS = 5
"""Much less than a drip of the answers would take, and more than the limits allow on a busy machine."""
LARGE = b"<fine/>" * 100_000

LOGIN_BYTES = {"sftp": 2_100, "ftp": 90, "ftps": 1_600}
"""How many bytes a server of each kind sends before the first step."""

STEPS: dict[str, Callable[[RemoteFolder], object]] = {
    "list": lambda folder: list(folder.files()),
    "size": lambda folder: folder.size("fines.xml"),
    "entry": lambda folder: folder.entry("fines.xml"),
    "read": lambda folder: list(folder.read("fines.xml")),
    "write": lambda folder: folder.write("new.xml", BytesIO(LARGE)),
    "rename": lambda folder: folder.rename("fines.xml", "new.xml"),
    "create": lambda folder: folder.create_folder("processed"),
    "delete": lambda folder: folder.delete("fines.xml"),
}


@pytest.fixture(params=["sftp", "ftp", "ftps"])
def proxied(
    request: pytest.FixtureRequest, connect: Connect, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[StallingProxy, str]]:
    """A proxy before a server of each kind, and the id of the Airflow connection through it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    remote: RemoteServer = request.getfixturevalue(f"{request.param}_remote")
    (remote.disk / "fines.xml").write_bytes(LARGE)
    with stalling_proxy(remote.connection["port"]) as proxy:
        proxy.kind = request.param
        yield proxy, connect(remote.connection, port=proxy.port)


MAX_LOGINS = 5


@contextmanager
def opened(connection: str, limits: ServerLimits = LIMITS) -> Iterator[RemoteFolder]:
    """Opens the folder; on a busy machine a login may take longer than the limits allow, and is repeated."""
    with ExitStack() as stack:
        for number in range(1, MAX_LOGINS + 1):
            try:
                folder = stack.enter_context(open_folder(connection, "", may_create=False, limits=limits))
            except TransientError:
                if number == MAX_LOGINS:
                    raise
            else:
                break
        yield folder


@contextmanager
def ends_in_time() -> Iterator[None]:
    """Fails if the block takes long, or leaves a thread of a client behind."""
    threads = {thread for thread in threading.enumerate() if "proxy" not in thread.name}
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < MAX_SECONDS
    begun = time.monotonic()
    while any("paramiko" in type(one).__module__ for one in set(threading.enumerate()) - threads):
        assert time.monotonic() - begun < MAX_SECONDS
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("share", "drips"), [(0, False), (0, True), (0.03, True), (0.3, False), (0.6, True), (0.95, False), (0.95, True)]
)
def test_a_login_ends_in_time(proxied: tuple[StallingProxy, str], share: float, *, drips: bool) -> None:
    """The banner, the key exchange, the login, the answer of the subsystem: by the bytes that came before."""
    proxy, connection = proxied
    proxy.drips = drips
    proxy.stall(int(share * LOGIN_BYTES[proxy.kind]))
    with (
        ends_in_time(),
        pytest.raises(TransientError, match="connection to the server failed"),
        open_folder(connection, "", may_create=False, limits=LIMITS) as folder,
    ):
        list(folder.files())


# By FTP the first three have a data connection. The others are one request and its answer, a rename two of them.
@pytest.mark.parametrize(
    ("step", "drips"),
    [*((step, True) for step in ("list", "read", "write", "size")), *((step, False) for step in STEPS)],
)
def test_a_step_ends_in_time(proxied: tuple[StallingProxy, str], step: str, *, drips: bool) -> None:
    proxy, connection = proxied
    proxy.drips = drips
    with ends_in_time(), opened(connection) as folder:
        proxy.stall(3)
        with pytest.raises(TransientError, match=r"timed out: no answer, or too little of it, within 0\.2 seconds"):
            STEPS[step](folder)
        with pytest.raises(TransientError):  # a late answer is not taken for another one
            folder.size("fines.xml")


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize("step", ["list", "read"])
def test_a_data_connection_ends_in_time(ftp_remote: RemoteServer, connect: Connect, step: str, *, drips: bool) -> None:
    (ftp_remote.disk / "fines.xml").write_bytes(LARGE)
    with (
        stalling_proxy(ftp_remote.connection["port"]) as proxy,
        ends_in_time(),
        opened(connect(ftp_remote.connection, port=proxy.port)) as folder,
    ):
        proxy.stalls_data, proxy.drips = True, drips
        proxy.stall(10)
        with pytest.raises(TransientError, match="timed out"):
            STEPS[step](folder)


def test_a_server_that_takes_no_bytes_ends_in_time(proxied: tuple[StallingProxy, str]) -> None:
    """The buffers of both machines get full, and paramiko sends in this thread."""
    proxy, connection = proxied
    with ends_in_time(), opened(connection) as folder:
        proxy.takes_nothing = True
        with pytest.raises(TransientError, match="timed out"):
            folder.write("new.xml", BytesIO(b"<fine/>" * 3_000_000))


def test_a_silent_end_is_no_error_and_short(
    proxied: tuple[StallingProxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bursar.airflow.server_clients.CLOSE_SECONDS", 0.3)
    proxy, connection = proxied
    with ends_in_time(), opened(connection, make_limits(timeout_seconds=2)) as folder:
        assert folder.size("fines.xml") == len(LARGE)
        proxy.stall()


def test_a_slow_server_that_makes_progress_is_waited_for(ftp_remote: RemoteServer, connect: Connect) -> None:
    """Its file takes longer than a server may be silent."""
    (ftp_remote.disk / "fines.xml").write_bytes(LARGE * 2)
    limits = make_limits(timeout_seconds=1)
    received, began = 0, time.monotonic()
    with open_folder(connect(ftp_remote.connection), "", may_create=False, limits=limits) as folder:
        for block in folder.read("fines.xml"):
            received += len(block)
            time.sleep(0.03)
    assert received == len(LARGE * 2)
    assert time.monotonic() - began > limits.timeout_seconds
