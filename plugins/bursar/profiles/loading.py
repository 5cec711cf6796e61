"""Reads the settings and the profiles; an invalid profile does not affect the valid ones."""

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from bursar.profiles.error_messages import describe_errors
from bursar.profiles.field_types import StrictModel
from bursar.profiles.model import Profile
from bursar.profiles.problems import Problem, ProfileError
from bursar.profiles.settings import Settings
from bursar.profiles.yaml_reader import Source, dotted, read_yaml

INCLUDE = Path(os.environ.get("BURSAR_INCLUDE") or Path(__file__).parents[3] / "include")
"""The default folder of bursar.yaml and of the folder profiles."""

S = TypeVar("S", bound=StrictModel)


def load_settings(path: Path = INCLUDE / "bursar.yaml") -> Settings:
    """Returns the institution's settings. A relative `work_dir` starts beside the folder that `path` is in.

    Raises:
        ProfileError: the file is invalid; `problems` has all its errors.
    """
    settings, problems = _validate(Settings, read_yaml(path))
    if settings is None:
        raise ProfileError(problems)
    return settings.model_copy(update={"work_dir": path.resolve().parent.parent / settings.work_dir})


def load_profiles(
    folder: Path,
    settings: Settings,
    *,
    code: str | None = None,
    pattern_error: Callable[[str], str | None] = lambda _pattern: None,
) -> tuple[list[Profile], list[Problem]]:
    """Returns the valid profiles of a folder, by code, and the problems of the others, by file and line.

    With a `code`, only profiles of that code are returned. Files that do not contain it are not parsed, so their number
    does not matter; shared folders of different profiles are not detected then.

    `pattern_error` returns why an identifier pattern is not valid, or None. Only PostgreSQL can check it, so that
    without a ledger no pattern is rejected.

    A profile is a file *.yaml or *.yml that is not hidden. Two profiles with the same code are both rejected, since
    either could be meant. Codes that differ in case only are the same, as on some file systems.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.name[0] != ".")
    except OSError as error:
        return [], [Problem(str(folder), 1, "", f"the folder of profiles can't be read: {error.strerror}")]
    problems: list[Problem] = []
    by_code: defaultdict[str, list[tuple[Source, Profile]]] = defaultdict(list)
    for path in paths:
        if code is not None and not _may_contain_code(path, code):
            continue
        source = read_yaml(path)
        if source.data is not None and source.data.get("time_zone") is None:
            source.data["time_zone"] = settings.time_zone
        profile, wrong = _validate(Profile, source)
        problems += wrong
        if profile and (wrong_pattern := _check_pattern(source, profile, pattern_error)):
            problems += wrong_pattern
        elif profile and (code is None or profile.code.casefold() == code.casefold()):
            by_code[profile.code.casefold()].append((source, profile))
    unique = [same[0] for same in by_code.values() if len(same) == 1]
    conflicts = {
        profile.code: problem for source, profile in unique for problem in _find_shared_folders(source, profile, unique)
    }
    problems += conflicts.values()
    profiles = [profile for _, profile in unique if profile.code not in conflicts]
    problems += [problem for same in by_code.values() if len(same) > 1 for problem in _describe_duplicate_codes(same)]
    return sorted(profiles, key=lambda profile: profile.code), sorted(problems)


def _may_contain_code(path: Path, code: str) -> bool:
    """Returns whether a file contains a code, in any case; True for an unreadable file, which the reader reports."""
    try:
        return code.casefold().encode() in path.read_bytes().lower()
    except OSError:
        return True


def _validate(model: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    if source.data is None:
        return None, list(source.problems)
    try:
        validated = model.model_validate(source.data)
    except ValidationError as error:
        return None, sorted([*source.problems, *describe_errors(error, model, source)])
    return (None if source.problems else validated), list(source.problems)


def _check_pattern(source: Source, profile: Profile, pattern_error: Callable[[str], str | None]) -> list[Problem]:
    pattern, place = profile.export.identifier_pattern, ("export", "identifier_pattern")
    if pattern is None or (reason := pattern_error(pattern)) is None:
        return []
    return [Problem(source.file, source.line(place), dotted(place), f"{pattern!r} is not valid: {reason}")]


def _find_shared_folders(source: Source, profile: Profile, all_: list[tuple[Source, Profile]]) -> list[Problem]:
    """Returns a problem if an import would read another profile's exports: every fine in them would count as paid."""
    if not profile.import_.active:
        return []
    inbox = (profile.sftp_connection, profile.import_.input_file_path)
    return [
        Problem(
            source.file,
            source.line(("import", "input_file_path")),
            "import.input_file_path",
            f"is the folder that {other.code} exports to, whose files would count as payments: choose another",
        )
        for _, other in all_
        if other.export.active and (other.sftp_connection, other.export.output_file_path) == inbox
    ]


def _describe_duplicate_codes(same: list[tuple[Source, Profile]]) -> list[Problem]:
    return [
        Problem(
            source.file,
            source.line(("code",)),
            "code",
            f"{profile.code} is also the code of "
            + " and ".join(f"{other.file}:{other.line(('code',))}" for other, _ in same if other is not source)
            + ": none of them runs until each has a code of its own",
        )
        for source, profile in same
    ]
