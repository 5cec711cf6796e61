"""Files of batches: the durable record of each file that a batch is sent in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bursar.ledger.deliveries import DeliveryState
from bursar.ledger.totals import Totals, read_totals


@dataclass(frozen=True, kw_only=True)
class BatchFile:
    """A file of a batch; `number` is its place in the order of the upload.

    `kinds` are those of its fines, None if it has all fines of the batch. `size` and `sha256` are of its content, None
    until it is built; `sent_size` and `sent_sha256` of the bytes that were sent, which may be compressed and encrypted,
    None until the upload begins. `state` is that of the first delivery, None until it is requested.
    """

    number: int
    name: str
    kinds: Sequence[str] | None
    fines: int
    users: int
    totals: Totals
    size: int | None
    sha256: str | None
    sent_size: int | None
    sent_sha256: str | None
    state: DeliveryState | None

    @property
    def is_done_file(self) -> bool:
        """Whether it is empty, and only says that the other files are complete."""
        return self.kinds is not None and not self.kinds

    @property
    def bursar_size(self) -> int | None:
        """The size of the bursar's copy, or of the content before the upload begins."""
        return self.size if self.sent_size is None else self.sent_size

    @property
    def bursar_sha256(self) -> str | None:
        """The SHA-256 of the bursar's copy, or of the content before the upload begins."""
        return self.sent_sha256 or self.sha256

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "BatchFile":
        """Reads a file from its form in the view `batches_with_state`."""
        typed = {
            "totals": read_totals(stored["totals"]),
            "state": DeliveryState(stored["state"]) if stored["state"] else None,
        }
        return cls(**{**stored, **typed})
