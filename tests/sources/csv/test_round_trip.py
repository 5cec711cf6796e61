"""Any table that Python's csv module writes in a dialect is read back the same."""

import csv
import io
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.sources.csv.dialect import SEPARATORS, Dialect
from bursar.sources.csv.tables import LIBRARIES, USERS, CsvTable
from tests.support.csv_records import read

ENCODINGS = [("utf-8", "auto"), ("utf-8-sig", "auto"), ("utf-16", "auto"), ("cp1252", "windows-1252")]
FORMATS: list[tuple[Literal[0, 1], str]] = [
    (csv.QUOTE_MINIMAL, "\r\n"),
    *((csv.QUOTE_ALL, end) for end in ("\r\n", "\n", "\r")),
]
TEXTS = st.text(
    st.one_of(st.sampled_from(" ,;|\t\"'\r\n=\ufeff"), st.characters(codec="utf-8", exclude_characters="\0"))
)
LATIN = st.text(st.one_of(st.sampled_from(" ,;|\t\"'\r\n="), st.characters(codec="cp1252", exclude_characters="\0")))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_table_is_read_back_the_same(tmp_path: Path, data: st.DataObject) -> None:
    layout: CsvTable = data.draw(st.sampled_from([LIBRARIES, USERS]))
    encoding, said = data.draw(st.sampled_from(ENCODINGS))
    separator = data.draw(st.sampled_from(list(SEPARATORS)))
    quoting, line_end = data.draw(st.sampled_from(FORMATS))
    names = data.draw(st.permutations(layout.known))
    row = st.lists(TEXTS if said == "auto" else LATIN, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row, max_size=5))

    file = io.StringIO(newline="")
    if data.draw(st.booleans()):
        file.write(f"sep={SEPARATORS[separator]}{line_end}")
    writer = csv.writer(file, delimiter=SEPARATORS[separator], quoting=quoting, lineterminator=line_end)
    writer.writerow(data.draw(st.sampled_from([str.upper, str.title, str.lower]))(name) for name in names)
    writer.writerows(rows)

    dialect = Dialect(encoding=said, separator=data.draw(st.sampled_from(["auto", separator])))
    found = read(tmp_path / "file.csv", file.getvalue().encode(encoding), layout, dialect)
    cells = [[value.strip(" ") or None for value in row] for row in rows]
    expected = [dict(zip(names, row, strict=True)) for row in cells if any(row)]
    assert [fault for _, fault, *_ in found if fault] == []
    assert [dict(zip(layout.columns, values, strict=True)) for _, _, *values in found] == [
        row | ({"identifiers": "{}"} if layout.identifiers else {}) for row in expected
    ]
