"""Fines that do not fit a profile: a person with rights on its DAGs only sees their counts and sums, and no names."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from bursar.exports.selection import select_fines
from bursar.exports.skip_reason import SkipReason
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.profiles import Profile
from bursar.reporting.build_report import build_export_report
from bursar.reporting.run_report import record_report
from bursar.web import rights
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.web.conftest import Login
from tests.web.fab import FabManager, dag_permissions
from tests.web.profiles import set_profile

OWN = {"Exported", "Unidentified", "Small"}
FOREIGN = {"Othertype", "Otherowner", "Othergroup", "Tooyoung", "Disputed"}


@pytest.fixture
def profile(library: Library, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Adds a fine for each of many rules, of a user who is named for it; returns the profile with these rules."""
    made = make_profile(
        fine_fee_types=["OVERDUEFINE"],
        libraries=["MAIN"],
        user_groups=["STUDENT"],
        minimum_amount_for_user=5,
        time_before_export_days=7,
    )
    set_profile(monkeypatch, made)
    for module in ("reports", "skipped", "batches"):
        monkeypatch.setattr(f"bursar.web.pages.{module}.find_profile", lambda _code: made)
    library.fine(library.user(last="Exported"))
    library.fine(library.user(None, last="Unidentified"))
    library.fine(library.user(last="Small"), "1.00")
    library.fine(library.user(last="Othertype"), kind="OTHER")
    library.fine(library.user(last="Otherowner"), owner="LAW")
    library.fine(library.user(last="Othergroup", group="STAFF"))
    library.fine(library.user(last="Tooyoung"), kind="OTHER", created=datetime.now(UTC))
    disputed = library.fine(library.user(last="Disputed"), kind="OTHER")
    with library.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO journal_entries (fine_id, entry_type) VALUES (:fine, 'DISPUTED')"), {"fine": disputed}
        )
    return made


@pytest.fixture
def only_students(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the person trigger the DAGs of the profile, and no others."""
    monkeypatch.setattr(rights, "get_auth_manager", lambda: FabManager(dag_permissions(profile.code)))


def find_names(page: str) -> set[str]:
    return {name for name in OWN | FOREIGN if f"{name}, Tim" in page}


@pytest.mark.usefixtures("only_students")
def test_a_preview_names_only_users_whose_fines_fit_the_profile(library: Library, login: Login) -> None:
    client = login("user")
    page = client.get("/profiles/STUDENTS/preview/result").text
    assert find_names(page) == OWN
    for reason in ("other_type", "other_owner", "other_user_group", "too_young", "disputed"):
        assert SkipReason.describe(reason) in page
    assert "you need the right to trigger every DAG" in page
    assert library.one("SELECT count(DISTINCT user_id) FROM user_accesses") == len(OWN)
    rows = client.get("/profiles/STUDENTS/preview.csv").text
    assert find_names(rows.replace('"', "")) == OWN


@pytest.mark.usefixtures("profile")
def test_those_who_may_see_all_users_see_them_all_and_a_download_is_recorded(library: Library, login: Login) -> None:
    client = login("user")
    rows = client.get("/profiles/STUDENTS/preview.csv").text
    assert find_names(rows.replace('"', "")) == OWN | FOREIGN
    seen = library.one("SELECT array_agg(last_name) FROM user_accesses JOIN users ON users.id = user_id")
    assert set(seen) == OWN | FOREIGN
    page = client.get("/profiles/STUDENTS/preview/result").text
    assert find_names(page) == OWN | FOREIGN
    assert "the right to trigger every DAG" not in page


@pytest.mark.usefixtures("only_students")
def test_the_lists_of_a_batch_are_those_of_fines_that_fit_the_profile(
    library: Library, login: Login, profile: Profile
) -> None:
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run", as_of=NOW).id
    run = record_report(
        library.ledger, build_export_report(library.ledger, "STUDENTS", run_id="run", started_at=NOW, failed=())
    ).id
    client = login("user")
    own = {
        "other_currency",
        "other_profile",
        "credit_with_minimum",
        "below_minimum",
        "no_identifier",
        "malformed_identifier",
        *UnfitReason,
    }
    for reason in SkipReason:
        for address in (f"/batches/{batch}/skipped/{reason}", f"/batches/{batch}/skipped/{reason}/csv"):
            assert client.get(address).status_code == (200 if reason in own else 403), address
    for address in (f"/batches/{batch}", f"/runs/{run}"):
        page = client.get(address).text
        assert SkipReason.describe("other_type") in page
        assert "/skipped/no_identifier" in page
        assert "/skipped/other_type" not in page
