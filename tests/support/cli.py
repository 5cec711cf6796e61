"""`bin/bursar` as a test runs it."""

import json
from typing import Any

from click.testing import CliRunner

from bursar.__main__ import bursar


def run(*arguments: str, exit_code: int = 0) -> str:
    """Runs a command and returns all that it prints."""
    result = CliRunner().invoke(bursar, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def run_json(*arguments: str) -> Any:
    """Runs a command with `--format json` and returns what it prints, parsed."""
    return json.loads(run(*arguments, "--format", "json"))
