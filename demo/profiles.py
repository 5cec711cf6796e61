"""Profiles and sources of the demo and of `make up`: the examples, but with a done file for each payment file."""

import re
from pathlib import Path
from shutil import copy, copytree

from bursar.errors import BursarError
from bursar.profiles import Profile, load_profiles, load_settings

INCLUDE = Path(__file__).resolve().parents[1] / "include"
SYSTEMS = Path(__file__).parent / "sources"
"""The sources of the libraries that have a FOLIO and a Koha."""
DONE_FILE_SUFFIX = ".done"
MAX_AMOUNT = 2_000


def write_include(folder: Path) -> Path:
    """Writes the settings, the schemas, example profiles and layouts to a folder for BURSAR_INCLUDE, and returns it.

    The profiles and layouts of the library itself are not written. Files of other names in the folder stay.
    """
    copytree(INCLUDE / "profiles.examples", folder / "profiles", dirs_exist_ok=True)
    (folder / "layouts").mkdir(exist_ok=True)
    for file in (INCLUDE / "layouts.examples").rglob("*.yaml"):
        copy(file, folder / "layouts")
    for file in (INCLUDE / "bursar.yaml", *INCLUDE.glob("*.schema.json")):
        copy(file, folder)
    return folder


def write_demo_include(folder: Path) -> Path:
    """Writes what `write_include` does, with done files, and the sources of all libraries; returns the folder."""
    include = write_include(folder)
    add_source(include)
    copytree(SYSTEMS, include / "sources", dirs_exist_ok=True)
    add_done_files(include)
    return include


def add_done_files(include: Path) -> None:
    """Makes every import expect a done file.

    Without a done file an import waits, a minute by default, until a payment file has stopped changing.
    """
    for file in (include / "profiles").glob("*.yaml"):
        profile = file.read_text(encoding="utf-8")
        if "\n  done_file_suffix:" not in profile:
            path = "\n  input_file_path:"
            file.write_text(profile.replace(path, f"\n  done_file_suffix: {DONE_FILE_SUFFIX}{path}"), encoding="utf-8")


def add_source(include: Path) -> None:
    """Writes the example of a source, the library's system. In nights in which it writes no files, nothing fails."""
    source = (INCLUDE / "sources.examples" / "library.yaml").read_text(encoding="utf-8")
    (include / "sources").mkdir(exist_ok=True)
    (include / "sources" / "library.yaml").write_text(
        source.replace("\non_timeout: fail", "\non_timeout: skip"), encoding="utf-8"
    )


def limit_exports(include: Path) -> None:
    """Makes exports of students beyond an amount wait for an approval."""
    file = include / "profiles" / "students.yaml"
    profile = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(\n    max_amount:)", rf"\1 {MAX_AMOUNT}", profile), encoding="utf-8")


def remove_job_limits(include: Path) -> None:
    """Makes no purge and no bulk waiving wait for an approval: nobody answers at the end of the demo's term."""
    settings = include / "bursar.yaml"
    settings.write_text(re.sub(r"(max_\w+:) \d+", r"\1 1000000000", settings.read_text(encoding="utf-8")))


def exporting_profiles(include: Path) -> list[Profile]:
    """Loads the profiles whose export is active, by code.

    Raises:
        BursarError: a profile is wrong; the message lists all problems.
    """
    profiles, problems = load_profiles(include / "profiles", load_settings(include / "bursar.yaml"))
    if problems:
        raise BursarError("\n".join(map(str, problems)))
    return [profile for profile in profiles if profile.export.active]
