"""Checking: what was written is read back, by a reader that shares no code with the writer, before it may leave."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from bursar.errors import BatchError
from bursar.ledger.batches import Batch

NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
XSD = Path(__file__).parents[3] / "include" / "xsd" / "user-exported-fine-fees.xsd"

_FINE = f"{{{NAMESPACE}}}userFineFee"
_USER = f"{{{NAMESPACE}}}userExportedFineFeesList"
_USER_BEGINS = b"<xb:userExportedFineFeesList>"
_USER_ENDS = b"</xb:userExportedFineFeesList>"
_END = b"</xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
_SUM = re.compile(rb"<xb:currency>([^<]*)</xb:currency>\s*<xb:sum>([^<]*)</xb:sum>")


def check_document(batch: Batch, blocks: Iterable[bytes]) -> None:
    """Reads a file block by block: valid against the XSD, and the users, fines and sums of its batch.

    The parser proves the structure and counts its users and fines; the sums are taken from the bytes, one a fine.
    Where those two don't come to the same, neither is believed.

    Raises:
        BatchError: the file is not that of the batch and must not leave.
    """
    from lxml import etree  # noqa: PLC0415  large, and no other step needs it

    users = fines = 0
    sums: Counter[tuple[bytes, bytes]] = Counter()
    schema = etree.XMLSchema(file=str(XSD))
    for part in _parts(blocks):
        if b"<!" in part:
            raise _unsent(batch, "it holds a comment or a marked section, in which sums could hide")
        try:
            # No other options: with resolve_entities=False beside a schema, lxml passes over a missing end.
            root = etree.fromstring(part, etree.XMLParser(schema=schema))
        except etree.XMLSyntaxError as error:
            raise _unsent(batch, f"behind its first {users} users, it does not keep to the format: {error}") from error
        users += sum(1 for _ in root.iter(_USER))
        fines += sum(1 for _ in root.iter(_FINE))
        sums.update(_SUM.findall(part))
    charges: dict[str, Decimal] = defaultdict(Decimal)
    returns: dict[str, Decimal] = defaultdict(Decimal)
    for (currency, sum_), times in sums.items():
        amount = Decimal(sum_.decode())
        (charges if amount > 0 else returns)[currency.decode()] += amount * times
    wanted = {code: (Decimal(sums["charges"]), Decimal(sums["credits"])) for code, sums in batch.totals.items()}
    written = {code: (charges[code], returns[code]) for code in charges.keys() | returns.keys()}
    if (users, fines, sums.total(), written) != (batch.users, batch.fines, batch.fines, wanted):
        raise _unsent(
            batch,
            f"it shows {users} users, {fines} fines and {written}, its lines {batch.users} users, {batch.fines} fines "
            f"and {wanted}",
        )


def _parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The file as documents with its beginning, some of its users and an end: all are valid if, and only if, it is.

    One by one they need little memory, and libxml2 calls nothing of Python, so that whoever makes the blocks can go on
    at the same time.
    """
    beginning = part = rest = b""
    for block in blocks:
        whole, end, rest = (rest + block).rpartition(_USER_ENDS)
        if not end:
            continue
        if part:
            yield beginning + part + _END
        part = whole + end
        if not beginning:
            beginning, user, part = part.partition(_USER_BEGINS)
            part = user + part
    yield beginning + part + rest


def _unsent(batch: Batch, reason: str) -> BatchError:
    return BatchError(f"The file of batch {batch.id} was not sent: {reason}.")
