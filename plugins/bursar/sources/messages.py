"""What a load says about single rows: rejected ones, deferred ones, and warnings about fines."""

from dataclasses import dataclass
from enum import StrEnum


class MessageKind(StrEnum):
    """The kind of a message about a row."""

    REJECTED = "rejected"
    DEFERRED = "deferred"
    WARNING = "warning"


@dataclass(frozen=True)
class RowMessage:
    """A message about a row: the file and line, the field and value, the reason and what to do.

    `line` is None for a fine that is not in the file. `source_id` is the fine's id in the library system, `fine_id`
    the internal one. `number` is its place among the messages of a recorded load, from 1.
    """

    kind: MessageKind
    code: str
    file: str
    line: int | None
    reason: str
    remedy: str = ""
    of_table: str = ""
    source_id: str | None = None
    fine_id: int | None = None
    field: str | None = None
    value: str | None = None
    number: int = 0

    @property
    def place(self) -> str:
        """The file and the line, or the fine."""
        place = self.line if self.line is not None else self.source_id
        return self.file if place is None else f"{self.file}:{place}"

    @property
    def is_rejection(self) -> bool:
        """Whether the row was rejected."""
        return self.kind == MessageKind.REJECTED

    def __str__(self) -> str:
        """Returns the reason and what to do."""
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason
