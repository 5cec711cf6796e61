"""CSV files that a page sends while they are read from the ledger, so that their length does not matter."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from fastapi.responses import StreamingResponse

from bursar.imports.rejects import escape_formula

ROWS_AT_ONCE = 500


def send_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingResponse:
    """Returns a download with the name `name`, in UTF-8 with a byte order mark, by which spreadsheets recognise it.

    A value that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_write(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def _write(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    block = StringIO()
    writer = csv.writer(block)
    block.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([escape_formula(value) for value in row])
        if number % ROWS_AT_ONCE == 0:
            yield block.getvalue().encode()
            block.seek(0)
            block.truncate()
    yield block.getvalue().encode()
