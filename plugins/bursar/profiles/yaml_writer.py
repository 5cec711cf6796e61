"""Writes the fields of a profile as YAML that `yaml_reader` reads back unchanged."""

from collections.abc import Mapping
from typing import Any

import yaml

from bursar.profiles.yaml_reader import Value

_YAML = "tag:yaml.org,2002:"
_READ_AS_TEXT = {f"{_YAML}{name}" for name in ("bool", "int", "float", "timestamp")}


class _Dumper(yaml.SafeDumper):
    """Writes a text without quotes where the reader takes it for the same text, as in `active: yes`."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Indents the items of a list below its key."""
        return super().increase_indent(flow, False)  # noqa: FBT003


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    tag = plain if plain in _READ_AS_TEXT else f"{_YAML}str"
    return dumper.represent_scalar(tag, value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _represent_text)


def write_yaml(data: Mapping[str, Value], comment: str = "") -> str:
    """Returns a mapping of texts, lists and mappings as YAML, in its order; each line of `comment` precedes it."""
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    text: str = yaml.dump(_without_blanks(data), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return lines + text


def _without_blanks(value: Mapping[str, Value]) -> dict[str, Any]:
    return {
        key: _without_blanks(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }
