"""The bursar's folder for payments."""

from pathlib import Path

import pytest

from tests.inbox import Inbox
from tests.library import Library
from tests.office import Office
from tests.remote import Remote


@pytest.fixture
def office(library: Library) -> Office:
    """An office with which fines are."""
    return Office(library)


@pytest.fixture
def inbox(library: Library, sftp_remote: Remote, tmp_path: Path) -> Inbox:
    """The bursar's folder, on an SFTP server."""
    return Inbox(library, sftp_remote, tmp_path / "staging")
