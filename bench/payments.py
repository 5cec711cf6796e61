"""Writes the payment file to an exported file: the same document, in which most fines are paid to the cent."""

import re
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

BLOCK = 4 * 1024 * 1024
END = b"</xb:userFineFee>\n"
_FINE = re.compile(
    rb"<xb:currency>([A-Z]{3})</xb:currency>\s*<xb:sum>([^<]*)</xb:sum>"
    rb"|<xb:bursarTransactionId>([^<]*)</xb:bursarTransactionId>"
)


class PaymentWriter:
    """Writes payments, and their records as rows for COPY; counts the outcomes that the records must have."""

    def __init__(self, records: BinaryIO) -> None:
        self.outcomes = {"PAID": 0, "PARTLY_PAID": 0, "OVERPAID": 0}
        self._records = records
        self._number = 0
        self._paid = (b"", b"")

    def write(self, exported: Path, paid: BinaryIO) -> None:
        """Writes the payments of an exported file."""
        with exported.open("rb") as file:
            rest = b""
            while block := file.read(BLOCK):
                whole, end, rest = (rest + block).rpartition(END)
                paid.write(_FINE.sub(self._pay, whole + end))
            paid.write(rest)

    def _pay(self, found: re.Match[bytes]) -> bytes:
        currency, sum_, transaction = found.groups()
        if transaction is not None:
            self._records.write(b"\t".join([transaction, *self._paid]) + b"\n")
            return found[0]
        self._number += 1
        owed = paid = Decimal(sum_.decode())
        if self._number % 20 == 3:  # noqa: PLR2004
            paid = (owed / 2).quantize(Decimal("0.01"))
        elif self._number % 20 == 7 and owed > 0:  # noqa: PLR2004
            paid = owed + min(owed, Decimal(5))
        self.outcomes["PAID" if paid == owed else "PARTLY_PAID" if abs(paid) < abs(owed) else "OVERPAID"] += 1
        shown = f"{paid.normalize():f}".encode()
        self._paid = (currency, shown)
        return found[0].replace(b">" + sum_ + b"<", b">" + shown + b"<")
