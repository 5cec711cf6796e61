"""Payment layouts for tests, and the readings of files by them."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bursar.errors import InputFileError
from bursar.layouts.payments.model import PaymentLayout
from bursar.layouts.payments.parse import parse_records
from bursar.layouts.payments.records import PaymentRecord
from bursar.profiles.problems import Problem
from bursar.profiles.yaml_files import validate
from bursar.profiles.yaml_reader import read_yaml

SEMICOLONS = """\
for: payments
kind: delimited
encoding: windows-1252
delimiter: ";"
fields:
  transaction_id: {column: TransactionID, matches: "LIB[0-9]{6}"}
  sum: {column: Zahlungseingang, as: "0,00"}
  currency: {is: CHF}
  paid_on: {column: Zahlungsdatum, as: "%d.%m.%Y"}
payment_is: [transaction_id, paid_on, sum]
ignore: {sum: zero}
"""
"""A list of payments as a library network writes it."""
POSITIONS = """\
for: payments
kind: fixed
encoding: ascii
records:
  - {each: payment, length: 63, may_be_shorter: 1}
fields:
  paid_on: {at: 1-6, as: "%y%m%d"}
  transaction_id: {at: 7-12}
  sum: {at: 55-62, as: cents}
  currency: {is: USD}
"""
"""The 63 positions of a library system."""


def validate_layout(text: str) -> tuple[PaymentLayout | None, list[Problem]]:
    """Returns the layout of a text in YAML, and its problems."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "office.yaml"
        path.write_text(text, encoding="utf-8")
        layout, problems = validate(PaymentLayout, read_yaml(path))
    return layout, problems


def make_layout(text: str, **changes: object) -> PaymentLayout:
    """Returns a valid layout; `changes` are keys and values as YAML, added to the text."""
    layout, problems = validate_layout(text + "".join(f"{key}: {value}\n" for key, value in changes.items()))
    assert not problems, "\n".join(map(str, problems))
    assert layout
    return layout


def read(layout: PaymentLayout, content: bytes) -> list[PaymentRecord]:
    """Returns all records of a file."""
    return list(parse_records(layout, lambda: io.BytesIO(content), "paid.txt"))


def refusal(layout: PaymentLayout, content: bytes) -> str:
    """Returns why a file is rejected, without its name."""
    with pytest.raises(InputFileError) as caught:
        read(layout, content)
    message = str(caught.value)
    assert message.startswith("paid.txt:")
    assert message.isprintable()
    assert len(message) < 600
    return message.removeprefix("paid.txt:").strip()
