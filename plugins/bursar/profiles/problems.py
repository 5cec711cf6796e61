"""Problems in the YAML files, and their places."""

from collections.abc import Iterable
from dataclasses import dataclass

from bursar.errors import BursarError


@dataclass(frozen=True, order=True)
class Problem:
    """One error to correct. `field` is dotted, as in `export.libraries`, and empty for an error of the whole file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Returns `file:line: field: message`, which editors show as a link."""
        return self.render()

    def render(self, prefix: str = "") -> str:
        """Returns `file:line: field: message` with a prefix before the field."""
        return f"{self.file}:{self.line}: {prefix}" + (f"{self.field}: " if self.field else "") + self.message


class ProfileError(BursarError):
    """A profile or the settings can't be used; `problems` has all their errors."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
