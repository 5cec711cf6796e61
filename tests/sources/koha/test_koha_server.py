"""The traps of the Koha server: what a client has to be ready for, each seen over HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from typing import Any

import httpx
import pytest

from tests.support.koha_library import ADA, BEN, ITEM
from tests.support.koha_report import save_report
from tests.support.koha_server import KohaServer
from tests.support.koha_traps import CLIENT_ID, CLIENT_SECRET, LOGIN, PASSWORD, Moment


@pytest.fixture
def client(koha: KohaServer) -> Iterator[httpx.Client]:
    """Opens the API with a token."""
    with httpx.Client(base_url=f"{koha.url}/api/v1", verify=False, timeout=1) as client:  # noqa: S501  no TLS there
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = client.post("/oauth/token", data=form).json()
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        yield client


def post_credit(client: httpx.Client, *lines: int, amount: float = 5, patron: int = ADA, **body: Any) -> httpx.Response:
    """Posts a credit for lines."""
    body = {"amount": amount, "credit_type": "PAYMENT", "account_lines_ids": lines} | body
    return client.post(f"/patrons/{patron}/account/credits", json=body)


@contextmanager
def open_staff_session(koha: KohaServer) -> Iterator[httpx.Client]:
    """Opens the staff site with a session."""
    with httpx.Client(base_url=f"{koha.url}/cgi-bin/koha/svc", verify=False) as client:  # noqa: S501  no TLS there
        client.post("/authentication", data={"userid": LOGIN, "password": PASSWORD})
        yield client


def test_debits_are_positive_and_credits_negative(koha: KohaServer, client: httpx.Client) -> None:
    koha.state.charge(ADA, "LOST", "50")
    koha.state.credit(ADA, "REFUND", "3.5")
    account = client.get(f"/patrons/{ADA}/account").json()
    assert account["balance"] == 46.5
    assert account["outstanding_debits"]["total"] == 50
    assert account["outstanding_credits"]["total"] == -3.5
    assert account["outstanding_credits"]["lines"][0]["amount"] == -3.5


def test_a_credit_is_answered_with_its_line_or_its_id_alone(koha: KohaServer, client: httpx.Client) -> None:
    answer = post_credit(client, koha.state.charge(ADA, "LOST", "50"), note="bursar:1")
    assert (answer.status_code, answer.json()["internal_note"], answer.json()["amount"]) == (201, "bursar:1", -5)
    koha.traps.answers_with_line = False
    answer = post_credit(client, koha.state.charge(ADA, "LOST", "50"))
    assert (answer.status_code, list(answer.json())) == (200, ["account_line_id"])


def test_a_surplus_spills_onto_other_fines(koha: KohaServer, client: httpx.Client) -> None:
    fine, other = koha.state.charge(ADA, "NEW_CARD", "5"), koha.state.charge(ADA, "LOST", "50")
    assert post_credit(client, fine, amount=7).json()["amount_outstanding"] == 0
    assert [koha.state.outstanding(line) for line in (fine, other)] == [Decimal(0), Decimal(48)]
    assert post_credit(client, 99_999, amount=1).status_code == 201
    assert koha.state.outstanding(other) == 47


def test_lines_are_not_checked_against_the_patron(koha: KohaServer, client: httpx.Client) -> None:
    fine = koha.state.charge(BEN, "NEW_CARD", "5")
    assert post_credit(client, fine, patron=ADA).status_code == 201
    assert koha.state.outstanding(fine) == 0


def test_the_id_of_a_credit_is_an_error_after_the_credit_was_recorded(koha: KohaServer, client: httpx.Client) -> None:
    credit = koha.state.credit(ADA, "REFUND", "5")
    assert post_credit(client, credit).status_code == 500
    assert koha.state.one("SELECT count(*) FROM accountlines WHERE amountoutstanding = -5") == 2


def test_the_same_credit_twice_is_recorded_twice(koha: KohaServer, client: httpx.Client) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    answers = [post_credit(client, fine, note="bursar:1") for _ in range(2)]
    assert [answer.json()["amount_outstanding"] for answer in answers] == [0, -5]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"amount": 0}, "Less than minimum."),
        ({"amount": -1}, "Less than minimum."),
        ({"amount": None}, "Missing property."),
        ({"credit_type": "nonsense"}, "Invalid credit type"),
        ({"payment_type": "CASH"}, "Account transaction requires a cash register"),
    ],
)
def test_wrong_values_are_refused_in_two_shapes(
    koha: KohaServer, client: httpx.Client, body: dict[str, Any], message: str
) -> None:
    answer = post_credit(client, 1, **body)
    assert (answer.status_code, answer.json()["error"]) == (400, message)
    koha.traps.errors_as_list = True
    assert post_credit(client, 1, **body).json()["errors"][0]["message"] == message


def test_an_old_koha_takes_any_credit_type(koha: KohaServer, client: httpx.Client) -> None:
    koha.traps.checks_credit_type = False
    assert post_credit(client, credit_type="nonsense").status_code == 201


def test_an_old_koha_does_not_show_an_account_with_a_line_without_a_manager(
    koha: KohaServer, client: httpx.Client
) -> None:
    koha.state.charge(ADA, "OVERDUE", "1")
    assert client.get(f"/patrons/{ADA}/account").status_code == 200
    koha.traps.fails_without_manager = True
    assert client.get(f"/patrons/{ADA}/account").status_code == 500


def test_an_overdue_fine_has_no_branch_and_grows(koha: KohaServer, client: httpx.Client) -> None:
    fine = koha.state.charge(ADA, "OVERDUE", "1", status="UNRETURNED", itemnumber=ITEM)
    koha.state.grow(fine, "1.25")
    [line] = client.get(f"/patrons/{ADA}/account").json()["outstanding_debits"]["lines"]
    assert (line["library_id"], line["status"], line["amount"]) == (None, "UNRETURNED", 1.25)


def test_a_voided_payment_opens_its_fine_and_adds_a_line(koha: KohaServer, client: httpx.Client) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.void(koha.state.credit(ADA, "PAYMENT", "5", fine))
    debits = client.get(f"/patrons/{ADA}/account/debits", params={"_order_by": "+account_line_id"}).json()
    assert [(line["type"], line["amount_outstanding"]) for line in debits] == [("NEW_CARD", 5), ("VOID", 0)]


def test_a_refund_that_is_paid_out_adds_a_debit(koha: KohaServer, client: httpx.Client) -> None:
    koha.state.pay_out(koha.state.credit(ADA, "REFUND", "3"))
    [line] = client.get(f"/patrons/{ADA}/account/debits").json()
    assert (line["type"], line["amount"], line["amount_outstanding"]) == ("PAYOUT", 3, 0)


def test_lists_have_20_rows_and_overlap_without_an_order(koha: KohaServer, client: httpx.Client) -> None:
    lines = [koha.state.charge(ADA, "RENT", "1") for _ in range(45)]
    path = f"/patrons/{ADA}/account/debits"

    def read(**params: Any) -> list[int]:
        return [line["account_line_id"] for line in client.get(path, params=params).json()]

    first = client.get(path)
    assert (len(first.json()), first.headers["X-Total-Count"]) == (20, "45")
    assert 'rel="next"' in first.headers["Link"]
    assert list(chain(*(read(_page=page, _order_by="+account_line_id") for page in (1, 2, 3)))) == lines
    assert len(read(_per_page=-1)) == 45
    rounds = [list(chain(*(read(_page=page) for page in (1, 2, 3)))) for _ in range(5)]
    assert any(sorted(found) != lines for found in rounds), "a page without an order repeats rows and lacks others"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"internal_note": "bursar:1"}, 1),
        ({"internal_note": {"-like": "%URSAR%"}}, 2),
        ({"internal_note": {"-like": "bursar"}}, 0),
        ({"amount": {"<": -5}}, 1),
        ({"amount": {"-between": [-5, -5]}, "type": "PAYMENT"}, 1),
        ([{"type": "PAYMENT"}, {"type": "REFUND"}], 2),
        ({"-or": [{"type": "PAYMENT"}, {"amount": -7}]}, 2),
        ({"type": ["PAYMENT", "REFUND"]}, 2),
        ({"type": {"-in": ["REFUND"]}}, 1),
        ({"me.type": {"!=": "REFUND"}}, 1),
    ],
)
def test_lists_are_filtered_by_json(koha: KohaServer, client: httpx.Client, condition: Any, found: int) -> None:
    koha.state.credit(ADA, "PAYMENT", "5", note="bursar:1")
    koha.state.credit(ADA, "REFUND", "7", note="bursar:2")
    koha.state.credit(BEN, "PAYMENT", "5", note="bursar:1")
    answer = client.get(f"/patrons/{ADA}/account/credits", params={"q": json.dumps(condition)})
    assert len(answer.json()) == found


@pytest.mark.parametrize("params", [{"note": "x"}, {"q": "{"}, {"q": '{"a":1}'}, {"q": '{"type":{"~":1}}'}])
def test_a_parameter_that_is_not_known_is_refused(
    koha: KohaServer, client: httpx.Client, params: dict[str, str]
) -> None:
    koha.state.credit(ADA, "PAYMENT", "5")
    answer = client.get(f"/patrons/{ADA}/account/credits", params=params)
    assert (answer.status_code, "Malformed query string" in answer.text) == (400, True)


def test_plain_parameters_look_for_a_part_unless_they_are_exact(client: httpx.Client) -> None:
    def find(**params: str) -> int:
        return len(client.get("/patrons", params=params).json())

    assert (find(userid="a"), find(userid="ada"), find(userid="a", _match="exact")) == (1, 1, 0)


def test_values_of_patrons_of_other_branches_may_be_null(koha: KohaServer, client: httpx.Client) -> None:
    assert client.get(f"/patrons/{ADA}").json()["surname"] == "Surname 7"
    koha.traps.permissions -= {"borrowers:view_borrower_infos_from_any_libraries"}
    assert client.get(f"/patrons/{ADA}").json()["surname"] is None
    koha.traps.user_branch = "LAW"
    assert client.get(f"/patrons/{ADA}").json()["surname"] == "Surname 7"


def test_tokens_expire_and_permissions_are_asked_for(koha: KohaServer, client: httpx.Client) -> None:
    koha.traps.permissions = frozenset()
    answer = client.get("/patrons")
    assert (answer.status_code, answer.json()["required_permissions"]) == (403, {"borrowers": "edit_borrowers"})
    assert client.get("/libraries", params={"_order_by": "-library_id"}).json()[0]["library_id"] == "MAIN"
    koha.logins.tokens.clear()
    assert client.get("/libraries").status_code == 401


def test_basic_is_off_until_it_is_switched_on(koha: KohaServer, client: httpx.Client) -> None:
    del client.headers["Authorization"]
    statuses = []
    for koha.traps.basic_auth in (False, True):
        statuses.append(client.get("/patron_categories", auth=(LOGIN, PASSWORD)).status_code)
    assert statuses == [401, 200]
    assert client.get("/patron_categories", auth=(LOGIN, "wrong")).status_code == 401


def test_a_client_of_oauth2_needs_its_secret_and_its_system_preference(koha: KohaServer, client: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": "wrong"}
    answer = client.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()) == (403, {"error": "access_denied"})
    assert client.post("/oauth/token", data=form | {"grant_type": "password"}).status_code == 400
    koha.traps.oauth = False
    assert client.post("/oauth/token", data=form).status_code == 404


def test_what_does_not_exist_is_not_found(koha: KohaServer, client: httpx.Client) -> None:
    for path in ("/patrons/99", "/patrons/99/account", "/patrons/99/account/credits", "/account/lines"):
        assert client.get(path).status_code == 404
    assert post_credit(client, patron=99).status_code == 404
    koha.traps.knows_lists = False
    assert "Not Found." in client.get(f"/patrons/{ADA}/account/credits").text


def test_a_report_is_cut_without_a_word(koha: KohaServer) -> None:
    for _ in range(12):
        koha.state.charge(ADA, "RENT", "1")
    koha.save_report(1, "SELECT accountlines_id FROM accountlines ORDER BY 1")
    koha.set_max_report_rows(10)
    with open_staff_session(koha) as client:
        assert len(client.get("/report", params={"id": 1}).json()) == 10


def test_a_report_is_cached_for_its_parameters(koha: KohaServer) -> None:
    koha.save_report(1, "SELECT COUNT(*), <<a>>, <<b>> FROM accountlines")
    koha.traps.report_cache_seconds = 300

    def run(client: httpx.Client, *params: str) -> list[list[str]]:
        rows: list[list[str]] = client.get("/report", params={"id": 1, "sql_params": params}).json()
        return rows

    with open_staff_session(koha) as client:
        assert run(client, "x", "it's") == [["0", "x", "it's"]]
        koha.state.charge(ADA, "RENT", "1")
        assert run(client, "x", "it's") == [["0", "x", "it's"]]
        assert run(client, "y", "") == [["1", "y", ""]]
        koha.traps.cache_ignores_parameters = True
        assert run(client, "z", "") == [["1", "z", ""]]
        assert run(client, "x", "") == [["1", "z", ""]]


def test_a_report_without_a_session_is_the_login_page(koha: KohaServer) -> None:
    with open_staff_session(koha) as client:
        koha.traps.session_seconds = 0
        client.post("/authentication", data={"userid": LOGIN, "password": PASSWORD})
        answer = client.get("/report", params={"id": 7})
    assert (answer.status_code, "Log in to Koha" in answer.text) == (200, True)


def test_a_csrf_token_is_needed_since_24_05(koha: KohaServer) -> None:
    koha.traps.csrf = True
    with open_staff_session(koha) as client:
        csrf = client.get("/authentication").headers["Csrf-Token"]
        form = {"login_userid": LOGIN, "login_password": PASSWORD}
        assert client.post("/authentication", data=form).status_code == 403
        assert "<status>ok</status>" in client.post("/authentication", data=form, headers={"Csrf-Token": csrf}).text


def test_an_error_in_sql_is_an_answer(koha: KohaServer) -> None:
    koha.save_report(1, "SELECT no_such_column FROM accountlines")
    with open_staff_session(koha) as client:
        answer = client.get("/report", params={"id": 1})
    assert (answer.status_code, list(answer.json())) == (200, ["queryerr"])


@pytest.mark.parametrize(
    "text", ["SELECT 1 -- UPDATE it", "WITH a AS (SELECT 1) SELECT 1", "SELECT 1 AS token", "SELECT 'CREATE' AS a"]
)
def test_koha_saves_no_text_that_may_change_something_or_show_a_secret(text: str) -> None:
    with pytest.raises(ValueError, match="Koha refuses"):
        save_report(text)


@pytest.mark.parametrize(
    ("moment", "recorded", "status"),
    [
        (Moment.BEFORE, 0, None),
        (Moment.DURING, 1, None),
        (Moment.AFTER, 1, None),
        (Moment.SLOW, 1, None),
        (Moment.ERROR_BEFORE, 0, 500),
        (Moment.ERROR_AFTER, 1, 500),
        (Moment.BUSY, 0, 503),
    ],
)
def test_a_request_is_interrupted_where_a_fault_says_so(
    koha: KohaServer, client: httpx.Client, moment: Moment, recorded: int, status: int | None
) -> None:
    koha.traps.add_fault("POST", "account/credits", moment, skip=1)
    post_credit(client)
    answer = None
    try:
        answer = post_credit(client, note="second")
    except httpx.TransportError:
        assert status is None
    assert (answer and answer.status_code) == status
    assert koha.state.one("SELECT count(*) FROM accountlines WHERE note = 'second'") == recorded
    assert post_credit(client).status_code == 201, "a fault happens once"


def test_a_merge_moves_lines_and_removes_the_patron(koha: KohaServer, client: httpx.Client) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.merge(ADA, BEN)
    assert client.get(f"/patrons/{ADA}").status_code == 404
    [line] = client.get(f"/patrons/{BEN}/account").json()["outstanding_debits"]["lines"]
    assert line["account_line_id"] == fine
