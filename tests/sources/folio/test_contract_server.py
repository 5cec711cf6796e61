"""The FOLIO on loopback has the traps that its clients are tested with. Each trap is shown by a bare HTTP client."""

import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.folio_cql import CqlError, parse
from tests.support.folio_library import SERVICE_POINT
from tests.support.folio_server import PASSWORD, TENANT, USER, FolioServer
from tests.support.folio_traps import Fault
from tests.support.tracked_files import PROJECT

BODY = {
    "amount": "50.00",
    "notifyPatron": False,
    "servicePointId": SERVICE_POINT,
    "userName": "Bursar",
    "paymentMethod": "Bursar",
    "transactionInfo": "bursar:1",
    "comments": "STAFF : bursar:1",
}
LOGIN = {"username": USER, "password": PASSWORD}


class Bare:
    """A bare client that has logged in, and reads the cookies itself: they are Secure, and this is not https."""

    def __init__(self, folio: FolioServer) -> None:
        self.client = httpx.Client(
            base_url=folio.url,
            headers={"X-Okapi-Tenant": TENANT},
            timeout=5,
            verify=False,  # noqa: S501  no TLS there
        )
        self.tokens = read_tokens(self.client.post("/authn/login-with-expiry", json=LOGIN))
        self.client.headers["X-Okapi-Token"] = self.tokens["folioAccessToken"]

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params)

    def act(self, account: dict[str, Any], name: str, **body: Any) -> httpx.Response:
        values = {key: value for key, value in (BODY | body).items() if value is not None}
        return self.client.post(f"/accounts/{account['id']}/{name}", json=values)

    def list_ids(self, **params: Any) -> list[str]:
        return [one["id"] for one in self.get("/accounts", **params).json()["accounts"]]


