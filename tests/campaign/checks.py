"""The checks after a round: what the offices received, the ledger's rows by plain SQL, the folders that are left.

Nothing here uses Bursar: a mistake of its own would hide itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import Connection

from tests.campaign.desk import Truth
from tests.campaign.office import Bill, Office, bills_by_file
from tests.campaign.report import Violation

KEPT = ("rejects", "fine_ids")
"""Folders in the working folder that are meant to stay."""

CREDITS = ("credit", "take_back")
LATE = ("ALREADY_SETTLED", "INVALID")


@dataclass
class Checks:
    """What has been checked of one round, and what was found."""

    connection: Connection
    offices: Sequence[Office]
    truth: Truth
    work_dirs: Iterable[Path]
    made: int = 0
    found: list[Violation] = field(default_factory=list)

    def run(self) -> list[Violation]:
        """Makes all checks; returns what must not be."""
        for check in (
            self.files_are_whole_and_sent_once,
            self.fines_are_sent_once_for_their_balance,
            self.payments_are_applied_once,
            self.balances_are_the_journal,
            self.nothing_is_held,
            self.nobody_is_paid_what_nobody_paid,
            self.desk_and_loads_are_as_told,
            self.no_working_file_is_left,
        ):
            check()
        return self.found

    def files_are_whole_and_sent_once(self) -> None:
        batches = self._rows("SELECT id, profile, file_name, file_size, sha256, state, fines FROM batches")
        resends = {
            row["batch_id"]: row
            for row in self._rows(
                "SELECT batch_id, count(*) AS asked, count(delivered_at) AS delivered FROM resends GROUP BY batch_id"
            )
        }
        known = {batch["sha256"]: batch for batch in batches if batch["sha256"]}
        copies: Counter[int] = Counter()
        for office in self.offices:
            for receipt in office.receipts:
                batch = known.get(receipt.sha256)
                what = f"{receipt.name} of {receipt.profile}, {len(receipt.data)} bytes"
                self._that(receipt.bills is not None, "a file is not whole", f"{what}: {receipt.fault}")
                self._that(batch is not None, "a file belongs to no batch", what)
                if batch is None:
                    continue
                copies[batch["id"]] += 1
                right = (batch["profile"], batch["file_size"]) == (receipt.profile, len(receipt.data))
                self._that(right, "a file has another profile or size than its batch", f"{what}: {batch}")
                named = receipt.name == batch["file_name"] or office.server.takes != "no"
                self._that(named, "a file has another name than its batch", f"{what}: {batch['file_name']}")
        for batch in batches:
            again, count = resends.get(batch["id"], {"asked": 0, "delivered": 0}), copies[batch["id"]]
            what = f"batch {batch['id']} of {batch['profile']}, {batch['state']}: {count} copies with the bursar"
            if batch["state"] == "RELEASED":
                self._that(count == 0, "a released batch is with the bursar", what)
                continue
            self._that(batch["state"] == "CLOSED", "a batch is unfinished", what)
            if batch["fines"]:
                self._that(count >= 1 + again["delivered"], "a file is lost", f"{what}, {again['delivered']} sent again")
                self._that(count <= 1 + again["asked"], "a file is sent twice", f"{what}, {again['asked']} asked for again")

    def fines_are_sent_once_for_their_balance(self) -> None:
        lines: dict[str, set[Bill]] = defaultdict(set)
        for row in self._rows(
            "SELECT sha256, transaction_id, fine_id, currency, amount, reversed_transaction_id"
            " FROM lines JOIN batches ON batches.id = lines.batch_id WHERE sha256 IS NOT NULL"
        ):
            lines[row["sha256"]].add(
                Bill(
                    row["transaction_id"],
                    str(row["fine_id"]),
                    row["currency"],
                    row["amount"],
                    row["reversed_transaction_id"],
                )
            )
        sent: dict[str, list[Decimal]] = defaultdict(list)
        reversed_: dict[str, Decimal] = defaultdict(Decimal)
        for office in self.offices:
            for sha256, bills in bills_by_file(office.receipts):
                self._that(set(bills) == lines[sha256], "a file does not show the lines of its batch", sha256)
                for bill in bills:
                    charge = office.bills.get(bill.reverses or "")
                    if charge and charge.fine == bill.fine:
                        reversed_[bill.fine] -= bill.sum
                    else:
                        sent[bill.fine].append(bill.sum)
        exported: dict[str, list[Decimal]] = defaultdict(list)
        told: dict[str, Decimal] = defaultdict(Decimal)
        before: dict[str, Decimal] = defaultdict(Decimal)
        for entry in self._rows("SELECT * FROM journal ORDER BY id"):
            fine = str(entry["fine_id"])
            if entry["kind"] in ("EXPORTED", "EXPORTED_AND_PAID"):
                exported[fine].append(-entry["balance_change"])
                whole = before[fine] + entry["balance_change"] == 0
                self._that(whole, "a fine is not sent for its balance", f"fine {fine}: {before[fine]}, {dict(entry)}")
            if entry["kind"] == "REVERSED":
                told[fine] -= min(entry["reversal_change"], Decimal())
            before[fine] += entry["balance_change"]
        for fine in sent.keys() | exported.keys():
            what = f"fine {fine}: {sent[fine]} with the bursar, {exported[fine]} in the journal"
            self._that(len(sent[fine]) <= 1, "a fine is sent twice", what)
            self._that(sent[fine] == exported[fine], "what the bursar has is not what the ledger says", what)
        for fine in reversed_.keys() | told.keys():
            what = f"fine {fine}: {reversed_[fine]} with the bursar, {told[fine]} in the journal"
            self._that(reversed_[fine] == told[fine], "a reversal is lost or sent twice", what)
        for row in self._rows("SELECT id, balance, to_reverse FROM fines WHERE balance <> 0 OR to_reverse <> 0"):
            what = f"fine {row['id']}: balance {row['balance']}, to reverse {row['to_reverse']} after the last export"
            self._that(self._may_stay(row["id"]), "a fine is not sent", what)

    def payments_are_applied_once(self) -> None:
        files = {row["sha256"]: row for row in self._rows("SELECT id, name, sha256, state FROM import_files")}
        records: dict[int, list[Any]] = defaultdict(list)
        for row in self._rows("SELECT * FROM import_records ORDER BY file_id, number"):
            records[row["file_id"]].append(row)
        for office in self.offices:
            self._that(not office.waiting(), "a payment file was not taken", f"{office.profile}: {office.waiting()}")
            for payment in {payment.sha256: payment for payment in office.payments}.values():
                file, what = files.get(payment.sha256), f"{payment.name} of {office.profile}"
                self._that(file is not None, "a payment file was never read", what)
                if file is None:
                    continue
                wanted = "REFUSED" if payment.broken else "APPLIED"
                self._that(file["state"] == wanted, "a payment file has not come to its end", f"{what}: {dict(file)}")
                read = tuple((row["transaction_id"], Decimal(row["sum"])) for row in records[file["id"]])
                self._that(read == payment.records, "the records of a payment file are not its own", what)
            self._sums_are_what_was_paid(office, records)
        twice = self._rows(
            "SELECT import_file_id, import_record FROM journal WHERE kind = 'PAID_AT_BURSAR'"
            " GROUP BY import_file_id, import_record HAVING count(*) > 1"
        )
        self._that(not twice, "a payment is in the journal twice", str(twice))
        other = self._rows(
            "SELECT file_id, number, applied, outstanding_change FROM import_records FULL JOIN"
            " (SELECT * FROM journal WHERE kind = 'PAID_AT_BURSAR') AS paid"
            " ON paid.import_file_id = file_id AND paid.import_record = number"
            " WHERE coalesce(applied, 0) <> coalesce(-outstanding_change, 0)"
        )
        self._that(not other, "a payment is not what the journal says", str(other))

    def _sums_are_what_was_paid(self, office: Office, records: dict[int, list[Any]]) -> None:
        by_transaction: dict[str, list[Any]] = defaultdict(list)
        for rows in records.values():
            for row in rows:
                by_transaction[row["matched_id"] or row["transaction_id"]].append(row)
        for transaction, paid in office.paid.items():
            rows = by_transaction[transaction]
            counted = sum(
                (abs(row[part] or 0) for row in rows for part in ("applied", "credited", "settled_before")), Decimal()
            )
            late = any(row["outcome"] in LATE for row in rows) and self._was_settled_here(transaction)
            what = f"transaction {transaction} of {office.profile}: {abs(paid)} paid, {counted} counted"
            self._that(counted <= abs(paid), "a payment counts more than once", what)
            self._that(late or counted == abs(paid), "a payment is lost", f"{what}: {[row['outcome'] for row in rows]}")
        credited = self._rows(
            "SELECT file_id, sum(credited) AS sum FROM import_records GROUP BY file_id HAVING sum(credited) <> 0"
        )
        made = self._rows(
            "SELECT import_file_id AS file_id, -sum(balance_change) AS sum FROM journal"
            " WHERE kind = 'CHARGED' AND import_file_id IS NOT NULL GROUP BY import_file_id"
        )
        same = sorted(map(str, credited)) == sorted(map(str, made))
        self._that(same, "credits are not what was overpaid", f"{credited}, {made}")

    def balances_are_the_journal(self) -> None:
        rows = self._rows(
            "SELECT fines.*, sum(balance_change) AS b, sum(outstanding_change) AS o, sum(reversal_change) AS r,"
            " sum(balance_change) FILTER (WHERE kind = 'CHARGED') AS charged,"
            " count(*) FILTER (WHERE kind = 'CHARGED') AS charges,"
            " sum(balance_change + outstanding_change) FILTER (WHERE kind <> 'CHARGED') AS left_it"
            " FROM fines LEFT JOIN journal ON fine_id = fines.id GROUP BY fines.id"
        )
        for row in rows:
            kept = (row["balance"], row["outstanding"], row["to_reverse"])
            what = f"fine {row['id']}: {kept}, in the journal {(row['b'], row['o'], row['r'])}"
            self._that(kept == (row["b"], row["o"], row["r"]), "a balance is not the journal's sum", what)
            charged = (row["charges"], row["charged"]) == (1, row["amount"])
            self._that(charged, "a fine is not charged once", f"fine {row['id']}: {row['charges']} x {row['charged']}")
            open_ = row["balance"] + row["outstanding"]
            accounted = row["amount"] == open_ - (row["left_it"] or 0)
            self._that(accounted, "cents are not accounted for", f"fine {row['id']}: {row['amount']} charged, {open_} open")
        for kind, rule in (
            ("EXPORTED", "balance_change = -outstanding_change AND reversal_change = 0"),
            ("PAID_AT_BURSAR", "balance_change = 0 AND reversal_change = 0"),
        ):
            wrong = self._rows(f"SELECT id FROM journal WHERE kind = '{kind}' AND NOT ({rule})")  # type: ignore[arg-type]
            self._that(not wrong, "an entry moves money from nowhere", f"{kind}: {wrong}")

    def nothing_is_held(self) -> None:
        for what, query in (
            ("claims", "SELECT * FROM claims LIMIT 5"),
            ("advisory locks", "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"),
            (
                "open transactions",
                "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            ),
        ):
            left = self._rows(query)  # type: ignore[arg-type]
            self._that(not left, "something is held", f"{what}: {left}")

    def nobody_is_paid_what_nobody_paid(self) -> None:
        """A charge and the credits for it: what went out is at most what came in and what is still owed."""
        for row in self._rows(
            "SELECT coalesce(reverses, fines.id) AS charge,"
            " sum(CASE WHEN amount > 0 AND kind IN ('PAID', 'PAID_AT_BURSAR') THEN -balance_change - outstanding_change"
            "          WHEN kind = 'CHARGED' AND import_file_id IS NOT NULL THEN -balance_change ELSE 0 END) AS paid_in,"
            " sum(CASE WHEN amount < 0 AND kind IN ('PAID', 'PAID_AT_BURSAR') OR kind = 'REFUNDED'"
            "          THEN balance_change + outstanding_change ELSE 0 END) AS paid_out,"
            " sum(CASE WHEN amount > 0 THEN balance_change + outstanding_change ELSE 0 END) AS owed"
            " FROM fines JOIN journal ON fine_id = fines.id WHERE amount > 0 OR reverses IS NOT NULL GROUP BY 1"
        ):
            what = f"charge {row['charge']}: {row['paid_in']} paid in, {row['paid_out']} out, {row['owed']} still owed"
            self._that(row["paid_out"] <= row["paid_in"] + row["owed"], "more is paid out than was paid in", what)

    def desk_and_loads_are_as_told(self) -> None:
        entries = Counter(
            row["comment"]
            for row in self._rows("SELECT DISTINCT comment, fine_id FROM journal WHERE comment IS NOT NULL")
        )
        credits_ = Counter(row["comment"] for row in self._rows("SELECT comment FROM fines WHERE comment IS NOT NULL"))
        forgotten = self._rows("SELECT 1 FROM users WHERE deleted_at IS NOT NULL")
        for comment, (operation, outcome) in self.truth.operations.items():
            is_credit = operation in CREDITS
            count = (credits_ if is_credit else entries)[comment] if operation else 0
            what = f"{operation} {comment}: {outcome}, {count} in the ledger"
            self._that(count <= 1, "an operation of the desk is done twice", what)
            done = outcome != "done" or count == 1 or (is_credit and bool(forgotten))
            self._that(done, "an operation of the desk is lost", what)
            self._that(outcome != "refused" or count == 0, "a refused operation of the desk has an effect", what)
        amounts = {row["source_id"]: row["amount"] for row in self._rows("SELECT source_id, amount FROM fines")}
        for fine in self.truth.loaded:
            what = f"{fine}: {amounts.get(fine)} in the ledger, {self.truth.fines[fine]} in the file"
            self._that(amounts.get(fine) == self.truth.fines[fine], "a loaded fine is lost", what)

    def no_working_file_is_left(self) -> None:
        for folder in self.work_dirs:
            left = [path for path in folder.rglob("*") if path.is_file() and not set(KEPT) & set(path.parts)]
            self._that(not left, "a working file is left", ", ".join(str(path.relative_to(folder)) for path in left))

    def _that(self, holds: bool, kind: str, what: str) -> None:  # noqa: FBT001
        self.made += 1
        if not holds:
            self.found.append(Violation(kind, what))

    def _may_stay(self, fine: int) -> bool:
        """A fine may be open after an export if it is disputed, or nobody's to be billed, or waits for such a fine."""
        return bool(
            self._rows(
                "SELECT 1 FROM fines JOIN users ON users.id = user_id WHERE fines.id = %s"
                " AND (status = 'DISPUTED' OR users.deleted_at IS NOT NULL)",
                fine,
            )
        )

    def _was_settled_here(self, transaction: str) -> bool:
        return bool(
            self._rows(
                "SELECT 1 FROM journal JOIN lines ON lines.fine_id = journal.fine_id WHERE transaction_id = %s"
                " AND outstanding_change <> 0 AND kind IN ('PAID', 'WAIVED', 'REVERSED')",
                transaction,
            )
        )

    def _rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query, values or None)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
