"""The public key of a receiver, as an Airflow connection has it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PgpKey:
    """A public key in ASCII, and the fingerprint that it must have; both may be empty. `connection` is for messages."""

    connection: str
    public_key: str
    fingerprint: str

    @classmethod
    def from_extra(cls, connection: str, extra: Mapping[str, object]) -> "PgpKey":
        """Reads the key of a connection from its extra; spaces in the fingerprint do not count."""
        fingerprint = "".join(str(extra.get("pgp_fingerprint") or "").split()).upper()
        # Airflow's form keeps a line break of a text as \n, as in keys for SSH.
        public_key = str(extra.get("pgp_public_key") or "").replace("\\n", "\n")
        return cls(connection, public_key, fingerprint)
