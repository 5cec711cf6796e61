"""The checks after a round: what the offices received, the ledger's rows by plain SQL, the folders that are left.

Nothing here uses Bursar: a mistake of its own would hide itself.
"""

from collections import Counter, defaultdict
from decimal import Decimal

from tests.campaign.money_checks import JournalChecks, PaymentChecks
from tests.campaign.office import Bill, bills_by_file
from tests.campaign.report import Violation

KEPT = ("rejects", "fine_ids")
"""Folders in the working folder that are meant to stay."""

CREDITS = ("credit", "reverse_charge")


class Checks(PaymentChecks, JournalChecks):
    """All checks of a round."""

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
        batches = self._rows("SELECT id, profile, file_name, file_size, sha256, state, fines FROM batches_with_state")
        resends = {
            row["batch_id"]: row
            for row in self._rows(
                "SELECT batch_id, count(*) AS asked, count(delivered_at) AS delivered FROM deliveries"
                " WHERE kind = 'resend' GROUP BY batch_id"
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
                self._that(
                    count >= 1 + again["delivered"], "a file is lost", f"{what}, {again['delivered']} sent again"
                )
                self._that(
                    count <= 1 + again["asked"], "a file is sent twice", f"{what}, {again['asked']} asked for again"
                )

    def fines_are_sent_once_for_their_balance(self) -> None:
        sent, reversed_ = self._received()
        exported, told = self._exported()
        for fine in sent.keys() | exported.keys():
            what = f"fine {fine}: {sent[fine]} with the bursar, {exported[fine]} in the journal"
            self._that(len(sent[fine]) <= 1, "a fine is sent twice", what)
            self._that(sent[fine] == exported[fine], "what the bursar has is not what the ledger says", what)
        for fine in reversed_.keys() | told.keys():
            what = f"fine {fine}: {reversed_[fine]} with the bursar, {told[fine]} in the journal"
            self._that(reversed_[fine] == told[fine], "a reversal is lost or sent twice", what)
        unsent = self._rows(
            "SELECT fines.id, balance, pending_reversal FROM fines JOIN users ON users.id = user_id"
            " WHERE (balance <> 0 OR pending_reversal <> 0) AND status <> 'DISPUTED' AND deleted_at IS NULL"
        )
        self._that(not unsent, "a fine is not sent", f"after the last export: {unsent}")

    def _received(self) -> tuple[dict[str, list[Decimal]], dict[str, Decimal]]:
        """What the bursars have received of each fine, and how much of it was reversed."""
        lines: dict[str, set[Bill]] = defaultdict(set)
        for row in self._rows(
            "SELECT sha256, transaction_id, fine_id, currency, amount, reversed_transaction_id"
            " FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id WHERE sha256 IS NOT NULL"
        ):
            facts = (row["currency"], row["amount"], row["reversed_transaction_id"])
            lines[row["sha256"]].add(Bill(row["transaction_id"], str(row["fine_id"]), *facts))
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
        return sent, reversed_

    def _exported(self) -> tuple[dict[str, list[Decimal]], dict[str, Decimal]]:
        """What the journal says was sent of each fine, each time its whole balance, and how much of it was reversed."""
        exported: dict[str, list[Decimal]] = defaultdict(list)
        told: dict[str, Decimal] = defaultdict(Decimal)
        before: dict[str, Decimal] = defaultdict(Decimal)
        for entry in self._rows("SELECT * FROM journal_entries ORDER BY id"):
            fine = str(entry["fine_id"])
            if entry["entry_type"] in ("EXPORTED", "EXPORTED_AND_PAID"):
                exported[fine].append(-entry["balance_change"])
                whole = before[fine] + entry["balance_change"] == 0
                self._that(whole, "a fine is not sent for its balance", f"fine {fine}: {before[fine]}, {entry}")
            if entry["entry_type"] == "REVERSED":
                told[fine] -= min(entry["reversal_change"], Decimal())
            before[fine] += entry["balance_change"]
        return exported, told

    def nothing_is_held(self) -> None:
        queries = {
            "batch_claims": "SELECT * FROM batch_claims LIMIT 5",
            "advisory locks": "SELECT pid FROM pg_locks WHERE locktype = 'advisory'",
            "sessions": "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        }
        for what, query in queries.items():
            left = self._rows(query)
            self._that(not left, "something is held", f"{what}: {left}")

    def desk_and_loads_are_as_told(self) -> None:
        entries = Counter(
            row["comment"]
            for row in self._rows("SELECT DISTINCT comment, fine_id FROM journal_entries WHERE comment IS NOT NULL")
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
