"""Checks the drafts of profiles that people edit in the pages, compares them, and merges the edits of two people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bursar.airflow.profile_store import to_source
from bursar.exports.identifier_pattern import pattern_error
from bursar.ledger.profile_revisions import list_newest_revisions
from bursar.profiles import INCLUDE, Problem, Profile, Settings, load_profiles
from bursar.profiles.yaml_reader import Source, Value
from bursar.reporting.layout_problems import find_layout_errors
from bursar.web.profile_form import Draft, clean, form_fields, get_values

_DRAFT = "the draft"
SECTIONS = ("export", "import")
"""The sections that each profile has."""


@dataclass(frozen=True)
class CheckedDraft:
    """The profile of a draft, None if it is not valid; `errors` has the messages of each field, by its name."""

    profile: Profile | None
    errors: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A field that differs, in words: its label, and its values, empty if blank."""

    label: str
    values: tuple[str, ...]


def check_draft(connection: Connection, settings: Settings, draft: Draft, *, code: str | None) -> CheckedDraft:
    """Checks a draft with the profiles of both places. `code` is that of the edited profile, None for a new one.

    A draft that would make another profile invalid is not valid itself.
    """
    own = str(draft.get("code") or "").casefold()
    managed = [one for one in list_newest_revisions(connection) if one.code != code]
    existing = next((one.code for one in managed if one.code.casefold() == own), None)
    others = [to_source(vars(one)) for one in managed if one.code != existing]

    def check_pattern(pattern: str) -> str | None:
        return pattern_error(connection, pattern)

    source = Source(_DRAFT, _with_sections(draft), {}, revision=1)
    profiles, problems = load_profiles(
        INCLUDE / "profiles", settings, managed=[*others, source], pattern_error=check_pattern
    )
    _, problems_before = load_profiles(INCLUDE / "profiles", settings, managed=others)
    errors: dict[str, list[str]] = {}
    for problem in problems:
        if problem.file == _DRAFT:
            errors.setdefault(problem.field, []).append(problem.message)
        elif (
            problem.field in ("import.input_file_path", "statement.input_file_path") and problem not in problems_before
        ):
            errors.setdefault("export.output_file_path", []).append(_describe_inbox(problem))
        elif problem.field == "export.credits_profile" and problem not in problems_before:
            errors.setdefault("export.active", []).append(_describe_credits(problem))
    if message := _describe_existing_code(own, existing):
        errors.setdefault("code", []).append(message)
    profile = next((one for one in profiles if one.code.casefold() == own), None)
    if profile and not errors:
        errors = {name: [message] for name, message in find_layout_errors(profile).items()}
    in_order = sorted(errors, key=lambda name: (list(form_fields()).index(name) if name in form_fields() else -1, name))
    return CheckedDraft(None if errors else profile, {name: errors[name] for name in in_order})


def find_file(code: str) -> Path | None:
    """Returns the file in include/profiles that belongs to a code, whatever its case, or None."""
    folder = INCLUDE / "profiles"
    names = {f"{code}.yaml".casefold(), f"{code}.yml".casefold()}
    try:
        return next((path for path in folder.iterdir() if path.name.casefold() in names), None)
    except OSError:
        return None


def compare(*drafts: Mapping[str, Any]) -> list[Difference]:
    """Returns the fields in which drafts differ, in the order of the form."""
    differences = []
    for one in form_fields().values():
        values = tuple(", ".join(get_values(draft, one)) for draft in drafts)
        if len(set(values)) > 1:
            differences.append(Difference(one.full_label, values))
    return differences


def merge(base: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> tuple[Draft, dict[str, str]]:
    """Merges two edits of a profile. Where both changed a field, `mine` is kept.

    Returns the merged draft, and the values of `theirs` that are not in it, by the name of the field.
    """
    merged, replaced = clean(mine), {}
    for one in form_fields().values():
        was, now, wanted = (get_values(draft, one) for draft in (base, theirs, mine))
        if now in (was, wanted):
            continue
        if wanted == was:
            value: Value = list(now) if one.kind == "list" else (now[0] if now else None)
            _put_value(merged, one.name.split("."), value)
        else:
            replaced[one.name] = ", ".join(now) or "blank"
    return clean(merged), replaced


def _put_value(draft: Draft, place: list[str], value: Value) -> None:
    inner: dict[str, Value] = draft
    for section in place[:-1]:
        below = inner.setdefault(section, {})
        assert isinstance(below, dict)  # noqa: S101  of a cleaned draft
        inner = below
    inner[place[-1]] = value


def _with_sections(draft: Draft) -> Draft:
    """Returns a copy with all required sections, so that the fields missing in them are reported one by one."""
    return {section: {} for section in SECTIONS} | draft


def _describe_inbox(problem: Problem) -> str:
    return (
        f"a profile imports from this folder, and would take the exported files for payments ({problem.file}): "
        "choose another"
    )


def _describe_credits(problem: Problem) -> str:
    return f"another profile leaves its credits to this one: change that first ({problem.file}: {problem.message})"


def _describe_existing_code(code: str, managed: str | None) -> str | None:
    if managed:
        return f"there is a profile {managed} already: choose another code"
    if code and (file := find_file(code)):
        return f"it is the code of the file include/profiles/{file.name}: choose another"
    return None
