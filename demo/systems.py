"""A FOLIO and a Koha on this machine, as far as Bursar sees them, which keep their data in files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from demo.system_records import LOST_IN_FOLIO, LOST_IN_KOHA, fill_folio, fill_koha, save_report
from tests.support.folio_library import Library as FolioLibrary
from tests.support.folio_records import Json
from tests.support.folio_server import PASSWORD, USER, FolioServer, run_folio
from tests.support.koha_server import KohaServer, serve_koha
from tests.support.koha_traps import CLIENT_ID, CLIENT_SECRET
from tests.support.koha_traps import LOGIN as KOHA_LOGIN
from tests.support.koha_traps import PASSWORD as KOHA_PASSWORD

FOLIO, KOHA = "FOLIO", "KOHA"
SYSTEMS = (FOLIO, KOHA)
"""The codes of the sources."""


@dataclass(frozen=True)
class LibrarySystems:
    """A FOLIO of two libraries, and a Koha of a third."""

    folio: FolioServer
    koha: KohaServer

    @property
    def connections(self) -> Mapping[str, Mapping[str, object]]:
        """The values of their Airflow connections, by id."""
        return {
            "folio": _make_connection(self.folio.url, USER, PASSWORD),
            "koha": _make_connection(self.koha.url, KOHA_LOGIN, KOHA_PASSWORD)
            | {"extra": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}},
        }

    def return_items(self) -> None:
        """Returns the two lost books, which makes each system take its fine back."""
        self.folio.library.return_item({"id": LOST_IN_FOLIO})
        self.koha.state.find_item(int(LOST_IN_KOHA))


@contextmanager
def serve_systems(folder: Path, *, folio_fines: int, koha_fines: int) -> Iterator[LibrarySystems]:
    """Serves FOLIO and Koha until the block ends.

    Their data are in two files of the folder, which are written with each change. New ones get these numbers of fines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    tables = folder / "koha.sqlite"
    is_new = not tables.exists()
    with _open_folio(folder / "folio.jsonl", folio_fines, now) as folio, serve_koha(str(tables)) as koha:
        save_report(koha)
        if is_new:
            fill_koha(koha, koha_fines, now)
        yield LibrarySystems(folio, koha)


@contextmanager
def _open_folio(file: Path, fines: int, now: datetime) -> Iterator[FolioServer]:
    """Runs a FOLIO whose records are read from a file, and appended to it with each change."""
    library = FolioLibrary()
    is_new = not file.exists()
    if not is_new:
        for line in file.read_text(encoding="utf-8").splitlines():
            name, record = json.loads(line)
            library.tables[name].put(record)
    with file.open("a", encoding="utf-8", buffering=1) as log, run_folio() as folio:
        for name, table in library.tables.items():
            table.on_put = partial(_append, log, name)
        if is_new:
            fill_folio(library, fines, now)
        folio.library = library
        yield folio


def _append(log: TextIO, name: str, record: Json) -> None:
    log.write(f"{json.dumps([name, record])}\n")


def _make_connection(url: str, login: str, password: str) -> dict[str, object]:
    address = urlsplit(url)
    return {
        "conn_type": "http",
        "schema": address.scheme,
        "host": address.hostname,
        "port": address.port,
        "login": login,
        "password": password,
    }
