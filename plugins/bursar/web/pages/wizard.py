"""The wizard: *Add external system* and *Edit*, two pages, whose form carries the whole draft."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.datastructures import FormData

from bursar.errors import BursarError
from bursar.ledger.profile_revisions import EditConflictError, Revision, get_revision, save_revision
from bursar.profiles.yaml_reader import read_yaml
from bursar.reporting.run_description import Table, count_fines, make_tables
from bursar.web import views
from bursar.web.integration_dags import find_integration_dag, list_dag_ids
from bursar.web.pick_lists import load_pick_lists
from bursar.web.preview import evaluate
from bursar.web.profile_draft import CheckedDraft, Difference, check_draft, compare, find_file, merge
from bursar.web.profile_form import (
    Draft,
    clean,
    form_fields,
    form_pages,
    get_group,
    get_page,
    get_values,
    group_labels,
    read_form,
)
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.trial import Section, try_connection
from bursar.web.views import read_ledger, render, settings, write_ledger

router = APIRouter()
PARTS: tuple[Section, ...] = ("export", "import", "statement")


async def _read_form(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_read_form)]
Code = Annotated[str, Path(pattern="^[A-Za-z0-9_]{1,30}$")]


@dataclass
class Wizard:
    """The state of the wizard between two pages; the form carries it. `code` is None for a new profile."""

    code: str | None
    draft: Draft
    based_on: int = 0
    page: int = 1
    errors: dict[str, list[str]] = field(default_factory=dict)
    message: str = ""
    results: list[str] = field(default_factory=list)
    tables: tuple[Table, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    """What another person saved in a field, by the name of the field."""
    other: Revision | None = None
    differences: list[Difference] = field(default_factory=list)
    """The fields that differ between the revision that was opened, that of the other person, and this draft."""


@router.get("/wizard", name="add_profile")
def add_profile(
    request: Request,
    person: CurrentPerson,
    copy: Annotated[str, Query(pattern="^([A-Za-z0-9_]{1,30})?$")] = "",
) -> Response:
    """Shows the first page for a new profile, or for a copy of one, whose sections are not active."""
    require_edit(person)
    draft: Draft = {"integration_type": "bursar"}
    if copy:
        draft = read_profile_data(copy)
        del draft["code"]
        for section in PARTS:
            if isinstance(one := draft.get(section), dict):
                one["active"] = "no"
    return _show(request, person, Wizard(None, draft))


@router.get("/wizard/{code}", name="edit_profile")
def edit_profile(request: Request, person: CurrentPerson, code: Code) -> Response:
    """Shows the first page for the newest revision of a profile."""
    require_edit(person)
    with read_ledger() as connection:
        newest = get_managed_revision(connection, code)
    return _show(request, person, Wizard(code, clean(newest.profile), newest.revision))


@router.post("/wizard", name="post_new_profile")
def post_new_profile(request: Request, person: CurrentPerson, form: Form) -> Response:
    """Does the next step of a new profile: turns the page, tries the connection, previews, or saves."""
    return _take_step(request, person, form, None)


@router.post("/wizard/{code}", name="post_profile")
def post_profile(request: Request, person: CurrentPerson, code: Code, form: Form) -> Response:
    """Does the next step of an edit."""
    return _take_step(request, person, form, code)


@router.get("/wizard/{code}/saved", name="show_saved")
def show_saved(request: Request, person: CurrentPerson, code: Code) -> Response:
    """Says that a profile is saved; the page's script asks Airflow to read the profiles, and waits for the DAGs."""
    require_edit(person)
    with read_ledger() as connection:
        newest = get_managed_revision(connection, code)
    return render(
        request,
        "saved",
        section="show_profiles",
        revision=newest,
        dags=list_dag_ids(code, newest.profile),
        any_dag=find_integration_dag(),
    )


def read_profile_data(code: str) -> Draft:
    """Returns the fields of a profile as a draft, from its file or its newest revision.

    Raises:
        HTTPException: 404, if there is none.
    """
    if file := find_file(code):
        data = read_yaml(file).data
        if data is None:
            raise BursarError(f"include/profiles/{file.name} can't be read. Correct the file first.")
        return clean(data) | {"code": code}
    with read_ledger() as connection:
        return clean(get_managed_revision(connection, code).profile)


def require_edit(person: Person) -> None:
    """Raises 403 unless the person may edit profiles."""
    require(person.may_edit(), "edit connections in Airflow")


def get_managed_revision(connection: Connection, code: str, revision: int | None = None) -> Revision:
    """Returns a revision of a profile, by default the newest; raises 404 if there is none."""
    found = get_revision(connection, code, revision)
    if found is None:
        raise HTTPException(404)
    return found


def check_before_save(connection: Connection, person: Person, draft: Draft, code: str | None) -> CheckedDraft:
    """Checks a draft, and whether the person may use its connection. `code` is None for a new profile."""
    checked = check_draft(connection, settings(), draft, code=code)
    if checked.profile and not person.may_see_connection(checked.profile.sftp_connection):
        return CheckedDraft(None, {"sftp_connection": ["you have no right to this connection: choose another"]})
    return checked


