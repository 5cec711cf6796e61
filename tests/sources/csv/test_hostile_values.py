"""A wrong row of a CSV file is reported with its line, whatever is in it; the database raises no error."""

import random
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable
from bursar.sources.load_types import InvalidRowsError
from tests.support.library_system import FINE, USER, LibrarySystem

LONG = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=9_000))  # noqa: S311  does not compress


TOO_LONG = "the most that the ledger keeps; shorten it"


def test_an_id_that_the_ledger_cannot_index_is_an_error_of_its_row(system: LibrarySystem) -> None:
    length = f'"{LONG[:60]}" has more than 500 characters, the most that the ledger keeps; shorten it'
    new_group = {"code": LONG, "name": "A"}
    assert system.refusals(groups=[new_group], libraries=[{"code": LONG, "id": "1", "name": "A"}]) == [
        f"groups.csv:2: code {length}",
        f"libraries.csv:2: code {length}",
    ]
    assert system.refusals(libraries=[{"code": "X", "id": LONG, "name": "A"}]) == [f"libraries.csv:2: id {length}"]
    assert system.refusals(
        users=[
            {"primary_id": LONG, "identifier:02": "", "user_id": ""},
            {"primary_id": "u3", "identifier:02": LONG},
            {"primary_id": "u4", "user_id": LONG},
        ],
        fines=[{"fine_id": LONG, "item_barcode": ""}, {"item_barcode": LONG}],
    ) == [
        f"users.csv:2: primary_id {length}",
        f"users.csv:3: identifier:02 {length}",
        f"users.csv:4: user_id {length}",
        f"fines.csv:2: fine_id {length}",
        f"fines.csv:3: item_barcode {length}",
    ]


def random_text(length: int) -> str:
    """Characters of four bytes each, which do not compress."""
    return "".join(map(chr, random.Random(length).choices(range(0x20000, 0x2A000), k=length)))  # noqa: S311


def test_the_longest_ids_and_values_are_kept(system: LibrarySystem) -> None:
    id_, text, type_ = random_text(500), random_text(8_000), random_text(100)
    system.load(
        groups=[{"code": id_, "name": text}],
        libraries=[{"code": id_, "id": id_, "name": text}],
        users=[{"primary_id": id_, "last_name": text, "user_group": id_, f"identifier:{type_}": id_}],
        fines=[{"fine_id": id_, "primary_id": id_, "item_barcode": id_, "item_title": text, "owner_library": id_}],
    )
    assert system.rows("SELECT length(source_id), length(barcode), length(title) FROM fines JOIN items ON true") == [
        (500, 500, 8_000)
    ]


def test_a_longer_value_or_identifier_type_is_an_error(system: LibrarySystem) -> None:
    assert system.refusals(fines=[{"comment": LONG}, {"fine_id": "F2"}]) == [
        f'fines.csv:2: comment "{LONG[:60]}" has more than 8,000 characters, the most that the ledger keeps; shorten it'
    ]
    with pytest.raises(HeadingError) as error:
        system.load(users=[{f"identifier:{LONG[:101]}": "1"}])
    assert error.value.faults == (
        f'column "{f"identifier:{LONG}"[:60]}" is an identifier whose type has more than 100 characters',
    )


MOMENT = "is not a moment such as 2026-09-30T16:45:00; correct it"


OUT_OF_RANGE = [
    ("amount", "99999999999.9999", "is not a sum such as 12.50; correct it"),
    ("amount", "9" * 400, "is not a sum such as 12.50; correct it"),
    ("amount", "1e400", "is not a sum such as 12.50; correct it"),
    ("amount", "0." + "3" * 20_000, "has more than 8,000 characters, the most that the ledger keeps; shorten it"),
    ("amount", "\u0663.\u0665", "is not a sum such as 12.50; correct it"),  # digits of another script
    ("balance", "-99999999999999999999", "is not a sum such as 12.50; correct it"),
    ("vat", "123456789012.00", "is not a sum such as 12.50; correct it"),
    ("created_at", "0000-01-01", MOMENT),
    ("created_at", "0001-01-01T00:00:00+14", MOMENT),
    ("created_at", "-4713-01-01", MOMENT),
    ("created_at", "294277-01-01", MOMENT),
    ("created_at", "infinity", MOMENT),
    ("created_at", "2024-02-30T10:00:00Z", MOMENT),
    ("created_at", "2024-02-20T10:00:00+99:99", MOMENT),
    ("created_at", "\u0662\u0660\u0662\u0664-05-01", MOMENT),
]


