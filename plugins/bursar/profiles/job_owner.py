"""What jobs need to know about the profile or the source that they belong to."""

from typing import Protocol

from bursar.profiles.monitoring import Notifications


class JobOwner(Protocol):
    """A profile or a source: it has jobs, whose runs are reported under its code."""

    @property
    def code(self) -> str:
        """The code, in DAG ids and in the records of runs."""

    @property
    def name(self) -> str:
        """The name for people."""

    @property
    def time_zone(self) -> str:
        """The time zone of its schedules and messages."""

    @property
    def notifications(self) -> Notifications:
        """The recipients of the outcomes of its jobs."""
