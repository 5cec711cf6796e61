"""A bursar: collects exported files at any moment, keeps their bytes, and writes payment files.

It only knows the files, which it reads with a parser of its own.

The module is long because the bursar is independent of Bursar: it has a reader and a writer of its own.
"""

import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

from tests.campaign.servers import Server

# A copy: the campaign must notice if Bursar changes the namespace.
NAMESPACE = "{http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans}"
FIRST_TIME = 1_767_225_600  # of the payment files; each is two seconds newer than the one before
GZIP = b"\x1f\x8b"
DONE = ".done"
"""The end of the names of empty files that say that others are complete."""
FIXED_NAME = "payments.xml"
RETURNED = 0.05
"""The chance that a payment is taken back by a file that reports other payments."""


@dataclass(frozen=True)
class Bill:
    """One fine in an exported file."""

    transaction: str
    fine: str
    currency: str
    sum: Decimal
    reverses: str | None


@dataclass(frozen=True)
class Receipt:
    """A file as the bursar received it; `bills` is None if it is incomplete."""

    profile: str
    name: str
    data: bytes
    bills: tuple[Bill, ...] | None
    fault: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class PaymentFile:
    """A payment file that the bursar has written: sums by transaction, in the order of its records."""

    profile: str
    name: str
    data: bytes
    records: tuple[tuple[str, Decimal], ...]
    broken: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def read_bills(data: bytes) -> tuple[Bill, ...]:
    """Returns the fines in an exported file: in XML, or a compressed table of charges or of credits.

    Raises:
        ValueError: the file is incomplete.
    """
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError) as error:
            raise ValueError(f"the file is incomplete: {error}") from error
    return read_xml(data) if data.startswith(b"<") else read_table(data)


def read_table(data: bytes) -> tuple[Bill, ...]:
    """Returns the fines in a table, which ends with their number.

    Raises:
        ValueError: the file is incomplete.
    """
    *rows, last = [line.split(",") for line in data.decode().split("\n")[:-1]] or [[""]]
    if last != ["END", str(len(rows))] or not rows:
        raise ValueError(f"the file is incomplete: its last line is {last}")
    bills = tuple(
        Bill(transaction, fine, currency, Decimal(sum_), reverses or None)
        for transaction, fine, currency, sum_, reverses in rows
    )
    if len({bill.sum >= 0 for bill in bills}) > 1:
        raise ValueError("charges and credits are in one file")
    return bills


def read_xml(data: bytes) -> tuple[Bill, ...]:
    """Returns the fines in an exported file in XML.

    Raises:
        ValueError: the file is incomplete.
    """
    try:
        root = ET.fromstring(data)  # noqa: S314  our own file
    except ET.ParseError as error:
        raise ValueError(f"the file is incomplete: {error}") from error
    bills = []
    for fine in root.iter(f"{NAMESPACE}userFineFee"):
        given = {child.tag.removeprefix(NAMESPACE): child.text for child in fine.iter()}
        if None in (given.get("bursarTransactionId"), given.get("internalId"), given.get("sum")):
            raise ValueError("a fine without its transaction id, internal id or sum")
        bills.append(
            Bill(
                given["bursarTransactionId"] or "",
                given["internalId"] or "",
                given["currency"] or "",
                Decimal(given["sum"] or ""),
                given.get("reversedTransactionId"),
            )
        )
    if not bills:
        raise ValueError("a file without fines")
    return tuple(bills)


