"""Finds profiles that can't use their layouts. Airflow, the command line and the pages report them alike."""

from collections.abc import Callable, Iterable
from pathlib import Path

from bursar.errors import BursarError
from bursar.exports.layout_fit import find_layout
from bursar.imports.records import get_payment_layout
from bursar.profiles import Problem, Profile
from bursar.profiles.problems import describe_revision
from bursar.profiles.yaml_files import get_file_name
from bursar.profiles.yaml_reader import read_yaml
from bursar.statements.compare import get_statement_layout


def find_layout_errors(profile: Profile) -> dict[str, str]:
    """Returns why an active section can't use its layout, by the field, as in `export.layout`.

    The layout is missing or invalid, or does not suit the profile.
    """
    checks: list[tuple[str, bool, Callable[[Profile], object]]] = [
        ("export.layout", profile.export.active, find_layout),
        ("import.layout", profile.import_.active, get_payment_layout),
        ("statement.layout", profile.statement.active, get_statement_layout),
    ]
    errors = {}
    for field, is_active, check in checks:
        try:
            if is_active:
                check(profile)
        except BursarError as error:
            errors[field] = str(error)
    return errors


def list_layout_problems(folder: Path, profiles: Iterable[Profile]) -> list[Problem]:
    """Returns a problem for each active section that can't use its layout. `folder` has the files of the profiles."""
    return [
        _locate(folder, profile, field, message)
        for profile in profiles
        for field, message in find_layout_errors(profile).items()
    ]


def _locate(folder: Path, profile: Profile, field: str, message: str) -> Problem:
    if profile.revision is not None:
        return Problem(describe_revision(profile.code, profile.revision), 1, field, message)
    path = folder / get_file_name(profile.code)
    return Problem(str(path), read_yaml(path).line(tuple(field.split("."))), field, message)
