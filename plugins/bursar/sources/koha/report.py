"""Reads account lines page by page with the saved report whose text is docs/how-to/koha-report.sql.

Koha cuts an answer at SvcMaxReportRows without a word, and may keep answers and give them again. Each row therefore
repeats the number of the run, which is new in each request, and the number of rows that there were. An answer always
has a row, which is blank if there are no lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from bursar.errors import BursarError
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.model import KohaSource

PAGE_ROWS = 1_500
COLUMNS = {
    "run", "read_at", "koha_version", "max_report_rows", "has_credit_type", "row_count", "fine_id", "user_id",
    "debit_type", "credit_type", "amount", "balance", "charged_at", "line_status", "settled_by", "reverses",
    "line_branch", "item_home_branch", "patron_branch", "item_barcode", "item_title", "item_call_number", "userid",
    "cardnumber", "surname", "firstname", "sort1", "sort2", "expiry_date", "category", "category_name", "attributes",
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One answer: rows in the order of their lines, and how many there were from the first one on.

    `read_at` is the moment of Koha's database. `version` is as in 23.0500000. `max_rows` is SvcMaxReportRows.
    """

    rows: list[Row]
    row_count: int
    read_at: datetime
    version: str
    max_rows: str
    has_credit_type: bool


def read_pages(
    client: KohaClient, source: KohaSource, since: datetime | None, page_rows: int = PAGE_ROWS
) -> Iterator[Page]:
    """Yields pages of the lines that changed since a moment, or of all that are open and of some that were.

    There is at least one page. Lines that change meanwhile may have their old values or their new ones.

    Raises:
        TransientError: Koha can't be reached, or does not answer in time.
        BursarError: the login is refused, or the report is not what it has to be.
    """
    after = 0
    while True:
        page = read_page(client, source, since, after, page_rows)
        yield page
        if len(page.rows) >= page.row_count:
            return
        after = int(page.rows[-1]["fine_id"])


def read_page(
    client: KohaClient, source: KohaSource, since: datetime | None, after: int = 0, page_rows: int = PAGE_ROWS
) -> Page:
    """Reads the page after a line; see `read_pages`."""
    run = uuid4().hex
    since_seconds = int(since.timestamp()) if since else 0
    codes = ",".join(source.attribute_codes)
    params = [run, codes, source.credit_type, str(after), str(since_seconds), str(page_rows)]
    rows = client.run_report(source.report, params).parse_json()
    report = f"The saved report {source.report} of {client.account}"
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BursarError(f"{report} has ended with an error. Run it in Koha, and save the text of the manual again.")
    if not rows or not rows[0].keys() >= COLUMNS:
        raise BursarError(
            f"{report} does not have the columns of the text in the manual. Save that text, unchanged, and write the "
            "number of the report into the source's file."
        )
    if any(row["run"] != run for row in rows):
        raise BursarError(
            f"{report} has answered with rows of an earlier request. Set the report's cache expiry to 1 second, or "
            "wait until what is kept has expired."
        )
    lines = [row for row in rows if row["fine_id"] is not None]
    ids = [int(row["fine_id"]) for row in lines]
    if ids != sorted(set(ids)) or (ids and ids[0] <= after):
        raise BursarError(f"{report} does not have its rows in order. Save the text of the manual again, unchanged.")
    first = rows[0]
    return Page(
        rows=lines,
        row_count=int(first["row_count"] or 0),
        read_at=datetime.fromtimestamp(int(first["read_at"]), UTC),
        version=str(first["koha_version"]),
        max_rows=str(first["max_report_rows"]),
        has_credit_type=int(first["has_credit_type"]) > 0,
    )
