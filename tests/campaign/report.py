"""What a campaign tells: the trace of a round, the violations, the table at the end."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """Something that must never happen: a short `kind`, and the case with its names and numbers."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class Trace:
    """What happened in a round, in order."""

    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def add(self, actor: str, what: str) -> None:
        self.lines.append(f"{time.monotonic() - self.began:7.3f}  {actor:<28} {what}")


@dataclass
class Tally:
    """Counts over a whole campaign; a fault is survived if the checks of its round find nothing."""

    injected: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    checks: int = 0
    stages: int = 0
    began: float = field(default_factory=time.monotonic)

    def count(self, injected: Sequence[str], found: Sequence[Violation]) -> None:
        """Counts a round."""
        self.rounds += 1
        self.injected.update(injected)
        self.violations.update({violation.kind for violation in found})
        if not found:
            self.survived.update(injected)

    @property
    def faults(self) -> int:
        return self.injected.total()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def table(self) -> str:
        """Faults by kind, how many were injected and survived."""
        rows = [(kind, str(count), str(self.survived[kind])) for kind, count in sorted(self.injected.items())]
        rows.append(("in all", str(self.faults), str(self.survived.total())))
        width = max(len(kind) for kind, *_ in rows)
        lines = [f"| {'fault':<{width}} | injected | survived |", f"| {'-' * width} | -------: | -------: |"]
        lines += [f"| {kind:<{width}} | {injected:>8} | {survived:>8} |" for kind, injected, survived in rows]
        return "\n".join(lines)

    def summary(self) -> str:
        """One sentence."""
        return (
            f"{self.faults:,} faults in {self.rounds:,} rounds with {self.stages:,} stage processes, "
            f"{self.checks:,} checks, {self.seconds:,.0f} seconds "
            f"({self.faults / max(self.seconds, 1):.1f} faults a second)."
        )
