"""The checks after a round: the files that the bursars received, the ledger by plain SQL, the working folders.

The checks do not use Bursar, so that a fault of Bursar cannot hide itself.
"""

from collections import Counter, defaultdict
from decimal import Decimal

from tests.campaign.fake_bursar import DONE, Bill, bills_by_file
from tests.campaign.money_checks import JournalChecks, PaymentChecks
from tests.campaign.report import Violation

KEPT_FOLDERS = ("rejects", "fine_ids")
"""Folders in a working folder whose files stay."""

CREDITS = ("credit", "reverse_charge")


class Checks(PaymentChecks, JournalChecks):
    """All checks of a round."""

    def run(self) -> list[Violation]:
        """Runs all checks; returns the violations."""
        for check in (
            self.check_files,
            self.check_exported_fines,
            self.check_payments,
            self.check_balances,
            self.check_locks_and_sessions,
            self.check_money_paid_out,
            self.check_desk_and_loads,
            self.check_working_files,
        ):
            check()
        return self.found

    def check_files(self) -> None:
        batches = self._rows("SELECT id, profile, state, fines, files FROM batches_with_state")
        resends = {
            (row["batch_id"], row["file_number"]): row
            for row in self._rows(
                "SELECT batch_id, file_number, count(*) AS asked, count(delivered_at) AS delivered FROM deliveries"
                " WHERE kind = 'resend' GROUP BY batch_id, file_number"
            )
        }
        files = [(batch, file) for batch in batches for file in batch["files"]]
        known = {self._key(file["name"], file["sent_sha256"]): (batch, file) for batch, file in files}
        copies: Counter[tuple[int, int]] = Counter()
        for bursar in self.bursars:
            for receipt in bursar.receipts:
                what = f"{receipt.name} of {receipt.profile}, {len(receipt.data)} bytes"
                found = known.get(self._key(receipt.name, receipt.sha256))
                self._require(receipt.bills is not None, "a file is incomplete", f"{what}: {receipt.fault}")
                self._require(found is not None, "a file belongs to no batch", what)
                if found is None:
                    continue
                batch, file = found
                copies[batch["id"], file["number"]] += 1
                right = (batch["profile"], file["sent_size"]) == (receipt.profile, len(receipt.data))
                self._require(right, "a file has another profile or size than its batch", f"{what}: {batch}")
                named = receipt.name == file["name"] or bursar.server.collects != "no"
                self._require(named, "a file has another name than its batch", f"{what}: {file['name']}")
        for batch in batches:
            if not batch["files"]:
                self._require(
                    batch["state"] == "CLOSED", "a batch is unfinished", f"batch {batch['id']}, without files"
                )
        for batch, file in files:
            place = batch["id"], file["number"]
            again, count = resends.get(place, {"asked": 0, "delivered": 0}), copies[place]
            what = f"{file['name']} of {batch['profile']}, {batch['state']}: {count} copies with the bursar"
            if batch["state"] == "RELEASED":
                self._require(count == 0, "a released batch has reached the bursar", what)
                continue
            self._require(batch["state"] == "CLOSED", "a batch is unfinished", what)
            if batch["fines"]:
                self._require(
                    count >= 1 + again["delivered"], "a file is lost", f"{what}, {again['delivered']} sent again"
                )
                self._require(
                    count <= 1 + again["asked"], "a file is sent twice", f"{what}, {again['asked']} asked for again"
                )

    @staticmethod
    def _key(name: str, sha256: str | None) -> str | None:
        """Returns what distinguishes a file from all others: its SHA-256, or the name of an empty one."""
        return name if name.endswith(DONE) else sha256

    def check_exported_fines(self) -> None:
        sent, reversed_ = self._received()
        exported, posted_reversals = self._exported()
        for fine in sent.keys() | exported.keys():
            what = f"fine {fine}: {sent[fine]} with the bursar, {exported[fine]} in the journal"
            self._require(len(sent[fine]) <= 1, "a fine is sent twice", what)
            self._require(sent[fine] == exported[fine], "the bursar has other amounts than the ledger", what)
        for fine in reversed_.keys() | posted_reversals.keys():
            what = f"fine {fine}: {reversed_[fine]} with the bursar, {posted_reversals[fine]} in the journal"
            self._require(reversed_[fine] == posted_reversals[fine], "a reversal is lost or sent twice", what)
        unsent = self._rows(
            "SELECT fines.id, balance, pending_reversal FROM fines JOIN users ON users.id = user_id"
            " WHERE (balance <> 0 OR pending_reversal <> 0) AND status <> 'DISPUTED' AND deleted_at IS NULL"
        )
        self._require(not unsent, "a fine is not sent", f"after the last export: {unsent}")

    def _received(self) -> tuple[dict[str, list[Decimal]], dict[str, Decimal]]:
        """Returns the sums that the bursars have received for each fine, and the reversed amount of each."""
        lines: dict[str, set[Bill]] = defaultdict(set)
        for row in self._rows(
            "SELECT deliveries.sha256, transaction_id, fine_id, currency, amount, reversed_transaction_id"
            " FROM batch_lines JOIN batch_files USING (batch_id) JOIN deliveries USING (batch_id)"
            " WHERE kind = 'first' AND file_number = batch_files.number"
            " AND (kinds IS NULL OR kinds = CASE WHEN amount < 0 THEN ARRAY['credit', 'reversal']"
            " ELSE ARRAY['charge'] END)"
        ):
            facts = (row["currency"], row["amount"], row["reversed_transaction_id"])
            lines[row["sha256"]].add(Bill(row["transaction_id"], str(row["fine_id"]), *facts))
        sent: dict[str, list[Decimal]] = defaultdict(list)
        reversed_: dict[str, Decimal] = defaultdict(Decimal)
        for bursar in self.bursars:
            for sha256, bills in bills_by_file(bursar.receipts):
                self._require(set(bills) == lines[sha256], "a file does not show the lines of its batch", sha256)
                for bill in bills:
                    charge = bursar.bills.get(bill.reverses or "")
                    if charge and charge.fine == bill.fine:
                        reversed_[bill.fine] -= bill.sum
                    else:
                        sent[bill.fine].append(bill.sum)
        return sent, reversed_

    def _exported(self) -> tuple[dict[str, list[Decimal]], dict[str, Decimal]]:
        """Returns the exported amounts of each fine in the journal, and the reversed amount of each."""
        exported: dict[str, list[Decimal]] = defaultdict(list)
        posted_reversals: dict[str, Decimal] = defaultdict(Decimal)
        before: dict[str, Decimal] = defaultdict(Decimal)
        for entry in self._rows("SELECT * FROM journal_entries ORDER BY id"):
            fine = str(entry["fine_id"])
            if entry["entry_type"] in ("EXPORTED", "EXPORTED_AND_PAID"):
                exported[fine].append(-entry["balance_change"])
                whole = before[fine] + entry["balance_change"] == 0
                self._require(whole, "a fine is not sent for its balance", f"fine {fine}: {before[fine]}, {entry}")
            if entry["entry_type"] == "REVERSED":
                posted_reversals[fine] -= min(entry["reversal_change"], Decimal())
            before[fine] += entry["balance_change"]
        return exported, posted_reversals

    def check_locks_and_sessions(self) -> None:
        queries = {
            "batch_claims": "SELECT * FROM batch_claims LIMIT 5",
            "advisory locks": "SELECT pid FROM pg_locks WHERE locktype = 'advisory'",
            "sessions": "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        }
        for what, query in queries.items():
            left = self._rows(query)
            self._require(not left, "a lock or a session is left", f"{what}: {left}")

    def check_desk_and_loads(self) -> None:
        entries = Counter(
            row["comment"]
            for row in self._rows("SELECT DISTINCT comment, fine_id FROM journal_entries WHERE comment IS NOT NULL")
        )
        credits_ = Counter(row["comment"] for row in self._rows("SELECT comment FROM fines WHERE comment IS NOT NULL"))
        deleted_users = self._rows("SELECT 1 FROM users WHERE deleted_at IS NOT NULL")
        for comment, (operation, outcome) in self.truth.operations.items():
            is_credit = operation in CREDITS
            count = (credits_ if is_credit else entries)[comment] if operation else 0
            what = f"{operation} {comment}: {outcome}, {count} in the ledger"
            self._require(count <= 1, "an operation of the desk is done twice", what)
            done = outcome != "done" or count == 1 or (is_credit and bool(deleted_users))
            self._require(done, "an operation of the desk is lost", what)
            self._require(outcome != "refused" or count == 0, "a refused operation of the desk has an effect", what)
        amounts = {row["source_id"]: row["amount"] for row in self._rows("SELECT source_id, amount FROM fines")}
        for fine in self.truth.loaded:
            what = f"{fine}: {amounts.get(fine)} in the ledger, {self.truth.fines[fine]} in the file"
            self._require(amounts.get(fine) == self.truth.fines[fine], "a loaded fine is lost", what)

    def check_working_files(self) -> None:
        for folder in self.work_dirs:
            left = [path for path in folder.rglob("*") if path.is_file() and not set(KEPT_FOLDERS) & set(path.parts)]
            self._require(not left, "a working file is left", ", ".join(str(path.relative_to(folder)) for path in left))
