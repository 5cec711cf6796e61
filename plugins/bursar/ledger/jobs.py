"""The jobs whose runs the ledger records, and their names for librarians."""

from typing import Literal

from bursar.described_enum import DescribedEnum


class Job(DescribedEnum):
    """A job by its value in the ledger; the description may contain `{}`, for the name of its profile or source."""

    EXPORT = "export", "Export to Bursar Using Profile {}"
    IMPORT = "import", "Import from Bursar using Profile {} Fines and Fees"
    STATEMENT = "statement", "Compare with Statements of Bursar Using Profile {}"
    SYNC = "sync", "Load Fines from {}"
    PURGE = "purge", "Purge User Records"
    WAIVE = "waive", "Bulk Fine Waiving"

    def display_name(self, owner_name: str | None = None) -> str:
        """Returns the name of the job for people, with the name of the profile or source that it belongs to, if any."""
        return self.description.format(owner_name)


ProfileJob = Literal[Job.EXPORT, Job.IMPORT, Job.STATEMENT]
"""A job of one profile."""
InboxJob = Literal[Job.IMPORT, Job.STATEMENT]
"""A job of one profile that waits for files of the bursar."""
OwnedJob = Literal[Job.EXPORT, Job.IMPORT, Job.STATEMENT, Job.SYNC]
"""A job of one profile, or of one source."""
UserJob = Literal[Job.PURGE, Job.WAIVE]
"""A job over the users of the whole institution."""
