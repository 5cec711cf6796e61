"""The address of a library system's API, and the account for it."""

from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext, create_default_context
from urllib.parse import urlsplit

import httpx

from bursar.errors import BursarError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class SystemAccount:
    """Where the API of a library's system is, and the account for it; made of the Airflow connection `connection_id`.

    `url` begins with https://, or with http:// on this machine, and may have a path. `timeout_seconds` is how long the
    server may be silent. `ca_file` has the certificates of authorities that are trusted instead of the usual ones.
    `client_id` and `client_secret` are an OAuth2 client of the API, where a system has both such clients and users.
    """

    connection_id: str
    url: str
    login: str
    password: str = field(repr=False)
    timeout_seconds: float = 60
    ca_file: Path | None = None
    client_id: str | None = None
    client_secret: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Returns what names the server in messages."""
        return f"{urlsplit(self.url).hostname} (Airflow connection {self.connection_id})"


def check_url(account: SystemAccount) -> None:
    """Checks that the address is one, and shows the password to nobody on its way; raises a BursarError if not."""
    try:
        address = urlsplit(account.url)
        is_good = bool(address.hostname) and (address.port is None or address.port > 0)
    except ValueError:
        is_good = False
    if not is_good or address.username or address.query or address.fragment:
        raise BursarError(
            f"The Airflow connection {account.connection_id} has no usable address. Enter the API's, as in "
            "https://okapi.example.edu."
        )
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in LOOPBACK):
        raise BursarError(
            f"The Airflow connection {account.connection_id} has an address that does not begin with https://. The "
            "password would be readable on its way."
        )


def make_ssl_context(account: SystemAccount) -> SSLContext:
    """Returns what verifies the certificate of the server; raises a BursarError if its file can't be read."""
    if account.ca_file is None:
        return httpx.create_ssl_context()
    try:
        return create_default_context(cafile=account.ca_file)
    except OSError:
        raise BursarError(
            f"{account.ca_file}, the certificates of the Airflow connection {account.connection_id}, can't be read. "
            "It has to be a file in PEM format on the machines on which tasks run."
        ) from None
