"""Checking: what was written is read back, by a reader that shares no code with the writer, before it may leave."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import cast

from lxml import etree

from bursar.errors import BatchError
from bursar.ledger.batches import Batch

NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
XSD = Path(__file__).parents[3] / "include" / "xsd" / "user-exported-fine-fees.xsd"

_FINE = f"{{{NAMESPACE}}}userFineFee"
_USER = f"{{{NAMESPACE}}}userExportedFineFeesList"
_FINE_ENDS = b"</xb:userFineFee>"
_SUM = re.compile(rb"<xb:currency>([^<]*)</xb:currency>\s*<xb:sum>([^<]*)</xb:sum>")


def check_document(batch: Batch, blocks: Iterable[bytes]) -> None:
    """Reads a file block by block: valid against the XSD, and the users, fines and sums of its batch.

    The parser proves the structure and counts its users and fines; the sums are taken from the bytes, one a fine.
    Where those two don't come to the same, neither is believed.

    Raises:
        BatchError: the file is not that of the batch and must not leave.
    """
    users = fines = 0
    sums: Counter[tuple[bytes, bytes]] = Counter()
    # No other options: with resolve_entities=False beside a schema, lxml passes over a missing end.
    parser = etree.XMLPullParser(("end",), tag=(_FINE, _USER), schema=etree.XMLSchema(file=str(XSD)))
    rest = b""
    try:
        for block in blocks:
            rest += block
            if b"<!" in rest:
                raise _unsent(batch, "it holds a comment or a marked section, in which sums could hide")
            whole, end, rest = rest.rpartition(_FINE_ENDS)
            sums.update(_SUM.findall(whole + end))
            parser.feed(block)
            for _, found in parser.read_events():
                element = cast("etree._Element", found)  # noqa: SLF001  lxml names it so
                if element.tag == _FINE:
                    fines += 1
                else:
                    users += 1
                    _forget(element)
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _unsent(batch, f"it does not keep to the format: {error}") from error
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


def _forget(element: "etree._Element") -> None:
    """Lets go of a user that was read, and of all before."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        del parent[: parent.index(element)]


def _unsent(batch: Batch, reason: str) -> BatchError:
    return BatchError(f"The file of batch {batch.id} was not sent: {reason}.")
