"""The tables of a Koha in memory, and what its programs do with them: charges, payments, voids, found items, merges.

The tables have the columns of Koha's own that its API and saved reports need. Debits are positive and credits negative,
in `amount` and in `amountoutstanding` alike. Amounts have six decimals. Moments are in UTC. Read in Koha's source: how
credits are applied, voided and given back. [guess]: that a merge moves account lines and attributes and removes the
patron, and nothing else that is read here.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from threading import RLock
from typing import Any

TABLES = """
CREATE TABLE systempreferences (variable TEXT PRIMARY KEY, value TEXT);
CREATE TABLE branches (branchcode TEXT PRIMARY KEY, branchname TEXT);
CREATE TABLE categories (categorycode TEXT PRIMARY KEY, description TEXT);
CREATE TABLE borrowers (borrowernumber INTEGER PRIMARY KEY, cardnumber TEXT, userid TEXT, surname TEXT, firstname TEXT,
                        categorycode TEXT, branchcode TEXT, dateexpiry TEXT, sort1 TEXT, sort2 TEXT);
CREATE TABLE borrower_attributes (id INTEGER PRIMARY KEY, borrowernumber INTEGER, code TEXT, attribute TEXT);
CREATE INDEX attributes_of_borrower ON borrower_attributes (borrowernumber);
CREATE TABLE biblio (biblionumber INTEGER PRIMARY KEY, title TEXT);
CREATE TABLE items (itemnumber INTEGER PRIMARY KEY, barcode TEXT, homebranch TEXT, itemcallnumber TEXT,
                    biblionumber INTEGER);
CREATE TABLE account_credit_types (code TEXT PRIMARY KEY, description TEXT, archived INTEGER NOT NULL DEFAULT 0);
CREATE TABLE accountlines (accountlines_id INTEGER PRIMARY KEY AUTOINCREMENT, borrowernumber INTEGER,
                           itemnumber INTEGER, issue_id INTEGER, date TEXT NOT NULL, amount NUMERIC,
                           amountoutstanding NUMERIC, debit_type_code TEXT, credit_type_code TEXT, status TEXT,
                           description TEXT, note TEXT, payment_type TEXT, manager_id INTEGER, interface TEXT,
                           branchcode TEXT, timestamp TEXT NOT NULL);
CREATE INDEX lines_of_borrower ON accountlines (borrowernumber);
CREATE INDEX changes_of_lines ON accountlines (timestamp);
CREATE TABLE account_offsets (id INTEGER PRIMARY KEY AUTOINCREMENT, debit_id INTEGER, credit_id INTEGER, type TEXT,
                              amount NUMERIC, created_on TEXT);
