"""What has to wait for a person, and what becomes of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bursar.errors import BatchError
from bursar.exporting import approval
from bursar.exporting.selection import select_fines
from bursar.ledger.batches import Batch, State
from bursar.profiles.oversight import Approval
from tests.library import NOW, Library, a_profile, the_settings

ANY = Approval(fines=0)


def selected(library: Library, *amounts: str, currency: str = "USD", run: str = "today") -> Batch:
    """A batch of a user's fines of these amounts."""
    user = library.user()
    for amount in amounts:
        library.fine(user, amount, currency=currency)
    return select_fines(library.ledger, a_profile(), the_settings(), run=run, as_of=NOW + timedelta(days=1))


def exported_before(library: Library, fines: int, charges: str, profile: str = "STUDENTS") -> None:
    """An export of the past that came to its end."""
    totals = json.dumps({"USD": {"charges": charges, "credits": "0"}})
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO batches (profile, run, as_of, import_active, document, sftp_connection, output_file_path,"
                " file_name, users, fines, totals, left_behind, closed_at) VALUES (:profile, gen_random_uuid(), now(),"
                " true, '{}', 'x', 'out', 'x.xml', 1, :fines, :totals, '{}', now())"
            ),
            {"profile": profile, "fines": fines, "totals": totals},
        )


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({}, None),
        ({"fines": 3}, None),
        ({"fines": 2}, ("3 fines: more than the limit of 2.",)),
        ({"money": 30}, None),
        ({"money": 29}, ("Charges of 30.00 USD: more than the limit of 29.00 USD.",)),
        ({"money": 4}, ("Charges of 30.00 USD: more than the limit of 4.00 USD.",
                        "Credits of -5.00 USD: more than the limit of 4.00 USD.")),
        ({"fines": 0, "money": 30}, ("3 fines: more than the limit of 0.",)),
    ],
)  # fmt: skip
def test_a_batch_beyond_a_limit_waits_and_says_why(
    library: Library, limits: dict[str, Any], reasons: tuple[str, ...] | None
) -> None:
    batch = selected(library, "10", "20", "-5")

    found = approval.ask(library.ledger, batch.id, Approval.model_validate(limits))

    assert (found and found.reasons) == reasons


@pytest.mark.parametrize(
    ("before", "amounts", "reasons"),
    [
        ([(1, "10"), (1, "10")], ["1000"] * 3, None),  # two runs make nothing usual
        (
            [(1, "10"), (2, "20"), (99, "9000")],
            ["20", "20", "0.01"],
            ("Charges of 40.01 USD: more than 2 times the usual 20.00 USD.",),
        ),
        ([(1, "10"), (2, "20"), (99, "9000")], ["10", "10", "10", "10"], None),
        ([(1, "10"), (2, "20"), (99, "9000")], ["1"] * 5, ("5 fines: more than 2 times the usual 2.",)),
        ([(0, "0")] * 9 + [(5, "50")] * 2, ["10"] * 11, None),  # runs without fines are no runs
    ],
)  # fmt: skip
def test_the_usual_run_is_the_median_of_the_exports_before(
    library: Library, before: list[tuple[int, str]], amounts: list[str], reasons: tuple[str, ...] | None
) -> None:
    for fines, charges in before:
        exported_before(library, fines, charges)
    for _ in range(10):
        exported_before(library, 1, "1", profile="OTHER")

    found = approval.ask(library.ledger, selected(library, *amounts).id, Approval(times_the_usual=2))

    assert (found and found.reasons) == reasons


def test_a_currency_that_was_never_exported_before_is_beyond_the_usual(library: Library) -> None:
    for _ in range(3):
        exported_before(library, 1, "10")

    found = approval.ask(library.ledger, selected(library, "1", currency="CAD").id, Approval(times_the_usual=2))

    assert found
    assert found.reasons == ("Charges of 1.00 CAD: more than 2 times the usual 0.00 CAD.",)


def test_an_old_usual_is_forgotten(library: Library) -> None:
    for charges in ["1000"] * 10 + ["10"] * 10:
        exported_before(library, 1, charges)

    assert approval.ask(library.ledger, selected(library, "30").id, Approval(times_the_usual=2))


def test_an_approved_batch_goes_on_and_is_not_asked_about_again(library: Library) -> None:
    batch = selected(library, "10")
    approval.ask(library.ledger, batch.id, ANY)
    with pytest.raises(BatchError, match="not answered yet: nothing was uploaded"):
        approval.check_approved(library.ledger, batch.id)

    assert approval.answer(library.ledger, batch.id, "approved", by="admin").state is State.SELECTED

    approval.check_approved(library.ledger, batch.id)
    again = approval.ask(library.ledger, batch.id, ANY)
    assert again == approval.Waiting(("1 fine: more than the limit of 0.",), "approved", "admin")


@pytest.mark.parametrize(("said", "by"), [("refused", "admin"), ("unanswered", None)])
def test_without_a_yes_the_fines_are_let_go(library: Library, said: approval.Answer, by: str | None) -> None:
    batch = selected(library, "10")
    approval.ask(library.ledger, batch.id, ANY)

    for _ in range(2):
        assert approval.answer(library.ledger, batch.id, said, by=by).state is State.RELEASED

    assert library.one("SELECT count(*) FROM claims") == 0
    with pytest.raises(BatchError, match=f"is {said}: nothing was uploaded"):
        approval.check_approved(library.ledger, batch.id)
    assert selected(library, run="tomorrow").fines == 1


def test_the_first_answer_counts(library: Library) -> None:
    batch = selected(library, "10")
    approval.ask(library.ledger, batch.id, ANY)
    approval.answer(library.ledger, batch.id, "refused", by="admin")

    with pytest.raises(BatchError, match=f"Batch {batch.id} was refused before"):
        approval.answer(library.ledger, batch.id, "approved", by="somebody")


def test_a_batch_within_the_limits_passes(library: Library) -> None:
    batch = selected(library, "10")

    assert approval.ask(library.ledger, batch.id, Approval(fines=1, money=10)) is None
    approval.check_approved(library.ledger, batch.id)
