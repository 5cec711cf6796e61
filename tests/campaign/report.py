"""The output of a campaign: the trace of a round, the violations, the table at the end."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """A broken invariant: a short `kind`, and the details of the case."""

    kind: str
    details: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.details}"


@dataclass
class Trace:
    """The events of a round, in order."""

    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def add(self, actor: str, event: str) -> None:
        self.lines.append(f"{time.monotonic() - self.began:7.3f}  {actor:<28} {event}")


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
        """Returns a table of the faults by kind, with the numbers injected and survived."""
        rows = [(kind, str(count), str(self.survived[kind])) for kind, count in sorted(self.injected.items())]
        rows.append(("total", str(self.faults), str(self.survived.total())))
        width = max(len(kind) for kind, *_ in rows)
        lines = [f"| {'fault':<{width}} | injected | survived |", f"| {'-' * width} | -------: | -------: |"]
        lines += [f"| {kind:<{width}} | {injected:>8} | {survived:>8} |" for kind, injected, survived in rows]
        return "\n".join(lines)

    def summary(self) -> str:
        """Returns the counts in one sentence."""
        return (
            f"{self.faults:,} faults in {self.rounds:,} rounds with {self.stages:,} stage processes, "
            f"{self.checks:,} checks, {self.seconds:,.0f} seconds "
            f"({self.faults / max(self.seconds, 1):.1f} faults a second)."
        )
