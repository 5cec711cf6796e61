"""The model of a source of the kind `folio`."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import Matches, Text
from bursar.profiles.rules import Rules, wrong
from bursar.sources.system_model import SystemSource

UserField = Annotated[
    Text,
    Matches(
        r"username|barcode|externalSystemId|customFields\.[A-Za-z0-9_-]{1,100}",
        "write username, barcode, externalSystemId, or customFields. and the id of a custom field",
    ),
]


class FolioSource(SystemSource):
    """A source of the kind `folio`: a tenant of FOLIO, behind Okapi or Kong."""

    kind: Literal["folio"] = Field(description="The kind of source: `folio`, a FOLIO over its API.")
    tenant: Annotated[
        Text, Matches("[a-z0-9][a-z0-9_-]{0,62}", "write the id of the tenant, as in diku, without blanks or capitals")
    ] = Field(description="The id of the tenant in FOLIO.")
    primary_id: Literal["username", "barcode", "externalSystemId"] = Field(
        "username",
        description="The field of a user that becomes the primary id. A user without it gets one of the source's code "
        "and FOLIO's id.",
    )
    identifiers: dict[Text, UserField] = Field(
        {},
        description="The types of further identifiers, and the field of a user that has each, as in "
        "`{BARCODE: barcode, '02': externalSystemId}`.",
    )
    service_point: Text | None = Field(
        None, description="The code of the service point under which Bursar acts. Needed once something is written."
    )
    transfer_account: Text | None = Field(
        None,
        description="The name of the transfer account to which fines go when they are handed over. Each owner needs "
        "one of this name.",
    )
    payment_method: Text | None = Field(
        None, description="The payment method for fines that were paid at the bursar, or in Bursar."
    )
    waive_reason: Text | None = Field(None, description="The waive reason for fines that were waived in Bursar.")
    refund_reason: Text | None = Field(
        None, description="The refund reason for fines that are owed again, because a payment was taken back."
    )

    def list_needed(self, modes: tuple[str, ...] = ("on",)) -> set[str]:
        """Returns the keys that the events of these modes need."""
        write, is_paid = self.write_back, self.closes_fines_when == "paid"
        needed = {
            "transfer_account": write.handed_over in modes,
            "payment_method": (write.paid_at_bursar in modes and is_paid) or write.reversed in modes,
            "waive_reason": write.reversed in modes,
            "refund_reason": write.owed_again in modes and is_paid,
        }
        keys = {key for key, is_needed in needed.items() if is_needed}
        return keys | {"service_point"} if keys else keys

    def _check_writing(self) -> Iterator[InitErrorDetails]:
        for key in sorted(self.list_needed()):
            if getattr(self, key) is None:
                yield wrong(
                    "is needed for the events that `write_back` writes: add it, or write show or off there", key
                )

    rules: ClassVar[Rules] = (*SystemSource.rules, _check_writing)
