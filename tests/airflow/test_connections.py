"""Airflow's connections, taken from the environment, to real servers.

The module is long because one set of servers and logins serves the tests of SFTP, FTP, FTPS and the ledger.
"""

import json
import logging
import socket
import time
from io import BytesIO
from pathlib import Path
from threading import Thread

import asyncssh
import pytest
from paramiko import SFTPClient
from sqlalchemy import make_url

from bursar.airflow.connections import ledger_url, open_folder
from bursar.db.engine import ledger_engine
from bursar.errors import BatchError, BursarError, RemoteFolderError, TransientError
from demo.postgres import Postgres
from demo.servers import HOST, Account, sftp_server
from tests.airflow.conftest import Connect
from tests.support.servers import USER, RemoteServer, make_limits

pytestmark = pytest.mark.usefixtures("empty_ssh_folder")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this machine trust the certificate of the FTPS server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def create_key(folder: Path) -> tuple[str, str, Path]:
    """Creates a key pair; returns the private key, the public key, and the file of the private key."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    file = folder / "key"
    key.write_private_key(str(file))
    return file.read_text(), key.export_public_key().decode(), file


def create_other_host_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


@pytest.mark.usefixtures("trusted")
def test_a_file_is_uploaded_with_the_password_of_the_connection(remote: RemoteServer, connect: Connect) -> None:
    with open_folder(connect(remote.connection), "out", may_create=True) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
        kind, port = remote.connection["conn_type"], remote.connection["port"]
        assert folder.address == f"{kind}://{USER}@127.0.0.1:{port}/out"
    assert (remote.disk / "out" / "fines.xml").read_bytes() == b"fines"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("sub_directory", "path", "expected"),
    [
        ("", "", "."),
        (None, "", "."),
        ("Alma", "", "Alma"),
        ("", "bursar", "bursar"),
        ("Alma", "bursar", "Alma/bursar"),
        ("Alma/feeds/", "bursar/out", "Alma/feeds/bursar/out"),
        ("/Alma", "/bursar/", "Alma/bursar"),
    ],
)
def test_the_path_of_the_profile_is_below_sub_directory(
    remote: RemoteServer, connect: Connect, sub_directory: str | None, path: str, expected: str
) -> None:
    extra = remote.connection.get("extra", {}) | ({} if sub_directory is None else {"sub_directory": sub_directory})
    with open_folder(connect(remote.connection, extra=extra), path, may_create=True) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
    assert [file.relative_to(remote.disk) for file in remote.disk.rglob("*.xml")] == [Path(expected) / "fines.xml"]


@pytest.mark.usefixtures("trusted")
def test_a_missing_folder_is_an_error_if_it_must_not_be_created(remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"127\.0\.0\.1:\d+/out: there is no such folder"),
        open_folder(connect(remote.connection), "out", may_create=False),
    ):
        pass
    assert list(remote.disk.iterdir()) == []


@pytest.mark.usefixtures("trusted")
# The client does not close the socket of an FTPS login that was rejected.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_wrong_password_is_rejected_without_a_retry(remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"^Connection bursar_files: .*127\.0\.0\.1:\d+ rejects the login"),
        open_folder(connect(remote.connection, password="wrong"), "", may_create=True),
    ):
        pass


@pytest.mark.parametrize("kind", ["sftp", "ftp", "ftps"])
def test_a_server_that_is_down_is_a_transient_error(kind: str, connect: Connect) -> None:
    connection = {"conn_type": kind, "host": "127.0.0.1", "port": 1, "login": USER, "password": "x"}
    with (
        pytest.raises(
            TransientError, match=r"^Connection bursar_files: .*127\.0\.0\.1:1: the connection to the server fail"
        ),
        open_folder(connect(connection), "", may_create=True),
    ):
        pass


@pytest.mark.parametrize("kind", ["sftp", "ftp", "ftps"])
def test_an_unknown_host_is_a_transient_error(kind: str, connect: Connect) -> None:
    connection = {"conn_type": kind, "host": "bursar.invalid", "login": USER, "password": "x"}
    with (
        pytest.raises(TransientError, match=r"bursar\.invalid: the connection"),
        open_folder(connect(connection), "", may_create=True),
    ):
        pass


@pytest.mark.usefixtures("trusted")
def test_an_error_of_the_caller_is_not_changed(remote: RemoteServer, connect: Connect) -> None:
    with pytest.raises(FileNotFoundError, match="mine"), open_folder(connect(remote.connection), "", may_create=True):
        raise FileNotFoundError("mine")


def test_an_error_of_closing_never_hides_the_error_before(
    sftp_remote: RemoteServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: SFTPClient) -> None:
        raise EOFError

    monkeypatch.setattr(SFTPClient, "close", broken)
    with (
        pytest.raises(BatchError, match="the real one"),
        open_folder(connect(sftp_remote.connection), "", may_create=True),
    ):
        raise BatchError("the real one")
    with open_folder(connect(sftp_remote.connection), "", may_create=True):
        pass


def test_ciphers_that_the_connection_disables_are_not_used(sftp_remote: RemoteServer, connect: Connect) -> None:
    disabled = {"disabled_algorithms": {"ciphers": ["aes128-ctr", "aes192-ctr", "aes256-ctr"]}}
    extra = sftp_remote.connection["extra"] | disabled
    with open_folder(connect(sftp_remote.connection, extra=extra), "", may_create=False) as folder:
        assert vars(folder)["_channel"].get_transport().remote_cipher == "aes128-gcm@openssh.com"


@pytest.mark.parametrize("extra", ["private_key", "key_file"])
def test_a_key_opens_sftp_without_a_password(tmp_path: Path, connect: Connect, extra: str) -> None:
    private, public, file = create_key(tmp_path)
    extras = {"private_key": private, "key_file": str(file)}
    with sftp_server({USER: Account(tmp_path / "files", public_key=public)}, tmp_path / "state") as address:
        connection = {"conn_type": "sftp", "host": address.host, "port": address.port, "login": USER}
        secrets = {"host_key": address.host_key, extra: extras[extra]}
        with open_folder(connect(connection, extra=secrets), "", may_create=False) as folder:
            folder.write("fines.xml", BytesIO(b"fines"))
    assert (tmp_path / "files" / "fines.xml").exists()


@pytest.mark.parametrize("extra", ["private_key", "key_file"])
def test_a_wrong_key_is_rejected(sftp_remote: RemoteServer, tmp_path: Path, connect: Connect, extra: str) -> None:
    private, _, file = create_key(tmp_path)
    secrets = sftp_remote.connection["extra"] | {extra: {"private_key": private, "key_file": str(file)}[extra]}
    with (
        pytest.raises(RemoteFolderError, match="rejects the login"),
        open_folder(connect(sftp_remote.connection, password=None, extra=secrets), "", may_create=False),
    ):
        pass


def test_without_password_and_key_the_login_is_rejected(sftp_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match="rejects the login"),
        open_folder(connect(sftp_remote.connection, password=None), "", may_create=False),
    ):
        pass


@pytest.mark.parametrize(
    "extra",
    [{"host_key": "ssh-ed25519 nonsense"}, {"private_key": "-- no --\n-- key --"}, {"key_file": "/no/such/key"}],
)
def test_an_invalid_connection_is_rejected(sftp_remote: RemoteServer, connect: Connect, extra: dict[str, str]) -> None:
    extra = sftp_remote.connection["extra"] | extra
    with (
        pytest.raises(
            RemoteFolderError, match=r"^Connection bursar_files: .* can't be used \(.*Correct the connection"
        ),
        open_folder(connect(sftp_remote.connection, extra=extra), "", may_create=False),
    ):
        pass


def test_an_unknown_host_key_is_rejected(sftp_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"host key that is not confirmed.*`host_key` of the connection's extra"),
        open_folder(connect(sftp_remote.connection, extra={}), "", may_create=False),
    ):
        pass


def test_a_wrong_host_key_is_rejected(sftp_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"presents the host key SHA256:.* not the pinned one"),
        open_folder(connect(sftp_remote.connection, extra={"host_key": create_other_host_key()}), "", may_create=False),
    ):
        pass


def test_the_key_in_the_connection_has_to_match_besides_known_hosts(
    sftp_remote: RemoteServer, connect: Connect, empty_ssh_folder: Path
) -> None:
    known = f"[127.0.0.1]:{sftp_remote.connection['port']} {sftp_remote.connection['extra']['host_key']}\n"
    (empty_ssh_folder / "known_hosts").write_text(known)
    with open_folder(connect(sftp_remote.connection, extra={}), "", may_create=False) as folder:
        assert list(folder.files()) == []
    with (
        pytest.raises(RemoteFolderError, match="not the pinned one"),
        open_folder(connect(sftp_remote.connection, extra={"host_key": create_other_host_key()}), "", may_create=False),
    ):
        pass


@pytest.mark.parametrize("switch", ["no_host_key_check", "allow_host_key_change"])
def test_a_connection_that_checks_no_host_key_logs_a_warning(
    sftp_remote: RemoteServer, connect: Connect, caplog: pytest.LogCaptureFixture, switch: str
) -> None:
    with (
        caplog.at_level(logging.WARNING, "bursar"),
        open_folder(connect(sftp_remote.connection, extra={switch: True}), "", may_create=False),
    ):
        assert "Connection bursar_files" in caplog.text
        assert "Pin the key" in caplog.text


def test_an_untrusted_certificate_is_rejected(ftps_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"certificate that is not trusted.*SSL_CERT_FILE"),
        open_folder(connect(ftps_remote.connection), "", may_create=False),
    ):
        pass


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_rejected(ftps_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match="certificate that is not trusted"),
        open_folder(connect(ftps_remote.connection, host="localhost"), "", may_create=False),
    ):
        pass


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # as above: the provider's
def test_ftps_sends_no_password_to_a_server_without_tls(ftp_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match="rejects the login"),
        open_folder(connect(ftp_remote.connection, conn_type="ftps"), "", may_create=False),
    ):
        pass


def test_ftp_sends_no_file_to_a_server_that_requires_tls(ftps_remote: RemoteServer, connect: Connect) -> None:
    with (
        pytest.raises(RemoteFolderError, match="rejects the login"),
        open_folder(connect(ftps_remote.connection, conn_type="ftp"), "", may_create=False),
    ):
        pass


def test_plain_ftp_logs_a_warning(ftp_remote: RemoteServer, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING, "bursar"),
        open_folder(connect(ftp_remote.connection), "", may_create=False),
    ):
        assert "are sent unencrypted" in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "http", "host": "bursar.example.edu"}, "bursar_files is of type http"),
        ({"conn_type": "sftp"}, "bursar_files has no host"),
    ],
)
def test_a_connection_that_opens_no_folder_is_rejected(fields: dict[str, str], message: str, connect: Connect) -> None:
    with pytest.raises(BursarError, match=message), open_folder(connect(fields), "", may_create=False):
        pass


def test_the_error_names_a_missing_connection() -> None:
    with (
        pytest.raises(BursarError, match="There is no Airflow connection bursar_nowhere"),
        open_folder("bursar_nowhere", "", may_create=False),
    ):
        pass


@pytest.mark.parametrize("place", ["host", "extra"])
def test_the_ledger_is_found_at_a_unix_socket(
    postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    connection = {"conn_type": "postgres", "login": "postgres", "schema": empty_ledger}
    host = {"host": str(postgres.sockets)}
    connection |= host if place == "host" else {"extra": host}  # type: ignore[dict-item]
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(connection))
    engine = ledger_engine(ledger_url())
    with engine.connect() as ledger:
        assert ledger.exec_driver_sql("SELECT current_database()").scalar_one() == empty_ledger
    engine.dispose()


@pytest.mark.parametrize(
    "connection",
    [
        "postgres://bursar:p%40ss%2Fw%3Frd@db.example.edu:6432/ledger?sslmode=verify-full",
        json.dumps(
            {
                "conn_type": "postgres",
                "login": "bursar",
                "password": "p@ss/w?rd",
                "host": "db.example.edu",
                "port": 6432,
                "schema": "ledger",
                "extra": {"sslmode": "verify-full"},
            }
        ),
    ],
)
def test_the_ledger_is_found_on_another_machine(connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", connection)
    url = make_url(ledger_url())
    _, given = url.get_dialect()().create_connect_args(url)
    assert {name: value for name, value in given.items() if name != "context"} == {
        "user": "bursar",
        "password": "p@ss/w?rd",
        "host": "db.example.edu",
        "port": "6432",
        "dbname": "ledger",
        "sslmode": "verify-full",
    }


def test_the_error_names_the_missing_connection_to_the_ledger() -> None:
    with pytest.raises(BursarError, match="There is no Airflow connection bursar_ledger"):
        ledger_url()


def test_a_ledger_that_is_not_postgres_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps({"conn_type": "mysql", "host": "db.example.edu"}))
    with pytest.raises(BursarError, match="bursar_ledger is of type mysql.*postgres"):
        ledger_url()


@pytest.mark.parametrize("greeting", [b"", b"220 ready\r\n"])
@pytest.mark.parametrize("kind", ["ftp", "ftps", "sftp"])
def test_a_server_that_hangs_during_the_login_is_a_transient_error(
    kind: str, greeting: bytes, connect: Connect
) -> None:
    limits = make_limits(timeout_seconds=0.3)
    accepted: list[socket.socket] = []

    def accept() -> None:
        client, _ = listener.accept()
        accepted.append(client)
        client.sendall(greeting)

    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=accept)
        thread.start()
        fields = {"conn_type": kind, "host": HOST, "port": listener.getsockname()[1]}
        fields |= {"login": USER, "password": "x", "extra": {"host_key": create_other_host_key()}}
        begun = time.monotonic()
        with pytest.raises(TransientError, match="the connection to the server failed"):
            open_folder(connect(fields), "", may_create=False, limits=limits).__enter__()
        assert time.monotonic() - begun < 10
        thread.join()
        accepted[0].close()
