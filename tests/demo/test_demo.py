"""The output of `make demo`: steps, complete amounts, and totals that are compared with the files."""

import re
import threading
from dataclasses import fields, replace
from decimal import Decimal
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from rich.console import Console

from bursar.ledger.batches import Batch
from bursar.ledger.import_files import FileState, ImportFile
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped
from bursar.profiles import Profile
from bursar.sources.load_types import LoadCounts
from bursar.sources.records import LoadRecord
from demo.accounts import FileTotals, Places, find_balance_problems, sum_files
from demo.changes import CHANGES
from demo.exports import Export
from demo.imports import Import
from demo.loads import Outcome, find_load_problems
from demo.profiles import add_done_files, exporting_profiles, write_include
from demo.progress import Steps
from demo.report import print_balance, print_changes, print_excerpt, print_exports, print_imports, print_loads

T = TypeVar("T")
SAMPLE = Path(__file__).parents[1] / "samples" / "export.xml"
LARGE = Decimal("-1234567.89")
SMALL = Decimal("0.11")
PLACES = Places(
    currency="USD",
    original=Decimal(100),
    desk=Decimal(10),
    waived=Decimal(4),
    cancelled=Decimal(1),
    balance=Decimal(15),
    bursar=Decimal(52),
    outstanding=Decimal(20),
    credits=Decimal(2),
    wrong=0,
)
FILES = FileTotals(
    sent={"USD": Decimal(80)},
    sent_later={"USD": Decimal(-10)},
    reported={"USD": Decimal(30)},
    paid_when_sent={"USD": Decimal(20)},
)
OUTCOMES = [
    Outcome(change, "Haddad, Noor", "credit added", change.to_bursar, "new transaction 1054") for change in CHANGES
]


