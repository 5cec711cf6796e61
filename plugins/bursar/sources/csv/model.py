"""The model of a source of the kind `csv`: a folder of CSV files with users and fines, and how it is loaded."""

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import (
    ConnectionId,
    Matches,
    StrictModel,
    Text,
    YesNo,
    validate_relative_path,
)
from bursar.profiles.file_job import DoneFileKey, OnTimeout, StableSeconds, TimeoutMinutes
from bursar.profiles.patterns import do_patterns_overlap
from bursar.profiles.rules import Rules, wrong
from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect
from bursar.sources.model import Source

FilePattern = Annotated[
    Text,
    Matches(
        "[^/.][^/]{0,99}",
        "write a pattern of the name alone, as in fines*.csv: at most 100 characters, no folder, no first dot",
    ),
]


class FilePatterns(StrictModel):
    """The names of a source's files: a shell pattern for each kind of rows."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["users"]}, {"required": ["fines"]}]})

    users: FilePattern | None = Field(
        None,
        description="Which files have users: a shell pattern of the file name, as in `users*.csv`; case makes no "
        "difference. Hidden files, done files, and names that end in .part, .filepart or .tmp are never taken. "
        "Blank: the source has no users.",
    )
    fines: FilePattern | None = Field(None, description="Which files have fines. Blank: the source has no fines.")
    groups: FilePattern | None = Field(None, description="Which files have user groups. Blank: none has.")
    libraries: FilePattern | None = Field(None, description="Which files have libraries. Blank: none has.")

    @property
    def by_kind(self) -> dict[str, str]:
        """The patterns by kind of rows, without the kinds that the source does not have."""
        return {kind: pattern for kind, pattern in vars(self).items() if pattern is not None}

    def _check_content(self) -> Iterator[InitErrorDetails]:
        if self.users is None and self.fines is None:
            yield wrong("nothing would be loaded: name the files of users or of fines, as in fines: fines*.csv")

    def _check_kinds(self) -> Iterator[InitErrorDetails]:
        for (kind, pattern), (other, another) in combinations(self.by_kind.items(), 2):
            if do_patterns_overlap(pattern, another):
                yield wrong(
                    f"{another!r} and {pattern!r} of {kind} match the same names, and each file has rows of one kind: "
                    "write patterns of which only one matches",
                    other,
                )

    rules: ClassVar[Rules] = (_check_content, _check_kinds)


class CsvSource(Source):
    """A source of the kind `csv`: the files of one library system, which are loaded together, on schedule."""

    kind: Literal["csv"] = Field(description="The kind of source: `csv`, a folder of CSV files.")
    connection: ConnectionId | None = Field(
        None,
        description="The id of the Airflow connection to the S/FTP server that has the folder. Blank: the folder is on "
        "the machines on which tasks run.",
    )
    folder: Text = Field(
        description="The folder of the files. With a connection: a path below its `sub_directory`, as in "
        "`library/out`. Without: the whole path on the machine, as in `/srv/library/out`."
    )
    files: FilePatterns = Field(description="The names of the files. One of `users` and `fines` is required.")
    done_file_suffix: DoneFileKey = None
    stable_for_seconds: StableSeconds = 60
    timeout_minutes: TimeoutMinutes = 720
    on_timeout: OnTimeout = "skip"
    after_load: Literal["archive", "leave"] = Field(
        "archive",
        description="Whether a file is moved to `archive_folder` after it has been loaded (`archive`), or stays where "
        "it is (`leave`), for a folder in which the account may only read.",
    )
    archive_folder: Annotated[
        Text, Matches("[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", "write the name of a folder, without /, as in processed")
    ] = Field(
        "processed",
        description="The folder for loaded files, in `folder`. A file that was not loaded is moved to `failed`.",
    )
    dialect: Dialect = Field(
        DEFAULT_DIALECT,
        description="How the files are written. A sign has a name, or is a character in quotes. Blank: as in "
        "[CSV files](csv.md).",
    )
    complete: YesNo = Field(
        description="Whether the file of fines has every fine that is open in the library's system. An open fine that "
        "is missing from a complete file is reported. It is not closed."
    )

    def _check_folder(self) -> Iterator[InitErrorDetails]:
        if self.connection is None:
            root, *parts = self.folder.split("/")
            if root or not set(parts).isdisjoint({"", ".", ".."}):
                yield wrong(
                    f"{self.folder!r} is not the whole path of a folder on this machine: write one, as in "
                    "/srv/library/out, or write the id of the connection to its server",
                    "folder",
                )
            return
        try:
            validate_relative_path(self.folder)
        except ValueError as error:
            yield wrong(str(error), "folder")

    rules: ClassVar[Rules] = (*Source.rules, _check_folder)

    @property
    def place(self) -> str:
        """The folder of the files."""
        return f"{self.folder} of the connection {self.connection}" if self.connection else self.folder
