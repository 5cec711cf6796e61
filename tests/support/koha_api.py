"""The routes of the Koha server below /api/v1: patrons, their accounts and attributes, libraries, categories.

Read in the source: a credit is written in one transaction and applied in further ones; ids of lines are not checked
against the patron; an id of a credit is an error after the credit was recorded; what is left goes to other debits of
the patron. [guess]: texts of errors that were not seen on 19.06, and that foreign patrons' values are null.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.support.koha_login import Logins
from tests.support.koha_query import QueryError, Row, cut_page, select
from tests.support.koha_state import LIBRARIAN, KohaState, as_decimal
from tests.support.koha_traps import Traps
from tests.support.koha_wire import Answer, Request, json_answer

BASE = "/api/v1"
ACCOUNT = ("borrowers:edit_borrowers", "updatecharges:remaining_permissions")
PATRON_FIELDS = ("patron_id", "userid", "cardnumber", "surname", "firstname", "category_id", "library_id")
_LINES = "SELECT * FROM accountlines WHERE borrowernumber = ? AND {} IS NOT NULL ORDER BY accountlines_id"
Handler = Callable[..., Answer]


class Api:
    """The routes; each handler gets the request and the ids in its path."""

    def __init__(self, state: KohaState, traps: Traps, logins: Logins) -> None:
        self.state, self.traps, self.logins = state, traps, logins
        patron = "/patrons/([0-9]+)"
        self.routes: list[tuple[str, re.Pattern[str], tuple[str, ...], Handler]] = [
            (method, re.compile(path), permissions, handler)
            for method, path, permissions, handler in (
                ("GET", "/libraries", (), self.list_libraries),
                ("GET", "/patron_categories", ("borrowers:edit_borrowers",), self.list_categories),
                ("GET", "/patrons", ("borrowers:edit_borrowers",), self.list_patrons),
                ("GET", patron, ("borrowers:edit_borrowers",), self.get_patron),
                ("GET", f"{patron}/account", ACCOUNT, self.get_account),
                ("GET", f"{patron}/account/(debits|credits)", ACCOUNT, self.list_lines),
                ("POST", f"{patron}/account/credits", ACCOUNT[1:], self.add_credit),
                ("GET", f"{patron}/extended_attributes", ("borrowers:edit_borrowers",), self.list_attributes),
                ("POST", f"{patron}/extended_attributes", ("borrowers:edit_borrowers",), self.add_attribute),
            )
        ]

    def answer(self, request: Request) -> Answer:
        """Answers a request of the API."""
        path = request.path.removeprefix(BASE)
        if (request.method, path) == ("POST", "/oauth/token"):
            return self.logins.give_token(request)
        for method, pattern, permissions, handler in self.routes:
            if method == request.method and (match := pattern.fullmatch(path)):
                if refusal := self.logins.find_refusal(request, permissions):
                    return refusal
                try:
                    return handler(request, *match.groups())
                except QueryError as error:
                    return self.refuse(str(error))
        return json_answer(404, {"errors": [{"message": "Not Found.", "path": "/"}]})

    def refuse(self, message: str, path: str = "/") -> Answer:
        """Returns a refusal of values, in one of two shapes."""
        if self.traps.errors_as_list:
            return json_answer(400, {"errors": [{"message": message, "path": path}]})
        return json_answer(400, {"error": message, "error_code": "bad_request"})

    def list_rows(self, request: Request, rows: list[Row], listed: tuple[str, ...] = ()) -> Answer:
        """Returns the page of rows that a request asks for."""
        found = select(rows, request.parameters, listed=listed)
        page, number, pages = cut_page(found, request.parameters, self.traps.page_size)
        places = {"first": 1, "prev": number - 1, "next": number + 1, "last": pages}
        links = [f'<{request.path}?_page={n}>; rel="{name}"' for name, n in places.items() if 1 <= n <= pages]
        return json_answer(
            200,
            page,
            {"X-Total-Count": str(len(found)), "X-Base-Total-Count": str(len(rows)), "Link": ", ".join(links)},
        )

    def list_libraries(self, request: Request) -> Answer:
        rows = self.state.rows("SELECT branchcode AS library_id, branchname AS name FROM branches")
        return self.list_rows(request, [dict(row) for row in rows], ("library_id", "name"))

    def list_categories(self, request: Request) -> Answer:
        rows = self.state.rows("SELECT categorycode AS patron_category_id, description AS name FROM categories")
        return self.list_rows(request, [dict(row) for row in rows], ("name",))

    def list_patrons(self, request: Request) -> Answer:
        rows = [self.show_patron(row) for row in self.state.rows("SELECT * FROM borrowers")]
        return self.list_rows(request, rows, PATRON_FIELDS)

    def get_patron(self, _: Request, patron: str) -> Answer:
        rows = self.state.rows("SELECT * FROM borrowers WHERE borrowernumber = ?", int(patron))
        return json_answer(200, self.show_patron(rows[0])) if rows else self.no_patron()

    def show_patron(self, row: sqlite3.Row) -> Row:
        """Returns a patron as the API shows one; values of patrons of other branches may be null."""
        shown = {
            "patron_id": row["borrowernumber"],
            "userid": row["userid"],
            "cardnumber": row["cardnumber"],
            "surname": row["surname"],
            "firstname": row["firstname"],
            "category_id": row["categorycode"],
            "library_id": row["branchcode"],
            "expiry_date": row["dateexpiry"],
            "statistics_1": row["sort1"],
            "statistics_2": row["sort2"],
        }
        may_see = "borrowers:view_borrower_infos_from_any_libraries" in self.traps.permissions
        if may_see or row["branchcode"] == self.traps.user_branch:
            return shown
        return {name: value if name in ("patron_id", "library_id") else None for name, value in shown.items()}

    def no_patron(self) -> Answer:
        """Returns the answer about a patron who does not exist."""
        return json_answer(404, {"error": "Patron not found."})

    def has_patron(self, patron: str) -> bool:
        """Returns whether a patron exists."""
        return bool(self.state.one("SELECT 1 FROM borrowers WHERE borrowernumber = ?", int(patron)))

    def get_lines(self, patron: str, kind: str) -> list[dict[str, Any]]:
        """Returns all debits or credits of a patron, as the API shows them."""
        column = f"{kind.removesuffix('s')}_type_code"
        return [self.show_line(row) for row in self.state.rows(_LINES.format(column), int(patron))]

    def show_line(self, row: sqlite3.Row) -> dict[str, Any]:
        """Returns an account line as the API shows it; amounts of credits are negative."""
        return {
            "account_line_id": row["accountlines_id"],
            "patron_id": row["borrowernumber"],
            "item_id": row["itemnumber"],
            "checkout_id": row["issue_id"],
            "date": row["date"][:10],
            "amount": round(row["amount"], 6),
            "amount_outstanding": round(row["amountoutstanding"], 6),
            "type": row["debit_type_code"] or row["credit_type_code"],
            "debit_type": row["debit_type_code"],
            "credit_type": row["credit_type_code"],
            "status": row["status"],
            "description": row["description"],
            "internal_note": row["note"],
            "payment_type": row["payment_type"],
            "library_id": row["branchcode"],
            "user_id": row["manager_id"],
            "interface": row["interface"],
            "timestamp": f"{row['timestamp'].replace(' ', 'T')}+00:00",
        }

    def get_account(self, _: Request, patron: str) -> Answer:
        if not self.has_patron(patron):
            return self.no_patron()
        account: dict[str, Any] = {"balance": 0}
        total = Decimal(0)
        for kind in ("debits", "credits"):
            lines = [line for line in self.get_lines(patron, kind) if line["amount_outstanding"]]
            if self.traps.fails_without_manager and any(line["user_id"] is None for line in lines):
                message = "Expected integer - got null."
                path = f"/outstanding_{kind}/lines/0/user_id"
                return json_answer(500, {"errors": [{"message": message, "path": path}]})
            sum_ = sum((as_decimal(line["amount_outstanding"]) for line in lines), Decimal(0))
            account[f"outstanding_{kind}"] = {"total": float(sum_), "lines": lines}
            total += sum_
        return json_answer(200, account | {"balance": float(total)})

    def list_lines(self, request: Request, patron: str, kind: str) -> Answer:
        if not self.traps.knows_lists:
            return json_answer(404, {"errors": [{"message": "Not Found.", "path": "/"}]})
        if not self.has_patron(patron):
            return self.no_patron()
        return self.list_rows(request, list(self.get_lines(patron, kind)))

    def add_credit(self, request: Request, patron: str) -> Answer:
        body = json.loads(request.body)
        if not self.has_patron(patron):
            return self.no_patron()
        if refusal := self.refuse_credit(body):
            return refusal
        credit = self.state.credit(
            int(patron), body.get("credit_type") or "PAYMENT", str(body["amount"]),
            description=body.get("description"), note=body.get("note"), payment_type=body.get("payment_type"),
            branchcode=body.get("library_id"), manager_id=LIBRARIAN, interface="api",
        )  # fmt: skip
        if not self.apply_credit(int(patron), credit, body.get("account_lines_ids") or []):
            return json_answer(500, {"error": "Something went wrong, check Koha logs for details."})
        if not self.traps.answers_with_line:
            return json_answer(200, {"account_line_id": credit})
        line = self.state.rows("SELECT * FROM accountlines WHERE accountlines_id = ?", credit)[0]
        return json_answer(201, self.show_line(line), {"Location": f"{request.path}/{credit}"})

    def refuse_credit(self, body: Mapping[str, Any]) -> Answer | None:
        """Returns the refusal of a credit whose values are wrong."""
        amount = body.get("amount")
        if not isinstance(amount, int | float) or amount <= 0:
            return self.refuse("Missing property." if amount is None else "Less than minimum.", "/body/amount")
        is_known = "SELECT 1 FROM account_credit_types WHERE code = ? AND archived = 0"
        type_ = body.get("credit_type") or "PAYMENT"
        if self.traps.checks_credit_type and not self.state.one(is_known, type_):
            return self.refuse("Invalid credit type", "/body/credit_type")
        if body.get("payment_type") in ("CASH", "SIP00"):
            return self.refuse("Account transaction requires a cash register", "/body/payment_type")
        return None

    def apply_credit(self, patron: int, credit: int, ids: list[int]) -> bool:
        """Applies a credit to lines, whosever they are, and its rest to others; returns False at a line of a credit."""
        with self.state.lock:
            kinds = {id_: self.state.one(_KIND, id_) for id_ in ids}
            if "credit" in kinds.values():
                return False
            self.state.apply(credit, [id_ for id_, kind in kinds.items() if kind == "debit"])
            if self.traps.spills:
                self.state.apply(credit, [row[0] for row in self.state.rows(_OPEN_DEBITS, patron)])
            return True

    def list_attributes(self, request: Request, patron: str) -> Answer:
        rows = self.state.rows(
            "SELECT id AS extended_attribute_id, code AS type, attribute AS value FROM borrower_attributes"
            " WHERE borrowernumber = ?",
            int(patron),
        )
        return self.list_rows(request, [dict(row) for row in rows]) if self.has_patron(patron) else self.no_patron()

    def add_attribute(self, request: Request, patron: str) -> Answer:
        if not self.has_patron(patron):
            return self.no_patron()
        body = json.loads(request.body)
        known = self.state.one("SELECT value FROM systempreferences WHERE variable = 'attribute types of the test'")
        if known is not None and body["type"] not in known.split(","):
            return self.refuse("Attribute type not found", "/body/type")
        columns = ("borrowernumber", "code", "attribute")
        self.state.add_many("borrower_attributes", columns, [(int(patron), body["type"], body["value"])])
        return json_answer(201, {"type": body["type"], "value": body["value"]})


_KIND = (
    "SELECT CASE WHEN credit_type_code IS NULL THEN 'debit' ELSE 'credit' END FROM accountlines"
    " WHERE accountlines_id = ?"
)
_OPEN_DEBITS = (
    "SELECT accountlines_id FROM accountlines WHERE borrowernumber = ? AND amountoutstanding > 0"
    " ORDER BY accountlines_id"
)
