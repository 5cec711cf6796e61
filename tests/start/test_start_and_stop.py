"""The embedded library stops without leftover processes, however its program ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from demo.airflow import COMPONENTS
from demo.library import embedded_library
from demo.processes import find_processes

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
START_SECONDS, END_SECONDS = 600, 120  # on an idle machine 15 and 5


def _components_have_started(state: Path) -> bool:
    return len(find_processes(state / "airflow")) >= len(COMPONENTS)


def _address_is_known(state: Path) -> bool:
    return (state / "env").exists()


@contextmanager
def _up(state: Path, is_far_enough: Callable[[Path], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the program of `make up` in a process and a folder of its own; yields once it is far enough."""
    program = "import sys, pathlib; from demo.up import main; sys.exit(main(pathlib.Path(sys.argv[1])))"
    env = os.environ | {"PYTHONPATH": str(PROJECT / "plugins")}
    command = [sys.executable, "-c", program, str(state)]
    with subprocess.Popen(command, cwd=PROJECT, env=env) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + START_SECONDS
            while not is_far_enough(state) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "is_far_enough", "status"),
    [
        (signal.SIGINT, _components_have_started, 0),
        (signal.SIGTERM, _address_is_known, 128 + signal.SIGTERM),
    ],
)
def test_a_signal_ends_every_process(
    number: signal.Signals, is_far_enough: Callable[[Path], bool], status: int, state: Path
) -> None:
    with _up(state, is_far_enough) as up:
        started = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(number)
        assert up.wait(timeout=END_SECONDS) == status
        _, left = psutil.wait_procs(started, timeout=END_SECONDS)

    assert len(started) > len(COMPONENTS)
    assert left == []


def test_the_next_start_ends_the_processes_of_a_killed_one(state: Path) -> None:
    def interrupt(_: str) -> None:
        raise InterruptedError

    with _up(state, _components_have_started) as up:
        started = psutil.Process(up.pid).children(recursive=True)
        up.kill()
    _, skipped = psutil.wait_procs(started, timeout=1)

    with pytest.raises(InterruptedError), embedded_library(state, fines=1, say=interrupt):
        pass

    _, left = psutil.wait_procs(started, timeout=END_SECONDS)
    assert len(skipped) > len(COMPONENTS)
    assert left == []
