"""The end of a worker, at any moment: before or after a call to the bursar's server, before or after a commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, cast

from sqlalchemy import Engine

from bursar.remote_files.base import RemoteFolder


class KilledError(Exception):
    """Stands for the end of a worker: nothing of Bursar catches it."""


@dataclass
class KillSwitch:
    """Counts what a worker does, and ends it before or after its n-th act."""

    dies_at: int | None = None
    after: bool = False
    acts: list[str] = field(default_factory=list)
    _counting: Lock = field(default_factory=Lock)

    def act(self, name: str, does: Callable[..., Any], *arguments: Any) -> Any:
        with self._counting:
            self.acts.append(name)
            dies = len(self.acts) - 1 == self.dies_at
        if dies and not self.after:
            raise KilledError
        result = does(*arguments)
        if dies:
            raise KilledError
        return result

    @contextmanager
    def at_commits(self, engine: Engine) -> Iterator[None]:
        """Counts each commit of an engine among the acts."""
        commit = engine.dialect.do_commit
        engine.dialect.do_commit = partial(self.act, "commit", commit)  # type: ignore[method-assign]
        try:
            yield
        finally:
            engine.dialect.do_commit = commit  # type: ignore[method-assign]


@dataclass
class InterruptedFolder(KillSwitch):
    """A worker that is stopped before or after its n-th act while something else happens, and then goes on."""

    happens: Callable[[], object] = lambda: None

    def act(self, name: str, does: Callable[..., Any], *arguments: Any) -> Any:
        self.acts.append(name)
        if len(self.acts) - 1 != self.dies_at:
            return does(*arguments)
        if not self.after:
            self.happens()
        try:
            return does(*arguments)
        finally:
            if self.after:
                self.happens()


class KillableFolder:
    """A remote folder each of whose calls is an act of its user."""

    def __init__(self, folder: RemoteFolder, kill_switch: KillSwitch) -> None:
        self._folder = folder
        self._kill_switch = kill_switch

    def __getattr__(self, name: str) -> Any:
        wanted = getattr(self._folder, name)
        if not callable(wanted):
            return wanted
        return lambda *given, **named: self._kill_switch.act(name, partial(wanted, *given, **named))

    @classmethod
    def of(cls, folder: RemoteFolder, kill_switch: KillSwitch) -> RemoteFolder:
        return cast("RemoteFolder", cls(folder, kill_switch))
