"""Reads the sources in include/sources; an invalid source does not affect the valid ones."""

from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

from bursar.profiles import yaml_reader
from bursar.profiles.json_schema import render_schema_of_kinds
from bursar.profiles.model import Profile
from bursar.profiles.patterns import do_patterns_overlap
from bursar.profiles.problems import Problem
from bursar.profiles.settings import Settings
from bursar.profiles.yaml_files import check_file_name, get_file_name, list_yaml_files, validate
from bursar.sources.csv.model import CsvSource
from bursar.sources.kinds import KINDS
from bursar.sources.model import Source

FROM_SETTINGS = {"currency": "default_currency", "time_zone": "time_zone"}
"""The fields that a source takes from the settings if it does not have them, and their names there."""


def load_sources(
    folder: Path,
    settings: Settings,
    *,
    code: str | None = None,
    list_profiles: Callable[[], Iterable[Profile]] = tuple,
) -> tuple[list[Source], list[Problem]]:
    """Returns the valid sources of a folder, by code, and the problems of the others, by file and line.

    A source is a file *.yaml that is not hidden. Its name has to be its code in lower case, as with profiles. A missing
    folder has no sources.

    With a `code`, only the file of that source is read; files that two sources would take are not detected then.

    `list_profiles` returns the valid profiles, whose payment files no source may take. It is called only if there are
    sources.
    """
    problems: list[Problem] = []
    paths: list[Path] = []
    try:
        paths = list_yaml_files(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems += [Problem(str(folder), 1, "", f"the folder of sources can't be read: {error.strerror}")]
    good: list[tuple[yaml_reader.Source, Source]] = []
    for path in paths:
        if code is not None and path.name != get_file_name(code):
            continue
        file = yaml_reader.read_yaml(path)
        for field, setting in FROM_SETTINGS.items():
            if file.data is not None and file.data.get(field) is None:
                file.data[field] = getattr(settings, setting)
        source, wrong = _validate(file)
        if source:
            wrong += check_file_name(file, source.code, "source")
        problems += wrong
        if source and not wrong:
            good.append((file, source))
    with_files = [(file, source) for file, source in good if isinstance(source, CsvSource)]
    conflicts = {
        source.code: found for file, source in with_files if (found := _find_shared_files(file, source, with_files))
    }
    sources = sorted((source for _, source in good if source.code not in conflicts), key=lambda source: source.code)
    problems += [problem for found in conflicts.values() for problem in found]
    inboxes = find_shared_inboxes(folder, sources, list_profiles()) if sources else {}
    problems += [problem for found in inboxes.values() for problem in found]
    return [source for source in sources if source.code not in inboxes], sorted(problems)


def find_shared_inboxes(
    folder: Path, sources: Iterable[Source], profiles: Iterable[Profile]
) -> dict[str, list[Problem]]:
    """Returns the problems of the sources that may take payment files of an import, by code.

    A load of such a file would be refused, and the file moved away before it is imported.
    """
    inboxes = [
        (profile, "payment files" if name == "import" else "statements", section)
        for profile in profiles
        for name, section in profile.inboxes.items()
    ]
    problems: dict[str, list[Problem]] = {}
    files = [source for source in sources if isinstance(source, CsvSource)]
    for source, (profile, what, section) in product(files, inboxes):
        inbox = (profile.sftp_connection, section.input_file_path)
        if not source.active or (source.connection, source.folder) != inbox:
            continue
        path = folder / get_file_name(source.code)
        file = yaml_reader.read_yaml(path)
        problems.setdefault(source.code, []).extend(
            Problem(
                str(path),
                file.line(("files", kind)),
                f"files.{kind}",
                f"{one!r} and {another!r}, the {what} of the profile {profile.code}, match the same names in "
                "the same folder: write patterns of which only one matches, or choose another folder",
            )
            for kind, one in source.files.by_kind.items()
            for another in section.file_patterns
            if do_patterns_overlap(one, another)
        )
    return {code: found for code, found in problems.items() if found}


def source_schemas() -> dict[str, str]:
    """Returns the text of the JSON Schema by its file name in include/. It allows more than the model."""
    return {"source.schema.json": render_schema_of_kinds(KINDS, filled_in=tuple(FROM_SETTINGS))}


def _validate(file: yaml_reader.Source) -> tuple[Source | None, list[Problem]]:
    """Returns the source of a file, None if it is invalid, and all problems of the file."""
    kind = None if file.data is None else file.data.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model or file.data is None:
        return validate(model or Source, file)
    wanted = f"write one of {', '.join(KINDS)}"
    message = f"{kind!r} is not known here: {wanted}" if kind else f"is missing: The kind of source: {wanted}"
    return None, sorted([*file.problems, Problem(file.file, file.line(("kind",)), "kind", message)])


def _find_shared_files(
    file: yaml_reader.Source, source: CsvSource, all_: list[tuple[yaml_reader.Source, CsvSource]]
) -> list[Problem]:
    """Returns a problem for each pattern that may take a file of another source, whose system does not know it."""
    return [
        Problem(
            file.file,
            file.line(("files", kind)),
            f"files.{kind}",
            f"{one!r} and {another!r} of {other.code} match the same names in the same folder, and each file is for "
            "one source: write patterns of which only one matches, or choose another folder",
        )
        for _, other in all_
        if other is not source
        and source.active
        and other.active
        and (other.connection, other.folder) == (source.connection, source.folder)
        for kind, one in source.files.by_kind.items()
        for another in other.files.by_kind.values()
        if do_patterns_overlap(one, another)
    ]
