"""What must hold after any history of loads, whatever the rules: read from the ledger, without an oracle."""

from collections.abc import Mapping
from decimal import Decimal

from tests.support.library_books import Entry
from tests.support.library_system import LibrarySystem

BILLED = """
SELECT source_id, abs(balance), outstanding, posted.is_exported, posted.settled_here,
       (SELECT coalesce(sum(abs(credits.balance) + abs(credits.outstanding)), 0) FROM fines AS credits
        WHERE credits.reverses = fines.id)
FROM fines
CROSS JOIN LATERAL (
    SELECT bool_or(entry_type = 'EXPORTED') AS is_exported,
           abs(coalesce(sum(balance_change) FILTER (
               WHERE fine_id = fines.id AND load_id IS NULL AND entry_type IN ('PAID', 'WAIVED')), 0)) AS settled_here
    FROM journal_entries WHERE fine_id IN (fines.id, fines.reverses)    -- a credit of an exported charge counts in full
) AS posted
WHERE source_id IS NOT NULL
  AND source_id NOT IN (SELECT source_id FROM load_messages WHERE kind <> 'deferred' AND source_id IS NOT NULL)
  AND id NOT IN (SELECT credits.reverses FROM load_messages JOIN fines AS credits ON credits.id = load_messages.fine_id
                 WHERE credits.reverses IS NOT NULL AND code = 'still_owed')
"""
PENDING = """
SELECT source_id, abs(amount), abs(balance) FROM fines
WHERE source_id IS NOT NULL AND amount < 0
  AND reverses IN (SELECT fine_id FROM journal_entries WHERE entry_type = 'EXPORTED')
  AND id NOT IN (SELECT fine_id FROM journal_entries WHERE entry_type = 'EXPORTED')
  AND source_id NOT IN (SELECT source_id FROM load_messages WHERE kind <> 'deferred' AND source_id IS NOT NULL)
"""
ASKED = """
WITH sent AS (
    SELECT batch_lines.* FROM batch_lines JOIN batches ON batches.id = batch_id WHERE closed_at IS NOT NULL
), overpaid AS (
    SELECT fine_id FROM journal_entries WHERE entry_type = 'CHARGED' AND import_file_id IS NOT NULL
)
SELECT charge.fine_id, count(*) FILTER (WHERE NOT line.reversal AND line.amount > 0), max(fines.amount),
       sum(line.amount),
       (SELECT coalesce(-sum(balance_change + outstanding_change), 0) FROM journal_entries AS paid
        WHERE paid.fine_id = charge.fine_id AND entry_type IN ('PAID', 'REFUNDED'))
FROM sent AS charge
JOIN fines ON fines.id = charge.fine_id
JOIN sent AS line ON line.transaction_id = charge.transaction_id
                  OR line.reversed_transaction_id = charge.transaction_id
                     AND line.fine_id NOT IN (SELECT fine_id FROM overpaid)
WHERE NOT charge.reversal AND charge.amount > 0
  AND NOT EXISTS (SELECT FROM load_messages AS asked
                  WHERE asked.code = 'credits_beyond_amount' AND asked.fine_id = charge.fine_id)
GROUP BY charge.fine_id
"""


def check_bills(system: LibrarySystem, entries: Mapping[str, Entry], *, closes_exported_fines: bool) -> None:
    """Checks that nothing owed is lost and nothing settled is billed, unless a message asked a person to act."""
    for source_id, balance, outstanding, is_exported, settled_here, on_its_way in system.rows(BILLED):
        entry = entries[source_id]
        if not is_exported:
            assert balance <= entry.balance <= balance + settled_here, source_id
        elif not entry.is_credit and not closes_exported_fines:
            assert outstanding - on_its_way <= entry.balance, source_id
    for source_id, amount, balance in system.rows(PENDING):  # a credit of an exported charge, on its way there
        entry = entries[source_id]
        assert balance == 0 if entry.status == "cancelled" else amount == entry.amount, source_id


def check_exports(system: LibrarySystem) -> None:
    """Checks that a bursar was asked once for each charge, and never for more than it, or less than was paid back.

    Below 0 is what was paid at the library and is given back by the bursar.
    """
    for fine, charged, amount, asked, paid_here in system.rows(ASKED):
        assert charged == 1, fine
        assert -max(paid_here, Decimal()) <= asked <= amount, fine
