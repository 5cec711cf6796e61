"""Fines that do not fit a layout stay open, each with a reason; the others are exported, and nothing is cut."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.db.queries import query
from bursar.errors import BatchError, BursarError
from bursar.exports.build import build_file
from bursar.exports.recover import release_batch
from bursar.exports.selection import fill_candidates, preview, select_fines
from bursar.layouts.files import plan_files
from bursar.layouts.flat.render import make_batch_values
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from bursar.ledger.batches import get_batch
from bursar.profiles import Profile
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.layouts import build_bytes, make_layout_profile

Write = Callable[[str], Layout]


def get_skip_reasons(library: Library, profile: Profile) -> dict[int, str | None]:
    _, found = preview(library.ledger, profile, as_of=NOW, limit=100)
    return {decision.fine_id: decision.reason for decision in found}


UNFIT: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str]] = {
    "a type without a code": (
        "values: {code: {of: fine_fee_type, codes: {OVERDUEFINE: A}}}",
        'value: "{code}"',
        {},
        {"kind": "OTHER"},
        "no_code",
    ),
    "a day before the first term": (
        'values: {code: {day: last_transaction_on, terms: {"2025-06-01": A}}}',
        'value: "{code}"',
        {},
        {"created": NOW.replace(year=2025, month=5)},
        "no_code",
    ),
    "a long name": ("", 'value: "{patron_name}", most: 11', {}, {"user": {"last": "Beavers"}}, "too_long"),
    "a long amount": ("", 'value: "{amount:0.00}", most: 5', {}, {"amount": "100.00"}, "too_long"),
    "a third decimal": ("", 'value: "{amount:cents}"', {}, {"amount": "1.005", "currency": "KWD"}, "too_many_decimals"),
    "a third decimal of two": (
        "",
        'value: "{amount:0.00}"',
        {},
        {"amount": "1.005", "currency": "KWD"},
        "too_many_decimals",
    ),
    "a character of another script": (
        "encoding: windows-1252",
        'value: "{patron_name}"',
        {"user": {"last": "Müller €"}},
        {"user": {"last": "Nguyễn"}},
        "not_in_encoding",
    ),
    "a character that is not in Latin-1": (
        "encoding: iso-8859-1",
        'value: "{patron_name}"',
        {"user": {"last": "Müller"}},
        {"user": {"last": "€"}},
        "not_in_encoding",
    ),
    "a character outside the first plane": (
        "encoding: iso-8859-15",
        'value: "{patron_name}"',
        {"user": {"last": "€"}},
        {"user": {"last": "\N{GRINNING FACE}"}},
        "not_in_encoding",
    ),
    "a required value": (
        "",
        'value: "{owner_library_code}", required: yes',
        {"owner": "MAIN"},
        {"owner": None},
        "value_missing",
    ),
    "the delimiter in a text": (
        "quotes: never",
        'value: "{fine_fee_type}"',
        {},
        {"kind": "LOST,ITEM"},
        "delimiter_in_value",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_fine_that_does_not_fit_stays_open_with_a_reason(
    library: Library, write_layout: Write, tmp_path: Path, case: str
) -> None:
    keys, column, fitting, unfit, reason = UNFIT[case]
    write_layout(f"kind: delimited\n{keys}\nrecords: [{{each: fine, columns: [{{{column}}}, {{value: x}}]}}]")

    def add(facts: dict[str, Any]) -> int:
        return library.fine(library.user(**facts.get("user", {})), **{k: v for k, v in facts.items() if k != "user"})

    currency = {"currency": unfit["currency"]} if "currency" in unfit else {}
    good, wrong = add(fitting | currency), add(unfit)
    profile = make_layout_profile(currencies=[currency.get("currency", "USD")])
    assert get_skip_reasons(library, profile) == {good: None, wrong: reason}
    batch = select_fines(library.ledger, profile, make_settings(), run_id="1", as_of=NOW)
    assert (batch.fines, {name: one.fines for name, one in batch.skipped.items()}) == (1, {reason: 1})
    assert build_file(library.ledger, batch.id, tmp_path).path.read_bytes().count(b"\n") == 1
    assert library.position(wrong)[0] == "ACTIVE"
    assert library.one("SELECT count(*) FROM batch_claims") == 1


def test_all_fines_of_a_user_stay_open_if_the_line_of_the_user_does_not_fit(
    library: Library, write_layout: Write
) -> None:
    write_layout('kind: delimited\nrecords: [{each: user, columns: [{value: "{sum:0.00}", most: 5}]}]')
    rich, other = library.user(), library.user()
    fines = [library.fine(rich, "60.00"), library.fine(rich, "40.00"), library.fine(other, "99.99")]
    assert get_skip_reasons(library, make_layout_profile()) == dict(
        zip(fines, ["too_long", "too_long", None], strict=True)
    )


def test_the_line_of_a_user_is_checked_without_the_fines_that_do_not_fit(library: Library, write_layout: Write) -> None:
    write_layout(
        """
        kind: delimited
        values: {code: {of: fine_fee_type, codes: {OVERDUEFINE: A}}}
        records:
          - {each: user, columns: [{value: "{sum:0.00}", most: 5}, {value: "x"}]}
          - {each: fine, columns: [{value: "{code}"}, {value: "x"}]}
        """
    )
    user = library.user()
    fines = [library.fine(user, "60.00"), library.fine(user, "40.00", kind="OTHER")]
    assert get_skip_reasons(library, make_layout_profile()) == dict(zip(fines, [None, "no_code"], strict=True))


FILES: dict[str, tuple[str, str, str]] = {
    "a total": (
        "",
        'at: 2-6, value: "{sum:0.00}"',
        "at: 2-6: {sum:0.00} is '100.00', 6 characters, longer than the column (5)",
    ),
    "a number": ("", 'at: 2, value: "{records}"', "at: 2: {records} is '10', 2 characters, longer than the column (1)"),
    "the number of the batch": (
        "",
        'at: 2-4, value: "{batch}"',
        "at: 2-4: {batch} is '1001', 4 characters, longer than the column",
    ),
    "a term": (
        '{term: {day: exported_on, terms: {"9999-01-01": A}}}',
        'at: 2-9, value: "{term}"',
        "at: 2-9: {term} has no code",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_trailer_that_does_not_fit_is_found_before_anything_is_selected(
    library: Library, write_layout: Write, case: str
) -> None:
    values, column, problem = FILES[case]
    write_layout(
        f"kind: fixed\nencoding: ascii\nvalues: {values or '{}'}\nrecords:\n"
        '  - {each: fine, columns: [{at: 1-9, value: "{identifier}"}]}\n'
        f"  - {{each: file, columns: [{{at: 1, value: T}}, {{{column}}}]}}\n"
    )
    profile, settings = make_layout_profile(), make_settings(export_number_start=1000)
    assert select_fines(library.ledger, profile, settings, run_id="empty", as_of=NOW).fines == 0
    for _ in range(10):
        library.fine(amount="10.00")
    message = f"The file of the profile {profile.code} can't be written in the layout mine, record 2, {problem}"
    with pytest.raises(BursarError, match=re.escape(message)):
        select_fines(library.ledger, profile, settings, run_id="1", as_of=NOW)
    assert library.one("SELECT count(*) FROM batches WHERE fines > 0") == 0
    assert library.one("SELECT count(*) FROM batch_claims") == 0
    with pytest.raises(BursarError, match="can't be written in the layout mine, record 2"):
        preview(library.ledger, profile, as_of=NOW, limit=1)


def test_a_total_is_that_of_the_fines_of_its_own_file(library: Library, write_layout: Write, tmp_path: Path) -> None:
    """Charges of 60 and credits of 50 fit; 110 would not."""
    write_layout(
        """
        kind: fixed
        encoding: ascii
        files: [{file_name: a, kinds: [charge]}, {file_name: b, kinds: [credit, reversal]}]
        records:
          - {each: fine, columns: [{at: 1-9, value: "{identifier}"}]}
          - {each: file, columns: [{at: 1-5, value: "{sum:abs 0.00}"}]}
        """
    )
    library.fine(amount="60.00")
    library.fine(amount="-50.00")
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="1", as_of=NOW)
    contents = [build_file(library.ledger, batch.id, tmp_path, number).path.read_bytes() for number in (1, 2)]
    assert [content.splitlines()[-1] for content in contents] == [b"60.00", b"50.00"]


def test_a_number_of_the_batch_that_is_too_long_for_a_line_is_found(library: Library, write_layout: Write) -> None:
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{batch}", most: 3}, {value: x}]}]')
    library.fine()
    settings = make_settings(export_number_start=1000)
    batch = select_fines(library.ledger, make_layout_profile(), settings, run_id="1", as_of=NOW)
    assert (batch.fines, list(batch.skipped)) == (0, ["too_long"])


def test_a_transaction_id_that_is_too_long_is_not_cut(library: Library, write_layout: Write) -> None:
    write_layout(
        'kind: fixed\nencoding: ascii\nrecords: [{each: fine, columns: [{at: 1-4, value: "{transaction_id}"}]}]'
    )
    library.fine()
    settings = make_settings(transaction_ids={"prefix": "LIB", "start": "10"})
    batch = select_fines(library.ledger, make_layout_profile(), settings, run_id="1", as_of=NOW)
    assert (batch.fines, list(batch.skipped)) == (0, ["too_long"])


def test_names_are_written_in_ascii_before_they_are_measured(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(
        "kind: delimited\ncharacters: ascii\nrecords: [{each: fine, columns: [{value: '{patron_name}', most: 6}]}]"
    )
    fits = library.fine(library.user(last="Straß", first=""))
    too_long = library.fine(library.user(last="Straße", first=""))
    assert get_skip_reasons(library, make_layout_profile()) == {fits: None, too_long: "too_long"}
    assert build_bytes(library, tmp_path) == b"Strass\n"


def test_a_layout_without_a_column_for_the_currency_needs_one_currency(library: Library, write_layout: Write) -> None:
    library.fine()
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{amount:0.00}"}]}]')
    for currencies in ([], ["USD", "CAD"]):
        with pytest.raises(BursarError, match=r"does not show the currency, .* as in currencies: \[USD\]"):
            preview(library.ledger, make_layout_profile(currencies=currencies), as_of=NOW, limit=1)
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{amount:0.00} {currency}"}]}]')
    preview(library.ledger, make_layout_profile(currencies=[]), as_of=NOW, limit=1)


def test_a_layout_with_sums_needs_one_currency(library: Library, write_layout: Write) -> None:
    write_layout('kind: delimited\nrecords: [{each: user, columns: [{value: "{sum:0.00}"}]}]')
    with pytest.raises(BursarError, match="adds up amounts"):
        preview(library.ledger, make_layout_profile(currencies=[]), as_of=NOW, limit=1)


def test_fines_in_other_currencies_are_skipped(library: Library) -> None:
    fines = [library.fine(), library.fine(currency="CAD")]
    reasons = get_skip_reasons(library, make_profile(currencies=["USD"]))
    assert reasons == dict(zip(fines, [None, "other_currency"], strict=True))


@pytest.mark.usefixtures("layouts")
def test_a_layout_that_is_missing_is_an_error_that_names_the_others(library: Library) -> None:
    with pytest.raises(BursarError, match="There is no layout mine: .* banner, charges_and_credits, one_line"):
        preview(library.ledger, make_layout_profile(), as_of=NOW, limit=1)


def test_an_invalid_layout_is_an_error_with_its_line(library: Library, layouts: Path) -> None:
    (layouts / "mine.yaml").write_text("kind: delimited\nrecord: []\n", encoding="utf-8")
    with pytest.raises(BursarError, match=r"mine.yaml:2:1: record: unknown key: did you mean records\?"):
        preview(library.ledger, make_layout_profile(), as_of=NOW, limit=1)


def test_a_file_is_built_again_with_the_same_bytes_although_the_layout_changed(
    library: Library, owned_ledger: Engine, write_layout: Write, tmp_path: Path
) -> None:
    library.fine(library.user(last="Straße"))
    write_layout("kind: delimited\ncharacters: ascii\nrecords: [{each: fine, columns: [{value: '{patron_name}'}]}]")
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="1", as_of=NOW)
    first = build_file(library.ledger, batch.id, tmp_path / "one")
    write_layout("kind: delimited\nrecords: [{each: fine, columns: [{value: '{amount:cents}'}]}]")
    again = build_file(library.ledger, batch.id, tmp_path / "two")
    assert again.path.read_bytes() == first.path.read_bytes() == b'"Strasse, Tim"\n'
    assert again.path.name == batch.file_name


def test_the_name_of_the_file_is_that_of_the_layout(library: Library, write_layout: Write) -> None:
    library.fine()
    records = 'records: [{each: fine, columns: [{value: "{amount:cents}"}]}]'
    write_layout(f'kind: delimited\nfile_name: "fi_{{profile:lower}}.{{batch:00000}}.csv"\n{records}')
    profile = make_layout_profile()
    dry = select_fines(library.ledger, profile, make_settings(), run_id="1", as_of=NOW, dry_run=True)
    batch = select_fines(library.ledger, profile, make_settings(), run_id="2", as_of=NOW)
    assert dry.file_name == f"fi_students.{dry.id:05}-dry-run.csv"
    assert batch.file_name == f"fi_students.{batch.id:05}.csv"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("", "STUDENTS-1042-20251115235907.txt"),
        ('file_name: "LIB02_{exported_on:%d%m%y}_{exported_at:%H%M%S}.dat"', "LIB02_151125_235907.dat"),
        ('file_name: "{profile:lower first 3}.{batch:000000}.{exported_on:%j}.1"', "stu.001042.319.1"),
    ],
)
def test_the_name_of_the_file_has_the_moment_of_the_export_in_the_profiles_zone(
    write_layout: Write, key: str, name: str
) -> None:
    layout = write_layout(f"kind: delimited\n{key}\nrecords: [{{each: fine, columns: [{{value: x}}]}}]")
    moment = datetime(2025, 11, 16, 4, 59, 7, tzinfo=UTC)
    values = make_batch_values(1042, "STUDENTS", moment, "America/New_York")
    assert [file.file_name for file in plan_files(values, layout, dry_run=False)] == [name]


def test_two_unfinished_batches_never_have_one_file_name(library: Library, write_layout: Write) -> None:
    """After a crash, a file of the right name and size counts as delivered: it must not be that of another profile."""
    write_layout("kind: delimited\nfile_name: fines.csv\nrecords: [{each: fine, columns: [{value: x}]}]")
    library.fine()
    staff, students = make_layout_profile(code="STAFF"), make_layout_profile()
    batch = select_fines(library.ledger, staff, make_settings(), run_id="1", as_of=NOW)
    library.fine()
    select_fines(library.ledger, students, make_settings(), run_id="1", as_of=NOW, dry_run=True)
    with pytest.raises(
        BursarError, match=f"fines.csv is also that of batch {batch.id} of STAFF, which is not finished"
    ):
        select_fines(library.ledger, students, make_settings(), run_id="2", as_of=NOW)
    assert library.one("SELECT count(*) FROM batch_claims") == 1
    release_batch(library.ledger, batch.id)
    assert select_fines(library.ledger, students, make_settings(), run_id="2", as_of=NOW).fines == 2


def test_a_user_is_warned_about_once_although_other_fines_of_the_user_are_exported(
    library: Library, write_layout: Write
) -> None:
    write_layout(
        "kind: delimited\nvalues: {code: {of: fine_fee_type, codes: {OVERDUEFINE: A}}}\n"
        "records: [{each: fine, columns: [{value: '{code}'}]}]"
    )
    user = library.user()
    library.fine(user, kind="OTHER")
    first = None
    for run in ("1", "2"):
        library.fine(user)
        batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id=run, as_of=NOW)
        first = first or batch.id
    assert library.one("SELECT batch_id FROM reported_users WHERE reason = 'no_code'") == first


def test_a_line_that_was_changed_by_hand_and_does_not_fit_is_not_sent(
    library: Library, owned_ledger: Engine, write_layout: Write, tmp_path: Path
) -> None:
    library.fine()
    write_layout("kind: fixed\nencoding: ascii\nrecords: [{each: fine, columns: [{at: 1-12, value: '{patron_name}'}]}]")
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="1", as_of=NOW)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_lines SET patron_name = 'Beavers, Timothy'"))
    with pytest.raises(BatchError, match="line 1 does not keep to the layout, or a value of it does not fit"):
        build_file(library.ledger, batch.id, tmp_path)
    with library.ledger.connect() as connection:
        assert get_batch(connection, batch.id).files[0].sha256 is None
    assert not list(tmp_path.rglob("*.txt"))


def test_the_drafts_of_lines_are_the_lines_that_are_frozen(office: FakeBursar) -> None:
    """What fits is decided on drafts, because the numbers of lines are known only afterwards."""
    library = office.library
    settled, _ = office.export_fine(item=library.item(), comment="lost")
    credited, _ = office.export_fine(user=library.user(last="Ö", first=""))
    with library.ledger.begin() as connection:
        desk.waive(connection, settled, Decimal("4.00"), allow_activity_on_transferred_finesfees=True)
    unsent = library.fine(amount="20.00", vat=Decimal("1.50"), item=library.item(library="LAW", call_number=None))
    with library.ledger.begin() as connection:
        desk.reverse_charge(connection, credited)
        desk.reverse_charge(connection, unsent, Decimal("5.00"))
    library.fine(owner=None)
    profile = make_profile()
    with library.ledger.connect() as connection:
        fill_candidates(connection, profile, datetime.now(UTC))
        values = {"charge_profiles": [profile.code], "prefix": "", "start": 1}
        drafts = connection.execute(query("exports/draft_lines"), values).mappings().all()
    batch = select_fines(library.ledger, profile, make_settings(), run_id="frozen", as_of=datetime.now(UTC))
    with library.ledger.connect() as connection:
        lines = connection.execute(text("SELECT * FROM batch_lines WHERE batch_id = :id"), {"id": batch.id}).mappings()
        frozen = {(line["fine_id"], line["reversal"]): line for line in lines}
    assert len(drafts) == len(frozen) == 5
    unknown = {"number", "transaction_id"}
    new_ids = {line["transaction_id"] for line in frozen.values()}
    for draft in drafts:
        line = frozen[draft["fine_id"], draft["reversal"]]
        in_this_batch = {"comment", "reversed_transaction_id"} if line["reversed_transaction_id"] in new_ids else set()
        compared = draft.keys() - unknown - in_this_batch
        assert {name: draft[name] for name in compared} == {name: line[name] for name in compared}
        assert all((draft[name] is None) == (line[name] is None) for name in draft)
        assert all(len(draft[name] or "") >= len(line[name] or "") for name in in_this_batch)
