"""Any layout over any fines: the file, read by a reader of its own, has the fines that fit, and no others.

The reader knows columns by their places and pictures by their meaning. It shares no code with the writer and the check.
"""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.layouts.read import load_layouts
from bursar.profiles.yaml_writer import write_yaml
from tests.support.fixtures import NOW, Library, clear_ledger, make_settings
from tests.support.layouts import make_layout_profile

PLACES = {"0.00": 2, "0,00": 2, "cents": 2, "plain": 3}
NAMES = st.text(st.sampled_from("ab ,;|\"'-é€ß文\n"), min_size=1, max_size=9).map(lambda name: f"x{name}x")
FINES = st.lists(
    st.tuples(
        st.integers(0, 2),  # the user
        st.decimals(-999, 999, places=3).filter(lambda amount: amount != 0),
        st.sampled_from(["OVERDUEFINE", "OTHER", "A|B"]),
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Draws a layout whose lines have transaction id, amount, name and code."""
    kind = draw(st.sampled_from(["delimited", "fixed"]))
    number = draw(st.sampled_from(sorted(PLACES)))
    before, behind = draw(st.sampled_from([("", ""), ("+", ""), ("", "-"), ("(", ")")]))
    width = draw(st.integers(8, 12))
    encoding = draw(st.sampled_from(["ascii", "iso-8859-1", "windows-1252", "utf-8"]))
    characters = draw(st.sampled_from(["any", "ascii"]))
    if kind == "fixed" and encoding == "utf-8":
        encoding = "iso-8859-15"
    values = {
        "transaction": "{transaction_id}",
        "amount": f"{{amount:{before}{number}{behind}}}",
        "name": "{patron_name}",
        "code": "{code}",
    }
    columns = []
    at = 1
    for name, value in values.items():
        column: dict[str, Any] = {"name": name, "value": value}
        if draw(st.booleans()):
            column["cut"] = "end" if name == "name" else None
        if name == "amount" and draw(st.booleans()):
            column["fill"] = "0"
        if kind == "fixed":
            column["at"] = f"{at}-{at + width - 1}"
            at += width + draw(st.integers(0, 2))
        elif column.get("cut") or column.get("fill") or draw(st.booleans()):
            column["most"] = str(width)
        columns.append(column)
    quotes = draw(st.sampled_from(["needed", "all", "never"]))
    layout: dict[str, Any] = {"kind": kind, "encoding": encoding, "characters": characters}
    layout |= {
        "line_end": draw(st.sampled_from(["lf", "crlf", "cr"])),
        "last_line_end": draw(st.sampled_from(["yes", "no"])),
    }
    if kind == "delimited":
        layout |= {"delimiter": draw(st.sampled_from(["comma", "semicolon", "vertical bar"])), "quotes": quotes}
        if quotes == "never":
            columns[2]["delimiter"] = "space"
    codes = draw(st.sampled_from([{"*": "any"}, {"CREDIT": "C", "OVERDUEFINE": "O"}, {"A|B": "A|B", "OTHER": "o"}]))
    layout["values"] = {"code": {"of": ["fine_fee_type"], "codes": codes}}
    layout["records"] = [{"each": "fine", "columns": columns}]
    return layout


def read_amount(text: str) -> Decimal:
    """Returns the amount of a text in any picture but cents, which the caller divides."""
    negative = any(sign in text for sign in "-(")
    digits = "".join(character for character in text.replace(",", ".") if character in "0123456789.")
    return -Decimal(digits) if negative else Decimal(digits)


def read_file(layout: dict[str, Any], content: bytes) -> list[tuple[str, Decimal]]:
    """Returns the transaction ids and the amounts in a file."""
    end = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}[layout["line_end"]]
    text = content.decode(layout["encoding"])
    assert text.endswith(end) == (layout["last_line_end"] == "yes")
    lines = text.removesuffix(end).split(end)
    columns = layout["records"][0]["columns"]
    if layout["kind"] == "fixed":
        places = [tuple(map(int, column["at"].split("-"))) for column in columns[:2]]
        rows = [[line[first - 1 : last].strip() for first, last in places] for line in lines]
    else:
        delimiter = {"comma": ",", "semicolon": ";", "vertical bar": "|"}[layout["delimiter"]]
        dialect: Any = {"quoting": csv.QUOTE_NONE} if layout["quotes"] == "never" else {}
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, strict=True, **dialect))
    divisor = 100 if "cents" in columns[1]["value"] else 1
    return [(row[0], read_amount(row[1]) / divisor) for row in rows]


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
    added = {
        library.fine(users[user], str(amount), kind="CREDIT" if amount < 0 else kind, currency="KWD"): amount
        for user, amount, kind in fines
    }
    (layouts / "mine.yaml").write_text(write_yaml(layout), encoding="utf-8")
    good, problems = load_layouts(layouts)
    assert isinstance(good.get("mine"), Layout), problems
    profile = make_layout_profile(currencies=["KWD"])
    batch = select_fines(ledger, profile, make_settings(), run_id="1", as_of=NOW)
    assert batch.fines + sum(one.fines for one in batch.skipped.values()) == len(fines)
    with ledger.connect() as connection:
        lines = connection.exec_driver_sql(
            "SELECT transaction_id, fine_id, amount FROM batch_lines ORDER BY number"
        ).all()
    assert {fine: amount for _, fine, amount in lines}.items() <= added.items()
    if not batch.fines:
        return
    content = build_file(ledger, batch.id, tmp_path / str(batch.id)).path.read_bytes()
    assert read_file(layout, content) == [(transaction, amount) for transaction, _, amount in lines]
    skipped = added.keys() - {fine for _, fine, _ in lines}
    assert all(library.position(fine)[:2] == ("ACTIVE", added[fine]) for fine in skipped)
