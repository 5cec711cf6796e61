"""Revisions of the integration profiles that are managed in the pages.

A profile is changed by adding a revision; none is ever changed or removed. The newest is in force. Machines share no
disk, so these profiles are kept in the ledger.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.ledger.jobs import ProfileJob

IN_A_FILE = 0
"""The number that is pinned to a run whose profile is in a file; revisions count from 1."""


class EditConflictError(BursarError):
    """Another person has saved the profile since this one began to edit it; nothing was saved."""


@dataclass(frozen=True)
class Revision:
    """A revision of a profile. `profile` holds the fields as text, like those of a YAML file; `changed_at` is aware."""

    code: str
    revision: int
    profile: Mapping[str, Any]
    change: str
    changed_by: str
    changed_at: datetime


def list_newest_revisions(connection: Connection, code: str | None = None) -> list[Revision]:
    """Returns the newest revision of each profile, by code, or of the one profile with a code."""
    return [Revision(*row) for row in connection.execute(query("ledger/list_newest_revisions"), {"code": code})]


def list_revisions(connection: Connection, code: str, *, limit: int, below: int | None = None) -> list[Revision]:
    """Returns at most `limit` revisions of a profile, newest first; with `below`, those before that revision."""
    parameters = {"code": code, "below": below, "limit": limit}
    return [Revision(*row) for row in connection.execute(query("ledger/list_revisions"), parameters)]


def get_revision(connection: Connection, code: str, revision: int | None = None) -> Revision | None:
    """Returns a revision of a profile, by default the newest; None if there is none."""
    row = connection.execute(query("ledger/get_revision"), {"code": code, "revision": revision}).first()
    return Revision(*row) if row else None


def save_revision(
    connection: Connection, code: str, profile: Mapping[str, Any], *, based_on: int, change: str, by: str
) -> Revision:
    """Adds a revision to a profile, and returns it; `based_on` is the revision that was edited, 0 for a new profile.

    Codes that differ in case only are the same code.

    Raises:
        EditConflictError: the profile has a newer revision, or a new profile's code exists.
    """
    values = {"code": code, "profile": json.dumps(profile), "based_on": based_on, "change": change, "changed_by": by}
    row = connection.execute(query("ledger/insert_revision"), values).first()
    if row:
        return Revision(*row)
    newest = get_revision(connection, code)
    if newest and based_on:
        raise EditConflictError(
            f"{newest.changed_by} has saved {code} since you opened it. Nothing of yours was saved. Look at the newer "
            "revision, and make your change there."
        )
    existing = connection.execute(query("ledger/get_managed_code"), {"code": code}).scalar() or code
    raise EditConflictError(f"There is a profile {existing} already. Choose another code, or edit that profile.")


def pin_revision(
    connection: Connection, job: ProfileJob, code: str, run_id: str, revision: int | None
) -> Revision | None:
    """Returns the revision that a run keeps: `revision`, unless an earlier task of the run pinned another.

    None stands for a profile in a file.
    """
    of_run = {"job": job, "code": code, "run_id": run_id}
    connection.execute(query("ledger/pin_revision"), of_run | {"revision": revision or IN_A_FILE})
    return get_pinned_revision(connection, job, code, run_id)


def get_pinned_revision(connection: Connection, job: ProfileJob, code: str, run_id: str) -> Revision | None:
    """Returns the revision that a run keeps; None if it has pinned none, or keeps a profile in a file."""
    of_run = {"job": job, "code": code, "run_id": run_id}
    row = connection.execute(query("ledger/get_pinned_revision"), of_run).first()
    return Revision(*row) if row else None
