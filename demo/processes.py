"""Processes that belong to a folder: started with its mark, found again by it, ended to the last one."""

import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bursar.errors import BursarError

MARK = "BURSAR_EMBEDDED_IN"


def start(
    command: Sequence[str], folder: Path, log: Path, env: Mapping[str, str], *, user: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts a command that belongs to a folder, in a session of its own: Ctrl-C in our terminal passes it by.

    The mark in its environment is inherited by whatever it starts, also by what leaves the session or outlives us.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  commands of our own
            command,
            cwd=folder,
            env={**env, MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )


def belonging_to(folder: Path) -> list[psutil.Process]:
    """The living processes that carry a folder's mark, whoever started them and whenever."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # ended meanwhile, or another user's
            if process.environ().get(MARK) == str(folder):
                found.append(process)
    return found


def end_all(folder: Path, *, gently: signal.Signals = signal.SIGTERM, patience: float = 15) -> None:
    """Ends every process that belongs to a folder; what is still there after `patience` seconds is killed."""
    for kind, seconds in ((gently, patience), (signal.SIGKILL, 10)):
        for process in belonging_to(folder):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(kind)
        deadline = time.monotonic() + seconds
        while belonging_to(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    if left := belonging_to(folder):
        numbers = ", ".join(str(process.pid) for process in left)
        raise BursarError(f"Processes of {folder} do not end, not even when killed: {numbers}.")


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, to show in an error."""
    lines = log.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(["", f"The last lines of {log}:", *(f"  {line}" for line in lines)])


def private_file(file: Path, text: str) -> None:
    """Writes a file that only its owner may read."""
    file.touch(mode=0o600)
    file.write_text(text)