def test_a_number_or_moment_out_of_range_is_an_error_of_its_row(system: LibrarySystem) -> None:
    rows = [{"fine_id": f"F{number}", column: value} for number, (column, value, _) in enumerate(OUT_OF_RANGE)]
    refusals = system.refusals(fines=rows)
    for line, (refusal, (column, _, reason)) in enumerate(zip(refusals, OUT_OF_RANGE, strict=True), start=2):
        assert refusal.startswith(f"fines.csv:{line}: ")
        assert column in refusal
        assert reason in refusal


def test_due_dates_out_of_range_are_errors_and_the_others_can_be_read(system: LibrarySystem) -> None:
    item = {"item_barcode": "1"}
    [refusal] = system.refusals(fines=[item | {"item_due_date": "9999-12-31T23:59:59-14"}])
    assert refusal == f'fines.csv:2: item_due_date "9999-12-31T23:59:59-14" {MOMENT}'
    system.load(fines=[item | {"item_due_date": "9998-12-31T23:59:59-12", "created_at": "0002-01-01"}])
    assert system.fine("F1").item_due_date == datetime(9999, 1, 1, 11, 59, 59, tzinfo=UTC)


def test_a_day_out_of_range_is_an_error_of_its_row(system: LibrarySystem) -> None:
    days = ["0000-01-01", "10000-01-01", "2026-13-01", "infinity", "\u0662026-01-01"]
    users = [{"primary_id": f"new {day}", "identifier:02": f"id {day}", "expiry_date": day} for day in days]
    refusals = system.refusals(users=users)
    assert len(refusals) == len(days)
    for line, refusal in enumerate(refusals, start=2):
        assert refusal.startswith(f"users.csv:{line}: ")
        assert refusal.endswith("is not a day such as 2026-09-30; correct it")


def test_a_file_whose_name_is_not_utf_8_is_loaded(system: LibrarySystem, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = system.folder / b"f\xe9.csv".decode(errors="surrogateescape")
    system.write("fines", [FINE | {"amount": "x"}]).rename(path)
    with pytest.raises(InvalidRowsError, match='f\ufffd.csv:2: amount "x" is not a sum'):
        system.load(strict=True, fines=path)
    assert "f\ufffd.csv: 1 record." in caplog.text


ODD = st.sampled_from(
    [b"", b"0", b"-1", b"1e9", b"9" * 30, b"0.005", b"\0", b"\xed\xa0\x80", b"\xff", b'"', b'""', b";", b"\t", b"\r",
     b"\n", b",", b"9999-12-31", b"0001-01-01", b"CREDIT", b"F1", b"u1", b"UG", b"MAIN", b"\\", b"\\N", b"\\.", b"EUR",
     b"XXX", b"\xef\xbb\xbf", LONG.encode(), b"x" * 140_000, "\u0663".encode(), "\u202e\x85".encode()]
)  # fmt: skip
BYTES = st.one_of(ODD, st.binary(max_size=8))


@pytest.mark.parametrize("layout", [GROUPS, LIBRARIES, USERS, FINES], ids=lambda layout: layout.name)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_loaded_or_reported_by_line(system: LibrarySystem, layout: CsvTable, data: st.DataObject) -> None:
    columns = [*layout.known, *(["identifier:02"] if layout.identifiers else [])]
    good = USER | FINE | {"code": "UG", "id": "9", "name": "N", "identifier:02": "7"}
    rows = [[good.get(column, "").encode() for column in columns] for _ in range(6)]
    for _ in range(data.draw(st.integers(1, 6))):
        row = data.draw(st.integers(0, 5))
        rows[row][data.draw(st.integers(0, len(columns) - 1))] = data.draw(BYTES)
    header = data.draw(st.sampled_from([",".join(columns).encode()] * 6 + [b",".join(rows[0])]))
    path = system.folder / f"{layout.name}.csv"
    path.write_bytes(b"\n".join([header, *(b",".join(row) for row in rows)]))
    files: dict[str, Any] = {layout.name: path}
    try:
        system.load(**files)
    except HeadingError as error:
        assert error.path == path  # noqa: PT017
