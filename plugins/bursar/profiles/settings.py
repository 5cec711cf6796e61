"""The settings of the whole institution: include/bursar.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import AbsolutePath, Currency, Matches, StrictModel, Text, TimeZone, WholeNumber, YesNo
from bursar.profiles.monitoring import JobApproval, Notifications
from bursar.profiles.rules import wrong

MAX_TRANSACTION_ID = 9_223_372_036_854_775_807  # of PostgreSQL's bigint


MAX_EXPORT_NUMBER_START = 1_000_000_000
"""With this start, all numbers that a batch can have, up to 2**31 - 1, have ten digits."""


class TransactionIds(StrictModel):
    """The bursar transaction ids: a prefix and a counter that only increases."""

    prefix: Annotated[Text, Matches("[A-Za-z0-9-]{0,10}", "write at most 10 letters, digits and hyphens")] = Field(
        "", description="Text before the number. Many bursars read the id as a number: leave it blank for those."
    )
    start: WholeNumber = Field(1, ge=1, description="The first number.")
    maximum: WholeNumber = Field(
        MAX_TRANSACTION_ID, le=MAX_TRANSACTION_ID, description="The largest number that the bursar can take."
    )

    def _check_maximum(self) -> Iterator[InitErrorDetails]:
        if self.maximum < self.start:
            yield wrong(f"{self.maximum} is below the start, {self.start}: raise it", "maximum")

    rules = (_check_maximum,)


class ServerLimits(StrictModel):
    """Limits of time and size for the bursars' servers, which can be slow, broken or hostile."""

    timeout_seconds: Annotated[WholeNumber, Field(ge=1, le=3600)] = Field(
        60,
        description="How long a server may be silent, or send only a trickle, before a step fails and is repeated "
        "later.",
    )
    max_task_minutes: Annotated[WholeNumber, Field(ge=1, le=10_000)] = Field(
        360, description="How long a task that uses a server may run in all, its largest file included."
    )
    max_listing_entries: Annotated[WholeNumber, Field(ge=1)] = Field(
        100_000, description="How many entries a folder may have."
    )
    max_answer_kilobytes: Annotated[WholeNumber, Field(ge=64, le=16_000)] = Field(
        1_000, description="How large a single answer of a server may be."
    )
    max_file_megabytes: Annotated[WholeNumber, Field(ge=1)] = Field(
        1_000, description="How large a payment file may be, as it is on the server. A larger one is not imported."
    )

    @property
    def max_answer_bytes(self) -> int:
        """The largest answer, in bytes."""
        return self.max_answer_kilobytes * 1_000

    @property
    def max_file_bytes(self) -> int:
        """The largest payment file, in bytes."""
        return self.max_file_megabytes * 1_000_000


class Settings(StrictModel):
    """The institution's settings. `work_dir` is absolute when they come from `load_settings`."""

    institution_name: Text = Field(description="The name of the library in reports.")
    institution_id: Text = Field(description="`InstitutionId` in the exported files.")
    default_currency: Currency = Field(description="The currency of loaded fines that have none.")
    time_zone: TimeZone = Field(description="The time zone of profiles that name none.")
    transaction_ids: TransactionIds = Field(
        TransactionIds(),
        description="How bursar transaction ids are made. They are unique over all profiles.",
    )
    export_number_start: Annotated[WholeNumber, Field(ge=1, le=MAX_EXPORT_NUMBER_START)] = Field(
        1,
        description="The smallest number that a new export may get. Exports of all profiles are numbered together, "
        "and the numbers only increase: a lower start has no effect. With 100001, all numbers up to 999999 have six "
        "digits, so that none begins with another, for a bursar that finds a file by the beginning of its name.",
    )
    allow_activity_on_transferred_finesfees: YesNo = Field(
        default=False,
        description="Whether exported fines can be paid at the desk, and waived by jobs, before the bursar reports.",
    )
    notifications: Notifications = Field(
        Notifications(),
        description="Recipients of the outcomes of maintenance jobs, which belong to no profile.",
    )
    approval: JobApproval = Field(
        JobApproval(),
        description="Limits beyond which Purge User Records and Bulk Fine Waiving wait for a person's approval.",
    )
    report_retention_days: Annotated[WholeNumber, Field(ge=1)] | None = Field(
        None, description="How long the reports of runs are kept, in days. Blank: forever."
    )
    server_limits: ServerLimits = Field(
        ServerLimits(), description="Limits of time and size for the bursars' servers. Blank: the defaults."
    )
    work_dir: AbsolutePath = Field(
        Path(".local/staging"),
        description="The folder in which tasks work, on each machine. A relative path starts beside `include`. "
        "Files that name people are removed from it when their task, or their batch, has ended.",
    )
