"""Reads the settings and the profiles; a wrong profile never takes the good ones down."""

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
"""Where bursar.yaml and the folder profiles stand, unless a caller knows better."""

S = TypeVar("S", bound=StrictModel)


def load_settings(path: Path = INCLUDE / "bursar.yaml") -> Settings:
    """The institution's settings. A relative staging folder starts beside the folder that `path` is in.

    Raises:
        ProfileError: with all that is wrong in the file.
    """
    settings, problems = _checked(Settings, read_yaml(path))
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
    """The good profiles of a folder, by code, and all that is wrong with the others, by file and line.

    With a `code`, those of that code alone. Files in which it does not stand are not parsed, so that it takes the same
    time however many there are; whether the folders of different profiles meet is then not asked.

    `pattern_error` returns why an identifier pattern is not valid, or None. Only PostgreSQL knows, so that without a
    ledger no pattern is refused.

    A profile is a file *.yaml or *.yml; hidden files are none. Two profiles with one code are both refused, since
    nobody can tell which is meant; upper and lower case don't tell codes apart, as some file systems don't either.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.name[0] != ".")
    except OSError as error:
        return [], [Problem(str(folder), 1, "", f"the folder of profiles can't be read: {error.strerror}")]
    problems: list[Problem] = []
    by_code: defaultdict[str, list[tuple[Source, Profile]]] = defaultdict(list)
    for path in paths:
        if code is not None and not _name_of(path, code):
            continue
        source = read_yaml(path)
        if source.data is not None and source.data.get("time_zone") is None:
            source.data["time_zone"] = settings.time_zone
        profile, wrong = _checked(Profile, source)
        problems += wrong
        if profile and (wrong_pattern := _pattern_problems(source, profile, pattern_error)):
            problems += wrong_pattern
        elif profile and (code is None or profile.code.casefold() == code.casefold()):
            by_code[profile.code.casefold()].append((source, profile))
    alone = [same[0] for same in by_code.values() if len(same) == 1]
    meeting = {
        profile.code: problem for source, profile in alone for problem in _shared_folders(source, profile, alone)
    }
    problems += meeting.values()
    profiles = [profile for _, profile in alone if profile.code not in meeting]
    problems += [problem for same in by_code.values() if len(same) > 1 for problem in _duplicate_codes(same)]
    return sorted(profiles, key=lambda profile: profile.code), sorted(problems)


def _name_of(path: Path, code: str) -> bool:
    """Whether a code stands in a file, however it is written there; what can't be read is for others to tell."""
    try:
        return code.casefold().encode() in path.read_bytes().lower()
    except OSError:
        return True


def _checked(model: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    if source.data is None:
        return None, list(source.problems)
    try:
        checked = model.model_validate(source.data)
    except ValidationError as error:
        return None, sorted([*source.problems, *describe_errors(error, model, source)])
    return (None if source.problems else checked), list(source.problems)


def _pattern_problems(source: Source, profile: Profile, pattern_error: Callable[[str], str | None]) -> list[Problem]:
    pattern, place = profile.export.identifier_pattern, ("export", "identifier_pattern")
    if pattern is None or (reason := pattern_error(pattern)) is None:
        return []
    return [Problem(source.file, source.line(place), dotted(place), f"{pattern!r} is not valid: {reason}")]


def _shared_folders(source: Source, profile: Profile, all_: list[tuple[Source, Profile]]) -> list[Problem]:
    """An import that would find another profile's exports in its folder: every fine of theirs would count as paid."""
    if not profile.import_.active:
        return []
    inbox = (profile.sftp_connection, profile.import_.input_file_path)
    return [
        Problem(
            source.file,
            source.line(("import", "input_file_path")),
            "import.input_file_path",
            f"is the folder that {other.code} exports to, whose files would count as payments: take another",
        )
        for _, other in all_
        if other.export.active and (other.sftp_connection, other.export.output_file_path) == inbox
    ]


def _duplicate_codes(same: list[tuple[Source, Profile]]) -> list[Problem]:
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
