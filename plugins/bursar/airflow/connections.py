"""Opens Airflow's connections: the ledger, and the folders on the bursars' servers."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from bursar.airflow.find_connection import find_connection
from bursar.errors import BursarError, RemoteFolderError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.pgp_key import PgpKey

LEDGER = "bursar_ledger"


def ledger_url() -> str:
    """Returns the URL of the ledger for SQLAlchemy, from Airflow's connection `bursar_ledger` (type postgres).

    The extra may hold any parameter of a PostgreSQL connection, such as `sslmode`. A host that starts with a slash is
    the folder of a Unix socket.

    Raises:
        BursarError: there is no such connection, it is malformed, or its type is not postgres.
    """
    connection = find_connection(LEDGER)
    if connection.conn_type != "postgres":
        raise BursarError(
            f"The Airflow connection {LEDGER} is of type {connection.conn_type or 'none'}. "
            "The ledger needs one of type postgres."
        )
    parameters = {name: str(value) for name, value in connection.extra_dejson.items()}
    if connection.host:
        parameters.setdefault("host", connection.host)
    if connection.port:
        parameters.setdefault("port", str(connection.port))
    url = URL.create(
        "postgresql+psycopg",
        username=connection.login,
        password=connection.password,
        database=connection.schema,
        query=parameters,
    )
    return url.render_as_string(hide_password=False)


@contextmanager
def open_folder(
    connection_id: str, path: str, *, may_create: bool, limits: ServerLimits | None = None
) -> Iterator[RemoteFolder]:
    """Opens a folder on the server of an Airflow connection of type sftp, ftp, or ftps (explicit TLS throughout).

    Args:
        connection_id: the profile's `sftp_connection`.
        path: the profile's path, below `sub_directory` in the connection's extra; either may be empty. Both start from
            the folder that the account sees after login, unless `sub_directory` starts with a slash.
        may_create: whether a missing folder is created, with those above it.
        limits: the limits of time and size in the settings; the defaults without them.

    Raises:
        TransientError: the server can't be reached, is busy, or does not answer in time.
        RemoteFolderError: the server rejects the login, its identity is not confirmed, or the folder is missing.
        BursarError: there is no such connection.
    """
    connection = find_connection(connection_id)
    if not connection.host:
        raise BursarError(f"The Airflow connection {connection_id} has no host. Enter the name of the server.")
    folder = posixpath.join(connection.extra_dejson.get("sub_directory") or "", path.strip("/"))
    # Imported here: paramiko and its crypto libraries are large, and most tasks open no server.
    from bursar.airflow.server_clients import open_ftp_folder, open_sftp_folder  # noqa: PLC0415

    match connection.conn_type:
        case "sftp":
            opening = open_sftp_folder(connection, folder, limits or ServerLimits(), may_create=may_create)
        case "ftp" | "ftps":
            opening = open_ftp_folder(connection, folder, limits or ServerLimits(), may_create=may_create)
        case other:
            raise RemoteFolderError(
                f"The Airflow connection {connection_id} is of type {other}, which can't open a folder. "
                "Use one of type sftp, ftp or ftps."
            )
    with opening as remote_folder:
        remote_folder.pgp_key = PgpKey.from_extra(connection_id, connection.extra_dejson)
        yield remote_folder
