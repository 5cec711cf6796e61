"""Airflow's connections, opened: the ledger, and the folders on the bursars' servers."""

import logging
import posixpath
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from ftplib import FTP, FTP_PORT, FTP_TLS, all_errors
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from paramiko import AuthenticationException, BadHostKeyException, SFTPClient, SFTPError, SSHException
from paramiko.config import SSH_PORT
from sqlalchemy import URL

from bursar.errors import BursarError, RemoteFolderError
from bursar.remote_files.base import TIMEOUT_SECONDS, RemoteFolder, connection_lost_error, error_reason
from bursar.remote_files.ftp import FtpFolder, is_transient
from bursar.remote_files.sftp import SftpFolder

LEDGER = "bursar_ledger"
log = logging.getLogger(__name__)


def ledger_url() -> str:
    """The address of the ledger, for SQLAlchemy, from Airflow's connection `bursar_ledger` (type postgres).

    The extra may hold any parameter of a PostgreSQL connection, such as `sslmode`. A host that starts with a slash is
    the folder of a Unix socket. The connection may come from the variable AIRFLOW_CONN_BURSAR_LEDGER, without a task.

    Raises:
        BursarError: there is no such connection, or it is none to PostgreSQL.
    """
    connection = _connection(LEDGER)
    if connection.conn_type != "postgres":
        raise BursarError(
            f"The Airflow connection {LEDGER} is of type {connection.conn_type}. The ledger needs one of type postgres."
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
def open_folder(connection_id: str, path: str, *, may_create: bool) -> Iterator[RemoteFolder]:
    """Opens a folder on the server of an Airflow connection of type sftp, ftp, or ftps (explicit TLS throughout).

    Args:
        connection_id: the profile's `sftp_connection`.
        path: the profile's path, below `sub_directory` in the connection's extra; either may be empty. Both start from
            the folder that the account sees after login, unless `sub_directory` starts with a slash.
        may_create: whether a missing folder is created, with those above it.

    Raises:
        TransientError: the server can't be reached or is busy: try again.
        RemoteFolderError: the server refuses the login, can't prove who it is, or has no such folder.
        BursarError: there is no such connection.
    """
    connection = _connection(connection_id)
    if not connection.host:
        raise BursarError(f"The Airflow connection {connection_id} names no host. Put the server's name there.")
    folder = posixpath.join(connection.extra_dejson.get("sub_directory") or "", path.strip("/"))
    match connection.conn_type:
        case "sftp":
            with _sftp_client(connection) as sftp:
                yield SftpFolder(sftp, _server(connection, SSH_PORT), folder, may_create=may_create)
        case "ftp" | "ftps":
            with _ftp_client(connection) as ftp:
                yield FtpFolder(ftp, _server(connection, FTP_PORT), folder, may_create=may_create)
        case other:
            raise RemoteFolderError(
                f"The Airflow connection {connection_id} is of type {other}, which is no way to a folder. "
                "Use one of type sftp, ftp or ftps."
            )


@contextmanager
def _sftp_client(connection: Connection) -> Iterator[SFTPClient]:
    # Here, since a tenth of a second and 15 MB are too much for the many processes that need no server.
    from airflow.providers.sftp.hooks.sftp import SFTPHook  # noqa: PLC0415

    server = f"Connection {connection.conn_id}: {_server(connection, SSH_PORT)}"
    try:
        # Repeating is the task's business, and a login that is refused three times may be locked.
        hook = SFTPHook(ssh_conn_id=connection.conn_id, conn_retry_attempts=1)
    except (AirflowException, SSHException, ValueError) as error:
        raise _unusable(server, error) from error
    hook.conn_timeout = hook.conn_timeout or TIMEOUT_SECONDS
    hook.banner_timeout = hook.auth_timeout = TIMEOUT_SECONDS
    # The hook compresses unless the connection says no, which takes longer than to send what a campus network carries.
    hook.compress = str(connection.extra_dejson.get("compress", False)).lower() == "true"
    with ExitStack() as stack:
        try:
            client = stack.enter_context(_closing_quietly(hook.get_managed_conn()))
        except BadHostKeyException as error:
            raise _wrong_host_key(server, error.key.fingerprint) from error
        except AuthenticationException as error:
            raise _login_refused(server, error) from error
        except SSHException as error:
            raise _ssh_error(server, error) from error
        except (FileNotFoundError, PermissionError, SFTPError) as error:  # the first two: of the key file
            raise _unusable(server, error) from error
        except (OSError, EOFError) as error:
            raise connection_lost_error(server, error) from error
        if hook.no_host_key_check or (hook.allow_host_key_change and not hook.host_key):
            log.warning("%s: the connection says not to check the host key. Pin it: put it in `host_key`.", server)
        # A known_hosts file has precedence in paramiko. Here the key in the connection decides.
        shown = client.sock.get_transport().get_remote_server_key()
        if hook.host_key not in (None, shown):
            raise _wrong_host_key(server, shown.fingerprint)
        yield client


@contextmanager
def _ftp_client(connection: Connection) -> Iterator[FTP]:
    # Not by Airflow's FTPHook: it waits without end for a server that stops answering during the login.
    server = f"Connection {connection.conn_id}: {_server(connection, FTP_PORT)}"
    extra = connection.extra_dejson
    how: dict[str, Any] = {"timeout": TIMEOUT_SECONDS, "encoding": extra.get("encoding") or "utf-8"}
    client = FTP_TLS(context=ssl.create_default_context(), **how) if connection.conn_type == "ftps" else FTP(**how)  # noqa: S321
    try:
        client.connect(connection.host or "", connection.port or FTP_PORT)
        client.login(connection.login or "", connection.password or "")
        client.set_pasv(str(extra.get("passive", True)).lower() == "true")
        if isinstance(client, FTP_TLS):
            client.prot_p()
    except ssl.SSLCertVerificationError as error:
        client.close()
        raise RemoteFolderError(
            f"{server} shows a certificate that is not trusted ({error_reason(error)}). Ask its administrator for "
            f"one that "
            "is, or put that of its issuer into the file that SSL_CERT_FILE names for Airflow's workers and triggerer."
        ) from error
    except all_errors as error:
        client.close()
        raise (
            connection_lost_error(server, error) if is_transient(error) else _login_refused(server, error)
        ) from error
    if connection.conn_type == "ftp":
        log.warning("%s: password and files travel in clear. Ask the bursar for SFTP or FTPS.", server)
    try:
        yield client
        with suppress(*all_errors):
            client.quit()
    finally:
        with suppress(*all_errors):
            client.close()


@contextmanager
def _closing_quietly(opening: AbstractContextManager[SFTPClient]) -> Iterator[SFTPClient]:
    """Opens a client; an error of its closing, after a broken connection, never hides the error that came before."""
    client = opening.__enter__()
    try:
        yield client
    finally:
        with suppress(SSHException, EOFError, OSError):
            opening.__exit__(None, None, None)


def _connection(connection_id: str) -> Connection:
    try:
        return BaseHook.get_connection(connection_id)
    except AirflowNotFoundException as error:
        raise BursarError(
            f"There is no Airflow connection {connection_id}. "
            "Create it (Admin, Connections), or correct the id in the profile."
        ) from error


def _server(connection: Connection, usual_port: int) -> str:
    """How people call the server, account included: each may see another folder."""
    account = f"{connection.login}@" if connection.login else ""
    port = "" if connection.port in (None, usual_port) else f":{connection.port}"
    return f"{connection.conn_type}://{account}{connection.host}{port}"


def _unusable(server: str, error: Exception) -> RemoteFolderError:
    return RemoteFolderError(f"{server} cannot be used ({error}). Correct the connection in Airflow.")


def _login_refused(server: str, error: Exception) -> RemoteFolderError:
    return RemoteFolderError(
        f"{server} refuses the login ({error_reason(error)}). Correct the connection's login and password, or "
        f"`private_key` "
        "or `key_file` in its extra, or ask the server's administrator."
    )


def _wrong_host_key(server: str, shown: str) -> RemoteFolderError:
    return RemoteFolderError(
        f"{server} shows the host key {shown}, which is not the one that is pinned: it may be someone else's server. "
        "No file was sent. Ask its administrator whether the key was changed; if it was, put the new one in `host_key` "
        "of the connection's extra."
    )


def _ssh_error(server: str, error: SSHException) -> BursarError:
    """Tells apart by their words what paramiko raises as one class."""
    match str(error):
        case words if "not found in known_hosts" in words:
            return RemoteFolderError(
                f"{server} has a host key that nobody has confirmed: it may be someone else's server. "
                "No file was sent. Ask its administrator for the public key, as in `ssh-ed25519 AAAA...`, and put it "
                "in `host_key` of the connection's extra."
            )
        case words if "No authentication methods available" in words:
            return _login_refused(server, error)
        case _:
            return connection_lost_error(server, error)
