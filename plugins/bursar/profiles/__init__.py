"""Integration profiles and the institution's settings: their models, their loading and their problems."""

from bursar.profiles.loading import INCLUDE, load_profiles, load_settings
from bursar.profiles.model import Export, Import, Profile, Statement
from bursar.profiles.problems import Problem, ProfileError
from bursar.profiles.settings import Settings

__all__ = [
    "INCLUDE",
    "Export",
    "Import",
    "Problem",
    "Profile",
    "ProfileError",
    "Settings",
    "Statement",
    "load_profiles",
    "load_settings",
]
