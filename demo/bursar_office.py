"""A bursar's office: reads exported files and writes payment files, some with deviations.

It is independent of Bursar, except for the namespace of the format.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from lxml import etree
from lxml.builder import ElementMaker

from bursar.layouts.alma_xml.namespace import NAMESPACE

NS = {"xb": NAMESPACE}
XB = ElementMaker(namespace=NAMESPACE, nsmap=NS)


@dataclass(frozen=True)
class Bill:
    """One fine in an exported file."""

    transaction_id: str
    currency: str
    sum: Decimal


def bills(exported: Path) -> list[Bill]:
    """Returns the fines in an exported file."""
    return [
        Bill(
            fine.findtext("xb:bursarTransactionId", "", NS),
            fine.findtext("xb:compositeSum/xb:currency", "", NS),
            Decimal(fine.findtext("xb:compositeSum/xb:sum", "", NS)),
        )
        for fine in etree.parse(exported).iterfind(".//xb:userFineFee", NS)
    ]


def payments(owed: list[Bill]) -> list[Bill]:
    """Returns what students pay: most all, some half, some too much, some nothing; and a payment with an unknown id."""
    paid = []
    for number, bill in enumerate(owed):
        match number % 20:
            case 3:
                paid.append(Bill(bill.transaction_id, bill.currency, (bill.sum / 2).quantize(Decimal("0.01"))))
            case 7 if bill.sum > 0:
                paid.append(Bill(bill.transaction_id, bill.currency, bill.sum + min(bill.sum, Decimal(5))))
            case 11 | 15:
                continue
            case _:
                paid.append(bill)
    return [*paid, Bill("99999999999999", "USD", Decimal(12))]


def write_payments(
    paid: list[Bill], folder: Path, name: str, *, done_file_suffix: str | None, broken: bool = False
) -> None:
    """Writes a payment file into a folder; a broken one is cut off in the middle."""
    fines = [
        XB.userFineFee(
            XB.compositeSum(XB.currency(bill.currency), XB.sum(str(bill.sum))),
            XB.bursarTransactionId(bill.transaction_id),
        )
        for bill in paid
    ]
    user = XB.userExportedFineFeesList(XB.finefeeList(*fines))
    root = XB("xml-fragment", XB.userExportedFineFees(XB.userExportedList(user)))
    content = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content[: len(content) // 2] if broken else content)
    if done_file_suffix:
        (folder / f"{name}{done_file_suffix}").touch()
