"""The profiles of the demo: the examples, but with a done file for each payment file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy, copytree
from tempfile import TemporaryDirectory

from bursar.errors import BursarError
from bursar.profiles import Profile, load_profiles, load_settings

INCLUDE = Path(__file__).resolve().parents[1] / "include"
DONE_FILE_SUFFIX = ".done"


def write_include(folder: Path) -> Path:
    """Writes the settings, the schemas and the example profiles to a folder for BURSAR_INCLUDE, and returns it.

    The profiles of the library itself, in include/profiles, are not written. Files of other names in the folder stay.
    """
    copytree(INCLUDE / "profiles.examples", folder / "profiles", dirs_exist_ok=True)
    for file in (INCLUDE / "bursar.yaml", *INCLUDE.glob("*.schema.json")):
        copy(file, folder)
    return folder


@contextmanager
def include_with_done_files() -> Iterator[Path]:
    """Yields a temporary folder `include` with the example profiles, in which every import expects a done file.

    Without a done file an import waits, a minute by default, until a payment file has stopped changing.
    """
    with TemporaryDirectory(prefix="bursar-demo-") as folder:
        include = write_include(Path(folder) / "include")
        settings = include / "bursar.yaml"  # nobody answers at the end of the demo's term
        settings.write_text(re.sub(r"(max_\w+:) \d+", r"\1 1000000000", settings.read_text(encoding="utf-8")))
        for file in (include / "profiles").glob("*.yaml"):
            profile = file.read_text(encoding="utf-8")
            if "\n  done_file_suffix:" not in profile:
                path = "\n  input_file_path:"
                file.write_text(
                    profile.replace(path, f"\n  done_file_suffix: {DONE_FILE_SUFFIX}{path}"), encoding="utf-8"
                )
        yield include


def exporting_profiles(include: Path) -> list[Profile]:
    """Loads the profiles whose export is active, by code.

    Raises:
        BursarError: a profile is wrong; the message lists all problems.
    """
    profiles, problems = load_profiles(include / "profiles", load_settings(include / "bursar.yaml"))
    if problems:
        raise BursarError("\n".join(map(str, problems)))
    return [profile for profile in profiles if profile.export.active]
