"""What is wrong in a file of ours, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

from bursar.errors import BursarError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend. `field` is dotted, as in `export.libraries`, and empty where the whole file is meant."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """`file:line: field: message`, which editors turn into a link."""
        return f"{self.file}:{self.line}: " + (f"{self.field}: " if self.field else "") + self.message


class ProfileError(BursarError):
    """A profile or the settings can't be used; `problems` holds all that is wrong with them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
