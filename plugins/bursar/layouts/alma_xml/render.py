"""Renders the file of a batch from its lines."""

from collections.abc import Generator, Mapping
from contextlib import closing

from sqlalchemy import Connection, text

from bursar.db.bulk_copy import ROWS_PER_BLOCK, copy_out
from bursar.db.queries import query
from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger.batches import Batch
from bursar.progress import log_progress

OPENING = """\
<?xml version="1.0" encoding="UTF-8"?>
<xb:xml-fragment xmlns:xb="{NAMESPACE}">
\t<xb:userExportedFineFees>
\t\t<xb:exportNumber>{export_number}</xb:exportNumber>
\t</xb:userExportedFineFees>
\t<xb:userExportedFineFees>
\t\t<xb:userExportedList>
"""
CLOSING = """\
\t\t\t\t</xb:finefeeList>
\t\t\t</xb:userExportedFineFeesList>
\t\t</xb:userExportedList>
\t</xb:userExportedFineFees>
</xb:xml-fragment>
"""


NIL = ' xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
"""The end of the tag of an element without a value."""


def render_file(connection: Connection, batch: Batch) -> Generator[bytes]:
    """Yields the bytes of a batch's file, in blocks; memory stays flat.

    PostgreSQL renders the fines and copies them out, so that Python handles blocks and no single fines.
    """
    options = batch.render_options
    form: Mapping[str, bool] = options.get("xml", {})  # batches of earlier versions have none
    compact = form.get("compact", False)
    connection.execute(text("SELECT set_config('TimeZone', :zone, true)"), {"zone": options["time_zone"]})
    # The index has the lines in order. The statistics of a table that has just grown would suggest a sort.
    connection.execute(text("SET LOCAL enable_sort = off"))
    statement = query("layouts/alma_xml/render_lines")
    if compact:
        statement = text(statement.text.replace(r"\n", "").replace(r"\t", ""))
    lines = statement.bindparams(
        batch_id=batch.id,
        identifier_type=options["identifier_type"],
        institution_id=options["institution_id"],
        include_internal_id=options["include_internal_id"],
        call_number="itemCallNumber" if form.get("correct_call_number") else "itemCallNumebr",
        end_without_value="/>" if form.get("empty_elements") else NIL,
        moment="MM/DD/YYYY HH24:MI:SS" + (" TZ" if options["append_time_zone_abbreviation"] else ""),
    )
    opening = OPENING.format(NAMESPACE=NAMESPACE, export_number=batch.id)
    yield (_remove_blanks(opening) if compact else opening).encode()
    with closing(copy_out(connection, lines, line_feeds=not compact)) as rows:
        yield from log_progress(rows, "Wrote fines", batch.fines, each=ROWS_PER_BLOCK)
    yield (_remove_blanks(CLOSING) if compact else CLOSING).encode()


def _remove_blanks(elements: str) -> str:
    return elements.replace("\n", "").replace("\t", "")
