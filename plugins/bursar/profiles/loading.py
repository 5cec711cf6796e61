"""Reads the settings and the profiles; an invalid profile does not affect the valid ones."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bursar.profiles.model import Profile
from bursar.profiles.patterns import do_patterns_overlap
from bursar.profiles.problems import Problem, ProfileError
from bursar.profiles.settings import Settings
from bursar.profiles.yaml_files import check_file_name, get_file_name, list_yaml_files, validate
from bursar.profiles.yaml_reader import Source, dotted, read_yaml

INCLUDE = Path(os.environ.get("BURSAR_INCLUDE") or Path(__file__).parents[3] / "include")
"""The default folder of bursar.yaml and of the folder profiles."""


def load_settings(path: Path = INCLUDE / "bursar.yaml") -> Settings:
    """Returns the institution's settings. A relative `work_dir` starts beside the folder that `path` is in.

    Raises:
        ProfileError: the file is invalid; `problems` has all its errors.
    """
    settings, problems = validate(Settings, read_yaml(path))
    if settings is None:
        raise ProfileError(problems)
    return settings.model_copy(update={"work_dir": path.resolve().parent.parent / settings.work_dir})


def load_profiles(
    folder: Path | None,
    settings: Settings,
    *,
    code: str | None = None,
    managed: Sequence[Source] = (),
    pattern_error: Callable[[str], str | None] = lambda _pattern: None,
) -> tuple[list[Profile], list[Problem]]:
    """Returns the valid profiles of a folder, by code, and the problems of the others, by file and line.

    Without a folder, only `managed` are read. A folder that can't be read is a problem, and does not affect them.

    A profile is a file *.yaml or *.yml that is not hidden. Its name has to be its code in lower case, as in
    `students.yaml` for STUDENTS. So a copy of a profile, with the code unchanged, is rejected, and the original goes on
    running, on each machine and whichever file is newer.

    `managed` are the profiles that are managed in the pages, from the ledger. A code exists once: the pages reject the
    code of a file, and a file that gets the name of such a profile replaces it. So a task whose profile is in a file
    needs no ledger to find it. A profile that was replaced is reported, unless it is inactive.

    With a `code`, only the file of that profile is read, so the number of profiles does not matter; shared folders of
    different profiles, and wrong profiles of credits, are not detected then.

    A profile whose credits nobody would send is a problem, and stays valid: its charges are sent, its credits wait.

    `pattern_error` returns why an identifier pattern is not valid, or None. Only PostgreSQL can check it, so that
    without a ledger no pattern is rejected.
    """
    problems: list[Problem] = []
    paths: list[Path] = []
    try:
        paths = list_yaml_files(folder) if folder else []
    except OSError as error:
        problems += [Problem(str(folder), 1, "", f"the folder of profiles can't be read: {error.strerror}")]
    good: list[tuple[Source, Profile]] = []
    names = {path.name for path in paths}
    files = [read_yaml(path) for path in paths if code is None or path.name == get_file_name(code)]
    sources = (*files, *managed)
    for source in sources:
        if source.revision is not None and (name := get_file_name(str((source.data or {}).get("code")))) in names:
            problems += _report_replaced(source, name)
            continue
        if source.data is not None and source.data.get("time_zone") is None:
            source.data["time_zone"] = settings.time_zone
        profile, wrong = validate(Profile, source)
        if profile and source.revision is None:
            wrong += check_file_name(source, profile.code, "profile")
        if profile and not wrong:
            wrong += _check_pattern(source, profile, pattern_error)
        problems += wrong
        if profile and not wrong:
            good.append((source, profile.with_revision(source.revision)))
    conflicts = {
        profile.code: problem
        for source, profile in good
        for problem in [*_find_shared_folders(source, profile, good), *_find_shared_files(source, profile, good)]
    }
    if code is None:
        wrong_codes = {str((source.data or {}).get("code")) for source in sources} - {one.code for _, one in good}
        for source, profile in good:
            problems += _check_credits_profile(source, profile, good, wrong_codes)
    profiles = [profile for _, profile in good if profile.code not in conflicts]
    return sorted(profiles, key=lambda profile: profile.code), sorted([*problems, *conflicts.values()])


def _report_replaced(source: Source, file: str) -> list[Problem]:
    sections = [(source.data or {}).get(key) for key in ("export", "import")]
    if not any(isinstance(section, dict) and section.get("active") in {"yes", "true"} for section in sections):
        return []
    message = f"the file {file} has the code of this profile, and replaces it: deactivate this profile in the pages, "
    message += "or remove the file"
    return [Problem(source.file, 1, "code", message)]


def _check_pattern(source: Source, profile: Profile, pattern_error: Callable[[str], str | None]) -> list[Problem]:
    pattern, place = profile.export.identifier_pattern, ("export", "identifier_pattern")
    if pattern is None or (reason := pattern_error(pattern)) is None:
        return []
    return [Problem(source.file, source.line(place), dotted(place), f"{pattern!r} is not valid: {reason}")]


def _find_shared_folders(source: Source, profile: Profile, all_: list[tuple[Source, Profile]]) -> list[Problem]:
    """Returns a problem if a job would read another profile's exports: an import would take every fine as paid."""
    return [
        Problem(
            source.file,
            source.line((name, "input_file_path")),
            f"{name}.input_file_path",
            f"is the folder that {other.code} exports to, whose files would count as "
            f"{'payments' if name == 'import' else 'statements'}: choose another",
        )
        for name, section in profile.inboxes.items()
        for _, other in all_
        if other.export.active
        and (other.sftp_connection, other.export.output_file_path) == (profile.sftp_connection, section.input_file_path)
    ]


def _check_credits_profile(
    source: Source, profile: Profile, all_: list[tuple[Source, Profile]], wrong_codes: set[str]
) -> list[Problem]:
    """Returns a problem if the profile that is to send the credits of this one can't; `wrong_codes` have their own."""
    code, place = profile.export.credits_profile, ("export", "credits_profile")
    if code is None or code in wrong_codes:
        return []
    other = next((one for _, one in all_ if one.code == code), None)
    if other is None:
        message = f"there is no profile {code}, so nobody would send the credits: write the code of one"
    elif not other.export.active:
        message = f"the export section of {code} is not active, so nobody would send the credits: activate it"
    elif other.export.credits_profile:
        message = f"{code} sends no credits itself: write {other.export.credits_profile}, which sends those of {code}"
    else:
        return []
    return [Problem(source.file, source.line(place), dotted(place), message)]


def _find_shared_files(source: Source, profile: Profile, all_: list[tuple[Source, Profile]]) -> list[Problem]:
    """Returns a problem if another profile may take the same file, and apply it to its own fines."""
    return [
        Problem(
            source.file,
            source.line((name, "file_patterns")),
            f"{name}.file_patterns",
            f"{one!r} and {another!r} of {other.code} match the same names in the same folder, and each file is for "
            "one profile: choose patterns of which only one matches, or another folder",
        )
        for name, section in profile.inboxes.items()
        for _, other in all_
        if other is not profile and other.sftp_connection == profile.sftp_connection
        for theirs in other.inboxes.values()
        if theirs.input_file_path == section.input_file_path
        for one in section.file_patterns
        for another in theirs.file_patterns
        if do_patterns_overlap(one, another)
    ]
