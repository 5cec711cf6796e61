"""Problems in the YAML files, and their places."""

import dataclasses
from collections.abc import Iterable

from bursar.errors import BursarError


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One error to correct. `field` is dotted, as in `export.libraries`, and empty for an error of the whole file.

    `column` is where the key begins in its line, counted from 1; None for an error of a whole line, section or file.
    """

    file: str
    line: int
    field: str
    message: str
    column: int | None = dataclasses.field(default=None, compare=False)

    def __str__(self) -> str:
        """Returns `file:line:column: field: message`, which editors show as a link."""
        return self.render()

    def render(self, prefix: str = "") -> str:
        """Returns `file:line:column: field: message` with a prefix before the field."""
        place = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        return f"{place}: {prefix}" + (f"{self.field}: " if self.field else "") + self.message


def describe_revision(code: str, revision: int) -> str:
    """Returns the place of a profile that is managed in the pages, for the problems in it."""
    return f"{code}, revision {revision} (managed in the pages)"


class ProfileError(BursarError):
    """A profile or the settings can't be used; `problems` has all their errors."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
