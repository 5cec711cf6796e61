"""Reads the layouts of payments and of statements in include/layouts; an invalid one does not affect the valid ones."""

from pathlib import Path
from typing import TypeVar

from bursar.layouts.payments.model import PaymentLayout
from bursar.layouts.payments.row_layout import RowLayout
from bursar.layouts.payments.statement import StatementLayout
from bursar.layouts.read import get_layout, read_layouts
from bursar.profiles import INCLUDE
from bursar.profiles.json_schema import render_schema
from bursar.profiles.problems import Problem
from bursar.profiles.yaml_files import validate

L = TypeVar("L", bound=RowLayout)


def load_payment_layouts(folder: Path) -> tuple[dict[str, PaymentLayout], list[Problem]]:
    """Returns the valid layouts of payments by name, and the problems of the others, by file and line.

    A missing folder has no layouts.
    """
    return _load(folder, "payments", PaymentLayout)


def load_statement_layouts(folder: Path) -> tuple[dict[str, StatementLayout], list[Problem]]:
    """Returns the valid layouts of statements by name, and the problems of the others, by file and line.

    A missing folder has no layouts.
    """
    return _load(folder, "statement", StatementLayout)


def get_row_layout(name: str, folder: Path | None = None) -> RowLayout:
    """Returns the layout of payments or of statements with a name, from `include/layouts` unless a folder is given.

    Raises:
        NotFoundError: there is none; the message names the others.
        ProfileError: it is invalid, or for exports; the message has all its problems.
    """
    is_statement = any(Path(one.file).stem == name for one in read_layouts(folder or INCLUDE / "layouts", "statement"))
    return get_layout(name, StatementLayout, folder) if is_statement else get_layout(name, PaymentLayout, folder)


def _load(folder: Path, purpose: str, model: type[L]) -> tuple[dict[str, L], list[Problem]]:
    layouts: dict[str, L] = {}
    problems: list[Problem] = []
    for source in read_layouts(folder, purpose):
        layout, wrong = validate(model, source)
        problems += wrong
        if layout:
            layouts[Path(source.file).stem] = layout
    return layouts, sorted(problems)


def payment_layout_schemas() -> dict[str, str]:
    """Returns the texts of the JSON Schemas by their file names in include/. They allow more than the models."""
    return {
        "payment_layout.schema.json": render_schema(PaymentLayout),
        "statement_layout.schema.json": render_schema(StatementLayout),
    }
