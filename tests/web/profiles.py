"""The profile of the pages' tests, in the place of the files in include/profiles."""

import pytest

from bursar.profiles import Problem, Profile, Settings
from bursar.web.pages import approvals, payment_decisions, profiles
from tests.support.fixtures import make_profile


def set_profile(monkeypatch: pytest.MonkeyPatch, profile: Profile | None = None) -> Profile:
    """Lets the pages read one valid profile, by default STUDENTS, and no other; returns it."""
    only = profile or make_profile()

    def load(
        _settings: Settings, *, code: str | None = None, **_options: object
    ) -> tuple[list[Profile], list[Problem]]:
        return ([only] if code in (None, only.code) else []), []

    for module in (profiles, payment_decisions, approvals):
        monkeypatch.setattr(module, "load_all_profiles", load)
    return only
