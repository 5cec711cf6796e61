"""The checks of money: payments, balances, and paid out amounts."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from tests.campaign.evidence import Evidence
from tests.campaign.fake_bursar import FakeBursar

LATE_OUTCOMES = ("ALREADY_SETTLED", "INVALID")
"""Outcomes of payments for a fine that was settled at the library meanwhile, or whose user was deleted."""


def _count(row: Any) -> Decimal:
    """Returns how much of a payment record counts, less what it reverses."""
    parts = ("applied", "credit_amount", "held_amount", "already_settled")
    counted = sum((abs(row[part] or 0) for part in parts), Decimal())
    return -counted if row["outcome"] == "PAYMENT_REVERSED" else counted


def _is_refused_reversal(row: Any, billed: Decimal) -> bool:
    """Whether a record reverses a payment, which the ledger refused, since it had not counted as one."""
    return bool(row["outcome"] == "INVALID" and row["amount"] * billed < 0)


class PaymentChecks(Evidence):
    """Checks that each payment is applied once."""

    def check_payments(self) -> None:
        files = {row["sha256"]: row for row in self._rows("SELECT id, name, sha256, state FROM import_files")}
        records: dict[int, list[Any]] = defaultdict(list)
        for row in self._rows("SELECT * FROM import_records ORDER BY file_id, number"):
            records[row["file_id"]].append(row)
        for bursar in self.bursars:
            self._require(
                not bursar.waiting(), "a payment file was not imported", f"{bursar.profile}: {bursar.waiting()}"
            )
            for payment in {payment.sha256: payment for payment in bursar.payments}.values():
                file, what = files.get(payment.sha256), f"{payment.name} of {bursar.profile}"
                self._require(file is not None, "a payment file was not loaded", what)
                if file is None:
                    continue
                wanted = "REJECTED" if payment.broken else "APPLIED"
                self._require(file["state"] == wanted, "a payment file is unfinished", f"{what}: {dict(file)}")
                read = tuple((row["transaction_id"], Decimal(row["sum"])) for row in records[file["id"]])
                self._require(read == payment.records, "the records of a payment file are not its own", what)
            self._check_sums(bursar, records)
        twice = self._rows(
            "SELECT import_file_id, import_record FROM journal_entries WHERE entry_type = 'PAID_AT_BURSAR'"
            " GROUP BY import_file_id, import_record HAVING count(*) > 1"
        )
        self._require(not twice, "a payment is in the journal twice", str(twice))
        other = self._rows(
            "SELECT file_id, number, applied, outstanding_change FROM import_records FULL JOIN"
            " (SELECT * FROM journal_entries WHERE entry_type = 'PAID_AT_BURSAR') AS paid"
            " ON paid.import_file_id = file_id AND paid.import_record = number"
            " WHERE coalesce(applied, 0) <> coalesce(-outstanding_change, 0)"
        )
        self._require(not other, "a payment is not what the journal says", str(other))

    def _check_sums(self, bursar: FakeBursar, records: dict[int, list[Any]]) -> None:
        by_transaction: dict[str, list[Any]] = defaultdict(list)
        for rows in records.values():
            for row in rows:
                by_transaction[row["matched_id"] or row["transaction_id"]].append(row)
        for transaction, paid in bursar.paid.items():
            rows = by_transaction[transaction]
            counted = sum((_count(row) for row in rows), Decimal())
            billed = bursar.bills[transaction].sum
            refused = sum((abs(row["amount"]) for row in rows if _is_refused_reversal(row, billed)), Decimal())
            late = any(row["outcome"] in LATE_OUTCOMES for row in rows) and self._is_settled(transaction)
            what = f"transaction {transaction} of {bursar.profile}: {abs(paid)} paid, {counted} counted"
            self._require(counted <= abs(paid) + refused, "a payment counts more than once", what)
            self._require(
                late or counted == abs(paid), "a payment is lost", f"{what}: {[row['outcome'] for row in rows]}"
            )
        credited = self._rows(
            "SELECT file_id, sum(credit_amount) AS sum FROM (SELECT file_id, credit_amount FROM import_records"
            " UNION ALL SELECT file_id, held_amount FROM import_records WHERE held_decision = 'released') AS overpaid"
            " GROUP BY file_id HAVING sum(credit_amount) <> 0"
        )
        made = self._rows(
            "SELECT import_file_id AS file_id, -sum(balance_change) AS sum FROM journal_entries"
            " WHERE entry_type = 'CHARGED' AND import_file_id IS NOT NULL GROUP BY import_file_id"
        )
        same = sorted(map(str, credited)) == sorted(map(str, made))
        self._require(same, "credits are not what was overpaid", f"{credited}, {made}")

    def _is_settled(self, transaction: str) -> bool:
        """Whether the fine was settled at the library, or its user was deleted."""
        return bool(
            self._rows(
                "SELECT 1 FROM journal_entries JOIN batch_lines ON batch_lines.fine_id = journal_entries.fine_id"
                " JOIN fines ON fines.id = batch_lines.fine_id JOIN users ON users.id = fines.user_id"
                " WHERE transaction_id = %s AND (users.deleted_at IS NOT NULL"
                " OR outstanding_change <> 0 AND entry_type IN ('PAID', 'WAIVED', 'REVERSED'))",
                transaction,
            )
        )


class JournalChecks(Evidence):
    """Checks that balances are the sums of the journal, and that no money appears from nowhere."""

    def check_balances(self) -> None:
        rows = self._rows(
            "SELECT fines.*, sum(balance_change) AS b, sum(outstanding_change) AS o, sum(reversal_change) AS r,"
            " sum(balance_change) FILTER (WHERE entry_type = 'CHARGED') AS charged,"
            " count(*) FILTER (WHERE entry_type = 'CHARGED') AS charges,"
            " sum(balance_change + outstanding_change) FILTER (WHERE entry_type <> 'CHARGED') AS left_it"
            " FROM fines LEFT JOIN journal_entries ON fine_id = fines.id GROUP BY fines.id"
        )
        for row in rows:
            kept = (row["balance"], row["outstanding"], row["pending_reversal"])
            what = f"fine {row['id']}: {kept}, in the journal {(row['b'], row['o'], row['r'])}"
            self._require(kept == (row["b"], row["o"], row["r"]), "a balance is not the journal's sum", what)
            charged = (row["charges"], row["charged"]) == (1, row["amount"])
            self._require(
                charged, "a fine is not charged once", f"fine {row['id']}: {row['charges']} x {row['charged']}"
            )
            open_ = row["balance"] + row["outstanding"]
            accounted = row["amount"] == open_ - (row["left_it"] or 0)
            what = f"fine {row['id']}: {row['amount']} charged, {open_} open"
            self._require(accounted, "cents are not accounted for", what)
        for kind, rule in (
            ("EXPORTED", "balance_change = -outstanding_change AND reversal_change = 0"),
            ("PAID_AT_BURSAR", "balance_change = 0 AND reversal_change = 0"),
        ):
            wrong = self._rows(f"SELECT id FROM journal_entries WHERE entry_type = '{kind}' AND NOT ({rule})")
            self._require(not wrong, "an entry moves money from nowhere", f"{kind}: {wrong}")

    def check_money_paid_out(self) -> None:
        """For each charge and its credits, at most the paid and the owed amount is paid out."""
        for row in self._rows(
            "SELECT coalesce(reverses, fines.id) AS charge,"
            " sum(CASE WHEN amount > 0 AND entry_type IN ('PAID', 'PAID_AT_BURSAR')"
            "          THEN -balance_change - outstanding_change"
            "          WHEN entry_type = 'CHARGED' AND import_file_id IS NOT NULL THEN -balance_change"
            "          ELSE 0 END) AS paid_in,"
            " sum(CASE WHEN amount < 0 AND entry_type IN ('PAID', 'PAID_AT_BURSAR') OR entry_type = 'REFUNDED'"
            "          THEN balance_change + outstanding_change ELSE 0 END) AS paid_out,"
            " sum(CASE WHEN amount > 0 THEN balance_change + outstanding_change ELSE 0 END) AS owed"
            " FROM fines JOIN journal_entries ON fine_id = fines.id WHERE amount > 0 OR reverses IS NOT NULL GROUP BY 1"
        ):
            what = f"charge {row['charge']}: {row['paid_in']} paid in, {row['paid_out']} out, {row['owed']} still owed"
            self._require(row["paid_out"] <= row["paid_in"] + row["owed"], "more is paid out than was paid in", what)
