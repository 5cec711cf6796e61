"""The models of what the jobs of a profile share: being active or not, and the wait for files of the bursar."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import (
    REQUIRED_IF_ACTIVE,
    DoneFileSuffix,
    LayoutName,
    RelativePath,
    RequiredIfActive,
    StrictModel,
    TextList,
    WholeNumber,
    YesNo,
)
from bursar.profiles.monitoring import MAX_MINUTES
from bursar.profiles.rules import Rules, missing

MAX_SECONDS = 86_400

# The keys of every wait for files, of a profile or of a source.
DoneFileKey = Annotated[
    DoneFileSuffix | None,
    Field(
        description="The suffix of the empty file that declares another one complete, as `a.csv.done` for `a.csv`. "
        "Blank: a file is complete when it is stable."
    ),
]
StableSeconds = Annotated[
    WholeNumber,
    Field(
        le=MAX_SECONDS,
        description="How long size and time of a file must have stayed the same before it is loaded. "
        "0 loads it at the first check. With a done file, this does not apply.",
    ),
]
TimeoutMinutes = Annotated[
    WholeNumber, Field(le=MAX_MINUTES, description="How long a run waits for files. 0 looks once.")
]
OnTimeout = Annotated[
    Literal["skip", "fail"],
    Field(description="Whether a run that timed out without files is skipped, or fails because files have to come."),
]


def _get_required_fields(section: type[StrictModel]) -> list[str]:
    return [name for name, field in section.model_fields.items() if REQUIRED_IF_ACTIVE in field.metadata]


def _add_required_fields(schema: dict[str, Any], section: type[StrictModel]) -> None:
    schema["if"] = {"properties": {"active": {"enum": [True, "yes", "true"]}}, "required": ["active"]}
    schema["then"] = {"required": _get_required_fields(section)}


class Job(StrictModel):
    """The common part of export and import. In a section that is not active, absent fields are None."""

    model_config = ConfigDict(json_schema_extra=_add_required_fields)

    active: YesNo = Field(description="Whether the job runs. A section that is not active has no DAG.")

    def _check_required_fields(self) -> Iterator[InitErrorDetails]:
        values = vars(self)  # without the fields that are invalid themselves
        for name in _get_required_fields(type(self)):
            if self.active and name in values and values[name] is None:
                yield missing(name)

    rules: ClassVar[Rules] = (_check_required_fields,)


class FileJob(Job):
    """The part of a section whose job waits for files of the bursar."""

    input_file_path: RequiredIfActive[RelativePath] = Field(
        description="The folder in which the bursar's files arrive, below the `sub_directory` of the S/FTP connection."
    )
    file_patterns: TextList
    layout: LayoutName | None
    done_file_suffix: DoneFileKey = None
    stable_for_seconds: StableSeconds = 60
    timeout_minutes: TimeoutMinutes = 720
    on_timeout: OnTimeout = "skip"

    @property
    @abstractmethod
    def files_stay(self) -> bool:
        """Whether files stay in the folder when they have been read."""

    @field_validator("file_patterns")
    @classmethod
    def _check_file_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if not patterns:
            raise ValueError("no file would be read: write a pattern, as in ['*.csv']")
        for pattern in patterns:
            if "/" in pattern:
                raise ValueError(f"{pattern!r} has a folder in it: write a pattern on the name alone, as in '*.csv'")
        return patterns
