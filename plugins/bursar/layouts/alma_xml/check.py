"""Checking: what was written is read back, by a reader that shares no code with the writer, before it may leave."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from bursar.errors import BatchError
from bursar.ledger.batches import Batch
from bursar.money import pluralize

NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
XSD = Path(__file__).parents[4] / "include" / "xsd" / "user-exported-fine-fees.xsd"

_USER_BEGINS = b"<xb:userExportedFineFeesList>"
_USER_ENDS = b"</xb:userExportedFineFeesList>"
_END = b"</xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
_SUM = re.compile(rb"<xb:currency>([^<]*)</xb:currency>\s*<xb:sum>([^<]*)</xb:sum>")


def check_file(batch: Batch, blocks: Iterable[bytes]) -> None:
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
        if _marked(part):
            raise _unsent(batch, "it holds a comment, a marked section or an instruction, in which sums could hide")
        try:
            # No options of security: with resolve_entities=False beside a schema, lxml passes over a missing end.
            root = etree.fromstring(part, etree.XMLParser(schema=schema, remove_blank_text=True))
        except etree.XMLSyntaxError as error:
            where = f"counted without its first {pluralize(users, 'user')}"
            raise _unsent(batch, f"it does not keep to the format ({where}): {error.msg}") from error
        found = root[1][0]  # behind the number; each has an identifier, a name and the list of fines
        users += len(found)
        fines += sum(len(user[2]) for user in found)
        sums.update(_SUM.findall(part))
    charges: dict[str, Decimal] = defaultdict(Decimal)
    returns: dict[str, Decimal] = defaultdict(Decimal)
    for (currency, sum_), times in sums.items():
        amount = Decimal(sum_.decode())
        (charges if amount > 0 else returns)[currency.decode()] += amount * times
    wanted = {code: (totals.charges, totals.credits) for code, totals in batch.totals.items()}
    written = {code: (charges[code], returns[code]) for code in charges.keys() | returns.keys()}
    if (users, fines, sums.total(), written) != (batch.users, batch.fines, batch.fines, wanted):
        raise _unsent(
            batch,
            f"it shows {pluralize(users, 'user')}, {pluralize(fines, 'fine')} and {written}, its lines "
            f"{pluralize(batch.users, 'user')}, {pluralize(batch.fines, 'fine')} and {wanted}",
        )


def _marked(part: bytes) -> bool:
    """Whether <! or, but for the declaration, <? stands somewhere; the signs are rare, and < is everywhere."""
    return any(before.endswith(b"<") for before in [*part.split(b"!")[:-1], *part[1:].split(b"?")[:-1]])


def _parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The file as documents with its beginning, some of its users and an end, so that it is valid if all of them are.

    That holds where every tag is one (no comments and the like) and all users stand in the second part of the fragment.
    One by one they need as much memory as the largest user, and libxml2 calls nothing of Python, so that whoever makes
    the blocks can go on at the same time.
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
