"""Reads fines from FOLIO, and the users whom they name, into Bursar's CSV files: page by page, in flat memory."""

import csv
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bursar.money import pluralize
from bursar.sources.csv.tables import IDENTIFIER
from bursar.sources.folio.model import FolioSource
from bursar.sources.folio.rows import (
    FINE_COLUMNS,
    GROUP_COLUMNS,
    USER_COLUMNS,
    Row,
    make_fine,
    make_group,
    make_user,
)
from bursar.sources.folio.session import FolioSession
from bursar.sources.system import Reading

log = logging.getLogger(__name__)

OPEN = 'status.name=="Open"'
ALL = "cql.allRecords=1"


def read_fines(session: FolioSession, source: FolioSource, since: datetime | None, folder: Path) -> Reading:
    """Reads the fines that changed since a moment, or all that are open, their users, and all patron groups.

    Each action changes the moment of its account, so closed fines are among those that changed.
    """
    read_at = session.get_moment()
    query = OPEN if since is None else f'metadata.updatedDate>="{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000}"'
    user_ids: set[bytes] = set()
    fines = _note_users(session.list_all("/accounts", "accounts", query, subject="the fines"), user_ids)
    files = {"fines": _write(folder, "fines", FINE_COLUMNS, map(make_fine, fines))}

    groups: dict[str, str] = {}
    files["groups"] = _write(folder, "groups", GROUP_COLUMNS, _read_groups(session, groups))

    wanted = [str(UUID(bytes=id_)) for id_ in sorted(user_ids)]
    users = session.list_by_ids("/users", "users", wanted, subject="the users")
    columns = (*USER_COLUMNS, *(f"{IDENTIFIER}{type_}" for type_ in source.identifiers))
    files["users"] = _write(folder, "users", columns, (make_user(user, source, groups) for user in users))
    log.info("The fines that were read name %s.", pluralize(len(wanted), "user"))
    return Reading(files=files, read_at=read_at, complete=since is None)


def list_open_fines(session: FolioSession) -> Iterator[dict[str, Any]]:
    """Yields all open accounts."""
    return session.list_all("/accounts", "accounts", OPEN, subject="the fines")


def _note_users(accounts: Iterable[dict[str, Any]], user_ids: set[bytes]) -> Iterator[dict[str, Any]]:
    """Yields accounts, and adds the ids of their users to a set, where each takes few bytes."""
    for account in accounts:
        with suppress(TypeError, ValueError, AttributeError):  # the load rejects a fine without a user
            user_ids.add(UUID(account.get("userId")).bytes)
        yield account


def _read_groups(session: FolioSession, names: dict[str, str]) -> Iterator[Row]:
    for group in session.list_all("/groups", "usergroups", ALL, subject="the patron groups"):
        row = make_group(group)
        names[str(group["id"])] = row["code"]
        yield row


def _write(folder: Path, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Path:
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(row)
    log.info("Read %s of FOLIO.", pluralize(count, name.removesuffix("s")))
    return path
