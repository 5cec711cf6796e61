"""Checks the file of a batch before its upload, with a parser that shares no code with the writer."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from bursar.errors import BatchError
from bursar.layouts.alma_xml.namespace import XSD
from bursar.ledger.batches import Batch
from bursar.money import pluralize

_USER_START = b"<xb:userExportedFineFeesList>"
_USER_END = b"</xb:userExportedFineFeesList>"
_CLOSING = b"</xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
_SUM = re.compile(rb"<xb:currency>([^<]*)</xb:currency>\s*<xb:sum>([^<]*)</xb:sum>")


def check_file(batch: Batch, blocks: Iterable[bytes]) -> None:
    """Checks a file block by block: valid against the XSD, with the users, fines and sums of its batch.

    The parser validates the structure and counts users and fines. The sums are found in the bytes by a pattern, one a
    fine. The file is rejected, too, if the two counts of fines differ.

    Raises:
        BatchError: the file is not that of the batch and must not be uploaded.
    """
    from lxml import etree  # noqa: PLC0415  large, and no other step needs it

    users = fines = 0
    sums: Counter[tuple[bytes, bytes]] = Counter()
    schema = etree.XMLSchema(file=str(XSD))
    other_forms = _list_other_forms(batch)
    for document in _split_into_documents(blocks):
        if _has_declarations(document):
            raise _not_sent_error(batch, "it has a comment, a marked section or an instruction, which could hide sums")
        if found := next((form for form in other_forms if form in document), None):
            raise _not_sent_error(batch, f"it has {found.decode()}, which its profile excludes")
        try:
            # No security options: with resolve_entities=False and a schema, lxml does not notice a missing end tag.
            root = etree.fromstring(document, etree.XMLParser(schema=schema, remove_blank_text=True))
        except etree.XMLSyntaxError as error:
            where = f"counted without its first {pluralize(users, 'user')}"
            raise _not_sent_error(batch, f"it does not keep to the format ({where}): {error.msg}") from error
        user_list = root[1][0]  # after the export number; each user has an identifier, a name and a list of fines
        users += len(user_list)
        fines += sum(len(user[2]) for user in user_list)
        sums.update(_SUM.findall(document))
    charges: dict[str, Decimal] = defaultdict(Decimal)
    refunds: dict[str, Decimal] = defaultdict(Decimal)
    for (currency, sum_), count in sums.items():
        amount = Decimal(sum_.decode())
        (charges if amount > 0 else refunds)[currency.decode()] += amount * count
    expected = {code: (totals.charges, totals.credits) for code, totals in batch.totals.items()}
    written = {code: (charges[code], refunds[code]) for code in charges.keys() | refunds.keys()}
    if (users, fines, sums.total(), written) != (batch.users, batch.fines, batch.fines, expected):
        raise _not_sent_error(
            batch,
            f"it has {pluralize(users, 'user')}, {pluralize(fines, 'fine')} and {written}, its lines "
            f"{pluralize(batch.users, 'user')}, {pluralize(batch.fines, 'fine')} and {expected}",
        )


def _list_other_forms(batch: Batch) -> list[bytes]:
    """Returns the elements that the schema permits, but not the options of the batch's profile."""
    form = batch.render_options.get("xml", {})
    call_number = b"<xb:itemCallNumebr>" if form.get("correct_call_number") else b"<xb:itemCallNumber>"
    if form.get("empty_elements"):
        return [call_number, *(b"<xb:%b xsi:nil" % name for name in (b"fineFeeComment", b"itemDueDate", b"vat"))]
    return [call_number, *(b"<xb:%b%b" % (name, end) for name in (b"itemDueDate", b"vat") for end in (b"/>", b"></"))]


def _has_declarations(document: bytes) -> bool:
    """Returns whether a document has a <! or, after the XML declaration, a <?.

    Searches for ! and ?, which are rare, and not for <, which is frequent.
    """
    return any(before.endswith(b"<") for before in [*document.split(b"!")[:-1], *document[1:].split(b"?")[:-1]])


def _split_into_documents(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Splits a file into documents, each with the opening, some of the users and a closing of its own.

    The file is valid if all documents are, provided that it has no comments and the like, and that all users are in the
    second part of the fragment. A document needs as much memory as the largest user. libxml2 parses it without calling
    Python, so that the thread that makes the blocks is not blocked.
    """
    opening = users = rest = b""
    for block in blocks:
        complete, end, rest = (rest + block).rpartition(_USER_END)
        if not end:
            continue
        if users:
            yield opening + users + _CLOSING
        users = complete + end
        if not opening:
            opening, start, users = users.partition(_USER_START)
            users = start + users
    yield opening + users + rest


def _not_sent_error(batch: Batch, reason: str) -> BatchError:
    return BatchError(f"The file of batch {batch.id} was not sent: {reason}.")
