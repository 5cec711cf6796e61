"""A layout: how the file of an export looks, read from `include/layouts` or from the record of a batch."""

from typing import ClassVar

from pydantic import ConfigDict

from bursar.layouts.layout_rules import RULES
from bursar.layouts.model import LayoutKeys
from bursar.profiles.rules import Rules


class Layout(LayoutKeys):
    """A layout of exports: a file of `include/layouts`, which profiles choose by its name with `export.layout`."""

    model_config = ConfigDict(json_schema_extra={"title": "Layout"})

    rules: ClassVar[Rules] = RULES
