"""Opens the clients of the bursars' servers, SFTP and FTP, from Airflow's connections."""

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ftplib import FTP_PORT, all_errors
from typing import Any, cast

from airflow.providers.sftp.hooks.sftp import SFTPHook
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException
from paramiko import AuthenticationException, BadHostKeyException, SFTPError, SSHClient, SSHException, Transport
from paramiko.config import SSH_PORT

from bursar.errors import BursarError, RemoteFolderError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder, connection_lost_error, error_reason
from bursar.remote_files.deadline import Deadline
from bursar.remote_files.ftp import FtpFolder, is_transient
from bursar.remote_files.ftp_client import FtpClient, FtpsClient
from bursar.remote_files.sftp import SftpFolder
from bursar.remote_files.sftp_client import BoundedSftpClient, open_sftp_client, watch_connection

log = logging.getLogger(__name__)

LOGIN_TIMEOUTS = 3
"""How many times the seconds without an answer a whole login may take."""
CLOSE_SECONDS = 5
"""Seconds for an orderly end of a connection, which the work does not need."""


@contextmanager
def open_sftp_folder(
    connection: Connection, path: str, limits: ServerLimits, *, may_create: bool
) -> Iterator[RemoteFolder]:
    """Opens a folder by SFTP; see `bursar.airflow.connections.open_folder`."""
    with _sftp_client(connection, limits) as sftp:
        yield SftpFolder(sftp, _server(connection, SSH_PORT), path, may_create=may_create)


@contextmanager
def open_ftp_folder(
    connection: Connection, path: str, limits: ServerLimits, *, may_create: bool
) -> Iterator[RemoteFolder]:
    """Opens a folder by FTP or FTPS; see `bursar.airflow.connections.open_folder`."""
    with _ftp_client(connection, limits) as ftp:
        yield FtpFolder(ftp, _server(connection, FTP_PORT), path, may_create=may_create)


@contextmanager
def _sftp_client(connection: Connection, limits: ServerLimits) -> Iterator[BoundedSftpClient]:
    server = f"Connection {connection.conn_id}: {_server(connection, SSH_PORT)}"
    try:
        # The task retries, and an account may be locked after three rejected logins.
        hook = SFTPHook(ssh_conn_id=connection.conn_id, conn_retry_attempts=1)
    except (AirflowException, SSHException, ValueError) as error:
        raise _unusable(server, error) from error
    hook.conn_timeout = hook.banner_timeout = hook.auth_timeout = limits.timeout_seconds
    # The hook compresses by default, which on a campus network is slower than to send without compression.
    hook.compress = str(connection.extra_dejson.get("compress", False)).lower() == "true"
    with ExitStack() as stack:
        try:
            if hook.host_proxy is None:
                # paramiko leaves a socket of its own, and its thread, behind after a login that timed out.
                address = (hook.remote_host, hook.port)
                proxy: Any = stack.enter_context(socket.create_connection(address, limits.timeout_seconds))
                hook.host_proxy = proxy
            deadline = stack.enter_context(watch_connection(limits, hook.host_proxy))
            client = _log_in(hook, limits, deadline)
        except BadHostKeyException as error:
            raise _wrong_host_key(server, error.key.fingerprint) from error
        except AuthenticationException as error:
            raise _login_rejected(server, error) from error
        except SSHException as error:
            raise _ssh_error(server, error) from error
        except (FileNotFoundError, PermissionError, SFTPError) as error:  # the first two concern the key file
            raise _unusable(server, error) from error
        except (OSError, EOFError) as error:
            raise connection_lost_error(server, error) from error
        stack.enter_context(_close_in_time(client, deadline))
        if hook.no_host_key_check or (hook.allow_host_key_change and not hook.host_key):
            log.warning("%s: this connection does not check the host key. Pin the key: put it into `host_key`.", server)
        # For paramiko a known_hosts file has precedence; the key in the connection has to match as well.
        key = client.sock.get_transport().get_remote_server_key()
        if hook.host_key not in (None, key):
            raise _wrong_host_key(server, key.fingerprint)
        yield client


