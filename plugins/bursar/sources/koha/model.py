"""The model of a source of the kind `koha`."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import Matches, StrictModel, Text, WholeNumber, validate_list
from bursar.profiles.rules import Rules, wrong
from bursar.sources.system_model import SystemSource

ATTRIBUTE = "attribute "
"""Begins the place of an identifier in a patron attribute, before the code of the attribute."""
Place = Annotated[
    Text,
    Matches(
        f"cardnumber|userid|sort1|sort2|{ATTRIBUTE}[^ ,=]+",
        "write cardnumber, userid, sort1, sort2, or attribute and its code, as in attribute STUDENT_NO",
    ),
]
CreditType = Annotated[Text, Matches("[A-Za-z0-9_]{1,80}", "write the code of a credit type, as in BURSAR")]
Branch = Literal["line", "item", "patron"]


class PatronAttribute(StrictModel):
    """An attribute that marks patrons who have a fine at the bursar."""

    code: Text = Field(description="The code of the patron attribute type.")
    value: Text = Field("1", description="The value that the patron gets.")


class KohaSource(SystemSource):
    """A source that is a Koha, 23.05 or later."""

    kind: Literal["koha"] = Field(description="The kind of source: `koha`.")
    report: Annotated[WholeNumber, Field(ge=1)] = Field(
        description="The number of the saved SQL report with the text of docs/how-to/koha-report.sql."
    )
    owner_order: Annotated[tuple[Branch, ...], BeforeValidator(validate_list)] = Field(
        ("line", "item", "patron"),
        description="Which branch owns a fine: the first of these that there is. `line`: where it was charged, which "
        "overdue fines do not have. `item`: the home of the item. `patron`: the patron's.",
    )
    primary_id: Literal["userid", "cardnumber"] = Field(
        "userid", description="Which of a patron's ids is the primary id. A patron without it gets the other one."
    )
    identifiers: dict[Text, Place] = Field(
        {"BARCODE": "cardnumber"},
        description="The types of identifiers in Bursar, and where patrons have them: `cardnumber`, `userid`, `sort1`, "
        "`sort2`, or `attribute` and the code of a patron attribute, as in `02: attribute STUDENT_NO`. A patron with "
        "two values of an attribute gets none of them.",
    )
    credit_type: CreditType = Field(
        "BURSAR",
        description="The credit type that closes fines which were handed over. Make one for Bursar alone, since its "
        "credits are not read as fines.",
    )
    payment_type: Text | None = Field(
        None, description="The payment type of credits that Bursar writes, a value of PAYMENT_TYPE. Blank: none."
    )
    credit_types: dict[CreditType, Literal["credit", "payment"]] = Field(
        {},
        description="The library's own credit types: `payment` lowers what a patron owes, and is not read; `credit` "
        "gives something back, and is read like Koha's own CREDIT or REFUND. Fines of other own types are rejected.",
    )
    handed_over_attribute: PatronAttribute | None = Field(
        None,
        description="The attribute that a patron gets when a fine is handed over. Bursar does not remove it. "
        "Blank: none.",
    )

    def _check_owner_order(self) -> Iterator[InitErrorDetails]:
        if not self.owner_order or len(set(self.owner_order)) < len(self.owner_order):
            yield wrong("write each of line, item and patron at most once, and at least one", "owner_order")

    def _check_attribute(self) -> Iterator[InitErrorDetails]:
        if self.handed_over_attribute and self.closes_fines_when == "handed_over":
            yield wrong(
                "a fine that is closed when it is handed over needs no mark: write closes_fines_when: paid, or remove "
                "the attribute",
                "handed_over_attribute",
            )

    rules: ClassVar[Rules] = (*SystemSource.rules, _check_owner_order, _check_attribute)

    @property
    def attribute_codes(self) -> list[str]:
        """The codes of the patron attributes that are read."""
        places = self.identifiers.values()
        return sorted({place.removeprefix(ATTRIBUTE) for place in places if place.startswith(ATTRIBUTE)})
