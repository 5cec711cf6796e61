"""Shows the current step of a program, so that the screen is never silent for long."""

import threading
import time
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_EVERY_SECONDS = 5.0


class Steps:
    """Shows the current step inside a `with` block: as the last line of a terminal, otherwise as lines of text.

    Without a terminal, a step prints one line when it begins, and one every `line_every_seconds`.
    """

    def __init__(self, out: Console, *, line_every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self._out = out
        self._line_every_seconds = line_every_seconds
        columns = (SpinnerColumn(), TextColumn("[dim]{task.description}[/]"), TimeElapsedColumn())
        self._live = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
        self._row = self._live.add_task("", visible=False)
        self._step: tuple[str, float] | None = None  # with its start
        self._changed = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._print_lines, daemon=True)

    def __enter__(self) -> Self:
        """Starts to show steps."""
        self._live.start()
        if not self._out.is_terminal:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Removes the line of the last step."""
        self._ended = True
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._live.stop()

    def show(self, step: str) -> None:
        """Begins a step, which ends the one before it."""
        self._live.reset(self._row, description=step, visible=True)
        if not self._out.is_terminal:
            self._out.print(f"{step} ...")
        self._step = step, time.monotonic()
        self._changed.set()

    def _print_lines(self) -> None:
        while not self._ended:
            if self._changed.wait(self._line_every_seconds):
                self._changed.clear()
            elif self._step:
                step, began = self._step
                self._out.print(f"{step}: {time.monotonic() - began:.0f} seconds so far")
