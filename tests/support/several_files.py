"""Batches with several files: layouts for tests of exports, and a library with charges, a credit and a reversal."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.ledger import desk
from bursar.ledger.batches import Batch
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.layouts import make_layout_profile

APART = """\
kind: delimited
files:
  - {file_name: "{batch}-charges.csv", kinds: charge}
  - {file_name: "{batch}-credits.csv", kinds: [credit, reversal]}
records:
  - each: fine
    columns: [{value: "{transaction_id}"}, {value: "{amount:0.00}"}, {value: "{reversed_transaction_id}"}]
  - each: file
    columns: [{value: END}, {value: "{fines}"}, {value: "{sum:0.00}"}]
"""
DONE_FILE = 'done_file: "{batch}.done"\n'


def save_layout(folder: Path, text: str) -> None:
    """Writes the layout `mine` into the folder of the layouts of a test."""
    (folder / "mine.yaml").write_text(text, encoding="utf-8")


def select_apart(library: Library, run_id: str = "run 1", as_of: datetime = NOW, **export: Any) -> Batch:
    """Selects all fines in the layout `mine`."""
    profile = make_layout_profile(**export)
    return select_fines(library.ledger, profile, make_settings(), run_id=run_id, as_of=as_of)


def add_both_sides(library: Library) -> None:
    """Adds two charges, a credit, and a reversal of a charge that was exported before in XML."""
    reversed_ = library.fine(amount="20.00")
    before = select_fines(library.ledger, make_profile(), make_settings(), run_id="before", as_of=NOW)
    record_delivery(library.ledger, before.id)
    close_fines(library.ledger, before.id)
    with library.ledger.begin() as connection:
        desk.waive(connection, reversed_, Decimal("5.00"), allow_activity_on_transferred_finesfees=True)
    user = library.user()
    library.fine(user, "12.50")
    library.fine(user, "3.00")
    library.fine(amount="-7.25")


def is_each_exported_once(library: Library, batch: Batch) -> bool:
    """Returns whether each fine of a closed batch has one entry of it in the journal."""
    where = "FROM journal_entries WHERE batch_id = :batch"
    entries = library.one(f"SELECT count(*) {where}", batch=batch.id)
    fines = library.one(f"SELECT count(DISTINCT (fine_id, entry_type)) {where}", batch=batch.id)
    return bool(entries == fines == batch.fines)
