"""The revisions of a profile that is managed in the pages: history, comparison, restoring, deactivation, and YAML."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from bursar.ledger.profile_revisions import Revision, list_revisions, save_revision
from bursar.profiles.yaml_writer import write_yaml
from bursar.reporting.run_description import format_moment
from bursar.web.pages.wizard import PARTS, Code, check_before_save, get_managed_revision, require_edit
from bursar.web.profile_draft import compare, find_file
from bursar.web.profile_form import Draft, clean
from bursar.web.rights import CurrentPerson, require
from bursar.web.views import PAGE_LENGTH, read_ledger, render, settings, write_ledger

router = APIRouter()
MAX_REVISION = 2**31 - 2
BasedOn = Annotated[int, Form(ge=1, le=MAX_REVISION)]
Number = Annotated[int, Path(ge=1, le=MAX_REVISION)]
Chosen = Annotated[int | None, Query(ge=1, le=MAX_REVISION)]


@router.get("/profiles/{code}/revisions", name="show_revisions")
def show_revisions(  # one argument for each filter
    request: Request,
    person: CurrentPerson,
    code: Code,
    *,
    old: Chosen = None,
    new: Chosen = None,
    below: Chosen = None,
) -> Response:
    """Shows the revisions, newest first, and the fields in which two of them differ: by default the last change."""
    require(person.may_see(code), f"read the DAGs of profile {code}")
    with read_ledger() as connection:
        revisions = list_revisions(connection, code, limit=PAGE_LENGTH + 1, below=below)
        newer = get_managed_revision(connection, code, new)
        older = get_managed_revision(connection, code, old) if old else None
        if older is None and newer.revision > 1:
            older = get_managed_revision(connection, code, newer.revision - 1)
        newest = get_managed_revision(connection, code)
    return render(
        request,
        "revisions",
        section="show_profiles",
        time_zone=settings().time_zone,
        code=code,
        revisions=revisions[:PAGE_LENGTH],
        below=revisions[PAGE_LENGTH - 1].revision if len(revisions) > PAGE_LENGTH else None,
        newest=newest.revision,
        older=older,
        newer=newer,
        differences=[(one.label, *one.values) for one in compare(clean(older.profile), clean(newer.profile))]
        if older
        else [],
        may_edit=person.may_edit(),
    )


@router.get("/profiles/{code}/revisions/{revision}/restore", name="confirm_restore")
def confirm_restore(request: Request, person: CurrentPerson, code: Code, revision: Number) -> Response:
    """Shows the changes that restoring an earlier revision makes, and asks for a confirmation."""
    require_edit(person)
    with read_ledger() as connection:
        newest, wanted = get_managed_revision(connection, code), get_managed_revision(connection, code, revision)
    return _confirm(
        request,
        newest,
        clean(wanted.profile),
        title=f"Restore revision {revision} of {code}",
        text=f"The fields become those of revision {revision}, as a new revision. Runs under way keep the revision "
        "that they started with.",
        action=_address(request, "restore_revision", code=code, revision=revision),
        label="Restore",
    )


@router.post("/profiles/{code}/revisions/{revision}/restore", name="restore_revision")
def restore_revision(
    request: Request, person: CurrentPerson, code: Code, revision: Number, based_on: BasedOn
) -> Response:
    """Saves an earlier revision as the newest."""
    require_edit(person)
    with write_ledger() as connection:
        draft = clean(get_managed_revision(connection, code, revision).profile)
        checked = check_before_save(connection, person, draft, code)
        if checked.profile is None:
            problems = [f"{name}: {text}" for name, texts in checked.errors.items() for text in texts]
            raise HTTPException(409, f"Revision {revision} can't be restored: {'; '.join(problems)}")
        change = f"restored revision {revision}"
        save_revision(connection, code, draft, based_on=based_on, change=change, by=person.name)
    return _to_saved(request, code)


@router.get("/profiles/{code}/deactivate", name="confirm_deactivation")
def confirm_deactivation(request: Request, person: CurrentPerson, code: Code) -> Response:
    """Says what deactivating a profile does, and asks for a confirmation."""
    require_edit(person)
    with read_ledger() as connection:
        newest = get_managed_revision(connection, code)
    return _confirm(
        request,
        newest,
        _deactivate(newest),
        title=f"Deactivate {code}",
        text="Neither section is active then, and the profile has no DAG: nothing is exported or imported, and a run "
        "under way can't go on. Outstanding fines stay outstanding. To activate the profile again, edit it.",
        action=_address(request, "deactivate_profile", code=code),
        label="Deactivate",
    )


@router.post("/profiles/{code}/deactivate", name="deactivate_profile")
def deactivate_profile(request: Request, person: CurrentPerson, code: Code, based_on: BasedOn) -> Response:
    """Saves a revision in which neither section is active."""
    require_edit(person)
    with write_ledger() as connection:
        draft = _deactivate(get_managed_revision(connection, code))
        save_revision(connection, code, draft, based_on=based_on, change="deactivated", by=person.name)
    return _to_saved(request, code)


@router.get("/profiles/{code}/yaml", name="download_yaml")
def download_yaml(person: CurrentPerson, code: Code) -> Response:
    """Returns a profile as a YAML file; a profile in a file as it is there."""
    require(person.may_see(code), f"read the DAGs of profile {code}")
    file = find_file(code)
    content = file.read_bytes() if file else _write_yaml(code).encode()
    headers = {"Content-Disposition": f'attachment; filename="{code.lower()}.yaml"'}
    return Response(content, media_type="application/yaml", headers=headers)


def _write_yaml(code: str) -> str:
    with read_ledger() as connection:
        newest = get_managed_revision(connection, code)
    moment = format_moment(newest.changed_at, ZoneInfo(settings().time_zone))
    comment = f"Revision {newest.revision} of a profile that is managed in the pages, of {moment}."
    return write_yaml(clean(newest.profile), comment)


def _deactivate(revision: Revision) -> Draft:
    draft = clean(revision.profile)
    for section in PARTS:
        fields = draft.setdefault(section, {})
        if isinstance(fields, dict):
            fields["active"] = "no"
    return draft


def _confirm(  # one argument for each text
    request: Request, newest: Revision, draft: Draft, *, title: str, text: str, action: str, label: str
) -> Response:
    return render(
        request,
        "confirm",
        section="show_profiles",
        title=title,
        text=text,
        action=action,
        label=label,
        values={"based_on": newest.revision},
        cancel=_address(request, "show_revisions", code=newest.code),
        differences=[(one.label, *one.values) for one in compare(clean(newest.profile), draft)],
    )


def _to_saved(request: Request, code: str) -> Response:
    return RedirectResponse(_address(request, "show_saved", code=code), 303)


def _address(request: Request, name: str, **parameters: object) -> str:
    return f"{request.scope['root_path']}{request.app.url_path_for(name, **parameters)}"
