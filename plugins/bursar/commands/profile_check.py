"""Compares profiles and sources with ledger and Airflow: names that neither knows are most likely typing errors."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.exports.encryption import check_key
from bursar.exports.layout_fit import find_layout
from bursar.profiles import Problem, Profile
from bursar.profiles.monitoring import CHAT, Notifications
from bursar.profiles.yaml_files import get_file_name
from bursar.profiles.yaml_reader import Place, dotted, read_yaml
from bursar.remote_files.pgp_key import PgpKey
from bursar.sources.model import Source

PLACES: dict[str, Place] = {
    "library": ("export", "libraries"),
    "user group": ("export", "user_groups"),
    "fine of the type": ("export", "fine_fee_types"),
    "identifier of the type": ("export", "user_identifier_type"),
}
"""The fields of a profile that hold names of the ledger."""


def compare_with_ledger(folder: Path, profiles: Iterable[Profile], engine: Engine) -> list[Problem]:
    """Returns a warning for each name in an active export that the ledger does not have."""
    exporting = [profile for profile in profiles if profile.export.active]
    wanted = {profile.code: _get_names(profile) for profile in exporting}
    parameters = {
        "libraries": _all_of("library", wanted),
        "user_groups": _all_of("user group", wanted),
        "fine_fee_types": _all_of("fine of the type", wanted),
        "identifier_types": _all_of("identifier of the type", wanted),
    }
    with engine.connect() as connection:
        rows = connection.execute(query("commands/list_unknown_values"), parameters)
        unknown = {(row.kind, row.value) for row in rows}
    return [
        _warning(folder, profile, PLACES[kind], f"the ledger has no {kind} {value}")
        for profile in exporting
        for kind, values in wanted[profile.code].items()
        for value in values
        if (kind, value) in unknown
    ]


def compare_with_airflow(folder: Path, profiles: Iterable[Profile | Source]) -> list[Problem]:
    """Returns a warning for each connection of an active profile or source that Airflow does not have, or can't use.

    Raises:
        AirflowUnreachableError: Airflow's database can't be read, so a missing connection may be there.
    """
    from bursar.airflow.find_connection import (  # noqa: PLC0415  slow to load
        AirflowUnreachableError,
        MissingConnectionError,
        find_connection,
    )

    warnings = []
    for profile in profiles:
        if not _is_active(profile):
            continue
        for place, connection_id in _get_connections(profile):
            try:
                connection = find_connection(connection_id)
                if isinstance(profile, Profile) and place == ("sftp_connection",) and _encrypts(profile):
                    check_key(PgpKey.from_extra(connection_id, connection.extra_dejson))
            except AirflowUnreachableError:
                raise
            except MissingConnectionError:
                warnings.append(_warning(folder, profile, place, f"Airflow has no connection {connection_id}"))
            except BursarError as error:
                warnings.append(_warning(folder, profile, place, str(error)))
    return warnings


def _encrypts(profile: Profile) -> bool:
    """Returns whether the files of an active export are encrypted; not if `check_layouts` has a problem."""
    try:
        return profile.export.active and bool((find_layout(profile) or profile.export.xml).encrypt)
    except BursarError:
        return False


def describe_airflow_error(error: BursarError) -> str:
    """Returns a sentence about an Airflow that `compare_with_airflow` did not reach."""
    return f"Airflow was not reached, so connections were not checked. {error}"


def _get_names(profile: Profile) -> dict[str, tuple[str, ...]]:
    export = profile.export
    return {
        "library": tuple(export.libraries or ()),
        "user group": tuple(export.user_groups or ()),
        "fine of the type": tuple(export.fine_fee_types or ()),
        "identifier of the type": (export.user_identifier_type,) if export.user_identifier_type else (),
    }


def _all_of(kind: str, wanted: dict[str, dict[str, tuple[str, ...]]]) -> list[str]:
    return sorted({value for names in wanted.values() for value in names[kind]})


def _is_active(profile: Profile | Source) -> bool:
    return profile.active if isinstance(profile, Source) else profile.export.active or bool(profile.inboxes)


def _get_connections(profile: Profile | Source) -> Iterator[tuple[Place, str]]:
    if isinstance(profile, Profile):
        yield ("sftp_connection",), profile.sftp_connection
    elif profile.connection:
        yield ("connection",), profile.connection
    for outcome in Notifications.model_fields:
        for recipient in getattr(profile.notifications, outcome):
            if recipient.startswith(CHAT):
                yield ("notifications", outcome), recipient.removeprefix(CHAT)


def _warning(folder: Path, profile: Profile | Source, place: Place, message: str) -> Problem:
    path = folder / get_file_name(profile.code)
    return Problem(str(path), read_yaml(path).line(place), dotted(place), message)
