"""Measures the parts of a process: seconds, seconds of the processor, and the peak of the memory so far."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Meter:
    """The costs of the parts by their names; a part that is measured again is added up."""

    def __init__(self) -> None:
        self.costs: dict[str, dict[str, float]] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Adds the costs of a block to those of a part."""
        began, processor = time.monotonic(), time.process_time()
        yield
        cost = self.costs.setdefault(part, {"seconds": 0, "processor": 0})
        cost["seconds"] += time.monotonic() - began
        cost["processor"] += time.process_time() - processor
        cost["memory"] = get_peak()


def get_peak() -> int:
    """Returns the peak of this process's memory, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
