"""A profile that is right, to change line by line, and a folder to load it from."""

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
    """A profile's text without a fault."""
    return GOOD


@pytest.fixture
def settings() -> Settings:
    """Settings of an institution in New York."""
    return Settings(
        institution_name="A Library",
        institution_id="4321",
        default_currency="USD",
        time_zone="America/New_York",
    )


@pytest.fixture
def load(tmp_path: Path, settings: Settings) -> Callable[..., Loaded]:
    """Writes files, by their names without .yaml, and loads them: the good profiles, and what is wrong, as text."""

    def load(**files: str) -> Loaded:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        profiles, problems = load_profiles(tmp_path, settings)
        return profiles, [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]

    return load


@pytest.fixture
def changed(load: Callable[..., Loaded]) -> Callable[[str, str], Profile]:
    """The good profile with one text replaced; it must still be good."""

    def changed(old: str, new: str) -> Profile:
        assert old in GOOD
        name = new.removeprefix("code: ").lower() if old == "code: LAW" else "law"
        [profile], problems = load(**{name: GOOD.replace(old, new, 1)})
        assert problems == []
        return profile

    return changed


@pytest.fixture
def profile(changed: Callable[[str, str], Profile]) -> Profile:
    """The good profile."""
    return changed("", "")


@pytest.fixture
def wrong(load: Callable[..., Loaded]) -> Callable[[str, str], list[str]]:
    """What is wrong with the good profile once one text is replaced, as `line: field: message`."""

    def wrong(old: str, new: str) -> list[str]:
        assert old in GOOD
        profiles, problems = load(law=GOOD.replace(old, new, 1))
        assert profiles == []
        return [problem.removeprefix("law.yaml:") for problem in problems]

    return wrong
