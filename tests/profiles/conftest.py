"""A valid profile for the tests of this folder, which change its text and load it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from bursar.profiles import Profile, Settings, load_profiles

GOOD = """\
code: LAW
name: Law Library
sftp_connection: bursar_law
system: Banner
export:
  active: yes
  time_before_export_days: 7
  user_identifier_type: 02
  institutional_fine_fee: yes
  libraries: [LAW]
  output_file_path: law/out
  schedule: daily at 02:00
import:
  active: yes
  input_file_path: law/in
  schedule: daily at 06:00
"""

Loaded: TypeAlias = tuple[list[Profile], list[str]]


@pytest.fixture
def good() -> str:
    """Returns the text of a valid profile."""
    return GOOD


@pytest.fixture
def settings() -> Settings:
    """Returns the settings of an institution in New York."""
    return Settings(
        institution_name="A Library",
        institution_id="4321",
        default_currency="USD",
        time_zone="America/New_York",
    )


@pytest.fixture
def load(tmp_path: Path, settings: Settings) -> Callable[..., Loaded]:
    """Returns a function that writes files, by their names without .yaml, and loads the profiles and problems."""

    def load(**files: str) -> Loaded:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        profiles, problems = load_profiles(tmp_path, settings)
        return profiles, [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]

    return load


@pytest.fixture
def load_changed(load: Callable[..., Loaded]) -> Callable[[str, str], Profile]:
    """Returns a function that replaces one text of the valid profile, and loads the profile, which must be valid."""

    def load_changed(old: str, new: str) -> Profile:
        assert old in GOOD
        name = new.removeprefix("code: ").lower() if old == "code: LAW" else "law"
        [profile], problems = load(**{name: GOOD.replace(old, new, 1)})
        assert problems == []
        return profile

    return load_changed


@pytest.fixture
def profile(load_changed: Callable[[str, str], Profile]) -> Profile:
    """Returns the valid profile."""
    return load_changed("", "")


@pytest.fixture
def find_problems(load: Callable[..., Loaded]) -> Callable[[str, str], list[str]]:
    """Returns a function that changes one text of the valid profile; it returns problems as `line: field: message`."""

    def find_problems(old: str, new: str) -> list[str]:
        assert old in GOOD
        profiles, problems = load(law=GOOD.replace(old, new, 1))
        assert profiles == []
        return [problem.removeprefix("law.yaml:") for problem in problems]

    return find_problems
