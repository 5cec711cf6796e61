"""The kinds of sources, and their models."""

from bursar.sources.csv.model import CsvSource
from bursar.sources.folio.model import FolioSource
from bursar.sources.koha.model import KohaSource
from bursar.sources.model import Source

KINDS: dict[str, type[Source]] = {"csv": CsvSource, "folio": FolioSource, "koha": KohaSource}
"""The model of each kind, by the value of the key `kind`."""
