"""Kills or interrupts a worker before or after one of its acts: a call to the bursar's server, or a commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, cast

from sqlalchemy import Engine

from bursar.remote_files.base import RemoteFolder


class KilledError(Exception):
    """The end of a killed worker. Bursar never catches it."""


@dataclass
class KillSwitch:
    """Counts the acts of a worker, and kills it before or after the act number `kill_at`, counted from 0.

    If each request and each commit is an act, a kill after one leaves the same as a kill before the next one: then a
    test kills before each act.
    """

    kill_at: int | None = None
    after: bool = False
    acts: list[str] = field(default_factory=list)
    _counting: Lock = field(default_factory=Lock)

    def act(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function as an act of the worker, and returns its result.

        Raises:
            KilledError: the worker is killed at this act.
        """
        with self._counting:
            self.acts.append(name)
            is_last = len(self.acts) - 1 == self.kill_at
        if is_last and not self.after:
            raise KilledError
        result = function(*arguments)
        if is_last:
            raise KilledError
        return result

    @contextmanager
    def watch_commits(self, engine: Engine) -> Iterator[None]:
        """Makes each commit of an engine an act of the worker, inside the block."""
        commit = engine.dialect.do_commit
        engine.dialect.do_commit = partial(self.act, "commit", commit)  # type: ignore[method-assign]
        try:
            yield
        finally:
            engine.dialect.do_commit = commit  # type: ignore[method-assign]


@dataclass
class InterruptSwitch(KillSwitch):
    """Interrupts a worker before or after the act number `kill_at`: calls `interrupt`, then the worker continues."""

    interrupt: Callable[[], object] = lambda: None

    def act(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function as an act of the worker, and returns its result."""
        self.acts.append(name)
        if len(self.acts) - 1 != self.kill_at:
            return function(*arguments)
        if not self.after:
            self.interrupt()
        try:
            return function(*arguments)
        finally:
            if self.after:
                self.interrupt()


class KillableFolder:
    """A remote folder each of whose calls is an act of a worker."""

    def __init__(self, folder: RemoteFolder, kill_switch: KillSwitch) -> None:
        self._folder = folder
        self._kill_switch = kill_switch

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._folder, name)
        if not callable(attribute):
            return attribute
        return lambda *given, **named: self._kill_switch.act(name, partial(attribute, *given, **named))

    @classmethod
    def wrap(cls, folder: RemoteFolder, kill_switch: KillSwitch) -> RemoteFolder:
        """Returns a killable folder in place of a remote one."""
        return cast("RemoteFolder", cls(folder, kill_switch))
