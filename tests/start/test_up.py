"""`make up` in a checkout of its own: its history, the commands of README.md beside it, and where it writes."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

import pytest

from demo.airflow import APPROVER, USER
from demo.airflow_client import AirflowClient

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
START_SECONDS = 900  # two minutes on an idle machine
COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, and the environment of a person who has nothing but the copy.

    `elsewhere` holds the folders where programs write by habit.
    """

    folder: Path
    elsewhere: Path
    env: Mapping[str, str]

    def run(self, command: str) -> str:
        """Runs a command line in the copy, and returns its output; it must succeed."""
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def list_runs(self) -> list[dict[str, Any]]:
        return list(json.loads(self.run("bin/bursar runs list --format json")))


@pytest.fixture
def checkout(state: Path) -> Checkout:
    """The files under version control, with the packages of this checkout."""
    folder = state / "bursar"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    for name in filter(None, names.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    (folder / ".venv").symlink_to((PROJECT / ".venv").resolve())
    elsewhere = state / "elsewhere"
    watched = {name: elsewhere / name.lower() for name in ("HOME", "TMPDIR")}
    for path in watched.values():
        path.mkdir(parents=True)
    env = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return Checkout(folder, elsewhere, env | {name: str(path) for name, path in watched.items()})


def _read(output: IO[str], lines: "Queue[str]") -> None:
    for line in output:
        lines.put(line)


@contextmanager
def run_up(checkout: Checkout) -> Iterator[str]:
    """Runs `make up`; yields its output once it has started, and ends it with Ctrl-C."""
    with subprocess.Popen(
        ["make", "up"],  # noqa: S607
        cwd=checkout.folder,
        env=checkout.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        lines: Queue[str] = Queue()
        output = process.stdout
        reader = threading.Thread(target=_read, args=(output, lines), daemon=True)
        reader.start()
        printed, deadline = "", time.monotonic() + START_SECONDS
        try:
            while "Ctrl-C stops everything." not in printed:
                assert process.poll() is None, printed
                assert time.monotonic() < deadline, printed
                try:
                    printed += lines.get(timeout=1)
                except Empty:
                    continue
            yield printed
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=120)
            reader.join(timeout=10)


def read_commands() -> list[str]:
    """Returns the commands in the code blocks of README.md, without `make`."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    commands = [shlex.join(shlex.split(line, comments=True)) for block in blocks for line in block.splitlines()]
    assert {"make up", "make demo", "bin/bursar runs list", "bin/bursar-office"} <= set(commands)
    return [command for command in commands if not command.startswith("make ")]


def log_in(printed: str, user: str) -> AirflowClient:
    address, password = re.search(r"^Airflow +(\S+)  .*password (\S+)\)", printed, re.MULTILINE).groups()  # type: ignore[union-attr]
    return AirflowClient(address, user, password)


def test_make_up_has_a_history_and_the_commands_work_beside_it(checkout: Checkout) -> None:
    with run_up(checkout) as printed:
        runs = {(run["profile"], run["job"]): run["outcome"] for run in checkout.list_runs()}
        exports = {code: outcome for (code, job), outcome in runs.items() if job == "export"}
        assert set(exports) == {"CREDITS", "MEDICAL", "STAFF", "STUDENTS"}
        assert all(outcome.startswith("completed") for outcome in exports.values())
        assert runs["STUDENTS", "import"] == "failed"  # one of its two files is broken
        assert {runs[code, "import"] for code in ("CREDITS", "MEDICAL")} == {"completed with warnings"}
        files = json.loads(checkout.run("bin/bursar imports list --format json"))
        assert sorted(file["state"] for file in files) == ["APPLIED", "APPLIED", "APPLIED", "REJECTED"]
        loads = json.loads(checkout.run("bin/bursar sources loads list --format json"))
        assert {load["source"] for load in loads} == {"LIBRARY", "FOLIO", "KOHA"}
        loads = [load for load in loads if load["source"] == "LIBRARY"]
        assert [load["outcome"] for load in loads] == ["loaded with warnings", "loaded with warnings", "loaded"]
        counts = [[load["counts"][name] for name in ("fines_deferred", "rejected", "warnings")] for load in loads]
        assert counts == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
        list_waiting = "bin/bursar sources outbox list --state refused --state unknown --state pending --format json"
        assert [event["source"] for event in json.loads(checkout.run(list_waiting))] == ["KOHA"]

        assert (checkout.folder / ".local/up/bursars/banner/library/students/in").is_dir()
        with log_in(printed, USER) as admin, log_in(printed, APPROVER) as approver:
            dag = "bursar_export__STUDENTS"
            run_id = admin.runs(dag)[-1]["dag_run_id"]
            assert admin.task_states(dag, run_id)["wait_for_approval"] == "awaiting_input"

            for command in read_commands():
                checkout.run(command)

            assert "Every exported file has its answer." in checkout.run("bin/bursar-office")
            approver.approve(dag, run_id)
            assert admin.wait(dag, run_id) == "success"
        answer = checkout.run("bin/bursar-office STUDENTS")
        # The rare book, a lost book of FOLIO and what has changed in the library's system; also the credit of a fine,
        # if the first exports of history took the fine before the credit.
        assert re.search(r"^STUDENTS: banner/library/students/out/STUDENTS-\S+ has [45] fines\.", answer)
        history = checkout.list_runs()

    own = checkout.folder / ".local" / "up" / "include" / "profiles" / "own.yaml"
    own.write_text("code: OWN\n")
    with run_up(checkout):  # keeps the history and the profiles of a person, and adds nothing
        assert checkout.list_runs() == history
    assert own.exists()
    assert [file for file in checkout.elsewhere.rglob("*") if file.parent != checkout.elsewhere] == []
