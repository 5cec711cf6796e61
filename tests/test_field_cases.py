"""Cases that people in this job reported in public, each with its right result: files as they were seen, and servers.

In the payment files transaction 1 is a fine of 10.00. `SHOWN_ELSEWHERE` names the tests of cases without a file.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from bursar.errors import InputFileError
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from bursar.sources.csv.dialect import Dialect
from bursar.sources.csv.faults import HeadingError
from tests.support.fake_bursar import FakeBursar, Outcome, Payment
from tests.support.fixtures import Library
from tests.support.library_system import LibrarySystem
from tests.support.payment_inbox import PaymentInbox

SAMPLES = Path(__file__).parent / "samples" / "field"
D = Decimal
USD = {"currency": "USD"}

SHOWN_ELSEWHERE = {
    "a server takes each upload away when it is closed": (
        "exports/test_upload_protocol.py::test_what_the_server_acknowledged_and_has_no_more_is_never_sent_again_by_itself",
        "exports/test_direct_upload.py::test_a_file_that_is_collected_immediately_is_delivered_if_the_profile_says_so",
        "exports/test_direct_upload.py::test_otherwise_it_goes_to_a_person",
    ),
    "looking at a missing file is denied, or looking is switched off": (
        "exports/test_odd_servers.py::test_a_server_that_the_defaults_do_not_suit_gets_the_file_once_the_profile_describes_it",
        "exports/test_probe_server.py::test_the_proposed_settings_deliver_a_file_once",
    ),
    "no renames, no names with a dot, no sizes": (
        "exports/test_odd_servers.py::test_a_server_that_the_defaults_do_not_suit_gets_the_file_once_the_profile_describes_it",
        "exports/test_odd_servers.py::test_a_direct_upload_follows_when_no_part_could_be_renamed",
        "exports/test_probe_server.py::test_an_ftp_server_without_sizes_is_recognised",
    ),
    "a folder in which the account may only read": (
        "imports/test_skipped_entries.py::test_a_file_that_stays_after_its_import_is_fetched_again_if_it_has_changed",
        "imports/test_skipped_entries.py::test_a_rejected_file_that_stays_is_not_rejected_each_night",
    ),
    "a file can be read once and is gone": (
        "imports/test_load.py::test_a_file_that_can_be_read_only_once_is_imported",
        "imports/test_download.py::test_all_bytes_are_on_the_disk_before_the_server_removes_the_file",
    ),
    "a name, or only the long listing, is not UTF-8": (
        "imports/test_skipped_entries.py::test_odd_entries_are_skipped_and_the_others_are_imported",
    ),
    "a server says nothing, or drips": (
        "airflow/test_silent_servers.py::test_a_login_ends_in_time",
        "airflow/test_silent_servers.py::test_a_step_ends_in_time",
        "airflow/test_silent_servers.py::test_a_data_connection_ends_in_time",
    ),
    "lists of another name, or records without ids": (
        "layouts/alma_xml/test_unrecognised.py::test_a_file_in_which_no_payment_is_recognised_is_refused",
        "imports/test_odd_files.py::test_a_file_without_one_whole_payment_is_refused_with_what_was_found",
    ),
    "padding behind the end, __MACOSX in a zip, a web page": (
        "layouts/alma_xml/test_start_of_file.py::test_padding_behind_the_end_is_dropped",
        "imports/test_odd_files.py::test_an_odd_file_is_applied",
        "layouts/alma_xml/test_start_of_file.py::test_a_file_of_another_kind_is_named",
    ),
    "a receiver that stops when two files are in its folder": (
        "exports/test_previous_file.py::test_nothing_is_uploaded_before_it_has_been_collected",
        "airflow/test_previous_file_sensor.py::test_it_is_rescheduled_until_the_file_is_collected",
    ),
    "a parser takes the white space between elements for text": (
        "layouts/alma_xml/test_xml_form.py::test_each_form_has_the_same_texts_and_only_the_chosen_differences",
    ),
    "a receiver adds up two currencies": (
        "exports/test_selection.py::test_a_profile_of_one_currency_leaves_the_others_open",
        "exports/test_reversals.py::test_reversals_in_a_currency_that_the_bursar_cannot_read_wait",
    ),
    "the export number 1 is the beginning of 10": (
        "exports/test_selection.py::test_export_numbers_begin_at_their_start_and_only_increase",
        "exports/test_selection.py::test_simultaneous_exports_have_different_numbers_whatever_their_starts",
    ),
    "an empty vat, and empty elements instead of nil": (
        "layouts/alma_xml/test_xml_form.py::test_the_schema_permits_what_real_files_have",
    ),
    "a receiver skips the credits of its file": (
        "exports/test_credits_profile.py::test_a_reversal_goes_out_with_the_other_profile_once",
        "exports/test_credits_profile.py::test_a_credit_cancels_its_charge_as_if_its_own_profile_had_sent_it",
    ),
    "a charge is waived, reversed, and its credit paid out": (
        "ledger/test_paid_out.py::test_a_waived_charge_is_not_reversed",
    ),
    "a charge is paid, refunded and reversed": ("ledger/test_paid_out.py::test_a_refunded_charge_is_not_reversed",),
}
"""The tests on real servers, or at the desk, that show the cases without a file of their own."""


@pytest.mark.parametrize("test", sorted({test for tests in SHOWN_ELSEWHERE.values() for test in tests}))
def test_the_test_of_a_case_exists(test: str) -> None:
    module, _, name = test.partition("::")
    assert f"def {name}(" in (Path(__file__).parent / module).read_text(encoding="utf-8")


@pytest.fixture
def system(library: Library, tmp_path: Path) -> LibrarySystem:
    """A library system whose groups, libraries and users are loaded."""
    system = LibrarySystem(library.ledger, tmp_path)
    system.load(groups=SAMPLES / "groups.csv", libraries=SAMPLES / "libraries.csv", users=SAMPLES / "users-day1.csv")
    return system


def test_amounts_below_a_cent_are_rounded_and_paid(system: LibrarySystem, library: Library) -> None:
    assert system.load(rules=USD, fines=SAMPLES / "subcent.csv").counts.fines_rounded == 2
    fines = [system.fine(name) for name in ("F1", "F2")]
    assert [fine.balance for fine in fines] == [D("3.34"), D("3.34")]
    office = FakeBursar(library)
    office.export()
    one, other = (office.get_transaction(fine.id) for fine in fines)
    assert office.pay(Payment(one, "3.335"), Payment(one, "3.33"), Payment(other, "3.34")) == [
        Outcome("INVALID", None, None),
        Outcome("PARTLY_PAID", D("3.33"), D(0)),
        Outcome("PAID", D("3.34"), D(0)),
    ]
    assert office.pay(Payment(one, "0.01")) == [Outcome("PAID", D("0.01"), D(0))]
    assert library.one("SELECT count(*) FROM fines WHERE amount < 0 OR balance <> 0 OR outstanding <> 0") == 0


def test_six_decimals_are_rounded_and_counted(system: LibrarySystem) -> None:
    assert system.load(rules=USD, fines=SAMPLES / "koha-six-decimals.csv").counts.fines_rounded == 1
    assert (system.fine("F1").amount, system.fine("F1").balance) == (D("0.33"), D("0.33"))


def test_the_credit_beyond_its_charge_is_rejected(system: LibrarySystem, library: Library) -> None:
    (message,) = system.load(rules=USD, fines=SAMPLES / "credits-above-charge.csv").messages
    reason = 'amount -60.00 takes back more than the 50.00 that is left of the charge "F1"'
    assert (message.is_rejection, message.line, message.reason) == (True, 3, reason)
    assert library.one("SELECT string_agg(source_id, ' ' ORDER BY id) FROM fines") == "F1 C2"


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_found_out_or_the_one_error(system: LibrarySystem, separator: str, name: str) -> None:
    path = system.folder / "users.csv"
    path.write_text((SAMPLES / "users-day1.csv").read_text().replace(",", separator))
    assert system.load(users=path).counts.users_updated == 2
    with pytest.raises(HeadingError) as error:
        system.load(users=path, dialect=Dialect(separator="comma"))
    (fault,) = error.value.faults
    assert fault.startswith(f"the columns are separated by {name}, the source says commas")


@pytest.fixture
def fine(inbox: PaymentInbox, office: FakeBursar) -> int:
    """A fine of 10.00 with the transaction id 1."""
    fine, transaction = office.export_fine("10.00")
    assert transaction == "1"
    assert inbox.library.ledger is office.library.ledger
    return fine


def import_sample(inbox: PaymentInbox, sample: str, name: str = "a.xml", run_id: str = "run 1") -> list[str]:
    """Imports a sample under a name; returns the outcomes of its file."""
    inbox.put(name, (SAMPLES / f"{sample}.xml").read_bytes())
    file = apply_payments(inbox.library.ledger, inbox.load_file(name, run_id).id, run_id=run_id)
    inbox.archive_file(name, run_id)
    return list(file.outcomes or {})


def get_outstanding(inbox: PaymentInbox, fine: int) -> Decimal:
    outstanding: Decimal = inbox.library.position(fine)[2]
    return outstanding


@pytest.mark.parametrize(
    "sample", ["ok", "payments-encoding-utf8-alias", "payments-declares-utf16-is-utf8", "payments-blank-first-line"]
)
def test_a_file_with_a_common_or_an_odd_beginning_is_read(inbox: PaymentInbox, fine: int, sample: str) -> None:
    assert import_sample(inbox, sample) == ["PAID"]
    assert get_outstanding(inbox, fine) == 0


def test_a_file_with_records_of_another_name_is_refused_with_what_was_found(inbox: PaymentInbox, fine: int) -> None:
    with pytest.raises(InputFileError, match="userfinefee"):
        import_sample(inbox, "payments-wrong-record-name")
    assert get_outstanding(inbox, fine) == 10
    assert inbox.archive_file("a.xml") == "failed/a.xml"


def test_a_returned_cheque_makes_the_fine_outstanding_again(inbox: PaymentInbox, office: FakeBursar, fine: int) -> None:
    office.pay(Payment("1", "10.00"))
    assert import_sample(inbox, "payments-returned-cheque") == ["PAYMENT_REVERSED"]
    assert get_outstanding(inbox, fine) == 10


def test_an_instalment_under_a_second_name_changes_nothing_before_a_person_applies_it(
    inbox: PaymentInbox, fine: int
) -> None:
    for run_id, name in (("run 1", "first.xml"), ("run 2", "second.xml")):
        import_sample(inbox, "payments-instalment", name, run_id)
    assert get_outstanding(inbox, fine) == 5
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", "run 2")
    apply_again(inbox.library.ledger, arrival.id, inbox.profile.import_, by="anna")
    assert get_outstanding(inbox, fine) == 0
