"""Bursar's commands, run in the demo as a librarian runs them."""

import os
import subprocess
from pathlib import Path

from rich.text import Text

from bursar.errors import BursarError
from demo.details import report_file
from demo.library import Library

PROJECT = Path(__file__).resolve().parents[1]


def run_command(
    library: Library, file: Path, *arguments: str, width: int, color: bool = False, refused: bool = False
) -> Text:
    """Runs `bin/bursar` and returns what it prints; the command and that, without colors, go to the end of a file.

    Raises:
        BursarError: it failed, or was to be refused and was not.
    """
    command = ["bin/bursar", *arguments]
    env = {**os.environ, **library.env, "COLUMNS": str(width)} | ({"FORCE_COLOR": "1"} if color else {})
    done = subprocess.run(  # noqa: S603  a command of our own
        command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    printed = Text.from_ansi(done.stdout.strip("\n"))
    if bool(done.returncode) != refused:
        raise BursarError(f"{' '.join(command)} ended with {done.returncode}:\n{printed.plain}")
    with report_file(file) as out:
        out.file.write(f"$ {' '.join(command)}\n{printed.plain}\n\n")
    return printed
