"""Reads the layouts in include/layouts; an invalid layout does not affect the valid ones."""

from pathlib import Path
from typing import TypeVar, get_args

from bursar.errors import NotFoundError
from bursar.layouts.layout import Layout
from bursar.profiles import INCLUDE
from bursar.profiles.field_types import StrictModel
from bursar.profiles.json_schema import render_schema
from bursar.profiles.problems import Problem, ProfileError
from bursar.profiles.yaml_files import list_yaml_files, validate
from bursar.profiles.yaml_reader import Source, read_yaml

L = TypeVar("L", bound=StrictModel)
PURPOSES = ("export", "payments", "statement")
"""The purposes of a layout, its key `for`; the first one is that of a layout without the key."""


def load_layouts(folder: Path) -> tuple[dict[str, Layout], list[Problem]]:
    """Returns the valid layouts of exports by name, and the problems of the others, by file and line.

    The name of a layout is that of its file, without `.yaml`. A missing folder has no layouts.
    """
    layouts: dict[str, Layout] = {}
    problems: list[Problem] = []
    for source in read_layouts(folder):
        layout, wrong = validate(Layout, source)
        problems += wrong
        if layout:
            layouts[Path(source.file).stem] = layout
    return layouts, sorted(problems)


def read_layouts(folder: Path, purpose: str = PURPOSES[0]) -> list[Source]:
    """Returns the layouts of a folder for a purpose as texts, by name; also those that can't be read at all."""
    sources = (read_yaml(path, with_columns=True) for path in _list_files(folder))
    return [source for source in sources if purpose == _get_purpose(source)]


def _list_files(folder: Path) -> list[Path]:
    try:
        return list_yaml_files(folder)
    except FileNotFoundError:
        return []


def _get_purpose(source: Source) -> str:
    """Returns the purpose of a layout; that of exports for an unknown one, so that it is reported."""
    purpose = (source.data or {}).get("for")
    return purpose if isinstance(purpose, str) and purpose in PURPOSES else PURPOSES[0]


def get_layout(name: str, model: type[L], folder: Path | None = None) -> L:
    """Returns the layout of a name, from `include/layouts` unless another folder is given.

    Raises:
        NotFoundError: there is none; the message names the others.
        ProfileError: it is invalid; the message has all its problems.
    """
    folder = folder or INCLUDE / "layouts"
    paths = {path.stem: path for path in _list_files(folder)}
    if name not in paths:
        raise NotFoundError(
            f"There is no layout {name}: {folder / name}.yaml is missing. The layouts there are: "
            f"{', '.join(paths) or 'none'}."
        )
    source = read_yaml(paths[name], with_columns=True)
    purpose = model.model_fields["for_"].annotation
    if source.data and _get_purpose(source) not in get_args(purpose):
        wanted = " or ".join(f"`for: {one}`" for one in get_args(purpose))
        raise ProfileError(
            [Problem(source.file, 1, "for", f"is {_get_purpose(source)}: a layout with {wanted} is needed")]
        )
    layout, problems = validate(model, source)
    if layout is None:
        raise ProfileError(problems)
    return layout


def layout_schemas() -> dict[str, str]:
    """Returns the text of the JSON Schema by its file name in include/. It allows more than the model."""
    return {"layout.schema.json": render_schema(Layout)}
