"""The XML namespace of the format, and the XML schema that the format follows."""

from pathlib import Path

NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
XSD = Path(__file__).parents[4] / "include" / "xsd" / "user-exported-fine-fees.xsd"
