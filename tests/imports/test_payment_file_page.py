"""The page for the bursar's office: its example is valid, is the smallest one, and its messages are those of Bursar."""

import re
from decimal import Decimal

import pytest

from bursar.errors import InputFileError
from tests.support.fake_bursar import FakeBursar
from tests.support.payment_inbox import PaymentInbox
from tests.support.tracked_files import PROJECT

PAGE = (PROJECT / "docs" / "reference" / "payment-file.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```xml\n(.*?)```", PAGE, re.DOTALL)


def of_transaction(transaction: str) -> str:
    """The example with the id of an exported fine."""
    [id_] = re.findall(r"<xb:bursarTransactionId>(.*?)<", EXAMPLE)
    return str(EXAMPLE).replace(f"Id>{id_}<", f"Id>{transaction}<")


def test_the_example_pays_a_fine(inbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    inbox.put("payments-1.xml", of_transaction(transaction).encode())
    assert inbox.import_file("payments-1.xml") == "processed/payments-1.xml"
    assert inbox.library.position(fine) == ("TRANSFERRED", Decimal(0), Decimal(0))


def test_without_any_of_its_elements_the_example_is_no_payment_file(inbox: PaymentInbox) -> None:
    names = re.findall(r"<xb:([A-Za-z]+)", EXAMPLE)
    assert len(names) == 9
    for number, name in enumerate(names):
        without = re.sub(rf"</?xb:{name}\b[^>]*>", "", EXAMPLE)
        inbox.put(f"{number}.xml", without.encode())
        with pytest.raises(InputFileError):
            inbox.load_file(f"{number}.xml", f"run {number}")


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("no payment is recognised", EXAMPLE.replace("finefeeList", "payments").replace("userFineFee>", "paid>")),
        ("the namespace is ... and not ...", EXAMPLE.replace("xmlbeans", "xml")),
        ("the file ends too early", EXAMPLE[:-30]),
        ("byte ... does not fit the encoding", EXAMPLE.replace(">1<", ">\udce9<")),
        ("not well-formed XML", EXAMPLE.replace(">1<", ">1 & 2<")),
        ("the file is ..., not an XML file of payments", "<html></html>"),
    ],
)
def test_each_message_is_that_of_its_cause(inbox: PaymentInbox, message: str, content: str) -> None:
    assert f"| {message} |" in PAGE
    inbox.put("a.xml", content.encode(errors="surrogateescape"))
    with pytest.raises(InputFileError, match=re.escape(message).replace(re.escape("..."), ".*")):
        inbox.load_file("a.xml")
