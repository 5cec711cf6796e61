"""PGP keys of an invented bursar, whose private key only the tests have."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import gnupg

from bursar.remote_files.pgp_key import PgpKey


@dataclass(frozen=True)
class PgpReceiver:
    """A bursar with a key: reads what is encrypted for it."""

    gpg: gnupg.GPG
    fingerprint: str

    @classmethod
    def create(cls, folder: Path, name: str = "bursar") -> "PgpReceiver":
        """Creates a receiver with a new key, in a folder with a short path."""
        folder.mkdir(mode=0o700)
        gpg = gnupg.GPG(gnupghome=str(folder))
        settings = gpg.gen_key_input(
            key_type="RSA", key_length=2048, name_real=name, name_email=f"{name}@example.edu", no_protection=True
        )
        return cls(gpg, gpg.gen_key(settings).fingerprint)

    @cached_property
    def public_key(self) -> str:
        """The public key in ASCII."""
        return str(self.gpg.export_keys(self.fingerprint))

    @property
    def key(self) -> PgpKey:
        """The key as a connection has it."""
        extra = {"pgp_public_key": self.public_key, "pgp_fingerprint": self.fingerprint}
        return PgpKey.from_extra("bursar_banner", extra)

    def read(self, data: bytes) -> bytes:
        """Returns the content of an encrypted file.

        Raises:
            ValueError: the file is damaged, or is for another receiver.
        """
        result = self.gpg.decrypt(data)
        if not result.ok:
            raise ValueError(result.status)
        return bytes(result.data)
