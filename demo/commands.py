"""Runs commands of `bin/bursar` for the demo."""

import os
import subprocess
from pathlib import Path

from rich.text import Text

from bursar.errors import BursarError
from demo.details import report_file
from demo.library import Library

PROJECT = Path(__file__).resolve().parents[1]


def run_command(
    library: Library, file: Path, *arguments: str, width: int, color: bool = False, fails: bool = False
) -> Text:
    """Runs `bin/bursar`, returns its output, and appends command and output, without colors, to a file.

    Raises:
        BursarError: the command failed; or `fails` is true and it did not.
    """
    command = ["bin/bursar", *arguments]
    env = {**os.environ, **library.env, "COLUMNS": str(width)} | ({"FORCE_COLOR": "1"} if color else {})
    done = subprocess.run(  # noqa: S603  a command of our own
        command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    printed = Text.from_ansi(done.stdout.strip("\n"))
    if bool(done.returncode) != fails:
        raise BursarError(f"{' '.join(command)} ended with {done.returncode}:\n{printed.plain}")
    with report_file(file) as out:
        out.file.write(f"$ {' '.join(command)}\n{printed.plain}\n\n")
    return printed
