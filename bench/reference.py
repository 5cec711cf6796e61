"""The reference: plain C tools on the same rows and files, without the product's guarantees."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bursar.layouts.alma_xml.namespace import XSD
from demo.postgres import Postgres, program_folder

ROWS = (Path(__file__).parent / "rows.sql").read_text(encoding="utf-8")
CLOSE = (
    "UPDATE fines SET balance = 0, outstanding = balance, status = 'CLOSED', last_transaction_at = now()"
    " WHERE balance <> 0"
)
PAYMENTS = "CREATE TABLE payments (transaction_id text, currency text, sum numeric(14, 3))"
PAY = (
    "UPDATE fines SET outstanding = CASE WHEN abs(payments.sum) < abs(fines.outstanding)"
    " THEN fines.outstanding - payments.sum ELSE 0 END, status = 'TRANSFERRED', last_transaction_at = now()"
    " FROM payments JOIN batch_lines ON batch_lines.transaction_id = payments.transaction_id WHERE fines.id = "
    "batch_lines.fine_id"
)


@dataclass(frozen=True)
class Tools:
    """The tools that need a database."""

    server: Postgres
    database: str

    def psql(self, command: str, *, source: Path = Path("/dev/null"), into: Path = Path("/dev/null")) -> float:
        """Runs one statement in psql, with its input and output in files, and returns the seconds."""
        address = ["-h", str(self.server.sockets), "-U", "postgres", "-d", self.database]
        return run(
            [str(program_folder() / "psql"), "-qX", *address, "-v", "ON_ERROR_STOP=1", "-c", command], source, into
        )


def validate(file: Path) -> float:
    """Validates a file against the schema, as a stream, and returns the seconds."""
    return run(["xmllint", "--noout", "--stream", "--schema", str(XSD), str(file)])


def run(command: list[str], source: Path = Path("/dev/null"), into: Path = Path("/dev/null")) -> float:
    """Runs a program and returns its seconds.

    Raises:
        RuntimeError: it failed; the message has its errors.
    """
    with source.open("rb") as stdin, into.open("wb") as stdout:
        began = time.monotonic()
        ended = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False)  # noqa: S603
        seconds = time.monotonic() - began
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {ended.stderr.decode(errors='replace')}")
    return seconds
