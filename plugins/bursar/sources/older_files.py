"""Refuses a file that is older than one of the same kind that was loaded: it would take newer changes back.

Only that file is refused. So a run loads the other files of its set without it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.remote_files.entries import UNKNOWN_TIME
from bursar.sources.load_types import OlderFileError
from bursar.sources.messages import MessageKind, RowMessage

OLDER_FILE = "older_file"
"""The code of the reason for which such a file is refused."""


def check_age(connection: Connection, source: str, files: Sequence[Mapping[str, Any]]) -> None:
    """Checks that each file is at least as new as the files of its kind that were loaded from the source.

    Files without a time, such as those that a person names, are not compared.

    Raises:
        OlderFileError: one is older.
    """
    if older := find_older_files(connection, source, files):
        newer = older[0]
        modified = datetime.fromisoformat(newer.modified)
        raise OlderFileError(
            RowMessage(
                MessageKind.REJECTED,
                OLDER_FILE,
                newer.name,
                None,
                f"the file is of {modified:%d %B %Y %H:%M:%S} UTC, and load {newer.load_id} has loaded "
                f"{newer.newer_name} of {newer.newer_modified:%d %B %Y %H:%M:%S} UTC: the older file would take back "
                "what has changed since",
                advise_about_older_file(source),
                newer.of_table,
            )
        )


def find_older_files(connection: Connection, source: str, files: Sequence[Mapping[str, Any]]) -> Sequence[Row[Any]]:
    """Returns the files that are older than one of their kind that was loaded from the source, each with that one."""
    timed = [file for file in files if file.get("modified", UNKNOWN_TIME.isoformat()) != UNKNOWN_TIME.isoformat()]
    parameters = {"source": source, "files": json.dumps(timed, default=str)}
    return connection.execute(query("sources/find_newer_file"), parameters).all() if timed else []


def advise_about_older_file(source: str) -> str:
    """Says what to do about an older file of a source."""
    return (
        "leave it out; if its rows are right after all, put it back and have an administrator load it "
        f"(`bin/bursar sources load {source} --older`)"
    )
