"""Cases that libraries reported in public about loading fines, each with its right result."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bursar.exports.selection import select_fines
from bursar.sources.load_types import LoadResult
from tests.support.fixtures import Library, make_profile, make_settings
from tests.support.library_source import LibrarySource

SAMPLES = Path(__file__).parent / "samples" / "field"


class FieldSource(LibrarySource):
    """A library system that writes the sample files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.system.load(groups=SAMPLES / "groups.csv", libraries=SAMPLES / "libraries.csv")
        self.load_users("users-day1")

    def load_users(self, name: str) -> LoadResult:
        """Loads a file of users."""
        return self.system.load(users=SAMPLES / f"{name}.csv")

    def load_fines(self, name: str) -> LoadResult:
        """Loads a file of fines."""
        return self.load_file(SAMPLES / f"{name}.csv")

    def load_file(self, path: Path) -> LoadResult:
        """Loads a file of fines that is not a sample."""
        return self.system.load(rules={"currency": "USD"} | self.rules, fines=path)

    def write_fine(self, sample: str, balance: str) -> LoadResult:
        """Loads a sample of one fine of 50.00 with another balance."""
        path = self.folder / f"{sample}-{balance}.csv"
        path.write_text((SAMPLES / f"{sample}.csv").read_text().replace(",50.00,MAIN", f",{balance},MAIN"))
        return self.load_file(path)

    def skip_reasons(self) -> dict[str, str]:
        """Returns why a dry run of an export leaves a fine out, by its id in the library system."""
        batch = select_fines(
            self.library.ledger, make_profile(), make_settings(), run_id="look", as_of=datetime.now(UTC), dry_run=True
        )
        return {reason: str(skipped.fines) for reason, skipped in batch.skipped.items()}


@pytest.fixture
def field(library: Library, tmp_path: Path) -> FieldSource:
    """A source whose groups, libraries and users are those of the samples."""
    return FieldSource(library, tmp_path, users=0)


def test_1_a_credit_that_the_source_has_applied_reaches_the_bursar_in_full(field: FieldSource) -> None:
    field.load_fines("koha-credit-day1")
    assert field.export() == [("50.00", None)]
    assert field.load_fines("koha-credit-day2").messages == ()
    assert field.export() == [("-50.00", "1")]
    assert [field.position(name) for name in ("L1", "C1")] == [("CLOSED", "0.00", "0.00")] * 2


def test_2_a_refund_opens_a_fine_again(field: FieldSource) -> None:
    field.load_fines("refund-reopens")
    field.write_fine("refund-reopens", "0.00")
    assert field.position() == ("CLOSED", "0.00", "0.00")
    assert field.load_fines("refund-reopens").counts.fines_changed == 1
    assert field.entries() == [("PAID", "-50.00", "0.00"), ("REOPENED", "50.00", "0.00")]
    for balance in ("10.00", "4.00", "7.00"):
        field.write_fine("refund-reopens", balance)
    assert field.export() == [("7.00", None)]


@pytest.mark.parametrize("balance", ["0.00", "20.00"])
@pytest.mark.parametrize("closes", [True, False])
def test_3_what_is_paid_at_the_desk_during_an_export_is_expected_or_reversed(
    field: FieldSource, balance: str, *, closes: bool
) -> None:
    field.rules["closes_exported_fines"] = closes
    field.load_fines("refund-reopens")
    field.export()
    assert field.write_fine("refund-reopens", balance).messages == ()
    is_closing = closes and balance == "0.00"
    assert field.position() == ("CLOSED", "0.00", "50.00" if is_closing else balance)
    assert field.export() == ([] if is_closing else [(f"-{50 - float(balance):.2f}", "1")])


def test_4_one_bad_line_is_rejected_and_the_other_is_loaded(field: FieldSource) -> None:
    result = field.load_fines("one-bad-line")
    assert (result.counts.fines_added, result.counts.rejected) == (1, 1)
    (message,) = result.messages
    assert (message.line, message.reason) == (2, 'there is no user with primary_id "ghost"')
    assert field.position("F2") == ("ACTIVE", "20.00", "0.00")


def test_5_a_fine_that_grows_is_adjusted(field: FieldSource) -> None:
    field.load_fines("accruing-day1")
    counts = field.load_fines("accruing-day2").counts
    assert (counts.fines_changed, counts.fines_added) == (1, 1)
    assert field.entries() == [("ADJUSTED", "0.25", "0.00")]
    assert [field.position(name)[1] for name in ("F1", "F9", "F10")] == ["1.25", "20.00", "30.00"]


def test_6_a_creation_in_the_future_makes_a_fine_too_young(field: FieldSource) -> None:
    today = datetime.now(timezone(timedelta(hours=-5))).date()
    path = field.folder / "evergreen.csv"
    path.write_text((SAMPLES / "evergreen-end-of-day.csv").read_text().replace("2026-11-25", f"{today}"))
    assert field.load_file(path).counts.fines_added == 2
    assert field.skip_reasons() == {"too_young": "1"}
    assert field.export() == [("20.00", None)]


