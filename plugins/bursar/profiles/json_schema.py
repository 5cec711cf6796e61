"""JSON Schemas of our YAML files, so that editors complete keys and underline mistakes while people type."""

import json
from typing import Any

from pydantic import BaseModel

from bursar.profiles.model import Profile
from bursar.profiles.settings import Settings

_BLANK = {"type": "null"}


def json_schemas() -> dict[str, str]:
    """The text of each schema by its file name in include/. Schemas are a little laxer than the models."""
    return {
        "profile.schema.json": _schema(Profile, optional="time_zone"),  # the loader fills it in from the settings
        "bursar.schema.json": _schema(Settings),
    }


def _schema(model: type[BaseModel], optional: str = "") -> str:
    schema = model.model_json_schema()
    schema["required"] = [name for name in schema["required"] if name != optional]
    for section in (schema, *schema.get("$defs", {}).values()):
        section["properties"] = {
            name: field if name in section.get("required", ()) else _or_blank(field)
            for name, field in section["properties"].items()
        }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _or_blank(field: dict[str, Any]) -> dict[str, Any]:
    said = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
    kinds = [kind for kind in field.get("anyOf", [field]) if kind != _BLANK]
    return {key: value for key, value in said.items() if value is not None} | {"anyOf": [*kinds, _BLANK]}
