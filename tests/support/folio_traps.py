"""The faults and oddities of a FOLIO: the switches of `tests.support.folio_server`."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What happens to a request. Between: after the actions were saved, and before the account."""

    CUT_BEFORE = "the connection ends before anything is done"
    CUT_BETWEEN = "the connection ends, and the actions are saved alone"
    CUT_DURING = "the connection ends within the answer"
    CUT_AFTER = "the connection ends after all is done"
    ERROR_BEFORE = "500, and nothing is done"
    ERROR_BETWEEN = "500, and the actions are saved alone"
    ERROR_AFTER = "500 after all is done"
    SLOW = "the answer comes after `slow_seconds`"


CUTS = (Fault.CUT_BEFORE, Fault.CUT_BETWEEN, Fault.CUT_AFTER)
ERRORS = (Fault.ERROR_BEFORE, Fault.ERROR_BETWEEN, Fault.ERROR_AFTER)
NOT_DONE = (Fault.CUT_BEFORE, Fault.ERROR_BEFORE)
HALF_DONE = (Fault.CUT_BETWEEN, Fault.ERROR_BETWEEN)


@dataclass
class Traps:
    """The switches. The defaults are what a library has to expect from any FOLIO.

    `choose_fault` is asked for each request, with its method and path. `between` runs after an action has read its
    account, and before it saves: another writer may act there. `denied` has permissions that the account lacks.
    """

    is_eureka: bool = False
    token_seconds: float = 600
    exact_totals: bool = False
    max_page: int | None = None
    max_url: int = 4096
    slow_seconds: float = 1
    inventory_fails: bool = False
    denied: set[str] = field(default_factory=set)
    choose_fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
    between: Callable[[], None] = lambda: None

    def plan(self, *faults: Fault | None, method: str = "POST", path: str = "/accounts/") -> None:
        """Lets the next requests of a kind have these faults, one each; None is none."""
        queue = deque(faults)

        def choose(of_method: str, of_path: str) -> Fault | None:
            return queue.popleft() if queue and of_method == method and of_path.startswith(path) else None

        self.choose_fault = choose
