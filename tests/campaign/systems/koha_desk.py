"""The staff of a Koha in a campaign: charges fines, takes payments, and says what every line went through."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from tests.campaign.systems.desk import WITHIN, Plan, SystemFact
from tests.support.koha_library import ADA, BEN, CYD, fill_koha
from tests.support.koha_server import KohaServer
from tests.support.koha_state import LIBRARIAN, as_decimal
from tests.support.koha_traps import Moment
from tests.support.koha_wire import Answer, Request

KEY = "bursar:"
CENT = Decimal("0.01")
CALL_FAULTS = {
    "request lost": Moment.BEFORE,
    "answer lost": Moment.AFTER,
    "answer cut": Moment.DURING,
    "500 before": Moment.ERROR_BEFORE,
    "500 after success": Moment.ERROR_AFTER,
    "answered too late": Moment.SLOW,
}
SLOW_SECONDS = 1.4
CREDITS = "/account/credits"
_FINES = """
SELECT * FROM accountlines
WHERE debit_type_code IS NOT NULL AND debit_type_code NOT IN ('PAYOUT', 'VOID') OR credit_type_code = 'LOST_FOUND'
ORDER BY accountlines_id
"""


class KohaDesk:
    """What happens in one library with Koha; runs in the process of its server."""

    def __init__(self, koha: KohaServer) -> None:
        fill_koha(koha)
        self.koha, self.state = koha, koha.state
        self.by_desk: dict[int, Decimal] = {}
        self.returned: set[int] = set()
        self._items = count(100)
        self._plan, self._is_disturbed = Plan(), False
        koha.traps.slow_seconds = SLOW_SECONDS
        koha.traps.take_fault = self._take_fault  # type: ignore[method-assign]
        add_credit = koha.api.add_credit

        def act_before_credit(request: Request, patron: str) -> Answer:
            if self._is_disturbed:
                self._is_disturbed = False
                self.act(str(json.loads(request.body)["account_lines_ids"][0]), self._plan.act, self._plan.part)
            return add_credit(request, patron)

        koha.api.routes = [
            (*route[:3], act_before_credit) if route[3] == add_credit else route for route in koha.api.routes
        ]

    def charge(self, user: int, amount: str) -> str:
        """Charges a lost item; returns the number of the line."""
        item = next(self._items)
        columns = ("itemnumber", "barcode", "homebranch", "itemcallnumber", "biblionumber")
        self.state.add_many("items", columns, [(item, f"39001{item}", "MAIN", "KF1250", 1)])
        return str(self.state.charge((ADA, BEN, CYD)[user % 3], "LOST", amount, itemnumber=item))

    def act(self, fine: str, name: str, part: float) -> bool:
        """Pays or waives a part of what a line owes, or returns its item; returns whether that was possible."""
        line = int(fine)
        with self.state.lock:
            patron = self.state.one("SELECT borrowernumber FROM accountlines WHERE accountlines_id = ?", line)
            owed = self.state.outstanding(line)
            if name == "return":
                if line in self.returned:
                    return False
                self.returned.add(line)
                self.state.find_item(line)
                return True
            amount = (owed * Decimal(str(part))).quantize(CENT)
            if amount <= 0:
                return False
            type_ = "PAYMENT" if name == "pay" else "WRITEOFF"
            self.state.credit(patron, type_, str(amount), line, manager_id=LIBRARIAN)
            self.by_desk[line] = self.by_desk.get(line, Decimal(0)) + amount
            return True

    def arm(self, kinds: Sequence[str | None], act: str, part: float) -> None:
        """Gives faults to the next calls that change something, in their order."""
        self.koha.traps.slow_seconds = SLOW_SECONDS
        self._plan.begin(kinds, act, part)

    def disarm(self) -> list[str]:
        """Removes the faults; returns those that were injected."""
        return self._plan.end()

    def hold(self, seconds: float) -> None:
        """Lets the answer to the next call wait after it was carried out."""
        self.koha.traps.slow_seconds = seconds
        self._plan.begin(["answered too late"], "", 0)

    def _take_fault(self, method: str, path: str) -> Moment | None:
        if method != "POST" or CREDITS not in path:
            return None
        kind = self._plan.take()
        self._is_disturbed = kind == WITHIN
        return CALL_FAULTS.get(kind or "")

    def expire(self, *, refresh_too: bool) -> None:
        """Ends all tokens, or also the sessions."""
        self.koha.logins.tokens.clear()
        if refresh_too:
            self.koha.logins.sessions.clear()

    def correct(self, fine: str) -> str:
        """Returns what a line owes. Koha has nothing that contradicts itself."""
        return str(self.state.outstanding(int(fine)).quantize(CENT))

    def list_facts(self) -> list[dict[str, Any]]:
        """Returns what each line went through, the credits for returned items too."""
        with self.state.lock:
            return [vars(self._make_fact(line)) for line in self.state.rows(_FINES)]

    def count_keys(self) -> dict[str, int]:
        """Returns how many credits have the key of each event."""
        notes = self.state.rows("SELECT note FROM accountlines WHERE note LIKE 'bursar:%'")
        return dict(Counter(note.split(KEY)[1][:36] for (note,) in notes))

    def _make_fact(self, line: Any) -> SystemFact:
        own: dict[str, list[str]] = {}
        elsewhere: dict[str, str] = {}
        id_ = line["accountlines_id"]
        for credit in self._list_own(line["borrowernumber"]):
            key = credit["note"].split(KEY)[1][:36]
            taken = self._sum_applied(credit["accountlines_id"], id_)
            if self._first_target(credit) == id_ or taken:
                own.setdefault(key, []).append(str(-taken.quantize(CENT)))
                elsewhere[key] = str((-as_decimal(credit["amount"]) - taken).quantize(CENT))
        return SystemFact(
            fine=str(id_),
            user=str(line["borrowernumber"]),
            amount=str(as_decimal(line["amount"]).quantize(CENT)),
            owed=str(as_decimal(line["amountoutstanding"]).quantize(CENT)),
            own=own,
            elsewhere=elsewhere,
            by_desk=str(self.by_desk.get(id_, Decimal(0))),
            is_returned=id_ in self.returned or line["credit_type_code"] is not None,
        )

    def _list_own(self, patron: int) -> list[Any]:
        return self.state.rows(
            "SELECT * FROM accountlines WHERE borrowernumber = ? AND note LIKE 'bursar:%' ORDER BY 1", patron
        )

    def _sum_applied(self, credit: int, line: int) -> Decimal:
        found = self.state.one(
            "SELECT -coalesce(sum(amount), 0) FROM account_offsets WHERE credit_id = ? AND debit_id = ?", credit, line
        )
        return as_decimal(found)

    def _first_target(self, credit: Any) -> int | None:
        found: int | None = self.state.one(
            "SELECT debit_id FROM account_offsets WHERE credit_id = ? AND debit_id IS NOT NULL ORDER BY id LIMIT 1",
            credit["accountlines_id"],
        )
        return found
