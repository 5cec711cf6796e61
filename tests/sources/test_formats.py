"""A source whose files are in any of the formats of the documents: the same fines come into the ledger."""

import csv
from io import StringIO
from typing import Any

import pytest

from bursar.errors import InputFileError
from bursar.sources.csv.dialect import Dialect
from bursar.sources.records import write_load_messages
from tests.support.source_inbox import FINES_HEADING, USERS, SourceInbox

FINES = """\
fine_id,primary_id,fine_fee_type,amount,created_at,item_barcode,item_title
F1,ada,OVERDUEFINE,1234.50,2026-01-01,1,Über Zürich
F2,ada,OVERDUEFINE,0.335,2026-01-01,,
"""


def write(separator: str = ",", amounts: tuple[str, str] = ("1234.50", "0.335"), heading: str | None = None) -> str:
    """Returns the file with another separator, other amounts, or another heading."""
    text = FINES.replace(",", separator)
    if heading:
        text = "\n".join([heading, *text.splitlines()[1:], ""])
    for old, new in zip(("1234.50", "0.335"), amounts, strict=True):
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("said", "encoding", "text"),
    [
        ({}, "utf-8", write()),
        ({}, "utf-8-sig", write()),
        ({}, "utf-16", write()),
        ({}, "utf-8", write(";")),
        ({}, "utf-8", write("\t")),
        ({}, "utf-8", "sep=;\n" + write(";")),
        ({}, "utf-8", write(heading=" Fine_ID,PRIMARY_ID,fine_fee_TYPE,Amount,CREATED_AT,Item_Barcode , item_title")),
        ({"encoding": "windows-1252"}, "windows-1252", write()),
        ({"encoding": "utf-16-le"}, "utf-16-le", write()),
        ({"separator": "semicolon", "decimal": "comma"}, "utf-8", write(";", ("1234,50", "0,335"))),
        ({"decimal": "comma", "thousands": "point"}, "utf-8", write(";", ("1.234,50", "0,335"))),
        ({"thousands": "comma"}, "utf-8", write(";", ("1,234.50", "0.335"))),
        ({"thousands": "space", "decimal": "comma"}, "utf-8", write("\t", ("1 234,50", "0,335"))),
        ({"minor_units": "yes"}, "utf-8", write(amounts=("123450", "34"))),
    ],
)
def test_a_format_that_is_found_or_said_gives_the_same_fines(
    local_inbox: SourceInbox, said: dict[str, Any], encoding: str, text: str
) -> None:
    local_inbox.change(dialect=Dialect.model_validate(said))
    separator = ";" if ";" in text else "\t" if "\t" in text else ","
    for name, content in (("users.csv", USERS.replace(",", separator)), ("fines.csv", text)):
        (local_inbox.disk / name).write_bytes(content.encode(encoding))
    [load] = local_inbox.load()
    assert local_inbox.balances() == {"F1": "1234.50", "F2": "0.34"}
    assert load.counts.fines_rounded == ("34" not in text.splitlines()[-1].split(","))
    assert local_inbox.library.one("SELECT title FROM items") == "Über Zürich"


SEPARATORS = (
    "the columns are separated by semicolons, {0} says commas; save the file with commas between the values, or"
)
MARK = "the file starts with the byte order mark of UTF-8, the source says windows-1252; save the file in that encoding"


@pytest.mark.parametrize(
    ("said", "content", "reason"),
    [
        ({"separator": "comma"}, write(";").encode(), SEPARATORS.format("the source")),
        ({}, ("sep=,\n" + write(";")).encode(), SEPARATORS.format("the line sep=")),
        ({"encoding": "windows-1252"}, write().encode("utf-8-sig"), MARK),
        (
            {},
            write().encode("utf-16-le"),
            "the heading has a NUL character; if the file is UTF-16, name that in the source",
        ),
    ],
)
def test_a_wrong_format_is_the_first_thing_that_the_error_of_a_run_says(
    local_inbox: SourceInbox, said: dict[str, Any], content: bytes, reason: str
) -> None:
    local_inbox.change(dialect=Dialect.model_validate(said))
    (local_inbox.disk / "fines.csv").write_bytes(content)
    with pytest.raises(InputFileError) as error:
        local_inbox.load()
    line = 2 if content.startswith(b"sep=") else 1
    assert str(error.value).startswith(
        f"Load 1 of the source LAW was refused, and changed nothing: fines.csv:{line}: {reason}"
    )
    assert local_inbox.balances() == {}


def test_amounts_in_another_notation_are_rejected_and_never_guessed(local_inbox: SourceInbox) -> None:
    local_inbox.put("users.csv", USERS)
    local_inbox.put("fines.csv", FINES_HEADING.replace(",", ";") + "F1;ada;LOST;12,50;2026-01-01;MAIN\n")
    [load] = local_inbox.load()
    assert (load.counts.rejected, dict(load.rejected)) == (1, {"malformed": 1})


def test_the_rejected_rows_are_csv_with_place_value_reason_and_remedy_that_no_spreadsheet_runs(
    local_inbox: SourceInbox,
) -> None:
    local_inbox.put("users.csv", USERS)
    rows = "=1+1,ada,LOST,=cmd,2026-01-01,MAIN\n@F2,ada,LOST,-3,2026-01-01,MAIN\n"
    local_inbox.put("fines.csv", FINES_HEADING + rows)
    [load] = local_inbox.load()
    out = StringIO()
    with local_inbox.library.ledger.connect() as connection:
        assert write_load_messages(connection, load.id, out) == 2
    first, second = csv.DictReader(out.getvalue().splitlines())
    assert first == {
        "kind": "rejected",
        "file": "fines.csv",
        "line": "2",
        "fine_id": "'=1+1",
        "field": "amount",
        "value": "'=cmd",
        "reason": 'amount "=cmd" is not a sum such as 12.50',
        "remedy": "correct it, or name the decimal sign in the dialect of the source",
    }
    assert (second["fine_id"], second["value"]) == ("'@F2", "-3")


@pytest.mark.parametrize(("bad", "is_loaded"), [(19, True), (20, False)])
def test_twenty_bad_rows_that_are_more_than_ten_percent_stop_a_load(
    local_inbox: SourceInbox, bad: int, *, is_loaded: bool
) -> None:
    rows = [f"F{n},ada,LOST,{'x' if n <= bad else '1'},2026-01-01,MAIN\n" for n in range(1, 191)]
    local_inbox.put("users.csv", USERS)
    local_inbox.put("fines.csv", FINES_HEADING + "".join(rows))
    if is_loaded:
        assert local_inbox.load()[0].counts.fines_added == 190 - bad
    else:
        with pytest.raises(InputFileError, match="20 of 191 rows were rejected"):
            local_inbox.load()
        assert local_inbox.balances() == {}


def test_twenty_bad_rows_that_are_ten_percent_do_not_stop_a_load(local_inbox: SourceInbox) -> None:
    rows = [f"F{n},ada,LOST,{'x' if n <= 20 else '1'},2026-01-01,MAIN\n" for n in range(1, 201)]
    local_inbox.put("users.csv", USERS)
    local_inbox.put("fines.csv", FINES_HEADING + "".join(rows))
    assert local_inbox.load()[0].counts.fines_added == 180
