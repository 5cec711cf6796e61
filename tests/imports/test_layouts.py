"""Payment files in a layout, on a real server: from the folder to the fines, and what a person has to look at."""

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.errors import BursarError, InputFileError
from bursar.imports.rejects import save_rejects
from bursar.layouts import read
from bursar.ledger.import_files import FileState
from tests.support.fake_bursar import FakeBursar
from tests.support.payment_inbox import PaymentInbox

DELIMITED = """\
for: payments
kind: delimited
encoding: [utf-8, windows-1252]
delimiter: ";"
fields:
  transaction_id: {column: Beleg}
  sum: {column: Betrag, as: "0,00"}
  currency: {is: USD}
  paid_on: {column: Datum, as: "%d.%m.%Y"}
"""
FIXED = """\
for: payments
kind: fixed
encoding: ascii
records:
  - {each: payment, starts: D, length: 30, may_be_shorter: 9}
  - {each: file, starts: T, count: {at: 2-7}, sum: {at: 8-19, as: cents}}
fields:
  transaction_id: {at: 2-11}
  sum: {at: 12-21, as: cents-}
  currency: {is: USD}
"""


@pytest.fixture
def layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: PaymentInbox) -> Path:
    """Returns the folder of layouts; the profile has the layout `office`, for all files."""
    folder = tmp_path / "include" / "layouts"
    folder.mkdir(parents=True)
    monkeypatch.setattr(read, "INCLUDE", folder.parent)
    inbox.change(layout="office", file_patterns=("*",), stable_for_seconds=0)
    return folder


def delimited(*rows: str) -> bytes:
    return "\r\n".join(["Datum;Name;Beleg;Betrag", *rows, ""]).encode("windows-1252")


def fixed(*payments: tuple[str, int], more: int = 0) -> bytes:
    rows = [f"D{transaction:10}{abs(cents):09}{'-' if cents < 0 else ' '}" for transaction, cents in payments]
    total = sum(cents for _, cents in payments) + more
    return "\r".join([*rows, f"T{len(payments):06}{total:012}"]).encode()


@pytest.mark.parametrize("kind", ["delimited", "fixed"])
def test_a_file_in_a_layout_pays_its_fines_once(
    inbox: PaymentInbox, office: FakeBursar, layouts: Path, kind: str
) -> None:
    (layouts / "office.yaml").write_text({"delimited": DELIMITED, "fixed": FIXED}[kind], encoding="utf-8")
    first, paid = office.export_fine("10.00")
    second, partly = office.export_fine("20.00")
    content = {
        "delimited": delimited(f"01.03.2026;Müller;{paid};10,00", f"01.03.2026;Müller;{partly};7,50"),
        "fixed": fixed((paid, 1000), (partly, 750)),
    }[kind]
    for run_id, name in (("run 1", "a.txt"), ("run 2", "b.txt")):
        inbox.put(name, content)
        assert inbox.find_ready_files() == [name]
        assert inbox.import_file(name, run_id) == f"processed/{name}"
    assert office.library.position(first) == ("TRANSFERRED", Decimal(0), Decimal(0))
    assert office.library.position(second) == ("TRANSFERRED", Decimal(0), Decimal("12.5"))
    assert office.library.one("SELECT count(*) FROM import_files") == 1
    assert office.library.one("SELECT layout FROM import_files") == "office"


def test_a_compressed_file_in_a_layout_is_read_too(inbox: PaymentInbox, office: FakeBursar, layouts: Path) -> None:
    (layouts / "office.yaml").write_text(DELIMITED, encoding="utf-8")
    fine, paid = office.export_fine("10.00")
    inbox.put("a.txt.gz", gzip.compress(delimited(f"01.03.2026;Müller;{paid};10,00")))
    assert inbox.import_file("a.txt.gz") == "processed/a.txt.gz"
    assert office.library.position(fine)[2] == 0


def test_a_bad_row_is_a_reject_with_its_line_and_the_others_are_paid(
    inbox: PaymentInbox, office: FakeBursar, layouts: Path, tmp_path: Path
) -> None:
    (layouts / "office.yaml").write_text(DELIMITED, encoding="utf-8")
    fine, paid = office.export_fine("10.00")
    inbox.put("a.txt", delimited("01.03.2026;;X1;12.50", f"01.03.2026;;{paid};10,00", f"31.02.2026;;{paid};5,00"))
    inbox.import_file("a.txt")
    assert office.library.position(fine)[2] == 0
    path = save_rejects(inbox.library.ledger, office.library.one("SELECT id FROM import_files"), tmp_path)
    assert path
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["line"], row["outcome"], row["sum"], row["reason"]) for row in rows] == [
        ("2", "INVALID", "", "sum (column Betrag) is '12.50', and not a sum such as 12,50"),
        ("4", "INVALID", "5.00", "paid_on (column Datum) is '31.02.2026', and not a day such as 31.12.2026"),
    ]


def test_a_file_whose_total_differs_is_rejected_as_a_whole(
    inbox: PaymentInbox, office: FakeBursar, layouts: Path
) -> None:
    (layouts / "office.yaml").write_text(FIXED, encoding="utf-8")
    _, paid = office.export_fine("10.00")
    before = inbox.read_ledger()
    inbox.put("a.txt", fixed((paid, 1000), more=1))
    with pytest.raises(
        InputFileError, match=r"a\.txt:2: the file names a total of 10\.01, and its payments have 10\.00"
    ):
        inbox.load_file("a.txt")
    assert inbox.archive_file("a.txt") == "failed/a.txt"
    assert inbox.read_ledger() == before
    assert office.library.one("SELECT state FROM import_files") == FileState.REJECTED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "There is no layout office: .*layouts/office.yaml is missing"),
        (DELIMITED.replace("Betrag", ""), r"office.yaml:7:3: fields\.sum: is in a delimited file"),
        ("for: export\n" + DELIMITED[14:], "office.yaml:1: for: is export: a layout with `for: payments` is needed"),
    ],
)
def test_a_layout_that_is_missing_or_wrong_fails_the_task_and_rejects_no_file(
    inbox: PaymentInbox, layouts: Path, text: str | None, reason: str
) -> None:
    if text:
        (layouts / "office.yaml").write_text(text, encoding="utf-8")
    inbox.put("a.txt", delimited("01.03.2026;;X1;12,50"))
    with pytest.raises(BursarError, match=reason):
        inbox.load_file("a.txt")
    assert list(inbox.files()) == ["a.txt"]
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


def test_a_profile_with_a_layout_names_its_files() -> None:
    from bursar.profiles import Profile  # noqa: PLC0415
    from tests.support.fixtures import make_profile  # noqa: PLC0415

    data = make_profile().model_dump(by_alias=True, mode="json")
    data["import"] |= {"layout": "office", "file_patterns": ["*.csv"]}
    assert Profile.model_validate(data).import_.layout == "office"
    del data["import"]["file_patterns"]
    with pytest.raises(ValueError, match="files in a layout are no XML: write their names"):
        Profile.model_validate(data)
