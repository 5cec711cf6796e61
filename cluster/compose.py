"""docker-compose.yaml as Docker Compose reads it: merged, with the variables of .env."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bursar.errors import BursarError

PROJECT = Path(__file__).resolve().parents[1]
COMPOSE = PROJECT / "docker-compose.yaml"
EXAMPLE = PROJECT / ".env.example"
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<other>[^}]*))?\})")


def read_compose(variables: Mapping[str, str], file: Path = COMPOSE) -> dict[str, Any]:
    """Returns the compose file with its variables replaced by their values.

    Raises:
        BursarError: a required variable is missing or blank; the message is that of the file.
    """
    return dict(_replace_variables(yaml.safe_load(file.read_text(encoding="utf-8")), variables))


def example_variables(file: Path = EXAMPLE) -> dict[str, str]:
    """Returns the variables of .env.example and their values."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def _replace_variables(node: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401  a YAML tree
    if isinstance(node, dict):
        return {key: _replace_variables(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_replace_variables(value, variables) for value in node]
    return VARIABLE.sub(lambda found: _value(found, variables), node) if isinstance(node, str) else node


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    value = variables.get(found["name"], "")
    if not value and found["kind"] == ":?":
        raise BursarError(found["other"])
    return value or (found["other"] if found["kind"] == ":-" else "")
