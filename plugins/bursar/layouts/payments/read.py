"""Reads the layouts of payments in include/layouts; an invalid layout does not affect the valid ones."""

from pathlib import Path

from bursar.layouts.payments.model import PaymentLayout
from bursar.layouts.read import read_layouts
from bursar.profiles.json_schema import render_schema
from bursar.profiles.problems import Problem
from bursar.profiles.yaml_files import validate


def load_payment_layouts(folder: Path) -> tuple[dict[str, PaymentLayout], list[Problem]]:
    """Returns the valid layouts of payments by name, and the problems of the others, by file and line.

    A missing folder has no layouts.
    """
    layouts: dict[str, PaymentLayout] = {}
    problems: list[Problem] = []
    for source in read_layouts(folder, "payments"):
        layout, wrong = validate(PaymentLayout, source)
        problems += wrong
        if layout:
            layouts[Path(source.file).stem] = layout
    return layouts, sorted(problems)


def payment_layout_schemas() -> dict[str, str]:
    """Returns the text of the JSON Schema by its file name in include/. It allows more than the model."""
    return {"payment_layout.schema.json": render_schema(PaymentLayout)}
