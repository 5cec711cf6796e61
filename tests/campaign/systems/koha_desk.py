"""The staff of a Koha in a campaign: charges fines, takes payments, and tells what every line went through."""

import json
from collections import Counter
from decimal import Decimal
from itertools import count
from typing import Any

from tests.campaign.systems.desk import DeskAct, SystemFact
from tests.support.koha_library import ADA, BEN, CYD, fill_koha
from tests.support.koha_server import KohaServer
from tests.support.koha_state import LIBRARIAN, as_decimal
from tests.support.koha_traps import Moment

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
SLOW_SECONDS = 0.8
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
        self._within: DeskAct | None = None
        self._skip = 0
        koha.traps.slow_seconds = SLOW_SECONDS
        add_credit = koha.api.add_credit

        def act_before_credit(request: Any, patron: str) -> Any:
            if self._within and request.method == "POST":
                if self._skip:
                    self._skip -= 1
                else:
                    act, self._within = self._within, None
                    self.act(str(json.loads(request.body)["account_lines_ids"][0]), act.name, act.part)
            return add_credit(request, patron)

        routes = koha.api.routes
        koha.api.routes = [(*route[:3], act_before_credit) if route[3] == add_credit else route for route in routes]

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

    def arm(self, kind: str, skip: int) -> None:
        """Gives one of the next calls that change something a fault."""
        self.koha.traps.add_fault("POST", CREDITS, CALL_FAULTS[kind], skip=skip)

    def arm_desk(self, name: str, part: float, skip: int) -> None:
        """Lets the desk act on the line of one of the next calls, just before it is carried out."""
        self._within, self._skip = DeskAct(name, part), skip

    def disarm(self) -> bool:
        """Removes the fault; returns whether it was injected."""
        was_injected = not self.koha.traps.faults and self._within is None
        self.koha.traps.faults, self._within = [], None
        return was_injected

    def hold(self, seconds: float) -> None:
        """Lets the answer to the next call wait after it was carried out."""
        self.koha.traps.slow_seconds = seconds
        self.arm("answered too late", 0)

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
