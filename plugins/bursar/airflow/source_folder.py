"""Opens the folder of a source: on the server of its connection, or on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from bursar.airflow.connections import open_folder
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.local import LocalFolder
from bursar.sources.csv.model import CsvSource


@contextmanager
def open_source_folder(source: CsvSource, limits: ServerLimits) -> Iterator[RemoteFolder]:
    """Opens the folder in which the files of a source arrive.

    Raises:
        TransientError: the server can't be reached, is busy, or does not answer in time.
        RemoteFolderError: the server rejects the login, its identity is not confirmed, or the folder is missing.
        BursarError: there is no such connection.
    """
    if source.connection is None:
        yield LocalFolder(limits, source.folder)
        return
    with open_folder(source.connection, source.folder, may_create=False, limits=limits) as folder:
        yield folder
