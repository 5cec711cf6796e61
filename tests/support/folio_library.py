"""The library of the FOLIO on loopback: its records, and what its staff and its patrons do."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.support.folio_actions import CANCELLED, prepare, to_money
from tests.support.folio_records import COLLECTIONS, Clock, Json, Table, format_moment

SERVICE_POINT = "00000000-0000-4000-8000-0000000000a1"
MAIN = "00000000-0000-4000-8000-0000000000b1"
LAW = "00000000-0000-4000-8000-0000000000b2"
OWNERS = {"Main Circulation": MAIN, "Law Circulation": LAW}
STUDENTS = "00000000-0000-4000-8000-00000000000a"
TYPES = ("Lost item fee", "Lost item processing fee", "Overdue fine", "Card")
TRANSFER_ACCOUNT, PAYMENT_METHOD, WAIVE_REASON, REFUND_REASON = "Bursar", "Bursar payment", "Bursar waiver", "Bursar"
ADA: Json = {
    "id": "00000000-0000-4000-8000-000000000007",
    "username": "ada",
    "barcode": "23529000",
    "externalSystemId": "00000007",
    "patronGroup": STUDENTS,
    "active": True,
    "expirationDate": "2027-08-31T23:59:59.000+00:00",
    "personal": {"lastName": "Okonkwo", "firstName": "Ada"},
}


class Library:
    """The records of a small library with two desks that charge, and one patron."""

    def __init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311
        self.clock = Clock()
        self.tables = {name: Table(self._random) for name in COLLECTIONS}
        self.accounts, self.actions = self.tables["accounts"], self.tables["feefineactions"]
        self.users = self.tables["users"]
        self.users.put(ADA)
        self.tables["groups"].put({"id": STUDENTS, "group": "students", "desc": "Students"})
        self.tables["service-points"].put({"id": SERVICE_POINT, "name": "Bursar", "code": "bursar"})
        for owner, id_ in OWNERS.items():
            self.tables["owners"].put({"id": id_, "owner": owner, "servicePointOwner": []})
            self._add("transfers", accountName=TRANSFER_ACCOUNT, ownerId=id_)
            self._add("payments", nameMethod=PAYMENT_METHOD, ownerId=id_, allowedRefundMethod=True)
        self._add("waives", nameReason=WAIVE_REASON)
        self._add("refunds", nameReason=REFUND_REASON)
        for type_ in TYPES:
            self._add("feefines", feeFineType=type_, automatic=type_ != "Card")

    def make_id(self) -> str:
        """Returns a new id; the same for the same library at the same point."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def add_user(self, **fields: Any) -> Json:
        """Adds a patron."""
        id_ = fields.get("id") or self.make_id()
        user = {"id": id_, "username": id_[:8], "patronGroup": STUDENTS, "personal": {"lastName": "Ng"}} | fields
        self.users.put({name: value for name, value in user.items() if value is not None})
        return user

    def charge(self, amount: float, type_: str = "Lost item fee", *, days: int = 0, **fields: Any) -> Json:
        """Charges a fee or fine, some days ago."""
        moment = format_moment(datetime.now(UTC) - timedelta(days=days, hours=1))
        account = self.make_account(amount, type_, moment, **fields)
        account["metadata"]["updatedDate"] = moment if days else self.clock.now()
        self.accounts.put(account)
        charged = {"id": self.make_id(), "accountId": account["id"], "userId": account["userId"], "dateAction": moment}
        self.actions.put(
            charged
            | {"typeAction": type_, "amountAction": amount, "balance": amount, "source": "Desk", "notify": False}
        )
        return account

    def make_account(self, amount: float, type_: str, moment: str, **fields: Any) -> Json:
        """Returns an account that was charged at a moment, and is not saved."""
        owner = fields.get("feeFineOwner", "Main Circulation")
        account = {
            "id": self.make_id(),
            "amount": amount,
            "remaining": amount,
            "status": {"name": "Open"},
            "paymentStatus": {"name": "Outstanding"},
            "feeFineType": type_,
            "feeFineOwner": owner,
            "ownerId": OWNERS.get(owner),
            "userId": ADA["id"],
            "title": 'Torts, cases and "materials"',
            "barcode": "39001000123",
            "callNumber": "KF1250",
            "location": "Stacks",
            "dueDate": "2026-02-01T23:59:59.000+00:00",
            "metadata": {"createdDate": moment, "updatedDate": moment},
        } | fields
        return {name: value for name, value in account.items() if value is not None}

    def fill(self, accounts: int, users: int) -> None:
        """Adds many patrons and open fines, without the actions of their charges."""
        moment = format_moment(datetime.now(UTC) - timedelta(days=1))
        patrons = [
            {
                "id": self.make_id(),
                "username": f"u{number}",
                "barcode": f"B{number}",
                "externalSystemId": f"{number:08}",
                "patronGroup": STUDENTS,
                "personal": {"lastName": f"Name {number}", "firstName": "First"},
            }
            for number in range(users)
        ]
        self.users.fill(patrons)
        self.accounts.fill(
            self.make_account(
                float(1 + number % 50),
                TYPES[number % 3],
                moment,
                userId=patrons[number % users]["id"],
                barcode=f"I{number}",
            )
            for number in range(accounts)
        )

    def get(self, account: Json) -> Json:
        """Returns an account as it is now."""
        return self.accounts.by_id[account["id"]]

    def act(self, account: Json, name: str, amount: float, information: str | None = None) -> None:
        """Pays, waives, transfers or refunds at the desk."""
        body = {"amount": str(amount), "paymentMethod": "Cash", "transactionInfo": information}
        desk = {"notifyPatron": True, "servicePointId": SERVICE_POINT, "userName": "Desk, Circulation"}
        saved = prepare(name, self.get(account), body | desk, self.list_refundable(account["id"]), self.clock.now)
        for action in saved.actions:
            self.actions.put(action)
        self.save_account(saved.account)

    def cancel(self, account: Json, how: str = CANCELLED) -> None:
        """Closes an account without a payment."""
        self.change(account, remaining=0.0, status={"name": "Closed"}, paymentStatus={"name": how})

    def return_item(self, account: Json) -> None:
        """Checks a lost item in: what was paid or transferred is refunded, and the open account is cancelled."""
        settled = self.total(account, "Paid") + self.total(account, "Transferred") - self.total(account, "Refunded")
        if settled:
            self.act(account, "refund", float(settled))
        self.cancel(account, "Cancelled item returned")

    def change(self, account: Json, **fields: Any) -> None:
        """Changes fields of an account, as a script of the library may."""
        self.save_account(self.get(account) | fields)

    def save_account(self, account: Json) -> None:
        """Saves an account whole, over whatever another writer has saved; its moment of change moves."""
        metadata = account["metadata"] | {"updatedDate": self.clock.now()}
        self.accounts.put(account | {"metadata": metadata})

    def list_actions(self, account: Json) -> list[Json]:
        """Returns the actions of an account, oldest first."""
        found = self.actions.list_of_account(account["id"])
        return sorted(found, key=lambda one: str(one["dateAction"]))

    def list_refundable(self, account: str) -> list[Json]:
        """Returns the actions that paid or transferred a part of an account."""
        found = self.list_actions({"id": account})
        return [one for one in found if one["typeAction"].split()[0] in ("Paid", "Transferred")]

    def total(self, account: Json, word: str) -> Decimal:
        """Returns the sum of the actions of a kind, such as `Transferred`."""
        return sum(
            (to_money(one["amountAction"]) for one in self.list_actions(account) if one["typeAction"].startswith(word)),
            start=Decimal(0),
        )

    def _add(self, name: str, **fields: Any) -> None:
        self.tables[name].put({"id": self.make_id()} | fields)
