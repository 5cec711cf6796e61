"""Models of the monitoring of a profile's jobs: notifications, alerts, approval."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import Matches, StrictModel, Text, TextList, WholeNumber, YesNo
from bursar.profiles.rules import Rules, wrong

CHAT = "chat:"
MAX_MINUTES = 10_080
MAX_DAYS = 3650
MAX_HOURS = 720
MIN_APPROVERS = 2  # if one of them can be the person who triggered the run

Recipient = Annotated[
    Text,
    Matches(
        r"[!#-+\--9=?A-Z^-~]{1,64}@[A-Za-z0-9.-]{1,255}|chat:[A-Za-z0-9_.-]{1,250}",
        "write an address, as in fines@library.edu, or chat: and the id of an Airflow connection of type apprise, "
        "as in chat:library_slack",
    ),
]
Recipients = Annotated[tuple[Recipient, ...], *TextList.__metadata__]

ApproverList = Annotated[
    tuple[
        Annotated[
            Text,
            Matches("[^=]{1,100}(=[^=]{1,100})?", "write the name of a user of Airflow, or name=id, as in anna=12"),
        ],
        ...,
    ],
    *TextList.__metadata__,
]


class Notifications(StrictModel):
    """Recipients of the outcome of a job: mail addresses, and Airflow connections to chat rooms."""

    completed: Recipients = Field((), description="Recipients when a job did everything that was due. Blank: nobody.")
    completed_with_warnings: Recipients = Field(
        (),
        description="Recipients when a job ended with warnings, and when an export waits for approval. Blank: nobody.",
    )
    nothing_to_do: Recipients = Field((), description="Recipients when there was nothing to do. Blank: nobody.")
    failed: Recipients = Field((), description="Recipients when a job failed, and of the alerts. Blank: nobody.")


class Alerts(StrictModel):
    """Limits on events that no job reports. Recipients of `notifications.failed` get each alert once."""

    export_deadline_minutes: Annotated[WholeNumber, Field(ge=1, le=MAX_MINUTES)] | None = Field(
        None, description="How long after its scheduled time an export must have ended. Blank: no deadline."
    )
    import_deadline_minutes: Annotated[WholeNumber, Field(ge=1, le=MAX_MINUTES)] | None = Field(
        None,
        description="How long after its scheduled time an import must have ended, including its wait for a file. "
        "Blank: no deadline.",
    )
    max_days_without_export: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None,
        description="How many days may pass without a successful export; one with nothing to do is a success. "
        "Blank: any number.",
    )
    max_days_without_file: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None, description="How many days may pass without a file of payments from the bursar. Blank: any number."
    )
    max_days_without_statement: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None, description="How many days may pass without a statement from the bursar. Blank: any number."
    )
    max_unsent_hours: Annotated[WholeNumber, Field(ge=1, le=MAX_HOURS)] | None = Field(
        None, description="How long a batch may stay unfinished while its fines wait. Blank: any time."
    )
    max_days_overpayment_held: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None,
        description="How many days an overpayment beyond `import.max_overpayment` may wait for a person. "
        "Blank: any number.",
    )


class _Monitored(Protocol):
    alerts: BaseModel
    notifications: Notifications


def check_alert_recipients(model: _Monitored) -> Iterator[InitErrorDetails]:
    """Yields an error if a model has alerts that nobody would receive: a rule."""
    if model.alerts != type(model.alerts)() and not model.notifications.failed:
        yield wrong("nobody would receive them: list a recipient below notifications.failed", "alerts")


class Approver(NamedTuple):
    """A person who may approve: the name of a user of Airflow, and the id by which Airflow compares users."""

    name: str
    id: str

    @classmethod
    def parse(cls, value: str) -> "Approver":
        """Reads `name` or `name=id`; without an id, it is the name."""
        name, _, user_id = value.partition("=")
        return cls(name, user_id or name)


class ApprovalRules(StrictModel):
    """The rules that say who may approve, and how long a run waits for the answer."""

    timeout_hours: Annotated[WholeNumber, Field(ge=1, le=MAX_HOURS)] = Field(
        24,
        description="How long a run waits for an answer. Without one nothing is sent or changed, and the fines stay "
        "open.",
    )
    approvers: ApproverList = Field(
        (),
        description="The users of Airflow who may answer: `anna`, or `anna=12` if Airflow's auth manager gives users "
        "an id besides their name, as that of FAB does. Blank: every user with the right to answer.",
    )
    requester_may_approve: YesNo = Field(
        default=False,
        description="Whether the person who triggered a run may approve it. Scheduled runs have no such person.",
    )

    @property
    def approver_users(self) -> tuple[Approver, ...]:
        """The people who may answer, empty for everybody."""
        return tuple(map(Approver.parse, self.approvers))

    def _check_two_approvers(self) -> Iterator[InitErrorDetails]:
        names = {approver.name.casefold() for approver in self.approver_users}
        if self.approvers and not self.requester_may_approve and len(names) < MIN_APPROVERS:
            yield wrong(
                "list at least two people, since the one who triggered a run may not approve it, or write "
                "requester_may_approve: yes",
                "approvers",
            )

    rules: ClassVar[Rules] = (_check_two_approvers,)


class Approval(ApprovalRules):
    """Limits beyond which an export waits for a person in Airflow before anything is uploaded. Blank: no limit."""

    max_fines: WholeNumber | None = Field(None, description="An export of more fines than this waits for approval.")
    max_amount: WholeNumber | None = Field(
        None,
        description="An export whose charges, or credits, are more than this in any one currency waits for approval.",
    )
    max_ratio_to_median: Annotated[WholeNumber, Field(ge=2)] | None = Field(
        None,
        description="An export of more than this many times the median number of fines, or of the median charges in a "
        "currency, waits for approval. The median is that of the last 10 exports, of at least 3.",
    )

    @property
    def is_limited(self) -> bool:
        """Whether any export might have to wait."""
        return any(limit is not None for limit in (self.max_fines, self.max_amount, self.max_ratio_to_median))


class JobApproval(ApprovalRules):
    """Limits beyond which a purge or a bulk waiving waits for a person in Airflow before anything is changed.

    The runs of the same person in the last 24 hours count together.
    """

    max_users: WholeNumber = Field(
        500, description="A job that purges more users than this, or waives fines of more users, waits for approval."
    )
    max_fines: WholeNumber = Field(500, description="A job that waives more fines than this waits for approval.")
    max_amount: WholeNumber = Field(
        5_000, description="A job that waives more than this in any one currency waits for approval."
    )
