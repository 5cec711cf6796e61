"""Translates pydantic's errors into plain sentences, each with its line in the file."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bursar.profiles.problems import Problem
from bursar.profiles.yaml_reader import Place, Source, dotted

_ANY = -1


def describe_errors(error: ValidationError, model: type[BaseModel], source: Source) -> list[Problem]:
    """Returns the problems of a source, one for each error of its model."""
    return [
        Problem(
            source.file,
            source.line(details["loc"]),
            dotted(details["loc"]),
            _describe_error(details, model, source),
            source.column(details["loc"]),
        )
        for details in error.errors(include_url=False)
    ]


def _describe_error(details: ErrorDetails, model: type[BaseModel], source: Source) -> str:
    place, context, value = details["loc"], details.get("ctx", {}), details["input"]
    sentence = details["msg"]
    match details["type"]:
        case "missing":
            reason = "is blank" if place in source.lines else "is missing"
            sentence = f"{reason}: {_find_field(model, place).description}"
        case "extra_forbidden":
            sentence = _describe_unknown_key(str(place[-1]), place[:-1], model)
        case "literal_error":
            choices = re.findall("'(.*?)'", context["expected"])
            near = _find_nearest(str(value), choices)
            sentence = f"{value!r} is not known here: " + (
                f"did you mean {near}?" if near else f"write one of {', '.join(choices)}"
            )
        case "model_type":
            sentence = "write the fields of this section on the lines below it, each indented by two spaces"
        case "greater_than_equal":
            sentence = f"{value} is too small: write {context['ge']} or more"
        case "less_than_equal":
            sentence = f"{value} is too large: write {context['le']} or less"
        case "value_error":
            sentence = str(context["error"])
    return sentence


def _describe_unknown_key(key: str, section: Place, model: type[BaseModel]) -> str:
    places = list(_get_fields(model))
    if elsewhere := [dotted(place[:-1]) for place in places if place[-1] == key]:
        return "belongs " + " or ".join(
            f"below {name}" if name else "to no section: don't indent it" for name in elsewhere
        )
    keys = [str(place[-1]) for place in places if _is_at(place[:-1], section)]
    near = _find_nearest(key, keys)
    return "unknown key: " + (f"did you mean {near}?" if near else f"the keys here are {', '.join(keys)}")


def _find_nearest(written: str, choices: list[str]) -> str | None:
    by_lower_case = {choice.lower(): choice for choice in choices}
    return next((by_lower_case[near] for near in get_close_matches(written.lower(), by_lower_case, 1)), None)


def _find_field(model: type[BaseModel], place: Place) -> FieldInfo:
    return next(field for found, field in _get_fields(model).items() if _is_at(found, place))


def _is_at(found: Place, place: Place) -> bool:
    return len(found) == len(place) and all(one in (_ANY, other) for one, other in zip(found, place, strict=True))


def _get_fields(model: type[BaseModel]) -> dict[Place, FieldInfo]:
    """Returns the fields of a model and of its sections, by their places in the file.

    In a list of sections, or a mapping to sections, `_ANY` has the place of the number or the key.
    """
    fields: dict[Place, FieldInfo] = {}
    for name, field in model.model_fields.items():
        place = (field.alias or name,)
        fields[place] = field
        section, inner = _find_section(field.annotation)
        if section:
            fields |= {(*place, *inner, *below): one for below, one in _get_fields(section).items()}
    return fields


def _find_section(annotation: Any) -> tuple[type[BaseModel] | None, Place]:  # noqa: ANN401  any type
    """Returns the model in a type, and what leads from a value of the type to the model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ()
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Union, UnionType):
        return _find_section(args[0])
    if origin in (tuple, dict, Mapping) and args:
        section, inner = _find_section(args[0] if origin is tuple else args[1])
        return section, (_ANY, *inner)
    return None, ()
