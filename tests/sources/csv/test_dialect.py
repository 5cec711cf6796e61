"""The dialect of a source: what it may say, and how it writes amounts."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bursar.profiles.error_messages import describe_errors
from bursar.profiles.yaml_reader import Source
from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect, get_amount_parser
from bursar.sources.csv.faults import RowFault
from bursar.sources.csv.tables import FINES
from tests.support.csv_records import read


def parse(value: str, **said: Any) -> str | None:
    parser = get_amount_parser(Dialect(**said))
    assert parser
    return parser(value)


def test_a_sign_can_be_written_as_itself() -> None:
    by_sign = Dialect(separator="\t", decimal=",", thousands="\u00a0")
    assert by_sign == Dialect(separator="tab", decimal="comma", thousands="space")
    assert Dialect(separator="; ", thousands=" ") == Dialect(separator="semicolon", thousands="space")


WRONG_ENCODINGS = (
    "latin-99",
    "hex",
    "utf-7",
    "utf-32",
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "undefined",
)


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"separator": "semicolons"}, "separator", "'semicolons' is not known here: did you mean semicolon?"),
        ({"separator": ":"}, "separator",
         "':' is not known here: write one of auto, comma, semicolon, tab, vertical bar"),
        ({"decimal": "'"}, "decimal", "'apostrophe' is not known here: write one of point, comma"),
        ({"decimal": ",", "thousands": ","}, "thousands",
         "a comma can't be the decimal sign and also the sign of thousands"),
        ({"thousands": "."}, "thousands", "a point can't be the decimal sign and also the sign of thousands"),
        ({"minor_units": "cents"}, "minor_units", "'cents' is neither yes nor no: write yes or no"),
        *(
            ({"encoding": encoding}, "encoding",
             (f"{encoding!r} is not an encoding of text files that is known here: write auto, or an encoding such as "
             "utf-8, utf-16-le, windows-1252 or iso-8859-15"))
            for encoding in WRONG_ENCODINGS
        ),
        ({"date_format": "dmy"}, "date_format", ("unknown key: the keys here are encoding, separator, decimal, "
                                                "thousands, minor_units")),
    ],
)  # fmt: skip
def test_a_wrong_dialect_says_what_to_write(said: dict[str, str], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        Dialect.model_validate(said)
    source = Source("source.yaml", dict(said), {})
    assert [(problem.field, problem.message) for problem in describe_errors(error.value, Dialect, source)] == [
        (field, message)
    ]


@pytest.mark.parametrize(
    ("said", "value", "amount"),
    [
        ({"decimal": ","}, "12,50", "12.50"),
        ({"decimal": ","}, "-1234,5", "-1234.5"),
        ({"decimal": ","}, "1234", "1234"),
        ({"decimal": ",", "thousands": "."}, "1.234.567,50", "1234567.50"),
        ({"decimal": ",", "thousands": "."}, "1234567,50", "1234567.50"),
        ({"decimal": ",", "thousands": " "}, "1\u202f234\u00a0567,50", "1234567.50"),
        ({"thousands": ","}, "1,234", "1234"),
        ({"thousands": "'"}, "-1\u2019234.333333", "-1234.333333"),
        ({"minor_units": True}, "-1250", "-1250"),
        ({"minor_units": True, "thousands": ","}, "1,250", "1250"),
    ],
)
def test_an_amount_of_the_dialect_is_rewritten(said: dict[str, Any], value: str, amount: str) -> None:
    assert parse(value, **said) == amount


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ({"decimal": ","}, ["12.50", "1.234", "1.234,50", "12,", ",5", "1 234,50", "+5", "5-", "1e3", "", "\u0663"]),
        ({"decimal": ",", "thousands": "."}, ["12.50", "1.23,4", "1234.567", "1,234.50", ".234", "1..234"]),
        ({"thousands": ","}, ["1,23,4", "1,23", "12,50", "1.234,50", "0,1234", "1,234,56.7"]),
        ({"thousands": "'"}, ["1,234", "12'50"]),
        ({"minor_units": True}, ["12.50", "1250.0", "1,250"]),
    ],
)  # fmt: skip
def test_any_other_amount_is_never_guessed(said: dict[str, Any], values: list[str]) -> None:
    assert [value for value in values if parse(value, **said) is not None] == []


@given(
    amount=st.decimals(-99_999_999_999, 99_999_999_999, allow_nan=False, allow_infinity=False, places=3),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["none", ".", ",", " ", "'"]),
)
def test_every_amount_is_the_same_in_every_dialect(amount: Decimal, decimal: str, thousands: str) -> None:
    if decimal == thousands:
        thousands = "none"
    group = "" if thousands == "none" else thousands
    written = f"{amount:,.3f}".replace(".", "D").replace(",", group).replace("D", decimal)
    parser = get_amount_parser(Dialect(decimal=decimal, thousands=thousands))
    assert (parser(written) if parser else written) == f"{amount:.3f}"


FINES_HEADING = "fine_id;primary_id;fine_fee_type;created_at;amount;balance;vat"


def read_amounts(path: Path, amounts: str, dialect: Dialect) -> tuple[RowFault | None, list[str | None]]:
    [(_, fault, *values)] = read(path, f"{FINES_HEADING}\nF1;u1;FEE;2026-05-01;{amounts}\n", FINES, dialect)
    row = dict(zip(FINES.columns, values, strict=True))
    return fault, [row[name] for name in FINES.amounts]


def test_the_amounts_of_a_row_are_rewritten(tmp_path: Path) -> None:
    dialect = Dialect(decimal=",", thousands=".")
    assert read_amounts(tmp_path / "f.csv", "1.234,50;;0,333", dialect) == (None, ["1234.50", None, "0.333"])


def test_the_default_dialect_leaves_amounts_to_the_ledger(tmp_path: Path) -> None:
    assert get_amount_parser(DEFAULT_DIALECT) is None
    amounts = ["1,50", "1.234,56", "1,23,4"]
    assert read_amounts(tmp_path / "f.csv", ";".join(amounts), DEFAULT_DIALECT) == (None, amounts)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"decimal": ","}, "a sum such as 1234,50"),
        ({"decimal": ",", "thousands": "."}, "a sum such as 1.234,50"),
        ({"thousands": "'"}, "a sum such as 1'234.50"),
        ({"minor_units": "yes"}, "a whole number of minor units such as 1250"),
        ({"minor_units": "yes", "thousands": "space"}, "a whole number of minor units such as 1 250"),
    ],
)
def test_an_amount_in_another_notation_is_a_fault_of_its_row(tmp_path: Path, said: dict[str, str], wanted: str) -> None:
    fault, values = read_amounts(tmp_path / "f.csv", ";;0.5,0", Dialect.model_validate(said))
    assert fault == RowFault(
        "vat", "0.5,0", f"is not {wanted}, as the source writes them", "correct it, or change what the source says"
    )
    assert set(values) == {None}
