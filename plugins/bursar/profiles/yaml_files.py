"""The YAML files of a folder, each with the name of the code in it: what profiles and sources have in common."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from bursar.profiles.error_messages import describe_errors
from bursar.profiles.field_types import StrictModel
from bursar.profiles.problems import Problem
from bursar.profiles.yaml_reader import Source

S = TypeVar("S", bound=StrictModel)


def list_yaml_files(folder: Path) -> list[Path]:
    """Returns the files *.yaml and *.yml of a folder that are not hidden, by name.

    Raises:
        OSError: the folder can't be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.name[0] != ".")


def get_file_name(code: str) -> str:
    """Returns the name that the file of a code must have, so that each code exists once in a folder."""
    return f"{code.lower()}.yaml"


def check_file_name(source: Source, code: str, noun: str) -> list[Problem]:
    """Returns a problem if the file of a `noun`, such as a profile, has not the name of its code."""
    path, name = Path(source.file), get_file_name(code)
    if path.name == name:
        return []
    message = f"the file of the {noun} {code} is {name}: give this file that name, or the {noun} another code"
    if (path.parent / name).exists():
        message = f"{code} is the code of {name}, which is not affected: give this {noun} a code of its own, "
        message += "and its file the name of that code"
    return [Problem(source.file, source.line(("code",)), "code", message)]


def validate(model: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    """Returns the model of a file, None if it is invalid, and all problems of the file, by line."""
    if source.data is None:
        return None, list(source.problems)
    try:
        validated = model.model_validate(source.data)
    except ValidationError as error:
        return None, sorted([*source.problems, *describe_errors(error, model, source)])
    return (None if source.problems else validated), list(source.problems)
