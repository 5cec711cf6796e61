"""Any layout over any fines: the file, read by a reader of its own, has the fines that fit, and no others.

The reader knows columns by their places and pictures by their meaning. It shares no code with the writer and the check,
and neither does the test of what fits.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from anyascii import anyascii
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.layouts.read import load_layouts
from bursar.profiles.yaml_writer import write_yaml
from tests.support.fixtures import NOW, Library, clear_ledger, make_settings
from tests.support.layouts import make_layout_profile

WIDE = 24
"""Characters in which every total has room."""
NAMES = st.text(st.sampled_from("ab ,;|\"'-é€ß文\n"), min_size=1, max_size=9).map(lambda name: f"x{name}x")
TYPES = ["OVERDUEFINE", "OTHER", "A|B"]
FINES = st.lists(
    st.tuples(
        st.integers(0, 2),  # the user
        st.decimals(-999, 999, places=3).filter(lambda amount: amount != 0) | st.integers(-999, 999).filter(bool),
        st.sampled_from(TYPES),
    ),
    min_size=1,
    max_size=6,
)
MONEY = st.tuples(
    st.sampled_from(["0.00", "0,00", "cents", "plain"]),
    st.sampled_from([("", ""), ("+", ""), ("", "-"), ("(", ")")]),
).map(lambda one: f"{one[1][0]}{one[0]}{one[1][1]}")
SEPARATORS = {"comma": ",", "semicolon": ";", "vertical bar": "|"}
SHAPES = ["F", "UF", "FU", "UFV", "U", "FG"]
FINE, USER = "FG", "UV"
"""The kinds of lines of fines, and of users; H is a header, and T a trailer."""


@dataclass(frozen=True)
class Line:
    """A line of a file, as its reader understands it: its kind, and its values by name."""

    kind: str
    values: Mapping[str, str]


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Draws a layout: lines of users and fines, and perhaps a header and a trailer. Each begins with its kind."""
    kind = draw(st.sampled_from(["delimited", "fixed"]))
    encoding = draw(st.sampled_from(["ascii", "iso-8859-1", "windows-1252", "utf-8"]))
    if kind == "fixed" and encoding == "utf-8":
        encoding = "iso-8859-15"
    layout: dict[str, Any] = {
        "kind": kind,
        "encoding": encoding,
        "characters": draw(st.sampled_from(["any", "ascii"])),
        "line_end": draw(st.sampled_from(["lf", "crlf", "cr"])),
        "last_line_end": draw(st.sampled_from(["yes", "no"])),
    }
    if kind == "delimited":
        layout["quotes"] = draw(st.sampled_from(["needed", "all", "never"]))
        choices = ["comma", "semicolon", "vertical bar"]
        # A comma that no quotes mark is no problem of an amount, but of every layout with decimal commas.
        layout["delimiter"] = draw(st.sampled_from(choices[layout["quotes"] == "never" :]))
    codes = draw(st.sampled_from([{"*": "any"}, {"CREDIT": "C", "OVERDUEFINE": "O"}, {"A|B": "A|B", "OTHER": "o"}]))
    layout["values"] = {"code": {"of": ["fine_fee_type"], "codes": codes}}
    of_user = {"identifier": "{identifier}", "fines": "{fines}", "hash": "{hash.transaction_id:5}"}
    records = {
        "F": {
            "transaction": "{transaction_id}",
            "amount": _money(draw, "amount"),
            "name": "{patron_name}",
            "code": "{code}",
        },
        "U": of_user
        | {name: _money(draw, name) for name in draw(st.sampled_from([["sum"], ["charges", "credits"], []]))},
        "H": {"records": "{records}", "sum": _money(draw, "sum")},
        "T": {
            "fines": "{fines}",
            "charges": _money(draw, "charges"),
            "hash": "{hash.identifier:7}",
            "users": "{users}",
        },
    }
    shape = draw(st.sampled_from(["", "H"])) + draw(st.sampled_from(SHAPES)) + draw(st.sampled_from(["", "T"]))
    layout["records"] = [
        {
            "each": "fine" if one in FINE else "user" if one in USER else "file",
            "columns": _columns(draw, layout, one, records[{"G": "F", "V": "U"}.get(one, one)]),
        }
        for one in shape
    ]
    return layout


def _money(draw: st.DrawFn, name: str) -> str:
    return f"{{{name}:{draw(MONEY)}}}"