def _log_in(hook: SFTPHook, limits: ServerLimits, deadline: Deadline) -> BoundedSftpClient:
    """Logs in, and opens the client.

    Raises:
        SSHException: the server refuses, or its time is over; other errors are paramiko's.
    """
    deadline.start(timeouts=LOGIN_TIMEOUTS)
    try:
        ssh: SSHClient = super(SFTPHook, hook).get_conn()
        transport = cast("Transport", ssh.get_transport())
        return open_sftp_client(transport, limits, deadline)
    except (SSHException, EOFError, OSError) as error:
        if deadline.is_over or isinstance(error, TimeoutError):
            raise SSHException(deadline.reason) from error
        raise
    finally:
        deadline.stop()


@contextmanager
def _close_in_time(client: BoundedSftpClient, deadline: Deadline) -> Iterator[None]:
    """Closes a client and its connection after the block; an error of that would replace the error of the block."""
    transport = client.sock.get_transport()
    try:
        yield
    finally:
        with suppress(SSHException, EOFError, OSError), deadline.shortened(CLOSE_SECONDS):
            client.close()
            transport.close()


@contextmanager
def _ftp_client(connection: Connection, limits: ServerLimits) -> Iterator[FtpClient]:
    # Airflow's FTPHook sets no timeout: a server that stops answering during the login would block the task forever.
    server = f"Connection {connection.conn_id}: {_server(connection, FTP_PORT)}"
    extra = connection.extra_dejson
    options: dict[str, Any] = {"encoding": extra.get("encoding") or "utf-8"}
    is_ftps = connection.conn_type == "ftps"
    client = (
        FtpsClient(limits, context=ssl.create_default_context(), **options) if is_ftps else FtpClient(limits, **options)
    )
    client.deadline.start(timeouts=LOGIN_TIMEOUTS)
    try:
        client.connect(connection.host or "", connection.port or FTP_PORT)
        client.login(connection.login or "", connection.password or "")
        client.set_pasv(str(extra.get("passive", True)).lower() == "true")
        if isinstance(client, FtpsClient):
            client.prot_p()
    except ssl.SSLCertVerificationError as error:
        client.close()
        raise RemoteFolderError(
            f"{server} presents a certificate that is not trusted ({error_reason(error)}). Ask its administrator for a "
            "trusted one, or add the certificate of its issuer to the file that SSL_CERT_FILE names for Airflow's "
            "workers and triggerer."
        ) from error
    except all_errors as error:
        client.close()
        raise (
            connection_lost_error(server, error) if is_transient(error) else _login_rejected(server, error)
        ) from error
    finally:
        client.deadline.stop()
    if connection.conn_type == "ftp":
        log.warning("%s: password and files are sent unencrypted. Ask the bursar for SFTP or FTPS.", server)
    try:
        yield client
        with suppress(*all_errors), client.deadline.shortened(CLOSE_SECONDS):
            client.quit()
    finally:
        with suppress(*all_errors):
            client.close()


def _server(connection: Connection, default_port: int) -> str:
    """Returns the address of the server for people. It has the account, because accounts may see other folders."""
    account = f"{connection.login}@" if connection.login else ""
    port = "" if connection.port in (None, default_port) else f":{connection.port}"
    return f"{connection.conn_type}://{account}{connection.host}{port}"


def _unusable(server: str, error: Exception) -> RemoteFolderError:
    return RemoteFolderError(f"{server} can't be used ({error}). Correct the connection in Airflow.")


def _login_rejected(server: str, error: Exception) -> RemoteFolderError:
    return RemoteFolderError(
        f"{server} rejects the login ({error_reason(error)}). Correct the connection's login and password, or "
        "`private_key` or `key_file` in its extra, or ask the server's administrator."
    )


def _wrong_host_key(server: str, fingerprint: str) -> RemoteFolderError:
    return RemoteFolderError(
        f"{server} presents the host key {fingerprint}, which is not the pinned one: it may be someone else's server. "
        "No file was sent. Ask its administrator whether the key was changed. If it was, put the new key into "
        "`host_key` of the connection's extra."
    )


def _ssh_error(server: str, error: SSHException) -> BursarError:
    """Returns the error for an SSHException; paramiko distinguishes causes by text only."""
    match str(error):
        case text if "not found in known_hosts" in text:
            return RemoteFolderError(
                f"{server} presents a host key that is not confirmed: it may be someone else's server. No file was "
                "sent. Ask its administrator for the public key, as in `ssh-ed25519 AAAA...`, and put it into "
                "`host_key` of the connection's extra."
            )
        case text if "No authentication methods available" in text:
            return _login_rejected(server, error)
        case _:
            return connection_lost_error(server, error)
