"""The switches of the Koha server: how it is set up, how old it is, and the faults that it shows."""

from dataclasses import dataclass, field
from enum import StrEnum

LOGIN, PASSWORD = "bursar", "open sesame"
CLIENT_ID, CLIENT_SECRET = "8f5b0c1e-client", "c3d9-secret"
PERMISSIONS = frozenset(
    {
        "catalogue",
        "borrowers:edit_borrowers",
        "updatecharges:remaining_permissions",
        "borrowers:view_borrower_infos_from_any_libraries",
    }
)


class Moment(StrEnum):
    """When a fault interrupts a request."""

    BEFORE = "before it is carried out, without an answer"
    DURING = "after it was carried out, within the answer"
    AFTER = "after it was carried out, without an answer"
    ERROR_BEFORE = "before it is carried out, with the status 500"
    ERROR_AFTER = "after it was carried out, with the status 500"
    BUSY = "before it is carried out, with the status 503"
    SLOW = "carried out, answered after `slow_seconds`"


@dataclass
class Fault:
    """A fault of one request: the next of the method whose path contains a text, after `skip` others of its kind."""

    method: str
    path: str
    moment: Moment
    skip: int = 0


@dataclass
class Traps:
    """The switches. The defaults are those of a Koha 23.11 that is set up as the how-to says.

    Seen on a running 19.06: `answers_with_line` off, `knows_lists` off, `checks_credit_type` off and
    `fails_without_manager`. Read in the source: `csrf` (24.05), `max_report_rows` (10 unless it is set), report_cache
    and `spills`. [guess]: the shape of errors that are not of 19.06, and how values of foreign patrons are nulled.
    """

    version: str = "23.1105000"
    oauth: bool = True
    basic_auth: bool = False
    token_seconds: float = 3600
    session_seconds: float = 3600
    permissions: frozenset[str] = PERMISSIONS
    csrf: bool = False
    max_report_rows: int = 100_000
    report_cache_seconds: float = 0
    cache_ignores_parameters: bool = False
    page_size: int = 20
    knows_lists: bool = True
    """Whether GET of debits and credits exists, as since 23.05."""
    answers_with_line: bool = True
    """Whether POST of a credit answers 201 and the line, or 200 and its id alone."""
    checks_credit_type: bool = True
    spills: bool = True
    fails_without_manager: bool = False
    errors_as_list: bool = False
    """Whether refusals of values are `errors`, a list, or `error`, a text."""
    user_branch: str = "MAIN"
    """The branch of the API's user, whose patrons it sees without a further permission."""
    slow_seconds: float = 2
    faults: list[Fault] = field(default_factory=list)

    def add_fault(self, method: str, path: str, moment: Moment, *, skip: int = 0) -> None:
        """Adds a fault that happens once."""
        self.faults.append(Fault(method, path, moment, skip))

    def take_fault(self, method: str, path: str) -> Moment | None:
        """Returns the moment of the fault of a request, which does not happen again."""
        for fault in self.faults:
            if fault.method == method and fault.path in path:
                if fault.skip:
                    fault.skip -= 1
                    return None
                self.faults.remove(fault)
                return fault.moment
        return None
