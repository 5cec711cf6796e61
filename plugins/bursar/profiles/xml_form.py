"""Model of the form of the XML file, for receivers that cannot read it as most others do."""

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
