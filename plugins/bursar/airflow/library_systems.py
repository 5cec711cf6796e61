"""Opens libraries' systems with the addresses and passwords of Airflow's connections."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bursar.airflow.find_connection import find_connection
from bursar.errors import BursarError
from bursar.sources import open_system
from bursar.sources.system import LibrarySystem
from bursar.sources.system_account import SystemAccount
from bursar.sources.system_model import SystemSource

EXTRA = ("path", "timeout_seconds", "ca_file", "client_id", "client_secret")


def open_library_system(source: SystemSource) -> AbstractContextManager[LibrarySystem]:
    """Opens the system of a source; nothing is sent before it is asked for something.

    Raises:
        BursarError: there is no such connection, or it is not one of type http with a host.
    """
    return open_system.open_system(source, get_account(source.connection))


def get_account(connection_id: str) -> SystemAccount:
    """Returns the account of an Airflow connection of type http.

    The host may be a whole address. Else it gets the scheme of the connection, https if there is none. The extra may
    have a path, `timeout_seconds`, a `ca_file`, and `client_id` and `client_secret` of an OAuth2 client.

    Raises:
        BursarError: there is no such connection, or it is not one of type http with a host.
    """
    connection = find_connection(connection_id)
    if connection.conn_type != "http" or not connection.host:
        raise BursarError(
            f"The Airflow connection {connection_id} of a library's system has to be of type http, and have a host. "
            f"If Airflow's form does not list this type, use `airflow connections add {connection_id} --conn-json`."
        )
    extra = connection.extra_dejson
    if unknown := sorted(set(extra) - set(EXTRA)):
        raise BursarError(
            f"The extra of the Airflow connection {connection_id} has an unknown key, {unknown[0]}. It may have "
            f"{', '.join(EXTRA)}."
        )
    host = connection.host if "://" in connection.host else f"{connection.schema or 'https'}://{connection.host}"
    port = f":{connection.port}" if connection.port else ""
    path = str(extra.get("path") or "").strip("/")
    return SystemAccount(
        connection_id=connection_id,
        url=host.rstrip("/") + port + (f"/{path}" if path else ""),
        login=connection.login or "",
        password=connection.password or "",
        **_read_options(connection_id, extra),
    )


def _read_options(connection_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {name: str(extra[name]) for name in ("client_id", "client_secret") if extra.get(name)}
    if extra.get("ca_file"):
        options["ca_file"] = Path(str(extra["ca_file"]))
    if (timeout := extra.get("timeout_seconds")) is not None:
        try:
            options["timeout_seconds"] = float(timeout)
        except (TypeError, ValueError):
            options["timeout_seconds"] = 0.0
        if not 0 < options["timeout_seconds"] <= 3600:  # noqa: PLR2004  an hour
            raise BursarError(
                f"timeout_seconds in the extra of the Airflow connection {connection_id} is not a number of seconds "
                "of at most 3600."
            )
    return options