def _take_step(request: Request, person: Person, form: FormData, code: str | None) -> Response:
    require_edit(person)
    draft = read_form(form)
    if code:
        draft["code"] = code
    wizard = Wizard(code, draft, _read_number(form, "based_on"), min(_read_number(form, "page"), 2) or 1)
    step = form.get("step")
    try:
        if step == "save" and (saved := _save(person, wizard)):
            address = request.scope["root_path"] + request.app.url_path_for("show_saved", code=saved)
            return RedirectResponse(address, 303)
        if step == "back":
            wizard.page = 1
        elif step == "next":
            _turn_page(wizard)
        elif step == "try":
            _try_connection(person, wizard)
        elif step == "preview":
            _preview(wizard)
    except BursarError as error:  # shown with the draft, so that nothing typed is lost
        wizard.message = str(error)
    return _show(request, person, wizard)


def _turn_page(wizard: Wizard) -> None:
    errors = {name: texts for name, texts in _check(wizard).errors.items() if get_page(name) == 1}
    wizard.errors = errors
    wizard.page = 1 if errors else 2


def _save(person: Person, wizard: Wizard) -> str | None:
    """Saves a draft and returns its code, or adds to the wizard why it is not saved."""
    with write_ledger() as connection:
        checked = check_before_save(connection, person, wizard.draft, wizard.code)
        if checked.profile is None:
            _add_errors(wizard, checked)
            return None
        code = checked.profile.code
        before = get_revision(connection, code, wizard.based_on) if wizard.based_on else None
        changes = compare(clean(before.profile), wizard.draft) if before else []
        if before and not changes:
            return code
        change = "changed " + ", ".join(one.label for one in changes) if changes else "created"
        try:
            save_revision(connection, code, wizard.draft, based_on=wizard.based_on, change=change, by=person.name)
        except EditConflictError as error:
            _add_conflict(connection, wizard, before, error)
            return None
    return code


def _add_errors(wizard: Wizard, checked: CheckedDraft) -> None:
    wizard.errors = dict(checked.errors)
    wizard.page = min(map(get_page, wizard.errors), default=2)


def _add_conflict(connection: Connection, wizard: Wizard, before: Revision | None, error: EditConflictError) -> None:
    """Keeps the draft, merged with the newest revision: fields that the person left alone have the newest values."""
    newest = get_revision(connection, wizard.code) if wizard.code else None
    if newest is None or before is None:
        wizard.errors = {"code": [str(error)]}
        wizard.page = 1
        return
    wizard.other = newest
    wizard.differences = compare(clean(before.profile), clean(newest.profile), wizard.draft)
    wizard.draft, wizard.notes = merge(clean(before.profile), clean(newest.profile), wizard.draft)
    wizard.based_on = newest.revision


def _try_connection(person: Person, wizard: Wizard) -> None:
    errors = _check(wizard).errors
    names = ("sftp_connection", *(f"{section}.{_PATHS[section]}" for section in PARTS))
    wizard.errors = {name: errors[name] for name in names if name in errors and _get_value(wizard.draft, name)}
    connection_id = _get_value(wizard.draft, "sftp_connection")
    if not connection_id:
        wizard.errors["sftp_connection"] = ["choose a connection first"]
    elif not person.may_see_connection(connection_id):
        wizard.errors["sftp_connection"] = ["you have no right to this connection: choose another"]
    if wizard.errors:
        wizard.page = min(map(get_page, wizard.errors))
        return
    paths: dict[Section, str] = {
        section: path for section in PARTS if (path := _get_value(wizard.draft, f"{section}.{_PATHS[section]}"))
    }
    may_create = _get_value(wizard.draft, "export.create_missing_folder") != "no"
    wizard.results = try_connection(connection_id, paths, may_create=may_create)


def _preview(wizard: Wizard) -> None:
    checked = _check(wizard)
    if checked.profile is None:
        _add_errors(wizard, checked)
    elif not checked.profile.export.active:
        wizard.results = ["The export is not active, so there is nothing to preview."]
    else:
        with evaluate(views.engine(), checked.profile, datetime.now(UTC)) as evaluation:
            found = evaluation.summary
        wizard.results = [f"An export now would take {count_fines(found.fines, found.users)}."]
        wizard.tables = make_tables(found.totals, found.skipped, {})


def _check(wizard: Wizard) -> CheckedDraft:
    with read_ledger() as connection:
        return check_draft(connection, settings(), wizard.draft, code=wizard.code)


_PATHS: dict[Section, str] = {
    "export": "output_file_path",
    "import": "input_file_path",
    "statement": "input_file_path",
}


def _get_value(draft: Draft, name: str) -> str:
    return next(iter(get_values(draft, form_fields()[name])), "")


def _read_number(form: FormData, name: str) -> int:
    text = form.get(name)
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,9}", text) else 0


def _show(request: Request, person: Person, wizard: Wizard) -> Response:
    lists = load_pick_lists(person, str(wizard.draft.get("code") or ""))
    pages = form_pages()
    shown = pages[wizard.page - 1]
    names = {one.name for section in shown for one in section.all_fields}
    labels = group_labels() | {name: one.full_label for name, one in form_fields().items()}
    hidden = [
        (one.name, value)
        for one in form_fields().values()
        if one.name not in names
        for value in get_values(wizard.draft, one)
    ]
    values: dict[str, Any] = {name: get_values(wizard.draft, form_fields()[name]) for name in names}
    return render(
        request,
        "wizard",
        status_code=422 if wizard.errors else 409 if wizard.other else 200,
        section="show_profiles",
        wizard=wizard,
        sections=shown,
        values=values,
        hidden=hidden,
        choices=lists.choices,
        no_lists=lists.problem,
        labels=labels,
        names=names,
        groups=group_labels(),
        get_group=get_group,
        time_zone=settings().time_zone,
    )
