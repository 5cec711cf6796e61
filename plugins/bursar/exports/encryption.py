"""Encryption with PGP: a file that only the bursar can read, made by the program gpg."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import gnupg

from bursar.errors import BursarError, TransientError
from bursar.remote_files.pgp_key import PgpKey
from bursar.work_dir import disk_errors


def require_gpg() -> str:
    """Returns the path of the program gpg.

    Raises:
        BursarError: this machine has none.
    """
    if path := shutil.which("gpg"):
        return path
    raise BursarError(
        "Files are to be encrypted (`encrypt: pgp`), and this machine has no program gpg. Nothing was sent. Install "
        "GnuPG (the package gnupg) on every machine that runs tasks."
    )


def encrypt_file(path: Path, encrypted: Path, key: PgpKey) -> None:
    """Encrypts a file with the key of a receiver; memory stays flat. Each call gives other bytes.

    The key ring has this key alone, and is removed afterwards; no key ring of the machine is used.

    Raises:
        BursarError: this machine has no gpg; or the key is missing, is not that of the fingerprint, or can't encrypt.
        TransientError: the disk of this machine is full.
    """
    with disk_errors(encrypted), TemporaryDirectory(dir=encrypted.parent, prefix="keys-") as home:
        fingerprint, gpg = _import_key(key, Path(home))
        result = gpg.encrypt_file(
            str(path),
            [fingerprint],
            output=str(encrypted),
            armor=False,
            always_trust=True,  # the fingerprint has been compared
            extra_args=["--compress-level", "0"],  # most of the time otherwise; files may be compressed before
        )
        if not result.ok or not encrypted.is_file():
            if "No space left on device" in str(result.stderr):
                raise TransientError(
                    f"{encrypted.parent}: the disk of this machine is full. Nothing was sent. Free space there, then "
                    "repeat the step."
                )
            raise BursarError(
                f"gpg could not encrypt {path.name}: {_get_reason(result)}. Nothing was sent. If the key {fingerprint} "
                f"has expired or can't encrypt, ask the bursar for a new one, and put it into the extra of the "
                f"connection {key.connection}."
            )


def check_key(key: PgpKey) -> str:
    """Checks that a key can be used, and returns its fingerprint.

    Raises:
        BursarError: as for `encrypt_file`.
    """
    with TemporaryDirectory(prefix="bursar-keys-") as folder:
        plain, encrypted = Path(folder, "plain"), Path(folder, "encrypted")
        plain.write_bytes(b"")
        encrypt_file(plain, encrypted, key)
    return key.fingerprint


def _import_key(key: PgpKey, home: Path) -> tuple[str, gnupg.GPG]:
    """Imports a key into an empty key ring; returns its fingerprint and the key ring."""
    home.chmod(0o700)
    gpg = gnupg.GPG(gpgbinary=require_gpg(), gnupghome=str(home))
    place = f"the extra of the connection {key.connection}"
    if not key.public_key or not key.fingerprint:
        raise BursarError(
            f"Files are to be encrypted (`encrypt: pgp`), and {place} does not have both `pgp_public_key` and "
            "`pgp_fingerprint`. Nothing was sent. Enter the public key of the bursar, and its fingerprint as "
            "the bursar gives it."
        )
    found = gpg.import_keys(key.public_key).fingerprints
    if len(set(found)) != 1:
        raise BursarError(
            f"`pgp_public_key` in {place} has {len(set(found))} keys, and not one. Nothing was sent. Enter the text "
            "from -----BEGIN PGP PUBLIC KEY BLOCK----- to the end of one key."
        )
    if found[0] != key.fingerprint:
        raise BursarError(
            f"`pgp_public_key` in {place} has the fingerprint {found[0]}, and `pgp_fingerprint` is {key.fingerprint}: "
            "it may be somebody else's key. Nothing was sent. Ask the bursar for the fingerprint."
        )
    return found[0], gpg


def _get_reason(result: gnupg.Crypt) -> str:
    lines = [line for line in str(result.stderr).splitlines() if line.startswith("gpg:")]
    return lines[-1] if lines else str(result.status or "no reason given")