def read_tokens(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 201, answer.text
    lines = answer.headers.get_list("Set-Cookie")
    assert all("Secure" in line and "HttpOnly" in line for line in lines)
    return dict(line.split(";")[0].split("=", 1) for line in lines)


@pytest.fixture
def bare(folio: FolioServer) -> Iterator[Bare]:
    """Returns a bare client that has logged in."""
    bare = Bare(folio)
    yield bare
    bare.client.close()


def test_login_gives_two_cookies_and_a_wrong_password_422(folio: FolioServer, bare: Bare) -> None:
    assert bare.tokens.keys() == {"folioAccessToken", "folioRefreshToken"}
    assert bare.client.post("/authn/login-with-expiry", json=LOGIN | {"password": "x"}).status_code == 422
    assert bare.client.post("/authn/login", json=LOGIN).status_code == 404


def test_a_missing_tenant_is_400_and_a_missing_token_401_both_as_text(folio: FolioServer) -> None:
    for headers, status in (({}, 400), ({"X-Okapi-Tenant": "other"}, 400), ({"X-Okapi-Tenant": TENANT}, 401)):
        answer = httpx.get(f"{folio.url}/accounts", headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain")


def test_a_token_expires_and_each_refresh_token_works_once(folio: FolioServer, bare: Bare) -> None:
    folio.expire_tokens()
    assert bare.get("/accounts").status_code == 401
    cookie = {"Cookie": f"folioRefreshToken={bare.tokens['folioRefreshToken']}"}
    renewed = read_tokens(bare.client.post("/authn/refresh", headers=cookie))
    assert bare.client.get("/accounts", headers={"X-Okapi-Token": renewed["folioAccessToken"]}).status_code == 200
    assert bare.client.post("/authn/refresh", headers=cookie).status_code == 422
    folio.traps.token_seconds = 0
    later = Bare(folio)
    assert later.get("/accounts").status_code == 401
    later.client.close()


def test_a_header_and_a_cookie_that_differ_are_refused(bare: Bare) -> None:
    assert bare.client.get("/accounts", headers={"Cookie": "folioAccessToken=other"}).status_code == 400


def test_a_missing_permission_is_403_as_text_that_names_it(folio: FolioServer, bare: Bare) -> None:
    folio.traps.denied = {"accounts.collection.get", "feesfines.accounts.transfer.post"}
    assert bare.get("/accounts").text.endswith("requires permission: accounts.collection.get")
    assert bare.act(folio.library.charge(50), "transfer").status_code == 403


def test_pages_without_an_order_overlap_and_have_ten_records(folio: FolioServer, bare: Bare) -> None:
    for _ in range(40):
        folio.library.charge(1)
    pages = [bare.list_ids(offset=offset) for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10] * 4
    assert len({id_ for page in pages for id_ in page}) < 40
    ordered = [bare.list_ids(query="cql.allRecords=1 sortBy id", offset=offset) for offset in (0, 10, 20, 30)]
    assert [id_ for page in ordered for id_ in page] == sorted(folio.library.accounts.by_id)
    folio.traps.max_page = 5
    assert len(bare.list_ids(limit=1000)) == 5


def test_totals_are_estimates(folio: FolioServer, bare: Bare) -> None:
    for _ in range(40):
        folio.library.charge(1)
    assert bare.get("/accounts", limit=100).json()["totalRecords"] != 40
    folio.traps.exact_totals = True
    assert bare.get("/accounts", limit=1).json()["totalRecords"] == 40


def test_queries_and_their_errors(folio: FolioServer, bare: Bare) -> None:
    open_, closed = folio.library.charge(50), folio.library.charge(5)
    folio.library.act(closed, "pay", 5)
    assert bare.list_ids(query='status.name=="Open" sortBy id') == [open_["id"]]
    assert bare.list_ids(query=f'id==("{closed["id"]}" or "{uuid4()}")') == [closed["id"]]
    assert bare.list_ids(query=f'(status.name=="Open" or status.name=="Closed") and id>"{"f" * 36}"') == []
    wrong = bare.get("/accounts", query='status.name=="Open')
    assert (wrong.status_code, wrong.text[:19]) == (400, "CQL Parsing Error f")


def test_and_and_or_bind_alike_from_left_to_right() -> None:
    query = parse('a=="1" or b=="1" and c=="1"')
    assert not query.matches({"a": "1"})
    assert query.matches({"a": "1", "c": "1"})
    assert parse('a=="x\\"y" sortBy id').matches({"a": 'x"y'})
    for wrong in ("a==", "a", '(a=="1"', 'a=="1" sortBy', 'a=="1" b=="2"'):
        with pytest.raises(CqlError):
            parse(wrong)


def test_a_url_can_be_too_long(bare: Bare) -> None:
    ids = " or ".join(f'"{uuid4()}"' for _ in range(200))
    assert bare.get("/users", query=f"id==({ids})").status_code == 414


def test_a_failing_neighbour_makes_a_page_of_accounts_fail(folio: FolioServer, bare: Bare) -> None:
    folio.traps.inventory_fails = True
    assert bare.get("/accounts").status_code == 500
    assert bare.get("/users").status_code == 200


def test_an_amount_is_text_with_two_decimals_half_even(folio: FolioServer, bare: Bare) -> None:
    account = folio.library.charge(50)
    assert bare.act(account, "transfer", amount=12.5).status_code == 422
    answer = bare.act(account, "transfer", amount="12.505").json()
    assert (answer["amount"], answer["remainingAmount"]) == ("12.50", "37.50")
    assert folio.library.get(account)["paymentStatus"]["name"] == "Transferred partially"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("50.01", "Requested amount exceeds remaining amount"),
        ("0", "Amount must be positive"),
        ("0.001", "Amount must be positive"),
        ("1,5", "Invalid amount entered"),
    ],
)
def test_amounts_that_are_refused(folio: FolioServer, bare: Bare, amount: str, text: str) -> None:
    answer = bare.act(folio.library.charge(50), "transfer", amount=amount)
    assert (answer.status_code, answer.json()["errorMessage"]) == (422, text)


def test_a_closed_account_is_refused_and_an_unknown_one_is_404_as_text(folio: FolioServer, bare: Bare) -> None:
    account = folio.library.charge(50)
    assert bare.act(account, "pay").status_code == 201
    assert bare.act(account, "pay").json()["errorMessage"] == "Fee/fine is already closed"
    unknown = bare.act({"id": str(uuid4())}, "pay")
    assert (unknown.status_code, unknown.text) == (404, "Fee/fine was not found")


@pytest.mark.parametrize("wrong", [{"key": "1"}, {"servicePointId": "bursar"}, {"paymentMethod": None}])
def test_bodies_that_the_schema_does_not_allow(folio: FolioServer, bare: Bare, wrong: dict[str, Any]) -> None:
    answer = bare.act(folio.library.charge(50), "transfer", **wrong)
    assert (answer.status_code, list(answer.json())) == (422, ["errors"])


