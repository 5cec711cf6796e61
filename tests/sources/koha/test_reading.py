"""Fines are read by the saved report: page by page, complete, and never from an answer that was cut or kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bursar.errors import BursarError, TransientError
from bursar.sources.koha import report
from bursar.sources.koha.system import KohaSystem
from tests.support.koha_library import ADA, BARCODE, BEN, CYD, ITEM, make_koha_source, open_system, read_rows
from tests.support.koha_server import KohaServer
from tests.support.koha_state import format_moment
from tests.support.koha_traps import Moment


def read_fines(system: KohaSystem, folder: Path, since: datetime | None = None) -> list[dict[str, str]]:
    """Returns the rows of fines of a reading."""
    return read_rows(system.read(since, folder).files["fines"])


def read_users(system: KohaSystem, folder: Path) -> list[dict[str, str]]:
    """Returns the rows of users of a complete reading."""
    return read_rows(system.read(None, folder).files["users"])


def test_a_fine_has_its_values_and_the_users_own_ids(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    fine = koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM, date="2026-03-02 09:30:00")
    reading = system.read(None, tmp_path)
    assert read_rows(reading.files["fines"]) == [
        {
            "fine_id": str(fine),
            "user_id": "7",
            "fine_fee_type": "LOST",
            "amount": "50.000000",
            "balance": "50.000000",
            "created_at": "2026-03-02 09:30:00",
            "status": "open",
            "settled_as": "paid",
            "reverses": "",
            "owner_library": "MAIN",
            "item_barcode": BARCODE,
            "item_title": 'Torts, cases and "materials"',
            "item_call_number": "KF1250",
        }
    ]
    assert read_rows(reading.files["users"]) == [
        {
            "user_id": "7",
            "primary_id": "ada",
            "last_name": "Surname 7",
            "first_name": "Ada",
            "user_group": "ST",
            "expiry_date": "2027-08-31",
            "purge_date": "",
            "identifier:BARCODE": "2352000007",
            "identifier:02": "00000007",
        }
    ]
    assert read_rows(reading.files["groups"]) == [{"code": "ST", "name": "Students"}]
    assert reading.complete
    assert abs(datetime.now(UTC) - reading.read_at) < timedelta(seconds=5)


def test_a_reading_without_fines_is_known_to_have_none(system: KohaSystem, tmp_path: Path) -> None:
    reading = system.read(None, tmp_path)
    assert [read_rows(path) for path in reading.files.values()] == [[], [], []]


@pytest.mark.parametrize("max_rows", [1, 2, 3, 100])
def test_an_answer_that_koha_cuts_is_continued(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, max_rows: int
) -> None:
    fines = [koha.state.charge(patron, "NEW_CARD", "5") for patron in (ADA, BEN, ADA, CYD, ADA)]
    koha.set_max_report_rows(max_rows)
    assert [row["fine_id"] for row in read_fines(system, tmp_path)] == [str(fine) for fine in fines]
    assert koha.calls["GET report"] == -(-5 // max_rows)
    assert [row["primary_id"] for row in read_users(system, tmp_path)] == ["ada", "ben", "cyd"]


def test_pages_have_at_most_the_rows_that_are_asked_for(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        koha.state.charge(ADA, "NEW_CARD", "5")
    monkeypatch.setattr(report.read_pages, "__defaults__", (2,))
    assert len(read_fines(system, tmp_path)) == 5
    assert koha.calls["GET report"] == 3


def test_the_cache_of_reports_is_never_read(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    koha.traps.report_cache_seconds = 300
    assert read_fines(system, tmp_path) == []
    koha.state.charge(ADA, "NEW_CARD", "5")
    assert len(read_fines(system, tmp_path)) == 1


def test_an_answer_of_an_earlier_request_is_an_error(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    koha.traps.report_cache_seconds, koha.traps.cache_ignores_parameters = 300, True
    system.read(None, tmp_path)
    koha.state.charge(ADA, "NEW_CARD", "5")
    with pytest.raises(BursarError, match="rows of an earlier request. Set the report's cache expiry to 1 second"):
        system.read(None, tmp_path)


def test_a_later_reading_has_what_has_changed_since(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    old, paid = koha.state.charge(ADA, "NEW_CARD", "5"), koha.state.charge(BEN, "NEW_CARD", "6")
    koha.state.seconds += 7200
    read_at = system.read(None, tmp_path).read_at
    assert abs(read_at - datetime.now(UTC) - timedelta(seconds=7200)) < timedelta(seconds=5)
    koha.state.seconds += 60
    koha.state.credit(BEN, "PAYMENT", "6", paid)
    reading = system.read(read_at, tmp_path)
    rows = read_rows(reading.files["fines"])
    assert [(row["fine_id"], row["balance"], row["settled_as"]) for row in rows] == [(str(paid), "0.000000", "paid")]
    assert not reading.complete
    assert {row["fine_id"] for row in read_fines(system, tmp_path)} == {str(old), str(paid)}, "just closed: both"
    koha.state.seconds += 2 * 86400
    assert {row["fine_id"] for row in read_fines(system, tmp_path)} == {str(old)}, "only what is open"


def test_payments_payouts_and_voids_are_no_fines(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    state = koha.state
    fine = state.charge(ADA, "NEW_CARD", "5")
    state.void(state.credit(ADA, "PAYMENT", "5", fine))
    refund = state.credit(ADA, "REFUND", "3")
    state.pay_out(refund)
    for type_ in ("WRITEOFF", "FORGIVEN", "DISCOUNT", "CANCELLATION", "PURCHASE", "BURSAR"):
        state.credit(BEN, type_, "1")
    rows = read_fines(system, tmp_path)
    assert [(row["fine_id"], row["fine_fee_type"], row["balance"]) for row in rows] == [
        (str(fine), "NEW_CARD", "5.000000"),
        (str(refund), "CREDIT", "0.000000"),
    ]


@pytest.mark.parametrize(
    ("type_", "settled_as"),
    [("PAYMENT", "paid"), ("WRITEOFF", "waived"), ("FORGIVEN", "waived"), ("DISCOUNT", "waived")],
)
def test_the_last_credit_says_how_a_fine_was_settled(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, type_: str, settled_as: str
) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.credit(ADA, "PAYMENT", "1", fine)
    koha.state.credit(ADA, type_, "2", fine)
    [row] = read_fines(system, tmp_path)
    assert (row["balance"], row["settled_as"]) == ("2.000000", settled_as)


def test_a_cancelled_fine_is_cancelled_and_a_growing_one_accrues(
    koha: KohaServer, system: KohaSystem, tmp_path: Path
) -> None:
    koha.state.cancel(koha.state.charge(ADA, "LOST", "50"))
    koha.state.charge(ADA, "OVERDUE", "0.333333", status="UNRETURNED")
    rows = read_fines(system, tmp_path)
    assert [(row["status"], row["settled_as"], row["amount"]) for row in rows] == [
        ("cancelled", "cancelled", "50.000000"),
        ("accruing", "paid", "0.333333"),
    ]


def test_a_found_item_reverses_its_fee(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    lost = koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    credit = koha.state.find_item(lost)
    rows = {row["fine_id"]: row for row in read_fines(system, tmp_path)}
    found = rows[str(credit)]
    assert (found["fine_fee_type"], found["amount"], found["reverses"]) == ("CREDIT", "-50.000000", str(lost))


@pytest.mark.parametrize(
    ("order", "owners"),
    [
        (["line", "item", "patron"], ["LAW", "MAIN", "LAW"]),
        (["patron", "line"], ["LAW", "LAW", "LAW"]),
        (["item"], ["MAIN", "MAIN", ""]),
    ],
)
def test_the_owner_is_the_first_branch_of_the_order(
    koha: KohaServer, tmp_path: Path, order: list[str], owners: list[str]
) -> None:
    koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM, branchcode="LAW")
    koha.state.charge(ADA, "OVERDUE", "1", status="RETURNED", itemnumber=ITEM)
    koha.state.charge(ADA, "OVERDUE", "1", status="RETURNED")
    with open_system(koha, make_koha_source(owner_order=order)) as system:
        assert [row["owner_library"] for row in read_fines(system, tmp_path)] == owners


@pytest.mark.parametrize(
    ("attributes", "number"),
    [
        ("STUDENT_NO=0012", "0012"),
        ("STUDENT_NO=0012,OTHER=1", "0012"),
        ("OTHER=1", ""),
        ("STUDENT_NO=0012,STUDENT_NO=0013", ""),
        ("STUDENT_NO=0012,STUDENT_NO=0012", "0012"),
    ],
)
def test_a_patron_with_two_values_of_an_attribute_has_no_identifier(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, attributes: str, number: str
) -> None:
    koha.state.add_patron(20, attributes=attributes)
    koha.state.charge(20, "NEW_CARD", "5")
    [user] = read_users(system, tmp_path)
    assert user["identifier:02"] == number


def test_a_value_of_an_attribute_may_have_commas(koha: KohaServer, tmp_path: Path) -> None:
    koha.state.add_patron(20)
    values = [(20, "A", "1,B"), (20, "B", "x=y")]
    koha.state.add_many("borrower_attributes", ("borrowernumber", "code", "attribute"), values)
    koha.state.charge(20, "NEW_CARD", "5")
    with open_system(koha, make_koha_source(identifiers={"1": "attribute A", "2": "attribute B"})) as system:
        [user] = read_users(system, tmp_path)
    assert (user["identifier:1"], user["identifier:2"]) == ("1,B", "x=y")


def test_a_patron_without_any_id_gets_one_that_names_the_source(
    koha: KohaServer, system: KohaSystem, tmp_path: Path
) -> None:
    koha.state.add_patron(20, userid=None)
    koha.state.add_patron(21, userid=None, cardnumber=None)
    for patron in (20, 21):
        koha.state.charge(patron, "NEW_CARD", "5")
    assert [user["primary_id"] for user in read_users(system, tmp_path)] == ["2352000020", "KOHA:21"]


def test_own_credit_types_are_what_the_source_says(koha: KohaServer, tmp_path: Path) -> None:
    for type_ in ("ONLINE", "GOODWILL", "MYSTERY"):
        koha.state.credit(ADA, type_, "5")
    with open_system(koha, make_koha_source(credit_types={"ONLINE": "payment", "GOODWILL": "credit"})) as system:
        types = [row["fine_fee_type"] for row in read_fines(system, tmp_path)]
    assert types == ["CREDIT", "MYSTERY"], "the load rejects a type that no map has"


def test_fines_of_deleted_patrons_are_not_read(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    koha.state.update(koha.state.charge(ADA, "NEW_CARD", "5"), borrowernumber=None)
    assert read_fines(system, tmp_path) == []


def test_a_session_that_has_ended_is_renewed_once(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    system.read(None, tmp_path)
    koha.logins.sessions.clear()
    system.read(None, tmp_path)
    assert koha.calls["POST authentication"] == 2


@pytest.mark.parametrize("csrf", [False, True])
def test_the_staff_site_is_entered_with_and_without_a_csrf_token(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, *, csrf: bool
) -> None:
    koha.traps.csrf = csrf
    assert read_fines(system, tmp_path) == []


def test_a_wrong_password_of_the_staff_site_is_named(koha: KohaServer, tmp_path: Path) -> None:
    with (
        open_system(koha, password="wrong") as system,
        pytest.raises(BursarError, match="refuses the login to the staff site") as error,
    ):
        system.read(None, tmp_path)
    assert "wrong" not in str(error.value)


def test_a_missing_permission_or_report_is_named(koha: KohaServer, system: KohaSystem, tmp_path: Path) -> None:
    koha.traps.permissions -= {"catalogue"}
    with pytest.raises(BursarError, match="give the user the permissions catalogue"):
        system.read(None, tmp_path)


def test_a_report_that_does_not_exist_is_an_error(koha: KohaServer, tmp_path: Path) -> None:
    with (
        open_system(koha, make_koha_source(report=8)) as system,
        pytest.raises(TransientError, match=r"^Report 8 does not exist or can't be run by this user: .*save the text"),
    ):
        system.read(None, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("page.row_count", "1 AS row_places", "does not have the columns"),
        ("FROM accountlines d", "FROM no_such_table d", "has ended with an error"),
        ("ORDER BY a.accountlines_id\n", "ORDER BY a.accountlines_id DESC\n", "does not have its rows in order"),
    ],
)
def test_a_changed_text_of_the_report_is_noticed(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = koha.reports.texts[7]
    assert old in text + "\n"
    koha.save_report(7, (text + "\n").replace(old, new))
    for _ in range(2):
        koha.state.charge(ADA, "NEW_CARD", "5")
    with pytest.raises(BursarError, match=message):
        system.read(None, tmp_path)


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.DURING, Moment.AFTER, Moment.BUSY, Moment.ERROR_BEFORE])
def test_a_reading_is_repeated_after_a_fault(
    koha: KohaServer, system: KohaSystem, tmp_path: Path, moment: Moment
) -> None:
    koha.state.charge(ADA, "NEW_CARD", "5")
    koha.traps.add_fault("GET", "svc/report", moment)
    assert len(read_fines(system, tmp_path)) == 1


def test_a_server_that_does_not_answer_is_a_transient_error(koha: KohaServer, tmp_path: Path) -> None:
    koha.traps.slow_seconds = 1
    for _ in range(3):
        koha.traps.add_fault("GET", "svc/report", Moment.SLOW)
    with (
        open_system(koha, timeout_seconds=0.2) as system,
        pytest.raises(TransientError, match="has not answered to the saved report 7"),
    ):
        system.read(None, tmp_path)


def test_moments_of_the_bookmark_are_those_of_the_database(
    koha: KohaServer, system: KohaSystem, tmp_path: Path
) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    moment = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    koha.state.update(fine, timestamp=format_moment(moment.timestamp()))
    assert len(read_fines(system, tmp_path, moment)) == 1
    assert read_fines(system, tmp_path, moment + timedelta(seconds=1)) == []
