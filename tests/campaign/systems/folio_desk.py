"""The staff of a FOLIO in a campaign: charges fines, takes payments, and says what every fine went through."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from tests.campaign.systems.desk import WITHIN, Plan, SystemFact
from tests.support.folio_actions import ActionError, to_money
from tests.support.folio_records import Json
from tests.support.folio_server import FolioServer
from tests.support.folio_traps import Fault

KEY = "bursar:"
CALL_FAULTS = {
    "request lost": Fault.CUT_BEFORE,
    "answer lost": Fault.CUT_AFTER,
    "answer cut": Fault.CUT_DURING,
    "500 before": Fault.ERROR_BEFORE,
    "500 after success": Fault.ERROR_AFTER,
    "action saved without its account": Fault.CUT_BETWEEN,
    "answered too late": Fault.SLOW,
}
SLOW_SECONDS = 1.4
_SIGNS = {"Paid": -1, "Waived": -1, "Transferred": -1, "Refunded": 1, "Cancelled": -1}


class FolioDesk:
    """What happens in one library with FOLIO; runs in the process of its server."""

    def __init__(self, server: FolioServer) -> None:
        self.server = server
        self.library = server.library
        self.by_desk: dict[str, Decimal] = {}
        self.returned: set[str] = set()
        self._plan = Plan()
        self._disturbed: list[str] = []
        self._users = [
            self.library.add_user(username=f"user{number}", externalSystemId=f"{number:08}")["id"]
            for number in range(1, 6)
        ]
        server.traps.slow_seconds = SLOW_SECONDS
        server.traps.choose_fault = self._choose_fault
        server.traps.between = self._act_between

    def charge(self, user: int, amount: str) -> str:
        """Charges a fine; returns its id."""
        account = self.library.charge(float(amount), userId=self._users[user % len(self._users)])
        return str(account["id"])

    def act(self, fine: str, name: str, part: float) -> bool:
        """Pays or waives a part of what a fine owes, or returns its item; returns whether that was possible."""
        account = {"id": fine}
        before = to_money(self.library.get(account)["remaining"])
        if name == "return":
            if fine in self.returned:
                return False
            self.returned.add(fine)
            with suppress(ActionError):  # what was waived can't be refunded
                self.library.return_item(account)
            self.library.cancel(account, "Cancelled item returned")
            return True
        amount = to_money(before * Decimal(str(part)))
        if amount <= 0:
            return False
        with suppress(ActionError):  # Bursar has closed the fine meanwhile
            self.library.act(account, name, float(amount))
            self.by_desk[fine] = self.by_desk.get(fine, Decimal(0)) + amount
            return True
        return False

    def arm(self, kinds: Sequence[str | None], act: str, part: float) -> None:
        """Gives faults to the next calls that change something, in their order."""
        self.server.traps.slow_seconds = SLOW_SECONDS
        self._plan.begin(kinds, act, part)

    def disarm(self) -> list[str]:
        """Removes the faults; returns those that were injected."""
        return self._plan.end()

    def hold(self, seconds: float) -> None:
        """Lets the next call wait before it is carried out."""
        self.server.traps.slow_seconds = seconds
        self._plan.begin(["answered too late"], "", 0)

    def expire(self, *, refresh_too: bool) -> None:
        """Ends all tokens."""
        self.server.expire_tokens(refresh_too=refresh_too)

    def correct(self, fine: str) -> str:
        """Writes the balance of the last action into an account, as a person does; returns it."""
        actions = self.library.list_actions({"id": fine})
        if fine not in self.returned and actions:
            left = float(actions[-1]["balance"])
            status = {"name": "Open" if left else "Closed"}
            word = {"name": actions[-1]["typeAction"]}
            if left != self.library.get({"id": fine})["remaining"]:
                self.library.change({"id": fine}, remaining=left, status=status, paymentStatus=word)
        return str(to_money(self.library.get({"id": fine})["remaining"]))

    def list_facts(self) -> list[dict[str, Any]]:
        """Returns what each fine went through."""
        return [vars(self._make_fact(account)) for account in list(self.library.accounts.by_id.values())]

    def count_keys(self) -> dict[str, int]:
        """Returns how many actions have the key of each event; the parts of a refund are one."""
        actions = list(self.library.actions.by_id.values())
        words = [(key, action["typeAction"].split()[0]) for action in actions if (key := _find_key(action))]
        settled = Counter(key for key, word in words if word in _SIGNS and word != "Refunded")
        return dict(settled + Counter({key for key, word in words if word == "Refunded"}))

    def _make_fact(self, account: Json) -> SystemFact:
        own: dict[str, list[str]] = {}
        for action in self.library.list_actions(account):
            key = _find_key(action)
            word = action["typeAction"].split()[0]
            if key and word in _SIGNS:
                own.setdefault(key, []).append(str(_SIGNS[word] * to_money(action["amountAction"])))
        id_ = account["id"]
        return SystemFact(
            fine=id_,
            user=account["userId"],
            amount=str(to_money(account["amount"])),
            owed=str(to_money(account["remaining"])),
            own=own,
            elsewhere={},
            by_desk=str(self.by_desk.get(id_, Decimal(0))),
            is_returned=id_ in self.returned,
        )

    def _choose_fault(self, method: str, path: str) -> Fault | None:
        if method != "POST" or not path.startswith("/accounts/"):
            return None
        kind = self._plan.take()
        if kind == WITHIN:
            self._disturbed.append(path.split("/")[2])
        return CALL_FAULTS.get(kind or "")

    def _act_between(self) -> None:
        if self._disturbed:
            self.act(self._disturbed.pop(), self._plan.act, self._plan.part)


def _find_key(action: Json) -> str | None:
    texts = (str(action.get(name) or "") for name in ("transactionInformation", "comments"))
    return next((text.split(KEY)[1][:36] for text in texts if KEY in text), None)
