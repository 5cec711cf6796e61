"""Differences between FTP servers: commands, answers and listings."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bursar.errors import RemoteFolderError, TransientError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder
from tests.support.ftp_server import COMMANDS, ftp_server
from tests.support.servers import LIMITS, PASSWORD, USER, make_limits, open_ftp_folder


@contextmanager
def open_folder(home: Path, *, limits: ServerLimits = LIMITS, **handler: Any) -> Iterator[RemoteFolder]:
    with (
        ftp_server(home, user=USER, password=PASSWORD, **handler) as port,
        open_ftp_folder(port, None, limits=limits) as folder,
    ):
        yield folder


def answer_with(line: str) -> object:
    """Returns a handler of a command that always gives one answer."""
    return lambda handler, *_: handler.respond(line)


def test_listing_a_server_without_mlsd_is_an_error(tmp_path: Path) -> None:
    commands = {name: about for name, about in COMMANDS.items() if name != "MLSD"}
    with open_folder(tmp_path, proto_cmds=commands) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
        assert folder.size("fines.xml") == 5
        with pytest.raises(RemoteFolderError, match=r"list the folder with the command MLSD \(500 "):
            list(folder.files())


@pytest.mark.parametrize("answer", ["550 Permission denied.", "550 Not enough privileges.", "550 Access denied"])
def test_the_size_of_a_forbidden_file_is_an_error(tmp_path: Path, answer: str) -> None:
    with (
        open_folder(tmp_path, ftp_SIZE=answer_with(answer)) as folder,
        pytest.raises(RemoteFolderError, match=r"fines\.xml: .*look at the file \(550"),
    ):
        folder.size("fines.xml")


def test_the_listing_decides_after_an_ambiguous_answer(tmp_path: Path) -> None:
    (tmp_path / "there.xml").write_bytes(b"fines")
    with open_folder(tmp_path, ftp_SIZE=answer_with("550 Could not get file size.")) as folder:
        assert folder.size("missing.xml") is None
        with pytest.raises(RemoteFolderError):
            folder.size("there.xml")


@pytest.mark.parametrize(
    "mlst",
    [
        {"proto_cmds": {name: about for name, about in COMMANDS.items() if name != "MLST"}},
        {"ftp_MLST": answer_with("550 Permission denied.")},
        {"ftp_MLST": answer_with("250 Well.")},
    ],
    ids=["unknown", "refused", "without facts"],
)
def test_without_mlst_the_entry_of_a_file_is_that_of_the_listing(tmp_path: Path, mlst: dict[str, Any]) -> None:
    (tmp_path / "processed").mkdir()
    for path in ("paid.xml", "processed/paid.xml"):
        (tmp_path / path).write_bytes(b"paid")
    with open_folder(tmp_path, **mlst) as folder:
        (listed,) = (file for file in folder.files() if file.name == "paid.xml")
        assert folder.entry("paid.xml") == folder.entry("processed/paid.xml") == listed
        for path in ("missing.xml", "processed/missing.xml", "missing/paid.xml"):
            assert folder.entry(path) is None


def test_an_ambiguous_answer_without_a_listing_is_an_error(tmp_path: Path) -> None:
    refused = answer_with("550 Permission denied.")
    with (
        open_folder(tmp_path, ftp_SIZE=answer_with("550 Could not get file size."), ftp_NLST=refused) as folder,
        pytest.raises(RemoteFolderError),
    ):
        folder.size("missing.xml")


@pytest.mark.parametrize("answer", ["502 Command not implemented.", "501 Syntax error.", "200 Well."])
def test_a_server_without_sizes_is_an_error(tmp_path: Path, answer: str) -> None:
    with open_folder(tmp_path, ftp_SIZE=answer_with(answer)) as folder, pytest.raises(RemoteFolderError):
        folder.size("missing.xml")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("421 Too many connections.", TransientError),
        ("425 Cannot open data connection.", TransientError),
        ("426 Transfer aborted.", TransientError),
        ("450 File busy.", TransientError),
        ("451 Local error.", TransientError),
        ("452 Insufficient storage space.", RemoteFolderError),
        ("530 Not logged in.", RemoteFolderError),
        ("550 Permission denied.", RemoteFolderError),
        ("553 File name not allowed.", RemoteFolderError),
        ("nonsense", RemoteFolderError),
    ],
)
def test_the_code_of_an_answer_decides_if_the_error_is_transient(
    tmp_path: Path, answer: str, error: type[Exception]
) -> None:
    with (
        open_folder(tmp_path, ftp_DELE=answer_with(answer)) as folder,
        pytest.raises(error, match=rf"^ftp://bursar\.example\.edu/fines\.xml: .*\({answer}\)"),
    ):
        folder.delete("fines.xml")


def test_a_dropped_ftp_connection_is_a_transient_error(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path, ftp_STOR=lambda handler, *_: handler.close()) as folder,
        pytest.raises(TransientError, match=r"fines\.xml: the connection to the server failed"),
    ):
        folder.write("fines.xml", BytesIO(b"fines"))


@pytest.mark.parametrize(("facts", "missing"), [(["type", "size"], "its time"), (["type", "modify"], "its size")])
def test_a_file_without_size_or_time_has_a_problem(tmp_path: Path, facts: list[str], missing: str) -> None:
    (tmp_path / "paid.xml").write_bytes(b"paid")
    with open_folder(tmp_path, on_login=lambda handler, _: setattr(handler, "_current_facts", facts)) as folder:
        (entry,) = folder.files()
    assert (entry.name, entry.problem) == ("paid.xml", f"the server does not say {missing}")


def test_an_ftp_server_that_stops_answering_times_out(tmp_path: Path) -> None:
    limits = make_limits(timeout_seconds=1)
    with (
        open_folder(tmp_path, limits=limits, ftp_DELE=lambda *_: None) as folder,
        pytest.raises(TransientError, match="timed out"),
    ):
        folder.delete("fines.xml")


def test_an_ftp_server_with_checksums_returns_the_sha256(tmp_path: Path) -> None:
    (tmp_path / "fines.xml").write_bytes(b"fines")

    def compute(handler: Any, path: str) -> None:
        handler.respond(f"250 {hashlib.sha256((tmp_path / path).read_bytes()).hexdigest().upper()}")

    def list_features(handler: Any, _: str) -> None:
        handler.push("211-Features supported:\r\n MLSD\r\n XSHA256 path\r\n211 End.\r\n")

    about = {"perm": "r", "auth": True, "arg": True, "help": "XSHA256 path"}
    with open_folder(
        tmp_path, proto_cmds=COMMANDS | {"XSHA256": about}, ftp_XSHA256=compute, ftp_FEAT=list_features
    ) as folder:
        assert folder.sha256("fines.xml") == hashlib.sha256(b"fines").hexdigest()
    with open_folder(tmp_path) as folder:
        assert folder.sha256("fines.xml") is None