CREATE INDEX offsets_of_debit ON account_offsets (debit_id);
CREATE INDEX offsets_of_credit ON account_offsets (credit_id);
"""
CREDIT_TYPES = (
    "PAYMENT", "WRITEOFF", "FORGIVEN", "CREDIT", "DISCOUNT", "REFUND", "LOST_FOUND", "PURCHASE", "CANCELLATION",
    "OVERPAYMENT", "PROCESSING_FOUND",
)  # fmt: skip
LIBRARIAN = 1
MICRO = Decimal("0.000001")


def format_moment(moment: float) -> str:
    """Returns seconds since 1970 as a moment of the database."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def parse_moment(moment: str) -> int:
    """Returns a moment of the database as seconds since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())


def as_decimal(value: float | str | Decimal) -> Decimal:
    """Returns an amount with six decimals."""
    return Decimal(str(value)).quantize(MICRO)


class KohaState:
    """The tables, and the work of Koha's desk and of its programs. `seconds` moves its clock; a lock serializes all.

    `database` is a file of SQLite that keeps the tables; they are created in a new one.
    """

    def __init__(self, database: str = ":memory:") -> None:
        self.lock = RLock()
        self.seconds = 0.0
        self.database = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA synchronous = OFF")
        self._add_functions()
        if not self.one("SELECT count(*) FROM sqlite_master"):
            self.database.executescript(TABLES)
            self.add_many("account_credit_types", ("code",), [(code,) for code in CREDIT_TYPES])

    def _add_functions(self) -> None:
        """Adds the functions of MySQL that a saved report may use, and SQLite lacks."""
        add = self.database.create_function
        add("UNIX_TIMESTAMP", 0, lambda: int(self.now()))
        add("UNIX_TIMESTAMP", 1, parse_moment)
        add("FROM_UNIXTIME", 1, format_moment)
        add("FIND_IN_SET", 2, lambda one, of: of.split(",").index(one) + 1 if one in of.split(",") else 0)
        add("CONCAT", -1, lambda *parts: None if None in parts else "".join(map(str, parts)))

    def now(self) -> float:
        """Returns the moment of the server's clock."""
        return time.time() + self.seconds

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Returns the rows of a statement."""
        with self.lock:
            return self.database.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        """Returns the first value of the first row; None if there is no row."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def set_preference(self, name: str, value: str) -> None:
        """Sets a system preference."""
        self.rows("INSERT OR REPLACE INTO systempreferences VALUES (?, ?)", name, value)

    def add_patron(self, number: int, **values: str | None) -> int:
        """Adds a patron; `attributes` are written `CODE=value`, with commas between them."""
        attributes = [pair.split("=", 1) for pair in (values.pop("attributes", None) or "").split(",") if pair]
        patron: dict[str, Any] = {
            "borrowernumber": number,
            "cardnumber": f"2352{number:06d}",
            "userid": f"u{number}",
            "surname": f"Surname {number}",
            "firstname": f"Name {number}",
            "categorycode": "ST",
            "branchcode": "LAW",
            "dateexpiry": "2027-08-31",
        } | values
        self._insert("borrowers", patron)
        for code, value in attributes:
            self._insert("borrower_attributes", {"borrowernumber": number, "code": code, "attribute": value})
        return number

    def add_many(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds many rows to a table quickly, in one transaction."""
        marks = ", ".join("?" * len(columns))
        with self.lock:
            self.database.execute("BEGIN")
            self.database.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
            self.database.execute("COMMIT")

    def _insert(self, table: str, values: dict[str, Any]) -> int:
        marks = ", ".join("?" * len(values))
        names = ", ".join(values)
        with self.lock:
            cursor = self.database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))
            return cursor.lastrowid or 0

    def _add_line(self, patron: int, amount: Decimal, **values: Any) -> int:
        now = format_moment(self.now())
        line = {"borrowernumber": patron, "amount": float(amount), "amountoutstanding": float(amount)}
        return self._insert("accountlines", line | {"date": now, "timestamp": now} | values)

    def charge(self, patron: int, type_: str, amount: str, **values: Any) -> int:
        """Adds a debit; an overdue fine has no branch and no manager, since a nightly program adds it."""
        with self.lock:
            where = (None, None) if type_ == "OVERDUE" else ("MAIN", LIBRARIAN)
            line = self._add_line(
                patron,
                as_decimal(amount),
                **{"debit_type_code": type_, "branchcode": where[0], "manager_id": where[1], "interface": "intranet"}
                | values,
            )
            self.offset(line, None, "CREATE", as_decimal(amount))
            return line

    def credit(self, patron: int, type_: str, amount: str, *debits: int, **values: Any) -> int:
        """Adds a credit, and applies it to debits as far as they are open; amounts are given without a sign."""
        with self.lock:
            line = self._add_line(
                patron,
                -as_decimal(amount),
                **{"credit_type_code": type_, "branchcode": "LAW", "manager_id": LIBRARIAN, "interface": "intranet"}
                | values,
            )
            self.offset(None, line, "CREATE", as_decimal(amount))
            self.apply(line, debits)
            return line

    def apply(self, credit: int, debits: Iterable[int]) -> None:
        """Applies what is left of a credit to debits, in their order."""
        with self.lock:
            for debit in debits:
                used = min(self.outstanding(debit), -self.outstanding(credit))
                if used > 0:
                    self.offset(debit, credit, "APPLY", -used)

    def offset(self, debit: int | None, credit: int | None, type_: str, amount: Decimal) -> None:
        """Records an offset, and moves its amount between debit and credit; it is negative if the credit pays."""
        with self.lock:
            self._insert(
                "account_offsets",
                {
                    "debit_id": debit,
                    "credit_id": credit,
                    "type": type_,
                    "amount": float(amount),
                    "created_on": format_moment(self.now()),
                },
            )
            if debit is not None and credit is not None:
                for line, sign in ((debit, 1), (credit, -1)):
                    self.update(line, amountoutstanding=float(self.outstanding(line) + sign * amount))

    def update(self, line: int, **values: Any) -> None:
        """Changes columns of an account line, which sets its timestamp."""
        values = {"timestamp": format_moment(self.now())} | values
        changes = ", ".join(f"{column} = ?" for column in values)
        self.rows(f"UPDATE accountlines SET {changes} WHERE accountlines_id = ?", *values.values(), line)

    def outstanding(self, line: int) -> Decimal:
        """Returns what a line owes; negative for a credit."""
        return as_decimal(self.one("SELECT amountoutstanding FROM accountlines WHERE accountlines_id = ?", line))

    def grow(self, line: int, amount: str, status: str | None = "UNRETURNED") -> None:
        """Sets the amount of an overdue fine, as the nightly program does; with another status its item is back."""
        self.update(line, amount=float(amount), amountoutstanding=float(amount), status=status)

    def void(self, credit: int) -> None:
        """Voids a credit: its debits are open again, and a debit VOID closes it."""
        with self.lock:
            paid = self.rows(
                "SELECT debit_id, amount FROM account_offsets WHERE credit_id = ? AND type = 'APPLY'", credit
            )
            for debit, amount in paid:
                self.offset(debit, credit, "VOID", -as_decimal(amount))
            patron = self.one("SELECT borrowernumber FROM accountlines WHERE accountlines_id = ?", credit)
            closing = self.charge(patron, "VOID", str(-self.outstanding(credit)))
            self.offset(closing, credit, "VOID", self.outstanding(credit))
            self.update(credit, status="VOID")

    def find_item(self, lost: int) -> int:
        """Checks a lost item in: what has been paid and what is open becomes a credit, which is applied."""
        with self.lock:
            line = self.rows("SELECT * FROM accountlines WHERE accountlines_id = ?", lost)[0]
            paid = self.one(
                "SELECT -coalesce(sum(o.amount), 0) FROM account_offsets o"
                " JOIN accountlines c ON c.accountlines_id = o.credit_id"
                " WHERE o.debit_id = ? AND c.credit_type_code <> 'WRITEOFF'",
                lost,
            )
            amount = self.outstanding(lost) + as_decimal(paid)
            type_ = "PROCESSING_FOUND" if line["debit_type_code"] == "PROCESSING" else "LOST_FOUND"
            credit = self.credit(line["borrowernumber"], type_, str(amount), lost, itemnumber=line["itemnumber"])
            self.update(lost, status="FOUND")
            return credit

    def cancel(self, debit: int) -> None:
        """Cancels a debit."""
        with self.lock:
            patron = self.one("SELECT borrowernumber FROM accountlines WHERE accountlines_id = ?", debit)
            self.credit(patron, "CANCELLATION", str(self.outstanding(debit)), debit)
            self.update(debit, status="CANCELLED")

    def pay_out(self, credit: int) -> None:
        """Pays an unused credit out in cash, which adds a debit of the type PAYOUT."""
        with self.lock:
            patron = self.one("SELECT borrowernumber FROM accountlines WHERE accountlines_id = ?", credit)
            self.apply(credit, [self.charge(patron, "PAYOUT", str(-self.outstanding(credit)))])

    def merge(self, patron: int, into: int) -> None:
        """Merges a patron into another, who gets the account lines and attributes."""
        with self.lock:
            for (line,) in self.rows("SELECT accountlines_id FROM accountlines WHERE borrowernumber = ?", patron):
                self.update(line, borrowernumber=into)
            self.rows("UPDATE borrower_attributes SET borrowernumber = ? WHERE borrowernumber = ?", into, patron)
            self.rows("DELETE FROM borrowers WHERE borrowernumber = ?", patron)