def test_a_cancellation_closes_the_account_and_has_its_comment_alone(folio: FolioServer, bare: Bare) -> None:
    account = folio.library.charge(50)
    assert bare.act(account, "cancel").status_code == 422
    answer = bare.act(account, "cancel", amount=None, paymentMethod=None, transactionInfo=None)
    assert answer.status_code == 201
    [_, action] = folio.library.list_actions(account)
    assert "transactionInformation" not in action
    assert (folio.library.get(account)["remaining"], action["balance"], action["amountAction"]) == (0, 0, 50)


def test_a_refund_has_two_actions_with_their_own_information_and_opens_the_account(
    folio: FolioServer, bare: Bare
) -> None:
    account = folio.library.charge(50)
    bare.act(account, "transfer")
    before = folio.library.get(account)["metadata"]["updatedDate"]
    assert bare.act(account, "refund").status_code == 201
    actions = folio.library.list_actions(account)[2:]
    assert [(one["typeAction"], one["balance"], one["transactionInformation"]) for one in actions] == [
        ("Credited fully", 0, "Refund to Bursar"),
        ("Refunded fully", 50, "Refunded to Bursar"),
    ]
    assert {one["comments"] for one in actions} == {BODY["comments"]}
    now = folio.library.get(account)
    assert (now["status"]["name"], now["remaining"]) == ("Open", 50)
    assert now["metadata"]["updatedDate"] > before
    # An earlier refund does not lower what can be refunded.
    assert bare.act(account, "refund").json()["remainingAmount"] == "100.00"
    assert "less than or equal" in bare.act(account, "refund", amount="50.01").json()["errorMessage"]


@pytest.mark.parametrize("fault", list(Fault))
def test_faults_between_request_and_answer(folio: FolioServer, bare: Bare, fault: Fault) -> None:
    folio.traps.slow_seconds = 0.1
    account = folio.library.charge(50)
    folio.traps.plan(fault)
    status = None
    try:
        status = bare.act(account, "transfer").status_code
    except httpx.TransportError:
        assert fault.name.startswith("CUT")
    assert status == (None if fault.name.startswith("CUT") else 500 if fault.name.startswith("ERROR") else 201)
    has_action = folio.library.total(account, "Transferred") == 50
    assert has_action == (not fault.name.endswith("BEFORE"))
    assert (folio.library.get(account)["remaining"] == 0) == (has_action and not fault.name.endswith("BETWEEN"))
    assert bare.get("/accounts").status_code == 200, "the next request has no fault"


def test_two_writers_both_win(folio: FolioServer, bare: Bare) -> None:
    account = folio.library.charge(50)

    def pay_at_the_desk() -> None:
        folio.traps.between = lambda: None
        folio.library.act(account, "pay", 20)

    folio.traps.between = pay_at_the_desk
    assert bare.act(account, "transfer").status_code == 201
    assert folio.library.total(account, "Paid") == 20
    assert folio.library.total(account, "Transferred") == 50
    assert folio.library.get(account)["remaining"] == 0


def test_okapi_lists_its_interfaces_and_eureka_does_not(folio: FolioServer, bare: Bare) -> None:
    path = f"/_/proxy/tenants/{TENANT}/interfaces"
    assert bare.get(path).json()["interfaces"][0] == {"id": "feesfines", "version": "19.1"}
    folio.traps.is_eureka = True
    assert bare.get(path).status_code == 404


def test_a_library_of_full_size_is_read_in_pages(folio: FolioServer, bare: Bare) -> None:
    folio.library.fill(accounts=6_000, users=3_000)
    last, count = "", 0
    while page := bare.list_ids(query=f'status.name=="Open" and id>"{last}" sortBy id', limit=2000):
        last, count = page[-1], count + len(page)
    assert count == 6_000


def test_moments_grow_and_are_of_the_server(folio: FolioServer) -> None:
    folio.library.clock.offset = timedelta(hours=-3)
    moments = [folio.library.clock.now() for _ in range(random.Random(1).randint(5, 9))]  # noqa: S311
    assert moments == sorted(set(moments))


def test_the_server_starts_without_pytest() -> None:
    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "from tests.support.folio_server import run_folio\n"
        "with run_folio() as folio: folio.library.charge(5)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT)  # noqa: S603
