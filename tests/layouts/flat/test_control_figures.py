"""Control figures of a file are computed again, without the writer: a wrong one keeps the file from being sent."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from bursar.errors import BatchError
from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.files import get_check
from bursar.layouts.flat import queries
from bursar.layouts.layout import Layout
from tests.support.fixtures import NOW, Library, make_settings
from tests.support.layouts import make_layout_profile

Write = Callable[[str], Layout]
USER = (
    'each: user, columns: [{value: "{identifier}"}, {value: "{fines}"}, {value: "{sum:0.00}", most: 9, fill: "0"}, '
    '{value: "{charges:cents}/{credits:abs cents}"}, {value: "{hash.transaction_id:6}"}, '
    '{value: "{min.last_transaction_on:%Y%m%d}"}, {value: "{max.item_due_on:%Y%m%d}", blank: space}]'
)
FILE = (
    'each: file, columns: [{value: "{hash.identifier:4}"}, {value: "{min.last_transaction_on:%d}"}, '
    '{value: "{max.last_transaction_on:%d.%m.%Y}"}, {value: "{records}"}]'
)
LAYOUT = (
    f"kind: delimited\ncharacters: ascii\nrecords: [{{{USER}}}, {{each: fine, columns: [{{value: x}}]}}, {{{FILE}}}]"
)
CONTENT = """\
00000012,2,000010.25,1250/225,000003,20251113, \n\
x
x
00000345,1,000001.00,100/0,000003,20251114, \n\
x
0369,13,14.11.2025,5
"""


@pytest.fixture
def library(library: Library) -> Library:
    """A library with a charge and a credit of one user, and a charge of another one with a wide digit as identifier."""
    user = library.user("00000012")
    library.fine(user, "12.50", created=datetime(2025, 11, 14, 3, 30, tzinfo=UTC))
    library.fine(user, "-2.25", created=datetime(2025, 11, 14, 12, 0, tzinfo=UTC))
    library.fine(
        library.user("0000034\N{FULLWIDTH DIGIT FIVE}"), "1.00", created=datetime(2025, 11, 14, 22, tzinfo=UTC)
    )
    return library


def build(library: Library, folder: Path) -> tuple[bytes, Callable[[list[bytes]], None]]:
    """Returns the file, and the function that checks another content in its place."""
    profile = make_layout_profile(identifier_pattern=".*")
    batch = select_fines(library.ledger, profile, make_settings(), run_id="1", as_of=NOW)
    content = build_file(library.ledger, batch.id, folder).path.read_bytes()
    with library.ledger.connect() as connection:
        check = get_check(connection, batch, batch.files[0])
    return content, check


def list_damages() -> Iterator[tuple[bytes, bytes]]:
    lines = CONTENT.encode().splitlines(keepends=True)
    user, other, trailer = lines[0], lines[3], lines[5]
    for before, after in ((b",2,", b",1,"), (b"10.25", b"10.26"), (b"/225", b"/226"), (b"000003", b"000002")):
        yield user, user.replace(before, after)
    yield user, user.replace(b"20251113", b"20251114")
    yield user, user.replace(b", \n", b",20251113\n")
    yield other, other.replace(b"100/0", b"0/0")
    for before, after in ((b"0369", b"0368"), (b",13,", b",14,"), (b"14.11.2025", b"13.11.2025"), (b",5\n", b",6\n")):
        yield trailer, trailer.replace(before, after)


@pytest.mark.parametrize(("before", "after"), list(list_damages()))
def test_a_wrong_figure_is_noticed(
    library: Library, write_layout: Write, tmp_path: Path, before: bytes, after: bytes
) -> None:
    write_layout(LAYOUT)
    content, check = build(library, tmp_path)
    assert content == CONTENT.encode()
    check([content])
    assert before in content
    assert before != after
    with pytest.raises(BatchError, match="was not sent: "):
        check([content.replace(before, after)])


def test_the_figures_of_two_users_are_not_exchanged(library: Library, write_layout: Write, tmp_path: Path) -> None:
    write_layout('kind: delimited\nrecords: [{each: user, columns: [{value: "{sum:0.00}"}, {value: x}]}]')
    content, check = build(library, tmp_path)
    assert content == b"10.25,x\n1.00,x\n"
    with pytest.raises(BatchError, match=r"for some user, \{sum:0.00\} differs from the ledger"):
        check([b"1.00,x\n10.25,x\n"])


MISTAKES: dict[str, object] = {
    "_DIGITS": "max(CAST(nullif(regexp_replace(CAST({} AS text), '[^0-9]', '', 'g'), '') AS numeric))",
    "_TOTALS": dict.fromkeys(("fines", "sum", "charges", "credits"), 'max("amount")'),
    "_aggregate": lambda name: f"max({name.partition('.')[2]})" if name[:4] != "hash" else "count(*)",
}


@pytest.mark.parametrize("part", MISTAKES)
def test_a_mistake_of_the_writer_is_noticed(
    library: Library, write_layout: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    write_layout(LAYOUT)
    monkeypatch.setattr(queries, part, MISTAKES[part])
    with pytest.raises(BatchError, match="was not sent: "):
        build(library, tmp_path)


def test_the_day_of_the_charge_of_a_reversal_is_a_figure(library: Library, write_layout: Write, tmp_path: Path) -> None:
    """Of all other fines it is the day of the export."""
    columns = '{value: "{min.charged_on:%Y-%m-%d}"}, {value: "{hash.kind:2}"}'
    write_layout(
        f"kind: delimited\nrecords: [{{each: fine, columns: [{{value: x}}]}}, {{each: file, columns: [{columns}]}}]"
    )
    with library.ledger.connect() as connection:
        day = connection.execute(text("SELECT CAST(now() AT TIME ZONE 'America/New_York' AS date)")).scalar_one()
    content, _ = build(library, tmp_path)
    assert content.splitlines()[-1] == f"{day},00".encode()
