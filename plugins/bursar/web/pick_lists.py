"""The choices in forms: connections of Airflow, profiles, layouts, time zones; libraries, groups, types of fines."""

import os
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import available_timezones

from airflow.models.connection import Connection as StoredConnection
from airflow.utils.session import create_session
from sqlalchemy import Connection, select

from bursar.airflow.find_connection import find_connection
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.web import views
from bursar.web.fine_types import FINE_TYPES
from bursar.web.layouts import list_layout_choices
from bursar.web.rights import Person
from bursar.web.views import read_ledger

SERVER_TYPES = ("sftp", "ftp", "ftps")
SCHEDULES = ("daily at 02:00", "weekly on Sunday at 03:00", "monthly on day 1 at 04:00", "cron 0 2 * * 1-5")
_VARIABLE = "AIRFLOW_CONN_"


@dataclass(frozen=True)
class PickLists:
    """The choices of fields, by the name of the field: each value with its name for people, which may be empty.

    The fields accept other values, too. `problem` says why the ledger gave no lists.
    """

    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    problem: str | None = None


def load_pick_lists(person: Person, code: str) -> PickLists:
    """Returns the choices of the fields of the profile with a code, which is empty before it is chosen.

    Without a ledger its lists are empty, and values can be typed.
    """
    lists = {
        "sftp_connection": [(one, "") for one in _list_connections(person)],
        "time_zone": [(zone, "") for zone in _list_time_zones()],
        "export.schedule": [(schedule, "") for schedule in SCHEDULES],
        "import.schedule": [(schedule, "") for schedule in SCHEDULES],
        "export.credits_profile": _list_credits_profiles(person, code),
        "statement.schedule": [(schedule, "") for schedule in SCHEDULES],
        **list_layout_choices(),
    }
    try:
        with read_ledger() as connection:
            return PickLists(lists | list_ledger_choices(connection))
    except BursarError as error:
        return PickLists(lists, str(error))


def list_ledger_choices(connection: Connection) -> dict[str, list[tuple[str, str]]]:
    """Returns the choices that the ledger has."""
    return {
        "export.libraries": [(row.code, row.name) for row in connection.execute(query("web/list_libraries"))],
        "export.user_groups": [(row.code, row.name) for row in connection.execute(query("web/list_groups"))],
        "export.fine_fee_types": [
            (type_, FINE_TYPES.get(type_, ""))
            for type_ in connection.execute(query("web/list_fine_fee_types")).scalars()
        ],
        "export.user_identifier_type": [
            (type_, "") for type_ in connection.execute(query("web/list_identifier_types")).scalars()
        ],
    }


def _list_credits_profiles(person: Person, code: str) -> list[tuple[str, str]]:
    """Returns the profiles that could send the credits of another one, of those that the person may see."""
    profiles, _ = load_all_profiles(views.settings(), get_engine=views.engine)
    return [
        (one.code, one.name)
        for one in profiles
        if one.export.active and one.export.credits_profile is None and one.code != code and person.may_see(one.code)
    ]


def _list_connections(person: Person) -> list[str]:
    """Returns the ids of the connections to servers of files that the person may see: stored ones and variables."""
    with create_session() as session:
        stored = select(StoredConnection.conn_id).where(StoredConnection.conn_type.in_(SERVER_TYPES))
        ids = {str(one) for one in session.scalars(stored)}
    ids |= {name for name in _list_variables() if _is_server(name)}
    return sorted(one for one in ids if person.may_see_connection(one))


def _list_variables() -> list[str]:
    return [name.removeprefix(_VARIABLE).lower() for name in os.environ if name.startswith(_VARIABLE)]


def _is_server(connection_id: str) -> bool:
    try:
        return find_connection(connection_id).conn_type in SERVER_TYPES
    except BursarError:
        return False


@cache
def _list_time_zones() -> list[str]:
    return sorted(available_timezones())
