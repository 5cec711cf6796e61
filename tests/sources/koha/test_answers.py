"""Answers of a Koha about accounts that are not of the known form: an error that names no value, and never a crash."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import httpx
import pytest

from bursar.errors import BursarError
from bursar.ledger.entry_type import EntryType
from bursar.sources.http_client import HttpAnswer
from bursar.sources.koha.account import find_credits, find_debit, read_open_debits
from bursar.sources.koha.credits import record_credit
from bursar.sources.system import AnswerStatus, Event, EventKind

NOTE = f"bursar:{UUID(int=1)}"
CREDIT = {"account_line_id": 9, "amount": -5, "amount_outstanding": 0, "status": None, "internal_note": NOTE}
DEBIT = {"account_line_id": 1, "amount": 5, "amount_outstanding": 5}


def answer(data: Any, status: int = 200) -> HttpAnswer:
    """Returns an answer with JSON."""
    return HttpAnswer(status, httpx.Headers(), json.dumps(data).encode(), "koha.example")


def client_of(data: Any) -> Any:
    """Returns a client whose Koha answers the same to each request."""
    return Mock(get=Mock(return_value=answer(data)), account="koha.example")


@pytest.mark.parametrize(
    "change",
    [
        {"amount_outstanding": float("nan")},
        {"amount_outstanding": "NaN"},
        {"amount_outstanding": "Ada Okonkwo"},
        {"amount_outstanding": None},
        {"amount_outstanding": [1]},
        {"amount_outstanding": True},
        {"account_line_id": "Ada Okonkwo"},
        {"account_line_id": {}},
    ],
    ids=str,
)
def test_a_line_that_can_not_be_read_is_an_error_without_its_values(change: Any) -> None:
    for read in (
        lambda: read_open_debits(client_of({"outstanding_debits": {"lines": [DEBIT | change]}}), "7"),
        lambda: find_credits(client_of([CREDIT | change]), "7", "bursar:1"),
    ):
        with pytest.raises(BursarError) as caught:
            read()
        assert "Okonkwo" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [{}, [], "x", None, {"outstanding_debits": []}, {"outstanding_debits": {"lines": [1]}}]
)
def test_an_account_of_another_form_is_an_error(data: Any) -> None:
    with pytest.raises(BursarError):
        read_open_debits(client_of(data), "7")


@pytest.mark.parametrize("rows", [[1], [None], [[]], [{}]])
def test_lines_of_another_form_are_an_error(rows: Any) -> None:
    with pytest.raises(BursarError):
        find_credits(client_of(rows), "7", "bursar:1")
    with pytest.raises(BursarError):
        find_debit(client_of(rows), "7", 1)


def test_lines_that_were_not_asked_for_are_no_answer() -> None:
    """As if the filter was lost: a payment at the desk would count as the credit of an event."""
    for note in ("cash at the desk", None):
        with pytest.raises(BursarError, match="filter"):
            find_credits(client_of([CREDIT | {"internal_note": note}]), "7", NOTE)
    with pytest.raises(BursarError, match="filter"):
        find_debit(client_of([DEBIT]), "7", 2)


def test_an_accepted_credit_whose_answer_can_not_be_read_is_looked_for() -> None:
    client = client_of([CREDIT])
    account = [answer({"outstanding_debits": {"lines": lines}}) for lines in ([DEBIT], [])]
    client.get.side_effect = [account[0], answer([CREDIT]), account[1]]
    client.post.return_value = answer({"amount": "?", "amount_outstanding": 0}, 201)
    event = Event(
        key=UUID(int=1),
        kind=EventKind.HANDED_OVER,
        entry_type=EntryType.EXPORTED,
        fine_id="1",
        user_id="7",
        amount=Decimal(5),
        currency="USD",
        occurred_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    found = record_credit(client, event, "7", {"credit_type": "BURSAR"}, lambda: None)
    assert (found.status, found.balance_change) == (AnswerStatus.DONE, Decimal(-5))
