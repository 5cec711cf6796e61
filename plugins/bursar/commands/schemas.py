"""Writes the JSON Schemas of the YAML files into include/."""

from collections.abc import Mapping

from bursar.commands.context import sanitize
from bursar.commands.output import print_result
from bursar.profiles import INCLUDE


def write_schemas(schemas: Mapping[str, str], output_format: str) -> None:
    """Writes schemas by their file names, and prints the paths."""
    paths = []
    for name, schema in schemas.items():
        (INCLUDE / name).write_text(schema, encoding="utf-8")
        paths.append(str(INCLUDE / name))
    print_result(output_format, [{"path": path} for path in paths], *(f"Wrote {sanitize(path)}" for path in paths))
