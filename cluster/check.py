"""Checks that every fine was exported once and every payment applied once, in the ledger and the bursars' folders."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Engine, text

from cluster.library import CODES, FINES, server_of
from demo.bursar_office import Bill, bills, payments, write_payments

EXPORTED = """
    SELECT batch_lines.transaction_id, fines.source_id, batch_lines.amount, fines.outstanding, batches.file_name,
           batches.files -> 0 ->> 'sha256' AS sha256,
           (SELECT count(*) FROM journal_entries WHERE fine_id = fines.id AND entry_type = 'EXPORTED') AS exported
    FROM batch_lines JOIN fines ON fines.id = batch_lines.fine_id
    JOIN batches_with_state AS batches ON batches.id = batch_lines.batch_id
    WHERE batches.state = 'CLOSED'
"""
APPLIED = """
    SELECT transaction_id, -sum(outstanding_change) AS applied, count(*) AS entries
    FROM journal_entries JOIN batch_lines USING (fine_id) WHERE entry_type = 'PAID_AT_BURSAR' GROUP BY transaction_id
"""
CREDITS = "SELECT -sum(amount) FROM fines WHERE fine_fee_type = 'CREDIT'"
UNBALANCED = """
    SELECT count(*) FROM fines JOIN (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding
        FROM journal_entries GROUP BY 1
    ) AS entries ON entries.fine_id = fines.id
    WHERE (fines.balance, fines.outstanding) <> (entries.balance, entries.outstanding)
"""


def files(bursars: Path, code: str) -> list[Path]:
    """Returns all files in a bursar's folder, hidden ones too."""
    return sorted((bursars / server_of(code) / code / "out").iterdir())


def find_export_problems(engine: Engine, bursars: Path, fines: Mapping[str, Decimal]) -> list[str]:
    """Returns the problems after the exports, as sentences."""
    problems = []
    with engine.connect() as connection:
        rows = connection.execute(text(EXPORTED)).all()
        claims = connection.scalar(text("SELECT count(*) FROM batch_claims"))
    lines = Counter(row.source_id for row in rows)
    if lines != Counter(dict.fromkeys(fines, 1)) or claims:
        problems.append(f"{len(fines)} fines, {sum(lines.values())} lines, {claims} claims left")
    problems += [f"fine {row.source_id} was closed {row.exported} times" for row in rows if row.exported != 1]
    problems += [
        f"fine {row.source_id}: {row.amount} exported, {row.outstanding} outstanding, not {fines[row.source_id]}"
        for row in rows
        if not row.amount == row.outstanding == fines[row.source_id]
    ]
    recorded = {row.file_name: row.sha256 for row in rows}
    for code in CODES:
        found = files(bursars, code)
        if [recorded.get(file.name) for file in found] != [sha256(file.read_bytes()).hexdigest() for file in found]:
            problems.append(f"{code}: {[file.name for file in found]} are not the recorded files")
    in_files = [bill for code in CODES for file in files(bursars, code) for bill in bills(file)]
    if sorted((bill.transaction_id, bill.sum) for bill in in_files) != sorted(
        (row.transaction_id, row.amount) for row in rows
    ):
        problems.append("the files do not hold each line of the ledger once")
    return problems


def send_payments(bursars: Path) -> list[Bill]:
    """Writes a payment file for each exported file; returns all payments."""
    paid = []
    for code in CODES:
        (file,) = files(bursars, code)
        answer = payments(bills(file))
        write_payments(
            answer, bursars / server_of(code) / code / "in", f"payments-{code}.xml", done_file_suffix=".done"
        )
        paid += answer
    return paid


def find_import_problems(engine: Engine, bursars: Path, paid: list[Bill], fines: Mapping[str, Decimal]) -> list[str]:
    """Returns the problems after the imports, as sentences."""
    problems = []
    with engine.connect() as connection:
        owed = {row.transaction_id: row.amount for row in connection.execute(text(EXPORTED))}
        applied = {row.transaction_id: row for row in connection.execute(text(APPLIED))}
        credited = connection.scalar(text(CREDITS))
        unbalanced = connection.scalar(text(UNBALANCED))
    known = [bill for bill in paid if bill.transaction_id in owed]
    expected = {bill.transaction_id: min(bill.sum, owed[bill.transaction_id]) for bill in known}
    if {number: row.applied for number, row in applied.items()} != expected:
        problems.append(f"{sum(expected.values())} was paid, {sum(row.applied for row in applied.values())} applied")
    problems += [f"{number} was paid {row.entries} times" for number, row in applied.items() if row.entries != 1]
    too_much = sum(bill.sum for bill in known) - sum(expected.values())
    if credited != too_much:
        problems.append(f"{too_much} was overpaid, {credited} became a credit")
    if unbalanced or len(owed) != len(fines) or len(known) < FINES:
        problems.append(f"{unbalanced} fines differ from the journal; {len(owed)} were exported, {len(known)} paid")
    for code in CODES:
        folder = bursars / server_of(code) / code / "in"
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if names != [f"processed/payments-{code}.xml", f"processed/payments-{code}.xml.done"]:
            problems.append(f"{code}: the folder of payments holds {names}")
    return problems
