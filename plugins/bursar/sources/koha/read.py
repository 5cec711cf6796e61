"""Reads fines, their users and the users' groups from a Koha into files of Bursar's CSV format."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bursar.sources.csv.tables import IDENTIFIER
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.report import read_pages
from bursar.sources.koha.rows import FINE_COLUMNS, USER_COLUMNS, is_payment, make_fine, make_user
from bursar.sources.system import Reading

if TYPE_CHECKING:
    from _csv import Writer


def read_files(client: KohaClient, source: KohaSource, since: datetime | None, folder: Path) -> Reading:
    """Reads the lines that changed since a moment, or all that are open, into files below a folder.

    Memory has one page of rows, and the ids of the users. Errors are those of `read_pages`.
    """
    files = {kind: folder / f"{kind}.csv" for kind in ("groups", "users", "fines")}
    with ExitStack() as stack:
        fines = _open(stack, files["fines"], FINE_COLUMNS)
        users = _open(stack, files["users"], [*USER_COLUMNS, *(f"{IDENTIFIER}{type_}" for type_ in source.identifiers)])
        groups: dict[str, str] = {}
        known: set[str] = set()
        read_at: datetime | None = None
        for page in read_pages(client, source, since):
            read_at = read_at or page.read_at
            for row in page.rows:
                if is_payment(row, source):
                    continue
                fines.writerow(make_fine(row, source))
                if row["user_id"] not in known:
                    known.add(row["user_id"])
                    users.writerow(make_user(row, source))
                    if row["category"]:
                        groups[row["category"]] = row["category_name"] or row["category"]
        _open(stack, files["groups"], ("code", "name")).writerows(sorted(groups.items()))
    assert read_at  # noqa: S101  there is at least one page
    return Reading(files=files, read_at=read_at, complete=since is None)


def _open(stack: ExitStack, path: Path, columns: Sequence[str]) -> "Writer":
    """Opens a file for rows below a heading, until the stack ends."""
    writer = csv.writer(stack.enter_context(path.open("w", encoding="utf-8", newline="")))
    writer.writerow(columns)
    return writer
