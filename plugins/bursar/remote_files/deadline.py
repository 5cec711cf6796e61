"""The deadline of a step at a server, so that neither silence nor a trickle of bytes keeps a task for hours."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

CHECKS_PER_TIMEOUT = 50
MAX_CHECK_SECONDS = 1.0


class Deadline:
    """The moment at which the present step at a server fails. One connection has one deadline.

    Args:
        seconds: the time without an answer, or without a block of a file, that is allowed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends_at: float | None = None
        self._is_renewable = False
        self._is_over = False

    @property
    def reason(self) -> str:
        """The cause in an error message."""
        return f"timed out: no answer, or too little of it, within {self.seconds:g} seconds"

    @property
    def is_over(self) -> bool:
        """Whether a step has missed its deadline; its connection is not used again."""
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self._is_over = True
        return self._is_over

    def start(self, *, timeouts: int = 1, is_renewable: bool = False) -> None:
        """Begins a step that may take so many times the allowed seconds; progress renews a renewable one."""
        self._is_renewable = is_renewable
        self._ends_at = time.monotonic() + timeouts * self.seconds

    def stop(self) -> None:
        """Ends the step."""
        self._ends_at = None

    def renew(self) -> None:
        """Starts the time of a renewable step anew, because it has made progress."""
        if self._is_renewable and self._ends_at is not None:
            self._ends_at = time.monotonic() + self.seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the time while the block runs, which is no work of the server."""
        left = None if self._ends_at is None else self._ends_at - time.monotonic()
        self._ends_at = None
        try:
            yield
        finally:
            self._ends_at = None if left is None else time.monotonic() + left

    @contextmanager
    def shortened(self, seconds: float) -> Iterator[None]:
        """Gives the block at most so many seconds."""
        before = self._ends_at
        self._ends_at = min(before or float("inf"), time.monotonic() + seconds)
        try:
            yield
        finally:
            self._ends_at = before

    def seconds_left(self) -> float:
        """Returns the seconds that the next wait may take.

        Raises:
            TimeoutError: there are none.
        """
        if self._ends_at is None:
            return self.seconds
        if self.is_over:
            raise TimeoutError(self.reason)
        return min(self.seconds, max(self._ends_at - time.monotonic(), 0.001))


@contextmanager
def watch(deadline: Deadline, break_connection: Callable[[], object]) -> Iterator[None]:
    """Calls `break_connection` from a thread if a step misses its deadline while the block runs.

    paramiko waits at some places without a limit, and sends in the caller's thread: only the end of the connection
    makes it return.
    """
    ended = Event()
    pause = min(MAX_CHECK_SECONDS, deadline.seconds / CHECKS_PER_TIMEOUT)

    def check() -> None:
        while not ended.wait(pause):
            if deadline.is_over:
                break_connection()
                return

    thread = Thread(target=check, name="bursar-deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
