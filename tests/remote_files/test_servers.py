"""The SFTP server of the demo."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncssh
import paramiko
import pytest

from demo.servers import HOST, Account, SftpAddress, sftp_server

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC_KEY = KEY.export_public_key().decode()


@contextmanager
def connect(address: SftpAddress, user: str, **credentials: object) -> Iterator[paramiko.SFTPClient]:
    transport = paramiko.Transport((address.host, address.port))
    with closing(transport):
        transport.connect(username=user, **credentials)  # type: ignore[arg-type]
        client = paramiko.SFTPClient.from_transport(transport)
        assert client
        yield client


def test_each_account_can_access_its_own_folder_only(tmp_path: Path) -> None:
    accounts = {name: Account(tmp_path / name, password=name) for name in ("banner", "workday")}
    with sftp_server(accounts, tmp_path / "state") as address:
        for name in accounts:
            (tmp_path / name / f"{name}.xml").write_text(name)
            with connect(address, name, password=name) as sftp:
                assert sftp.listdir("/") == [f"{name}.xml"]
                assert sftp.listdir("/..") == [f"{name}.xml"]


def test_a_key_logs_in_to_its_own_account_only(tmp_path: Path) -> None:
    accounts = {"banner": Account(tmp_path / "a", public_key=PUBLIC_KEY), "workday": Account(tmp_path / "b", "secret")}
    private = paramiko.Ed25519Key.from_private_key_file(_write_key(tmp_path))
    with sftp_server(accounts, tmp_path / "state") as address:
        with connect(address, "banner", pkey=private) as sftp:
            assert sftp.listdir() == []
        with pytest.raises(paramiko.AuthenticationException), connect(address, "workday", pkey=private):
            pass


@pytest.mark.parametrize(("user", "password"), [("banner", "wrong"), ("banner", ""), ("nobody", "secret")])
def test_a_wrong_login_is_rejected(tmp_path: Path, user: str, password: str) -> None:
    with (
        sftp_server({"banner": Account(tmp_path / "files", "secret")}, tmp_path / "state") as address,
        pytest.raises(paramiko.AuthenticationException),
        connect(address, user, password=password),
    ):
        pass


def test_the_host_key_is_the_same_after_a_restart(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        with sftp_server({}, tmp_path / "state") as address:
            keys.add(address.host_key)
    assert len(keys) == 1
    assert keys.pop().startswith("ssh-ed25519 AAAA")
    assert (tmp_path / "state" / "sftp_host_key").stat().st_mode & 0o077 == 0


def test_the_server_stops_with_its_open_connections(tmp_path: Path) -> None:
    before = threading.enumerate()
    with sftp_server({"banner": Account(tmp_path / "files", "secret")}, tmp_path / "state") as address:
        transport = paramiko.Transport((HOST, address.port))
        transport.connect(username="banner", password="secret")
    transport.join(5)
    assert not transport.is_active()
    assert threading.enumerate() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, address.port))


def _write_key(folder: Path) -> str:
    file = folder / "key"
    KEY.write_private_key(str(file))
    return str(file)
