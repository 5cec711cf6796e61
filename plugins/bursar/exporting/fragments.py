"""The exchange format, piece by piece: text in, XML text out.

Receivers parse these files by element name and position, so the pieces are written out as the real files have them,
mistakes included. The format's source is a file that a university library published; include/xsd states it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_ESCAPES = dict.fromkeys([*range(0x20), 0x7F, 0xFFFE, 0xFFFF], " ") | {
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): "&#13;",
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}


def escaped(value: str) -> str:
    """Text as XML holds it. A control character, which XML 1.0 forbids, becomes a space: no words run together."""
    return value.translate(_ESCAPES)


def amount(value: Decimal) -> str:
    """A sum without trailing zeros: `300`, `0.82`, `-3.25`."""
    return f"{value.normalize():f}"


class Fragments:
    """Writes the pieces of one batch's file, whose `document` says which zone, institution and extras it has."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._zone = ZoneInfo(document["time_zone"])
        self._moment_format = "%m/%d/%Y %H:%M:%S" + (" %Z" if document["append_time_zone_abbreviation"] else "")
        self._internal_id: bool = document["include_internal_id"]
        self._identifier_type = escaped(document["identifier_type"])
        self._institution = escaped(document["institution_number"])
        self._user_institution = "null" if document["identifier_type"] == "userName" else self._institution

    def opening(self, export_number: int) -> str:
        """All that stands before the first user."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<xb:xml-fragment xmlns:xb="{NAMESPACE}">\n'
            f"\t<xb:userExportedFineFees>\n\t\t<xb:exportNumber>{export_number}</xb:exportNumber>\n"
            "\t</xb:userExportedFineFees>\n\t<xb:userExportedFineFees>\n\t\t<xb:userExportedList>\n"
        )

    def closing(self) -> str:
        """All that stands after the last user."""
        return "\t\t</xb:userExportedList>\n\t</xb:userExportedFineFees>\n</xb:xml-fragment>\n"

    def user_opening(self, line: Row[Any]) -> str:
        """A user, up to the first fine."""
        return (
            "\t\t\t<xb:userExportedFineFeesList>\n\t\t\t\t<xb:user>\n"
            f"\t\t\t\t\t<xb:type>{self._identifier_type}</xb:type>\n"
            f"\t\t\t\t\t<xb:value>{escaped(line.identifier)}</xb:value>\n"
            f"\t\t\t\t\t<xb:owneredEntity>\n\t\t\t\t\t\t<xb:InstitutionId>{self._user_institution}</xb:InstitutionId>\n"
            "\t\t\t\t\t</xb:owneredEntity>\n\t\t\t\t</xb:user>\n"
            f"\t\t\t\t<xb:patronName>{escaped(line.patron_name)}</xb:patronName>\n\t\t\t\t<xb:finefeeList>\n"
        )

    def user_closing(self) -> str:
        """The end of a user."""
        return "\t\t\t\t</xb:finefeeList>\n\t\t\t</xb:userExportedFineFeesList>\n"

    def fine(self, line: Row[Any]) -> str:
        """One fine of the user last opened."""
        return (
            f"\t\t\t\t\t<xb:userFineFee>\n{_nillable('fineFeeComment', line.comment)}"
            f"\t\t\t\t\t\t<xb:fineFeeType>{escaped(line.fine_fee_type)}</xb:fineFeeType>\n"
            f"{self._owner(line)}"
            f"\t\t\t\t\t\t<xb:lastTransactionDate>{self._moment(line.last_transaction_at)}</xb:lastTransactionDate>\n"
            f"{self._item(line)}"
            "\t\t\t\t\t\t<xb:compositeSum>\n"
            f"\t\t\t\t\t\t\t<xb:currency>{line.currency}</xb:currency>\n"
            f"\t\t\t\t\t\t\t<xb:sum>{amount(line.amount)}</xb:sum>\n"
            f"\t{_nillable('vat', None if line.vat is None else amount(line.vat))}"
            "\t\t\t\t\t\t</xb:compositeSum>\n"
            f"\t\t\t\t\t\t<xb:bursarTransactionId>{escaped(line.transaction_id)}</xb:bursarTransactionId>\n"
            + (f"\t\t\t\t\t\t<xb:internalId>{line.fine_id}</xb:internalId>\n" if self._internal_id else "")
            + "\t\t\t\t\t</xb:userFineFee>\n"
        )

    def _owner(self, line: Row[Any]) -> str:
        library = (
            ""
            if line.owner_library_id is None
            else f"\t\t\t\t\t\t\t<xb:libraryId>{escaped(line.owner_library_id)}</xb:libraryId>\n"
            f"\t\t\t\t\t\t\t<xb:libraryCode>{escaped(line.owner_library_code)}</xb:libraryCode>\n"
        )
        return (
            "\t\t\t\t\t\t<xb:owneredEntity>\n"
            f"\t\t\t\t\t\t\t<xb:InstitutionId>{self._institution}</xb:InstitutionId>\n{library}"
            "\t\t\t\t\t\t</xb:owneredEntity>\n"
        )

    def _item(self, line: Row[Any]) -> str:
        if line.item_id is None:
            return "\t\t\t\t\t\t<xb:itemTitle></xb:itemTitle>\n"
        due = None if line.item_due_date is None else self._moment(line.item_due_date)
        return (
            f"\t\t\t\t\t\t<xb:itemTitle>{escaped(line.item_title)}</xb:itemTitle>\n"
            f"\t\t\t\t\t\t<xb:itemCallNumebr>{escaped(line.item_call_number or '')}</xb:itemCallNumebr>\n"
            f"\t\t\t\t\t\t<xb:itemLibrary>{escaped(line.item_library or '')}</xb:itemLibrary>\n"
            f"\t\t\t\t\t\t<xb:itemLocation>{escaped(line.item_location or '')}</xb:itemLocation>\n"
            "\t\t\t\t\t\t<xb:itemInternalLocation>"
            f"{escaped(line.item_internal_location or '')}</xb:itemInternalLocation>\n"
            f"{_nillable('itemDueDate', due)}"
            f"\t\t\t\t\t\t<xb:itemBarcode>{escaped(line.item_barcode)}</xb:itemBarcode>\n"
        )

    def _moment(self, value: datetime) -> str:
        return value.astimezone(self._zone).strftime(self._moment_format)


def _nillable(name: str, value: str | None) -> str:
    if not value:
        return f'\t\t\t\t\t\t<xb:{name} xsi:nil="true" xmlns:xsi="{XSI}"/>\n'
    return f"\t\t\t\t\t\t<xb:{name}>{escaped(value)}</xb:{name}>\n"