def test_7_a_renamed_user_without_an_id_is_rejected_with_the_way_out(field: FieldSource) -> None:
    result = field.load_users("users-username-changed")
    (message,) = result.messages
    assert (message.line, message.code, result.counts.users_updated) == (2, "renamed_user", 1)
    assert str(message) == (
        'identifier:02 "00000001" is that of user "u1" in the ledger; if this is the same user, add the column user_id '
        "to the file: then a primary_id may change"
    )


def test_7_a_renamed_user_with_an_id_is_renamed(field: FieldSource) -> None:
    for name in ("users-day1", "users-username-changed"):
        path = field.folder / "users.csv"
        header, *rows = (SAMPLES / f"{name}.csv").read_text().splitlines()
        path.write_text("\n".join([f"user_id,{header}", *(f"{number},{row}" for number, row in enumerate(rows))]))
        assert field.system.load(users=path).messages == ()
    users = "SELECT user_id FROM identifiers WHERE type = 'userName' AND value = :name"
    new = field.library.one(users, name="u1new")
    assert field.library.one("SELECT last_name FROM users WHERE id = :id", id=new) == "Doe-Roe"
    number = "SELECT user_id FROM identifiers WHERE type = '02' AND value = '00000001'"
    assert field.library.one(number) == new
    assert field.library.one("SELECT count(*) FROM identifiers WHERE value = 'u1'") == 0


def test_8_an_identifier_of_two_users_belongs_to_neither(field: FieldSource) -> None:
    result = field.load_users("users-duplicate-number")
    assert (result.counts.users_added, result.counts.rejected) == (1, 0)
    assert {(message.code, message.field) for message in result.messages} == {("contested_identifier", "identifier:02")}
    assert len(result.messages) == 2
    field.load_fines("accruing-day1")
    assert field.skip_reasons() == {"no_identifier": "1"}
    assert field.export() == [("20.00", None)]
    assert field.load_users("users-duplicate-number").messages == (), "both are reported once"
    path = field.folder / "users.csv"
    path.write_text(
        (SAMPLES / "users-duplicate-number.csv")
        .read_text()
        .replace("u3,Doe,Jo,STUDENT,,,00000001", "u3,Doe,Jo,STUDENT,,,3")
    )
    field.system.load(users=path)
    assert field.export() == [("1.00", None)]


def test_9_a_balance_above_its_amount_is_rejected_and_the_other_row_is_loaded(field: FieldSource) -> None:
    result = field.load_fines("koha-outstanding-above-amount")
    (message,) = result.messages
    assert (message.line, message.reason) == (2, "balance 3.25 is not between 0 and the amount 3.00")
    assert field.position("F2") == ("ACTIVE", "20.00", "0.00")


def test_10_a_batch_that_waits_delays_only_the_rows_of_its_own_fines(field: FieldSource) -> None:
    field.load_fines("accruing-day1")
    batch = field.select()
    path = field.folder / "fines.csv"
    path.write_text((SAMPLES / "accruing-day2.csv").read_text() + "F9,u2,LOST,20.00,2025-03-02,0.00,MAIN\n")
    result = field.load_file(path)
    assert (result.counts.fines_added, result.counts.fines_deferred) == (1, 2)
    assert field.position("F10") == ("ACTIVE", "30.00", "0.00")
    field.close(batch)
    assert [message.code for message in field.load_fines("koha-credit-day1").messages] == ["other_amount"]
    assert field.position("F9") == ("CLOSED", "0.00", "0.00")


def test_11_a_source_can_say_suspended_waived_and_cancelled(field: FieldSource) -> None:
    path = field.folder / "fines.csv"
    rows = {"F1": "suspended,", "F2": "open,waived", "F3": "cancelled,"}
    path.write_text(
        "fine_id,primary_id,fine_fee_type,amount,created_at,balance,status,settled_as\n"
        + "".join(
            f"{name},u1,LOST,50.00,2025-03-02,{'50.00' if name == 'F1' else '0.00'},{said}\n"
            for name, said in rows.items()
        )
    )
    field.load_file(path)
    assert [field.entries(name)[0][0] for name in rows] == ["DISPUTED", "WAIVED", "CANCELLED"]
    assert field.skip_reasons() == {"disputed": "1"}


def test_12_an_amount_of_0_is_rejected_with_its_reason_and_the_others_load(field: FieldSource) -> None:
    path = field.folder / "fines.csv"
    path.write_text((SAMPLES / "accruing-day1.csv").read_text().replace("1.00", "0.00"))
    (message,) = field.load_file(path).messages
    assert (message.is_rejection, message.code, message.reason) == (True, "zero_amount", "amount is 0")
    assert field.position("F9") == ("ACTIVE", "20.00", "0.00")
