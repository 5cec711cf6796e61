"""Model of the form of the XML file, for receivers that cannot read it as most others do."""

from typing import Literal

from pydantic import Field

from bursar.profiles.field_types import StrictModel, YesNo


class XmlForm(StrictModel):
    """How the exported XML is written, where a receiver needs it otherwise. The defaults suit most receivers."""

    compact: YesNo = Field(
        default=False,
        description="Whether the file has no white space between its elements, for a receiver that takes white space "
        "for text.",
    )
    empty_elements: YesNo = Field(
        default=False,
        description="Whether comment, due date and VAT are empty elements if they have no value, as in `<xb:vat/>`. If "
        "not, they are `xsi:nil`.",
    )
    correct_call_number: YesNo = Field(
        default=False,
        description="Whether the element of the call number is spelled `itemCallNumber`. If not, it is spelled "
        "`itemCallNumebr`, as most receivers expect.",
    )
    compress: Literal["gzip"] | None = Field(
        None, description="Whether the file is compressed: `gzip`. Its name then ends with `.xml.gz`."
    )
    encrypt: Literal["pgp"] | None = Field(
        None,
        description="Whether the file is encrypted: `pgp`, with the bursar's public key in the extra of the S/FTP "
        "connection, behind the compression. Its name then also ends with `.pgp`.",
    )

    @property
    def endings(self) -> str:
        """The endings of the name of a file that is compressed or encrypted."""
        return (".gz" if self.compress else "") + (".pgp" if self.encrypt else "")