def _columns(draw: st.DrawFn, layout: dict[str, Any], kind: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = [
        {"name": "kind", "value": kind} | ({"at": "1"} if layout["kind"] == "fixed" else {})
    ]
    at = 2
    for name, value in values.items():
        column: dict[str, Any] = {"name": name, "value": value}
        width = draw(st.integers(8, 12)) if kind in FINE else WIDE
        if name == "name" and draw(st.booleans()):
            column["cut"] = "end"
        if name == "amount" and draw(st.booleans()):
            column |= draw(st.sampled_from([{"fill": "0"}, {"align": "right"}, {"align": "left"}]))
        if name == "name" and layout.get("quotes") == "never":
            column["delimiter"] = "space"
        if layout["kind"] == "fixed":
            column["at"] = f"{at}-{at + width - 1}"
            at += width + draw(st.integers(0, 2))
        elif column.get("cut") or column.keys() & {"fill", "align"} or draw(st.booleans()):
            column["most"] = str(width)
        columns.append(column)
    return columns


def read_amount(value: str, picture: str) -> Decimal:
    """Returns the amount of a text in a picture."""
    digits = "".join(character for character in value.replace(",", ".") if character in "0123456789.")
    amount = Decimal(digits) / (100 if "cents" in picture else 1)
    return -amount if any(sign in value for sign in "-(") else amount


def read_file(layout: dict[str, Any], content: bytes) -> list[Line]:
    """Returns the lines of a file."""
    end = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}[layout["line_end"]]
    whole = content.decode(layout["encoding"])
    assert whole.endswith(end) == (layout["last_line_end"] == "yes")
    lines = whole.removesuffix(end).split(end)
    columns = {record["columns"][0]["value"]: record["columns"] for record in layout["records"]}
    if layout["kind"] == "fixed":
        rows = []
        for line in lines:
            places = [column["at"].split("-") for column in columns[line[0]]]
            rows.append([line[int(place[0]) - 1 : int(place[-1])].strip() for place in places])
    else:
        delimiter = SEPARATORS[layout["delimiter"]]
        dialect: Any = {"quoting": csv.QUOTE_NONE} if layout["quotes"] == "never" else {}
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, strict=True, **dialect))
    return [
        Line(row[0], {column["name"]: cell for column, cell in zip(columns[row[0]], row, strict=True)}) for row in rows
    ]


def get_amounts(layout: dict[str, Any], line: Line) -> dict[str, Decimal]:
    """Returns the amounts in a line, by the names of their columns."""
    [columns, *_] = [one["columns"] for one in layout["records"] if one["columns"][0]["value"] == line.kind]
    return {
        column["name"]: read_amount(line.values[column["name"]], column["value"])
        for column in columns
        if column["name"] in ("amount", "sum", "charges", "credits")
    }


def write_amount(amount: Decimal, picture: str) -> str:
    """Returns an amount that has the decimals of its picture, as it is written."""
    number, size = picture.strip("+-()"), abs(amount)
    digits = {"cents": f"{size * 100:.0f}", "plain": f"{size.normalize():f}"}.get(number, f"{size:.2f}")
    if picture[0] == "+" or picture[-1] == "-":
        return f"{digits} "
    signs = {True: "()" if picture[0] == "(" else "-", False: ""}
    return digits + signs[amount < 0]


def has_decimals(amount: Decimal, picture: str) -> bool:
    """Returns whether a picture shows all decimals of an amount."""
    return "plain" in picture or amount == round(amount, 2)


def list_pictures(layout: dict[str, Any], each: str) -> dict[str, list[str]]:
    """Returns the pictures of the amounts in the records of a kind, by the name of the amount."""
    found: dict[str, list[str]] = {}
    for record in layout["records"]:
        for column in record["columns"]:
            if record["each"] == each and column["name"] in ("amount", "sum", "charges", "credits"):
                found.setdefault(column["name"], []).append(get_picture(column))
    return found


def get_picture(column: Mapping[str, str]) -> str:
    return column["value"].partition(":")[2].removesuffix("}")


def fits(layout: dict[str, Any], name: str, amount: Decimal, type_: str) -> bool:
    """Returns whether a fine fits its own lines, and what the file adds up; `name` is as in the ledger."""
    columns = [column for record in layout["records"] if record["each"] == "fine" for column in record["columns"][1:]]
    if columns and not all(
        has_decimals(amount, picture) for pictures in list_pictures(layout, "file").values() for picture in pictures
    ):
        return False
    return all(_fits_column(layout, column, name.replace("\n", " "), amount, type_) for column in columns)


def _fits_column(layout: dict[str, Any], column: Mapping[str, str], name: str, amount: Decimal, type_: str) -> bool:
    first, _, last = column.get("at", "").partition("-")
    width = int(last) - int(first) + 1 if first else int(column.get("most", "1000"))
    match column["name"]:
        case "amount":
            return has_decimals(amount, get_picture(column)) and len(write_amount(amount, get_picture(column))) <= width
        case "name":
            if layout["characters"] == "ascii":
                name = "".join(character if character.isascii() else anyascii(character) for character in name)
            shown = name[:width] if "cut" in column else name
            return (
                len(shown) <= width and shown.encode(layout["encoding"], "ignore").decode(layout["encoding"]) == shown
            )
        case "code":
            codes = layout["values"]["code"]["codes"]
            code = codes.get(type_, codes.get("*"))
            unmarked = SEPARATORS[layout["delimiter"]] if layout.get("quotes") == "never" else "\0"
            return code is not None and unmarked not in code
    return True


