"""The layouts of files in include/layouts, the profiles that use them, and the names that a form offers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bursar.layouts.layout import Layout
from bursar.layouts.payments.read import load_payment_layouts, load_statement_layouts
from bursar.layouts.payments.row_layout import RowLayout
from bursar.layouts.read import load_layouts
from bursar.profiles import INCLUDE, Problem, Profile

AnyLayout = Layout | RowLayout


@dataclass(frozen=True)
class LayoutUse:
    """A section of a profile that names a layout."""

    profile: Profile
    section: Literal["export", "import", "statement"]
    layout: str

    @property
    def purpose(self) -> str:
        """The purpose, `for`, that the layout must have."""
        return "payments" if self.section == "import" else self.section


@dataclass(frozen=True)
class LayoutState:
    """A valid layout, and the sections of profiles that use it."""

    name: str
    layout: AnyLayout
    uses: Sequence[LayoutUse]

    @property
    def encoding(self) -> str:
        """The encodings, in their order."""
        encoding = self.layout.encoding
        return encoding if isinstance(encoding, str) else ", ".join(encoding)


@dataclass(frozen=True)
class LayoutStates:
    """All layouts: the valid ones by name, the problems of the others, and the uses of layouts that are not there."""

    valid: Sequence[LayoutState]
    problems: Sequence[Problem]
    broken_uses: Sequence[LayoutUse] = field(default=())

    def find(self, name: str) -> LayoutState | None:
        """Returns the valid layout with a name, or None."""
        return next((state for state in self.valid if state.name == name), None)

    def list_problems(self, name: str) -> list[Problem]:
        """Returns the problems of the layout with a name."""
        return [problem for problem in self.problems if Path(problem.file).stem == name]


def read_layout_states(profiles: Iterable[Profile]) -> LayoutStates:
    """Returns the layouts of include/layouts, by name, with their uses by some profiles."""
    exports, problems = load_layouts(INCLUDE / "layouts")
    payments, payment_problems = load_payment_layouts(INCLUDE / "layouts")
    statements, statement_problems = load_statement_layouts(INCLUDE / "layouts")
    uses = [use for profile in profiles for use in _list_uses(profile)]
    found: list[tuple[str, AnyLayout]] = sorted(
        [*exports.items(), *payments.items(), *statements.items()], key=lambda one: one[0]
    )
    valid = [
        LayoutState(name, layout, [use for use in uses if (use.layout, use.purpose) == (name, layout.for_)])
        for name, layout in found
    ]
    good = {(name, layout.for_) for name, layout in found}
    broken = [use for use in uses if (use.layout, use.purpose) not in good]
    return LayoutStates(valid, sorted([*problems, *payment_problems, *statement_problems]), broken)


def list_layout_choices() -> dict[str, list[tuple[str, str]]]:
    """Returns the valid layouts as choices of a profile's fields, each with its kind and encoding."""
    states = read_layout_states(()).valid
    return {
        field: [(one.name, f"{one.layout.kind}, {one.encoding}") for one in states if one.layout.for_ == purpose]
        for field, purpose in (
            ("export.layout", "export"),
            ("import.layout", "payments"),
            ("statement.layout", "statement"),
        )
    }


def _list_uses(profile: Profile) -> list[LayoutUse]:
    uses = []
    if profile.export.active and profile.export.layout:
        uses.append(LayoutUse(profile, "export", profile.export.layout))
    if profile.import_.active and profile.import_.layout:
        uses.append(LayoutUse(profile, "import", profile.import_.layout))
    if profile.statement.active:
        uses.append(LayoutUse(profile, "statement", profile.statement.layout))
    return uses
