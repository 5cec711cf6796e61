"""Trials of a layout of payments or of statements: a pasted sample is read, and nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING

from bursar.errors import InputFileError
from bursar.layouts.payments.parse import parse_records
from bursar.layouts.payments.row_layout import RowLayout

if TYPE_CHECKING:
    from bursar.layouts.payments.records import PaymentRecord

MAX_CHARACTERS = 50_000
"""Characters of a sample."""
MAX_ROWS = 100
"""Rows of a sample that are shown."""
NAME = "the sample"
_COLUMNS = ("transaction_id", "internal_id", "identifier", "reference", "sum", "currency", "paid_on")


@dataclass(frozen=True)
class Sample:
    """The reading of a sample: the columns that have values, and the rows; why it would be rejected, if it would be.

    Each row has its line, its values, and its problem, which is empty if there is none.
    """

    text: str
    columns: Sequence[str] = ()
    rows: Sequence[tuple[int, Sequence[str], str]] = ()
    problem: str = ""

    @property
    def problems(self) -> int:
        """The number of rows with a problem."""
        return sum(bool(problem) for _, _, problem in self.rows)


def read_sample(layout: RowLayout, text: str) -> Sample:
    """Reads the first rows of a sample, as a job would read them in a file."""
    records: list[PaymentRecord] = []
    reason = ""
    try:
        content = text.encode(layout.encoding[0])
        # One by one, so that the rows before an error that rejects the file are shown, too.
        found = parse_records(layout, lambda: BytesIO(content), NAME)
        records += islice(found, MAX_ROWS)
        for _ in found:  # the totals of control records are compared at the end
            pass
    except InputFileError as error:
        reason = f"A job would reject the file: {error}"
    except UnicodeEncodeError as error:
        reason = f"{error.object[error.start]!r} is no character of {layout.encoding[0]}, the encoding of the layout."
    used = [name for name in _COLUMNS if any(getattr(one, name) for one in records)]
    rows = [(one.line, [getattr(one, name) or "" for name in used], one.problem or "") for one in records]
    return Sample(text, [name.replace("_", " ").capitalize() for name in used], rows, reason)
