"""The decisions of a person about payments: held overpayments, and repeated files that are applied after all."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from bursar.airflow.dag_ids import dag_id
from bursar.airflow.profile_store import load_all_profiles
from bursar.errors import BursarError, NotFoundError
from bursar.imports.apply_again import RepeatedArrival, apply_again, get_repeated_arrival
from bursar.imports.overpayments import (
    HeldDecision,
    HeldOverpayment,
    get_held_overpayment,
    reject_overpayment,
    release_overpayment,
)
from bursar.ledger.import_files import PaymentOutcome, get_import_file
from bursar.ledger.jobs import Job
from bursar.money import format_money
from bursar.profiles import Import
from bursar.reporting.run_description import count_outcomes, format_moment
from bursar.web import views
from bursar.web.pages.reports import Id
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import address_of, read_ledger, render, settings

router = APIRouter()
Decision = Literal["release", "reject"]
RecordNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]

_DECISIONS = {"release": HeldDecision.RELEASED, "reject": HeldDecision.REJECTED}
_EFFECTS = {
    "release": "It becomes a credit of the student, which the next export can send. Release it only if the bursar has "
    "confirmed that the student has paid this much.",
    "reject": "It becomes no credit: the bursar corrects it. The student does not get this money from the library.",
}


@router.get("/overpayments/{file}/{record}/{decision}", name="confirm_overpayment")
def confirm_overpayment(
    request: Request, person: CurrentPerson, file: Id, record: RecordNumber, decision: Decision
) -> Response:
    """Says what a decision about a held overpayment does, and asks for a confirmation."""
    return _show_overpayment(request, _get_overpayment(person, file, record), decision)


@router.post("/overpayments/{file}/{record}/{decision}", name="decide_overpayment")
def decide_overpayment(
    request: Request, person: CurrentPerson, file: Id, record: RecordNumber, decision: Decision
) -> Response:
    """Releases or rejects a held overpayment, once, under the name of the person; a repetition changes nothing."""
    _get_overpayment(person, file, record)
    decide = release_overpayment if decision == "release" else reject_overpayment
    try:
        decide(views.engine(), file, record, by=person.name)
    except BursarError as error:
        return _show_overpayment(request, _get_overpayment(person, file, record), decision, str(error))
    return RedirectResponse(
        address_of(request, "confirm_overpayment", file=file, record=record, decision=decision), 303
    )


@router.get("/repeated-files/{arrival}", name="confirm_apply_again")
def confirm_apply_again(request: Request, person: CurrentPerson, arrival: Id) -> Response:
    """Says what applying a repeated file does, and asks whether the bursar has confirmed it."""
    return _show_repeated(request, _get_repeated(person, arrival))


@router.post("/repeated-files/{arrival}", name="apply_file_again")
def apply_file_again(
    request: Request, person: CurrentPerson, arrival: Id, *, other_payments: Annotated[bool, Form()] = False
) -> Response:
    """Applies a repeated file, once, under the name of the person; a repeated request changes nothing."""
    found = _get_repeated(person, arrival)
    try:
        if found.applied_again_at is None:
            section = _get_section(found.profile, confirmed=other_payments)
            apply_again(views.engine(), arrival, section, by=person.name)
    except BursarError as error:
        return _show_repeated(request, _get_repeated(person, arrival), str(error))
    return RedirectResponse(address_of(request, "confirm_apply_again", arrival=arrival), 303)


def _get_overpayment(person: Person, file: int, record: int) -> HeldOverpayment:
    require(person.may_edit(), "edit connections in Airflow")
    try:
        with read_ledger() as connection:
            held = get_held_overpayment(connection, file, record)
    except NotFoundError as error:
        raise HTTPException(404) from error
    require(person.may_see_names(held.profile), f"trigger a DAG of profile {held.profile}")
    return held


def _get_repeated(person: Person, arrival: int) -> RepeatedArrival:
    try:
        with read_ledger() as connection:
            found = get_repeated_arrival(connection, arrival)
    except NotFoundError as error:
        require(person.may_see_all_users(), "trigger every DAG")  # others do not learn which numbers exist
        raise HTTPException(404) from error
    require(person.may_act(found.profile, Job.IMPORT), f"trigger the DAG {dag_id(Job.IMPORT, found.profile)}")
    return found


def _get_section(code: str, *, confirmed: bool) -> Import:
    """Returns the import section of a profile, by whose rules a file is applied, once the person has confirmed it."""
    if not confirmed:
        raise BursarError("Nothing was applied: say that the bursar has confirmed other payments.")
    profiles, _ = load_all_profiles(settings(), code=code, get_engine=views.engine)
    if not profiles:
        raise BursarError(f"There is no valid profile {code}, whose rules would apply.")
    return profiles[0].import_


def _show_overpayment(request: Request, held: HeldOverpayment, decision: Decision, problem: str = "") -> Response:
    amount = format_money(held.amount, held.currency)
    credit = f" as credit {held.credit_id}" if held.credit_id else ""
    done = f"{held.decision} by {held.decided_by}{credit}" if held.decision else ""
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"{decision.capitalize()} the overpayment of {amount}?" if not done else f"Overpayment of {amount}",
        problem=problem,
        text=f"{_EFFECTS[decision]} The decision is final, and your name is recorded."
        if not done
        else "It is decided.",
        facts=[
            ("Decision", done),
            ("Overpaid", amount),
            ("Fine", str(held.fine_id)),
            ("Transaction", held.transaction_id),
            ("Profile", held.profile),
            ("File", held.file_name),
            ("Record", f"{held.record:,} of file {held.file_id}"),
        ],
        action=address_of(request, "decide_overpayment", file=held.file_id, record=held.record, decision=decision),
        label="" if done else decision.capitalize(),
        values={},
        cancel=address_of(request, "show_waiting"),
    )


def _show_repeated(request: Request, found: RepeatedArrival, problem: str = "") -> Response:
    done = found.applied_again_at is not None
    text = "The file has been applied again."
    facts = [
        ("File", found.name),
        ("Profile", found.profile),
        ("Applied before as", found.applied_name),
        ("Applied", format_moment(found.applied_at, views.zone())),
    ]
    if done and found.again_file_id:
        with read_ledger() as connection:
            again = get_import_file(connection, found.again_file_id)
        facts += [
            ("Applied again by", found.requested_by or ""),
            ("As file", str(again.id)),
            ("Outcomes", count_outcomes(PaymentOutcome.sort(again.outcomes or {}))),
        ]
    else:
        text = (
            "The file has the bytes of a file that was applied before, so most likely it repeats the same payments. If "
            "it is applied again, each of its payments counts a second time. Your name is recorded."
        )
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"Apply {found.name} again?" if not done else f"{found.name} is applied again",
        problem=problem,
        text=text,
        facts=facts,
        action=address_of(request, "apply_file_again", arrival=found.id),
        label="" if done else "Apply again",
        values={},
        checks=[("other_payments", "The bursar has confirmed that the file reports other payments than before.")],
        required="other_payments",
        cancel=address_of(request, "show_waiting"),
    )
