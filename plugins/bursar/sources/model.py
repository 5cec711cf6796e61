"""The models of sources: what all kinds have in common. The module is long because it describes every key."""

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from bursar.profiles.field_types import (
    Code,
    ConnectionId,
    Currency,
    ScheduleLine,
    StrictModel,
    Text,
    TimeZone,
    WholeNumber,
    YesNo,
)
from bursar.profiles.monitoring import MAX_DAYS, Notifications, check_alert_recipients
from bursar.profiles.rules import Rules


class SourceAlerts(StrictModel):
    """Limits on events that no job reports. Recipients of `notifications.failed` get each alert once."""

    max_days_without_load: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None,
        description="How many days may pass without a successful load; one that changes nothing is a success. "
        "Blank: any number.",
    )


class Source(StrictModel):
    """A source of users and fines. Each kind is a model of its own: see `bursar.sources.kinds`."""

    code: Code = Field(
        description="Short and unique among the sources. It is part of the DAG id. The file of the source has its "
        "name, in lower case."
    )
    name: Text = Field(description="The name for people, as in *Koha*. It is part of the name of the job.")
    kind: Text = Field(description="The kind of source.")
    active: YesNo = Field(
        default=True, description="Whether the source is loaded on schedule. One that is not active has no DAG."
    )
    connection: ConnectionId | None = Field(None, description="The id of an Airflow connection.")
    closes_exported_fines: YesNo = Field(
        description="Whether the library's system closes a fine by itself once it has been exported. Then a balance "
        "that falls to 0 after the export means nothing. If not, it was settled at the library, and the next export "
        "reverses it."
    )
    max_rejected_percent: Annotated[WholeNumber, Field(le=100)] = Field(
        10,
        description="Nothing is loaded if more than this percentage of the rows of a file are rejected, and at least "
        "`min_rejected_rows`: then it is most likely the wrong file.",
    )
    min_rejected_rows: Annotated[WholeNumber, Field(ge=1)] = Field(
        20, description="Fewer rejected rows than this never prevent a load, whatever their percentage."
    )
    schedule: ScheduleLine = Field(description="When the load runs, in the source's time zone.")
    currency: Currency = Field(description="The currency of fines that have none. Blank: the institution's.")
    time_zone: TimeZone = Field(
        description="The time zone of the schedule, and of moments that have no offset. Blank: the institution's."
    )
    notifications: Notifications = Field(
        Notifications(), description="Recipients of the outcomes of loads. Blank: nobody; Airflow shows them anyway."
    )
    alerts: SourceAlerts = Field(
        SourceAlerts(), description="Limits whose crossing is notified, once each. Blank: none."
    )

    rules: ClassVar[Rules] = (check_alert_recipients,)

    @property
    @abstractmethod
    def place(self) -> str:
        """Where its rows come from, in words."""
