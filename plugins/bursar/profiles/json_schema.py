"""JSON Schemas of the YAML files, with which editors complete keys and underline errors."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bursar.profiles.model import Profile
from bursar.profiles.settings import Settings

_BLANK = {"type": "null"}


def json_schemas() -> dict[str, str]:
    """Returns the text of each schema by its file name in include/. Schemas allow more than the models."""
    return {
        "profile.schema.json": render_schema(Profile, filled_in=("time_zone",)),  # the loader adds it from the settings
        "bursar.schema.json": render_schema(Settings),
    }


def render_schema(model: type[BaseModel], filled_in: Sequence[str] = ()) -> str:
    """Returns the JSON Schema of a model as text. Its fields `filled_in` may be absent, or blank, in a file."""
    schema = model.model_json_schema()
    _remove_required(schema, filled_in)
    return _render(schema, [schema, *schema.get("$defs", {}).values()])


def render_schema_of_kinds(models: Mapping[str, type[BaseModel]], filled_in: Sequence[str] = ()) -> str:
    """Returns the JSON Schema of files of several models as text; the value of the key `kind` says which it is."""
    references, schema = models_json_schema([(model, "validation") for model in models.values()])
    sections = schema["$defs"]
    for model in models.values():
        _remove_required(sections[model.__name__], filled_in)
    schema |= {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(models)}},
        "allOf": [
            {
                "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
                "then": references[model, "validation"],
            }
            for kind, model in models.items()
        ],
    }
    return _render(schema, list(sections.values()))


def _remove_required(section: dict[str, Any], filled_in: Sequence[str]) -> None:
    section["required"] = [name for name in section["required"] if name not in filled_in]


def _render(schema: dict[str, Any], sections: Sequence[dict[str, Any]]) -> str:
    for section in sections:
        section["properties"] = {
            name: field if name in section.get("required", ()) else _allow_blank(field)
            for name, field in section["properties"].items()
        }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _allow_blank(field: dict[str, Any]) -> dict[str, Any]:
    annotations = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
    types = [type_ for type_ in field.get("anyOf", [field]) if type_ != _BLANK]
    return {key: value for key, value in annotations.items() if value is not None} | {"anyOf": [*types, _BLANK]}
