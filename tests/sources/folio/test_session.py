"""The session with FOLIO: logins, tokens that expire, pages, and permissions that are missing."""

from datetime import UTC, datetime, timedelta

import pytest

from bursar.errors import BursarError, TransientError
from bursar.sources.folio.session import FolioSession, quote_cql
from bursar.sources.http_client import HttpClient
from tests.support.folio import make_client
from tests.support.folio_cql import parse
from tests.support.folio_server import TENANT, FolioServer
from tests.support.folio_traps import Fault


def read(session: FolioSession) -> list[str]:
    return [one["id"] for one in session.list_all("/accounts", "accounts", "cql.allRecords=1", subject="the fines")]


def count_requests(folio: FolioServer, path: str) -> int:
    return sum(address.split("?")[0] == path for _, address in folio.requests)


def test_it_logs_in_once_with_the_first_request(folio: FolioServer, folio_session: FolioSession) -> None:
    assert read(folio_session) == read(folio_session) == []
    assert count_requests(folio, "/authn/login-with-expiry") == 1


@pytest.mark.parametrize(("refresh_too", "logins"), [(False, 1), (True, 2)])
def test_an_expired_token_is_renewed_or_it_logs_in_again(
    folio: FolioServer, folio_session: FolioSession, refresh_too: bool, logins: int
) -> None:
    for _ in range(3):
        folio.library.charge(1)
    read(folio_session)
    folio.expire_tokens(refresh_too=refresh_too)
    assert len(read(folio_session)) == 3
    folio.expire_tokens()
    assert len(read(folio_session)) == 3, "each refresh token is used once"
    assert count_requests(folio, "/authn/login-with-expiry") == logins
    assert count_requests(folio, "/authn/refresh") == 2


def test_a_token_that_is_never_accepted_is_an_error_and_no_endless_loop(
    folio: FolioServer, folio_session: FolioSession
) -> None:
    folio.traps.token_seconds = 0
    with pytest.raises(BursarError, match="does not accept the token"):
        read(folio_session)
    assert count_requests(folio, "/accounts") == 2


def test_eureka_has_the_same_logins(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.traps.is_eureka = True
    assert read(folio_session) == []


@pytest.mark.parametrize(("password", "tenant"), [("wrong", TENANT), ("secret", "other")])
def test_a_refused_login_says_what_to_check(folio: FolioServer, password: str, tenant: str) -> None:
    with make_client(folio.url, password=password) as client, pytest.raises(BursarError) as error:
        read(FolioSession(client, tenant))
    assert f"refuses the login of the tenant {tenant}" in str(error.value)
    assert not isinstance(error.value, TransientError)


def test_an_address_of_something_else_is_named(folio: FolioServer) -> None:
    with make_client(f"{folio.url}/ui") as client, pytest.raises(BursarError, match="address of Okapi or Kong"):
        read(FolioSession(client, TENANT))


def test_a_login_that_fails_for_the_moment_is_transient(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.traps.plan(Fault.ERROR_BEFORE, path="/authn/")
    with pytest.raises(TransientError):
        read(folio_session)
    assert read(folio_session) == []


def test_a_missing_permission_is_named(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.traps.denied = {"accounts.collection.get"}
    with pytest.raises(BursarError, match="lacks the permission accounts.collection.get"):
        read(folio_session)


@pytest.mark.parametrize("max_page", [None, 7])
def test_pages_are_complete_whatever_their_length(
    folio: FolioServer, folio_session: FolioSession, monkeypatch: pytest.MonkeyPatch, max_page: int | None
) -> None:
    monkeypatch.setattr(FolioSession.get_page, "__kwdefaults__", {"limit": 10})
    folio.traps.max_page = max_page
    ids = sorted(folio.library.charge(1)["id"] for _ in range(40))
    assert read(folio_session) == ids


def test_a_fine_that_closes_while_pages_are_read_makes_no_other_one_missing(
    folio: FolioServer, folio_session: FolioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolioSession.get_page, "__kwdefaults__", {"limit": 10})
    accounts = sorted((folio.library.charge(1) for _ in range(40)), key=lambda account: str(account["id"]))
    found = []
    for record in folio_session.list_all("/accounts", "accounts", 'status.name=="Open"', subject="the fines"):
        found.append(record["id"])
        if len(found) == 10:
            for account in accounts[:10]:
                folio.library.act(account, "pay", 1)
    assert found == [account["id"] for account in accounts]


def test_a_server_without_order_is_noticed(
    folio: FolioServer, folio_session: FolioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        folio.library.charge(1)
    monkeypatch.setattr("tests.support.folio_server.parse", lambda text: parse(text.removesuffix(" sortBy id")))
    with pytest.raises(BursarError, match="in no order"):
        read(folio_session)


def test_ids_are_asked_for_in_groups_that_fit_into_an_address(folio: FolioServer, folio_session: FolioSession) -> None:
    ids = [folio.library.add_user()["id"] for _ in range(120)]
    found = folio_session.list_by_ids("/users", "users", [*ids, folio.library.make_id()], subject="the users")
    assert sorted(one["id"] for one in found) == sorted(ids)
    assert count_requests(folio, "/users") == 3


def test_the_moment_is_that_of_the_server(folio_session: FolioSession) -> None:
    assert abs(folio_session.get_moment() - datetime.now(UTC)) < timedelta(seconds=5)


def test_terms_are_quoted_with_all_signs_of_cql() -> None:
    assert quote_cql('a"b\\c*d?e^f') == '"a\\"b\\\\c\\*d\\?e\\^f"'
    term = quote_cql('x*"')
    assert parse(f"a=={term}").matches({"a": 'x*"'})


def test_a_failing_neighbour_is_transient(folio: FolioServer, folio_client: HttpClient) -> None:
    folio.traps.inventory_fails = True
    with pytest.raises(TransientError):
        read(FolioSession(folio_client, TENANT))


@pytest.mark.parametrize("answer", [[], {"accounts": None}, {"accounts": ["x"]}, {}])
def test_an_answer_that_is_no_list_of_records_is_an_error(
    folio_session: FolioSession, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    monkeypatch.setattr(folio_session, "get_json", lambda *_, **__: answer)
    with pytest.raises(BursarError, match="without a list `accounts` of records"):
        read(folio_session)
