"""The jobs whose runs the ledger records, and their names for librarians."""

from typing import Literal

from bursar.described_enum import DescribedEnum


class Job(DescribedEnum):
    """A job by its value in the ledger; the description may contain `{}`, for the profile's name."""

    EXPORT = "export", "Export to Bursar Using Profile {}"
    IMPORT = "import", "Import from Bursar using Profile {} Fines and Fees"
    PURGE = "purge", "Purge User Records"
    WAIVE = "waive", "Bulk Fine Waiving"

    def display_name(self, profile_name: str | None = None) -> str:
        """Returns the name of the job for people, with the name of the profile that it belongs to, if any."""
        return self.description.format(profile_name)


ProfileJob = Literal[Job.EXPORT, Job.IMPORT]
"""A job of one profile."""
UserJob = Literal[Job.PURGE, Job.WAIVE]
"""A job over the users of the whole institution."""
