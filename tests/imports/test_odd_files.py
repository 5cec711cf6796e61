"""Payment files as programs write them: odd ones are read, and nothing in them is ignored without a word."""

import csv
import io
import zipfile
from io import StringIO

import pytest

from bursar.errors import InputFileError
from bursar.imports.rejects import write_rejects
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox, xml


def odd(content: bytes) -> dict[str, bytes]:
    """The same payments as odd programs write them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("paid.xml", content)
        file.writestr("__MACOSX/", b"")
        file.writestr("__MACOSX/._paid.xml", b"\0\5\x16\7")
        file.writestr(".DS_Store", b"\0\0\0\1Bud1")
    return {
        "a name of the encoding without a hyphen": b"<?xml version='1.0' encoding='utf8'?>\n" + content,
        "UTF-16 declared, UTF-8 meant": b'<?xml version="1.0" encoding="utf-16"?>\n' + content,
        "a blank first line": b'\n<?xml version="1.0" encoding="UTF-8"?>\n' + content,
        "an end of file mark": content + b"\r\n\x1a",
        "zeros at the end": content + bytes(512),
        "a byte order mark beside another declaration": b"\xef\xbb\xbf<?xml version='1.0' encoding='latin1'?>"
        + content,
        "an archive of macOS": archive.getvalue(),
    }


@pytest.mark.parametrize("name", odd(b""))
def test_an_odd_file_is_applied(inbox: PaymentInbox, office: FakeBursar, name: str) -> None:
    fine, transaction = office.export_fine("10.00")
    inbox.put("a.xml", odd(xml(Payment(transaction, "10.00")))[name])
    assert inbox.import_file("a.xml") == "processed/a.xml"
    assert inbox.library.position(fine)[0] == "TRANSFERRED"


def test_something_else_in_a_list_is_counted_and_named_beside_the_payments(
    inbox: PaymentInbox, office: FakeBursar
) -> None:
    fine, transaction = office.export_fine("10.00")
    content = xml(Payment(transaction, "10.00"), Payment("2", "3.00"))
    before, other = content.split(b"<xb:userFineFee>")[:2], content.split(b"<xb:userFineFee>")[2]
    inbox.put(
        "a.xml", b"<xb:userFineFee>".join(before) + b"<xb:refund>" + other.replace(b"userFineFee>", b"refund>", 1)
    )
    assert inbox.import_file("a.xml") == "processed/a.xml"
    assert inbox.library.position(fine)[0] == "TRANSFERRED"

    out = StringIO(newline="")
    with inbox.library.ledger.connect() as connection:
        write_rejects(connection, inbox.library.one("SELECT id FROM import_files"), out)
    [reject] = csv.DictReader(StringIO(out.getvalue(), newline=""))
    assert (reject["line"], reject["outcome"]) == ("3", "INVALID")
    assert reject["reason"].startswith("not recognised as a payment: 'refund' in finefeeList. Expected: userFineFee in")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"xb:sum>", b"xb:amount>", "Found: 2 records, 2 with an id, 0 with a sum. Ask"),
        (b"compositeSum>", b"amounts>", "Found: 2 records, 2 with an id, 0 with a sum. Ask"),
        (b"bursarTransactionId>", b"BursarTransactionId>", "Found: 2 records, 0 with an id, 2 with a sum. Ask"),
        (
            b"</xb:bursarTransactionId>",
            b"<xb:x/></xb:bursarTransactionId>",
            "0 with an id, 2 with a sum. Line 2: bursarTransactionId has elements in it. Ask",
        ),
        (
            b"<xb:compositeSum>",
            b"<xb:sum>5</xb:sum></xb:userFineFee><xb:userFineFee><xb:compositeSum>",
            "Found: 4 records, 2 with an id, 2 with a sum.",
        ),
    ],
)
def test_a_file_without_one_whole_payment_is_refused_with_what_was_found(
    inbox: PaymentInbox, old: bytes, new: bytes, found: str
) -> None:
    content = xml(Payment("1", "5"), Payment("2", "5")).replace(old, new)
    if found.startswith("Found: 4"):
        content = content.replace(
            b"<xb:userFineFee><xb:sum>5</xb:sum>", b"<xb:userFineFee><xb:internalId>1</xb:internalId>"
        )
        content = content.replace(b"bursarTransactionId>", b"id>")
    inbox.put("a.xml", content)
    with pytest.raises(InputFileError) as refusal:
        inbox.load_file("a.xml")
    assert found in str(refusal.value)
    assert inbox.archive_file("a.xml") == "failed/a.xml"
    assert inbox.library.one("SELECT count(*) FROM import_records") == 0