class Lines(StringIO):
    """A stream that signals when it has received a text."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited = awaited
        self.got_it = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._awaited in self.getvalue():
            self.got_it.set()
        return written


@pytest.fixture
def profiles(tmp_path: Path) -> list[Profile]:
    include = write_include(tmp_path / "demo")
    add_done_files(include)
    return exporting_profiles(include)


def test_without_a_terminal_a_long_step_prints_lines_until_it_ends() -> None:
    before = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    stream = Lines("Starting the library: 0 seconds so far\nStarting the library: 0 seconds so far\n")
    with Steps(Console(file=stream, width=100), line_every_seconds=0.01) as steps:
        assert stream.getvalue() == ""
        steps.show("Starting the library")
        assert stream.got_it.wait(10)
    assert stream.getvalue().startswith("Starting the library ...\n")
    assert [thread for thread in threading.enumerate() if thread is not threading.current_thread()] == before


def test_in_a_terminal_a_step_is_the_last_line_and_is_removed() -> None:
    stream = Lines("Starting the library")
    with Steps(Console(file=stream, width=100, force_terminal=True, legacy_windows=False)) as steps:
        steps.show("Starting the library")
        assert stream.got_it.wait(10)
    assert stream.getvalue().endswith("\x1b[2K")


def test_imports_of_the_demo_expect_done_files(profiles: list[Profile], tmp_path: Path) -> None:
    own = {profile.code: profile for profile in exporting_profiles(write_include(tmp_path / "own"))}
    assert any(profile.import_.active and not profile.import_.done_file_suffix for profile in own.values())
    assert list(own) == [profile.code for profile in profiles]
    for profile in profiles:
        assert not profile.import_.active or profile.import_.done_file_suffix == ".done"
        assert profile.export == own[profile.code].export


def test_amounts_are_complete_on_a_narrow_screen(profiles: list[Profile]) -> None:
    out = Console(file=StringIO(), width=80)
    exports = [export(profile) for profile in profiles]
    imports = [imported(profile) for profile in profiles if profile.import_.active]
    print_exports(out, exports, Path("reports"))
    print_imports(out, imports, Path("reports"))
    print_balance(out, [PLACES._replace(currency=code) for code in ("CAD", "USD")], sum_files(exports, [], imports))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("-1,234,567.89 CAD") == len(profiles)  # the net of each export
    assert re.search(r"^All +400 +0\.00 -4,938,271\.56 -4,938,271\.56 CAD *$", text, re.MULTILINE)
    assert re.search(r"^All +36 +12 +6 +3 +15 -3,703,703\.67 +0\.33 CAD *$", text, re.MULTILINE)


@pytest.mark.parametrize("width", [80, 100])
def test_the_changes_of_the_library_system_fit_the_screen(profiles: list[Profile], tmp_path: Path, width: int) -> None:
    out = Console(file=StringIO(), width=width)
    print_changes(out, OUTCOMES, [sent_later(profiles, tmp_path)])
    print_loads(out, LOADS)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert max(map(len, text.splitlines())) <= width
    assert re.findall(r"-?\d+\.\d\d *$", text, re.MULTILINE)[-1].strip() == "-27.00"  # the sum of the rows above
    assert re.search(r"^First files +682 +2,000 +2,000 +0 +0 +0 +0 *$", text, re.MULTILINE)
    assert re.search(r"^New files +681 +2,002 +1 +3 +1,997 +0 +1 *$", text, re.MULTILINE)


def test_changes_that_were_loaded_and_exported_are_no_problem(profiles: list[Profile], tmp_path: Path) -> None:
    first = [export(profile) for profile in profiles]
    assert find_load_problems(LOADS, OUTCOMES, first, [sent_later(profiles, tmp_path)], returned=0) == []


def test_a_change_that_did_nothing_or_was_not_exported_is_a_problem(profiles: list[Profile], tmp_path: Path) -> None:
    first, second = [export(profile) for profile in profiles], [sent_later(profiles, tmp_path)]
    lost = [replace(OUTCOMES[0], done=""), *OUTCOMES[1:]]
    assert find_load_problems(LOADS, lost, first, second, returned=0) == [
        f"F9001, {CHANGES[0].said}: the load did nothing"
    ]
    kept = [replace(OUTCOMES[0], sent=Decimal()), *OUTCOMES[1:]]
    assert find_load_problems(LOADS, kept, first, second, returned=0) == [
        f"F9001, {CHANGES[0].said}: 0 went to the bursars, not -84",
        "the second exports sent 3 fines, the libraries' systems had changed 2",
    ]
    assert len(find_load_problems([LOADS[0], LOADS[0]], OUTCOMES, first, second, returned=0)) == 1
    accruing = [replace(one, batch=replace(one.batch, skipped={})) for one in first]
    assert len(find_load_problems(LOADS, OUTCOMES, accruing, second, returned=0)) == 1


def test_the_excerpt_of_a_file_is_one_fine_with_dots_for_what_is_left_out(tmp_path: Path) -> None:
    numbers = count(1)
    content = re.sub(
        r"(?m)^(\s*)</xb:userFineFee>$",
        lambda end: f"{end[1]}\t<xb:internalId>{next(numbers)}</xb:internalId>\n{end[0]}",
        SAMPLE.read_text(encoding="utf-8"),
    )
    file = tmp_path / "export.xml"
    file.write_text(content, encoding="utf-8")
    out = Console(file=StringIO(), width=100)
    print_excerpt(out, file, 2)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("<xb:userFineFee>") == text.count("</xb:userFineFee>") == 1
    assert re.findall(r"<xb:internalId>(\d+)<", text) == ["2"]
    shown = [line.strip("│ \n") for line in text.splitlines()[1:-1]]
    assert all(line == "..." or line in content for line in shown)
    assert not re.search(r"\.\.\.\W+\.\.\.", text)


def test_sums_of_ledger_and_files_that_agree_are_no_problem() -> None:
    assert find_balance_problems([PLACES], FILES) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (FILES._replace(sent={"USD": Decimal("80.01")}), "the bursars have files over 70.01 USD, the ledger 70"),
        (FILES._replace(sent_later={}), "the bursars have files over 80 USD, the ledger 70"),
        (FILES._replace(reported={"USD": Decimal(29)}), "the bursars were paid 49 USD, the ledger says 50"),
        (FILES._replace(paid_when_sent={}), "the bursars were paid 30 USD, the ledger says 50"),
    ],
)
def test_a_difference_of_a_cent_is_a_problem(files: FileTotals, problem: str) -> None:
    assert find_balance_problems([PLACES], files) == [problem]


def test_fines_that_do_not_add_up_are_a_problem() -> None:
    assert find_balance_problems([PLACES._replace(wrong=3)], FILES) == ["3 fines in USD do not add up"]


def sent_later(profiles: list[Profile], folder: Path) -> Export:
    """Returns an export of the three changes that go to the bursar."""
    file = folder / "STUDENTS-8-20260929053945.xml"
    batch = blank(Batch, profile="STUDENTS", fines=3)
    return Export(profiles[-1], "success", batch, file, {}, {"USD": Decimal(-27)}, 3, "")


def export(profile: Profile) -> Export:
    totals = {code: CurrencyTotals(credits=LARGE) for code in ("CAD", "USD")}
    skipped = {reason: Skipped(1, 1, {"USD": Decimal("1.00")}) for reason in ("disputed", "still_accruing")}
    batch = blank(Batch, profile=profile.code, users=50, fines=100, totals=totals, skipped=skipped)
    return Export(profile, "success", batch, None, {}, {"CAD": LARGE, "USD": LARGE}, 100, "")


def imported(profile: Profile) -> Import:
    def outcome(records: int, amount: Decimal, credited: Decimal) -> OutcomeTotals:
        return OutcomeTotals(records, applied={"CAD": amount}, credited={"CAD": credited})

    zero = Decimal()
    outcomes = {
        "PAID": outcome(4, LARGE, zero),
        "PARTLY_PAID": outcome(2, zero, zero),
        "OVERPAID": outcome(1, zero, SMALL),
        "UNMATCHED": outcome(5, zero, zero),
    }
    file = blank(ImportFile, name="payments.xml", records=12, outcomes=outcomes, state=FileState.APPLIED)
    refused = replace(
        file, outcomes=None, rejection="payments.xml:9: the file ends too early", state=FileState.REJECTED
    )
    return Import(profile, "success", [file, refused], "success")


def blank(kind: type[T], **values: object) -> T:
    """Makes a record whose other values are None."""
    return kind(**{field.name: None for field in fields(kind)} | values)  # type: ignore[arg-type]


def load_record(counts: LoadCounts, users: int, fines: int) -> LoadRecord:
    files = [{"table": "users", "rows": users}, {"table": "fines", "rows": fines}]
    return blank(LoadRecord, counts=counts, files=files, is_refused=False)


LOADS = [
    load_record(LoadCounts(fines_added=2_000), 682, 2_000),
    load_record(LoadCounts(rejected=1, fines_added=1, fines_changed=3, fines_unchanged=1_997), 681, 2_002),
]