def list_fitting(
    layout: dict[str, Any], names: Sequence[str], fines: Sequence[tuple[int, Decimal, str]]
) -> list[tuple[int, Decimal, str]]:
    """Returns the fines that fit: first those that fit their own lines, then those whose users fit theirs."""
    fitting = [fine for fine in fines if fits(layout, names[fine[0]], fine[1], fine[2])]
    pictures = list_pictures(layout, "user")
    if not any(record["each"] == "fine" for record in layout["records"]):
        for name, more in list_pictures(layout, "file").items():
            pictures[name] = [*pictures.get(name, []), *more]
    for user in range(len(names)):
        totals = add_up([amount for one, amount, _ in fitting if one == user])
        if not all(has_decimals(totals[name], picture) for name, more in pictures.items() for picture in more):
            fitting = [fine for fine in fitting if fine[0] != user]
    return fitting


def add_up(amounts: Sequence[Decimal]) -> dict[str, Decimal]:
    """Returns the totals of amounts by the names that a layout has for them."""
    charges = sum((amount for amount in amounts if amount > 0), Decimal(0))
    credits_ = sum((amount for amount in amounts if amount < 0), Decimal(0))
    return {"sum": charges + credits_, "charges": charges, "credits": credits_}


def check_lines(layout: dict[str, Any], found: list[Line], rows: Sequence[Any]) -> None:
    """Checks that a file has the lines of the batch, in their order, with their totals."""
    kinds = "".join(record["columns"][0]["value"] for record in layout["records"])
    body = kinds.strip("HT")
    users = [list(group) for _, group in groupby(rows, lambda row: row.user_id)]
    of_fine = "".join(kind for kind in body if kind in FINE)
    opening, _, closing = body.partition(of_fine) if of_fine else (body, "", "")
    expected = "".join(opening + of_fine * len(user) + closing for user in users)
    assert "".join(line.kind for line in found) == kinds[: kinds.startswith("H")] + expected + "T" * kinds.endswith("T")
    fines = [line for line in found if line.kind in FINE]
    repeated = [row for row in rows for _ in of_fine]
    assert [line.values["transaction"] for line in fines] == [row.transaction_id for row in repeated]
    for line, row in zip(fines, repeated, strict=True):
        assert get_amounts(layout, line) == {"amount": row.amount}
    of_users = [line for line in found if line.kind in USER]
    for line, user in zip(of_users, [user for user in users for kind in body if kind in USER], strict=True):
        assert (line.values["identifier"], line.values["fines"]) == (user[0].identifier, str(len(user)))
        assert int(line.values["hash"]) == sum(get_digits(row.transaction_id) for row in user) % 10**5
        check_totals(layout, line, user)
    for line in found:
        if line.kind == "H":
            assert int(line.values["records"]) == len(of_users) + len(fines)
            check_totals(layout, line, rows)
        if line.kind == "T":
            assert (line.values["fines"], line.values["users"]) == (str(len(rows)), str(len(users)))
            counted = rows if of_fine else [user[0] for user in users]
            assert int(line.values["hash"]) == sum(get_digits(row.identifier) for row in counted) % 10**7
            check_totals(layout, line, rows)


def check_totals(layout: dict[str, Any], line: Line, rows: Sequence[Any]) -> None:
    totals = add_up([row.amount for row in rows])
    shown = get_amounts(layout, line)
    assert shown == {name: totals[name] for name in shown}


def get_digits(value: str) -> int:
    return int("".join(character for character in value if character.isdigit()))


@pytest.mark.usefixtures("layouts")
@given(layout=layouts(), names=st.lists(NAMES, min_size=3, max_size=3), fines=FINES)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_has_the_fines_that_fit_and_the_others_stay_open(
    ledger: Engine,
    owned_ledger: Engine,
    layouts: Path,
    tmp_path: Path,
    layout: dict[str, Any],
    names: list[str],
    fines: list[tuple[int, Decimal, str]],
) -> None:
    clear_ledger(owned_ledger)
    library = Library(ledger)
    users = [library.user(last=name, first="") for name in names]
    wanted = [(user, Decimal(amount), "CREDIT" if amount < 0 else kind) for user, amount, kind in fines]
    added = {
        library.fine(users[user], str(amount), kind=kind, currency="KWD"): (user, amount, kind)
        for user, amount, kind in wanted
    }
    (layouts / "mine.yaml").write_text(write_yaml(layout), encoding="utf-8")
    good, problems = load_layouts(layouts)
    assert isinstance(good.get("mine"), Layout), problems
    batch = select_fines(ledger, make_layout_profile(currencies=["KWD"]), make_settings(), run_id="1", as_of=NOW)
    assert batch.fines + sum(one.fines for one in batch.skipped.values()) == len(added)
    with ledger.connect() as connection:
        rows = connection.execute(text("SELECT * FROM batch_lines ORDER BY number")).all()
    assert sorted(added[row.fine_id] for row in rows) == sorted(list_fitting(layout, names, wanted))
    assert all(row.amount == added[row.fine_id][1] for row in rows)
    skipped = added.keys() - {row.fine_id for row in rows}
    assert all(library.position(fine)[:2] == ("ACTIVE", added[fine][1]) for fine in skipped)
    if rows:
        content = build_file(ledger, batch.id, tmp_path / str(batch.id)).path.read_bytes()
        check_lines(layout, read_file(layout, content), rows)