@dataclass
class FakeBursar:
    """The bursar of one profile, with its own server.

    `owed` is the amount that each transaction still owes, `paid` the total that has been reported as paid, and
    `settled` the part of it that was owed: the bursar takes such payments back, as for a returned cheque. If
    `is_direct`, files have their final names from the first byte, and the bursar leaves those without an end alone.
    """

    profile: str
    server: Server
    archive: Path
    cumulative: bool
    done_file_suffix: str
    same_name: bool = False
    is_direct: bool = False
    receipts: list[Receipt] = field(default_factory=list)
    payments: list[PaymentFile] = field(default_factory=list)
    owed: dict[str, Decimal] = field(default_factory=dict)
    paid: dict[str, Decimal] = field(default_factory=dict)
    settled: dict[str, Decimal] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)
    _written: int = 0

    def __post_init__(self) -> None:
        self.archive.mkdir(parents=True, exist_ok=True)
        for folder in (self.out, self.inbox):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def out(self) -> Path:
        return self.server.disk / "out"

    @property
    def inbox(self) -> Path:
        return self.server.disk / "in"

    def collect_files(self) -> int:
        """Collects all files that have their final names; returns their number."""
        finished = [path.name for path in sorted(self.out.iterdir()) if self._is_finished(path)]
        for name in finished:
            kept = self.archive / f"{len(self.receipts)}-{name}"
            (self.out / name).rename(kept)
            self._receive(name, kept)
        for path in sorted(self.server.collected.iterdir()):
            name = path.name.partition("-")[2]
            kept = self.archive / f"{len(self.receipts)}-{name}"
            path.rename(kept)
            self._receive(name, kept)
        return len(finished)

    def has(self, sha256: str | None, file_name: str) -> bool:
        """Returns whether the bursar has a file, or has it on its server."""
        if any(receipt.name == file_name or (receipt.data and receipt.sha256 == sha256) for receipt in self.receipts):
            return True
        if (self.out / file_name).exists() and self._is_finished(self.out / file_name):
            return True
        return any(hashlib.sha256(path.read_bytes()).hexdigest() == sha256 for path in self.server.collected.iterdir())

    def pay(self, random: Random) -> PaymentFile | None:
        """Writes a payment file for some of the debts; returns None if its name is not free or nothing is owed."""
        name = FIXED_NAME if self.same_name else f"payments-{self._written + 1}.xml"
        chosen = [one for one in sorted(self.owed) if self.owed[one] and random.random() < 0.5]
        if not self._is_free(name) or not chosen:
            return None
        records: list[tuple[str, Decimal]] = []
        for transaction in chosen:
            owed = self.owed[transaction]
            paid = self._part(random, owed)
            settled = owed if abs(paid) >= abs(owed) else paid
            self.owed[transaction] = owed - settled
            self._report(transaction, paid, settled, records)
        for transaction in sorted(self.settled):
            settled = self.settled[transaction]
            if settled and not self.cumulative and random.random() < RETURNED:
                self.owed[transaction] += settled
                self._report(transaction, -settled, -settled, records)
        return self._write(name, self._xml(records), tuple(records))

    def _report(self, transaction: str, paid: Decimal, settled: Decimal, records: list[tuple[str, Decimal]]) -> None:
        self.paid[transaction] = self.paid.get(transaction, Decimal()) + paid
        self.settled[transaction] = self.settled.get(transaction, Decimal()) + settled
        records.append((transaction, self.paid[transaction] if self.cumulative else paid))

    def repeat(self, random: Random) -> PaymentFile | None:
        """Writes an earlier file again, under its name or another; returns None if it cannot."""
        if not self.payments:
            return None
        earlier = random.choice(self.payments)
        name = earlier.name if random.random() < 0.5 else f"again-{self._written}.xml"
        return self._write(name, earlier.data, earlier.records, earlier.broken) if self._is_free(name) else None

    def send_broken(self) -> PaymentFile | None:
        """Writes a file that is cut off."""
        name = f"broken-{self._written}.xml"
        data = self._xml([("1", Decimal(1))])
        return self._write(name, data[: len(data) // 2], (), broken=True) if self._is_free(name) else None

    def act(self, random: Random) -> bool:
        """Collects files, and writes a payment file if it can; returns whether it did either."""
        return bool(self.collect_files()) | bool(self.pay(random))

    def waiting(self) -> list[str]:
        """Returns the names of the payment files that have not left the folder."""
        return [path.name for path in self.inbox.iterdir() if path.is_file()]

    def _is_finished(self, path: Path) -> bool:
        if path.name.startswith(".") or path.name.endswith(".part"):
            return False
        if not self.is_direct or path.name.endswith(DONE):
            return True
        try:
            return bool(read_bills(path.read_bytes()))
        except ValueError:
            return False

    def _receive(self, name: str, path: Path) -> None:
        data = path.read_bytes()
        if name.endswith(DONE):
            self.receipts.append(Receipt(self.profile, name, data, None if data else ()))
            return
        try:
            bills = read_bills(data)
        except ValueError as error:
            self.receipts.append(Receipt(self.profile, name, data, None, str(error)))
            return
        self.receipts.append(Receipt(self.profile, name, data, bills))
        for bill in bills:
            if bill.transaction in self.bills:
                continue
            self.bills[bill.transaction] = bill
            reversed_ = self.bills.get(bill.reverses or "")
            if reversed_ and reversed_.fine == bill.fine:  # settled at the library: less is owed
                self._lower(reversed_.transaction, -bill.sum)
            elif reversed_:  # a credit for a charge: offset by it
                even = min(self.owed.get(reversed_.transaction, Decimal()), -bill.sum)
                self._lower(reversed_.transaction, even)
                self.owed[bill.transaction] = bill.sum + max(even, Decimal())
            else:
                self.owed[bill.transaction] = bill.sum

    def _lower(self, transaction: str, amount: Decimal) -> None:
        self.owed[transaction] = max(self.owed.get(transaction, Decimal()) - amount, Decimal())

    def _part(self, random: Random, owed: Decimal) -> Decimal:
        chance = random.random()
        if owed < 0 or chance < 0.6:
            return owed
        if chance < 0.9:
            return (owed / 2).quantize(Decimal("0.01")) or owed
        return owed + 5

    def _is_free(self, name: str) -> bool:
        return not any((self.inbox / used).exists() for used in (name, f"{name}{self.done_file_suffix}"))

    def _xml(self, records: list[tuple[str, Decimal]]) -> bytes:
        fines = "".join(
            f"<xb:userFineFee><xb:compositeSum><xb:currency>USD</xb:currency><xb:sum>{sum_}</xb:sum></xb:compositeSum>"
            f"<xb:bursarTransactionId>{transaction}</xb:bursarTransactionId></xb:userFineFee>"
            for transaction, sum_ in records
        )
        return (
            f'<xb:xml-fragment xmlns:xb="{NAMESPACE[1:-1]}"><xb:userExportedFineFees>'
            f"<xb:exportNumber>{self._written}</xb:exportNumber></xb:userExportedFineFees><xb:userExportedFineFees>"
            f"<xb:userExportedList><xb:userExportedFineFeesList><xb:finefeeList>{fines}</xb:finefeeList>"
            "</xb:userExportedFineFeesList></xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
        ).encode()

    def _write(
        self,
        name: str,
        data: bytes,
        records: tuple[tuple[str, Decimal], ...],
        broken: bool = False,  # noqa: FBT002
    ) -> PaymentFile:
        self._written += 1
        unfinished = self.inbox / f".{name}.tmp"
        unfinished.write_bytes(data)
        moment = FIRST_TIME + 2 * self._written
        os.utime(unfinished, (moment, moment))
        unfinished.rename(self.inbox / name)
        if self.done_file_suffix:
            (self.inbox / f"{name}{self.done_file_suffix}").touch()
        written = PaymentFile(self.profile, name, data, records, broken)
        self.payments.append(written)
        return written


def bills_by_file(receipts: list[Receipt]) -> Iterator[tuple[str, tuple[Bill, ...]]]:
    """Yields the bills of each different complete file once."""
    seen: dict[str, tuple[Bill, ...]] = {}
    for receipt in receipts:
        if receipt.bills:
            seen.setdefault(receipt.sha256, receipt.bills)
    yield from seen.items()
