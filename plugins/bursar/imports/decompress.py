"""Decompresses a fetched `.gz` or `.zip` file as a stream of limited size; other files are read as they are."""

import gzip
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath, PureWindowsPath
from typing import IO, BinaryIO

from bursar.errors import InputFileError
from bursar.layouts.file_kind import HEAD_SIZE, find_office_kind, find_other_kind
from bursar.money import pluralize

MAX_RATIO = 250  # real files decompress to some 30 times their size
MIN_LIMIT = 1024 * 1024  # bytes in addition, for small files
MAX_DIRECTORY = 256 * 1024  # bytes; the directory of one member is shorter, however long its name and comment

_SEND_AGAIN = "Ask the bursar to send the file again."
_ONE_FILE = "Ask the bursar for the file itself, or for a .gz or .zip with one such file in it."
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_ENCRYPTED = 0x1
_DOS_DIRECTORY = 0x10
_IGNORED_MEMBER = re.compile(r"^__MACOSX/|^\.DS_Store$")
"""What macOS adds to an archive."""
_MEMBER_NAME_LENGTH = struct.Struct("<H")  # at byte 26 of the header of a member, whose name begins at byte 30
_Compressed = IO[bytes] | gzip.GzipFile
_DAMAGES = (
    EOFError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    NotImplementedError,
)


@contextmanager
def open_decompressed(path: Path, name: str) -> Iterator[BinaryIO]:
    """Opens a fetched file, and decompresses it while it is read; `name` is its name in messages.

    The first bytes decide its kind. Nothing is decompressed to disk, and to memory no more than is read.

    Raises:
        InputFileError: at the start if it is not one file; from the stream if an archive is damaged or cut off, and as
            soon as it has decompressed to more than `MAX_RATIO` times its size and `MIN_LIMIT`.
    """
    with _File(path) as file:
        start = file.read(2)
        file.seek(0)
        if start not in {_GZIP, _ZIP}:
            ending = PurePath(name).suffix.lower()
            if ending in {".gz", ".zip"}:
                kind = find_other_kind(file.read(HEAD_SIZE))
                what = f" but {kind}" if kind else ""
                raise InputFileError(f"{name}: the file ends in {ending} and is no such archive{what}. {_ONE_FILE}")
            yield io.BufferedReader(file)
            return
        limit = MAX_RATIO * path.stat().st_size + MIN_LIMIT
        compressed: _Compressed = _only_member(file, name) if start == _ZIP else gzip.GzipFile(fileobj=file)
        with compressed, io.BufferedReader(_Decompressed(compressed, name, limit)) as decompressed:
            head = decompressed.peek(HEAD_SIZE)
            if head[:2] in {_GZIP, _ZIP}:
                kind = find_office_kind(_find_member_names(head)) or "an archive within an archive"
                raise InputFileError(f"{name}: {kind}. {_ONE_FILE}")
            yield decompressed


class _File(io.FileIO):
    """A file that limits single reads; zipfile reads a directory of any size in one go."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"{pluralize(size, 'byte')} of directory for one member")
        return super().read(-1 if size is None else size)


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of an archive, up to a limit."""

    def __init__(self, source: _Compressed, name: str, limit: int) -> None:
        self._source = source
        self._name = name
        self._limit = limit
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except _DAMAGES as error:
            raise _damaged_error(self._name) from error
        self._left -= len(data)
        if self._left < 0:
            raise InputFileError(
                f"{self._name}: decompresses to more than {pluralize(self._limit, 'byte')}. {_ONE_FILE}"
            )
        buffer[: len(data)] = data
        return len(data)


def _only_member(file: BinaryIO, name: str) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(file)
        if kind := find_office_kind(archive.namelist()):
            raise InputFileError(f"{name}: the file is {kind}, not a file of payments. {_ONE_FILE}")
        members = [member for member in archive.infolist() if not _IGNORED_MEMBER.search(member.orig_filename)]
        if len(members) != 1:
            raise InputFileError(f"{name}: the archive has {pluralize(len(members), 'file')} in it. {_ONE_FILE}")
        if reason := _rejection_reason(members[0]):
            raise InputFileError(f"{name}: {reason}. {_ONE_FILE}")
        if not 0 <= members[0].header_offset < archive.start_dir:
            raise zipfile.BadZipFile("its directory points elsewhere")
        return archive.open(members[0])
    except _DAMAGES as error:
        raise _damaged_error(name) from error


def _find_member_names(start: bytes) -> list[str]:
    """Returns the names of the files at the start of a zip archive, as far as their headers are in its first bytes."""
    headers = [match.start() for match in re.finditer(b"PK\3\4", start) if match.start() + 30 <= len(start)]
    lengths = [_MEMBER_NAME_LENGTH.unpack_from(start, at + 26)[0] for at in headers]
    names = zip(headers, lengths, strict=True)
    return [start[at + 30 : at + 30 + length].decode(errors="replace") for at, length in names]


def _rejection_reason(member: zipfile.ZipInfo) -> str | None:
    inner = member.orig_filename
    mode = member.external_attr >> 16
    if inner in {"", ".."} or PureWindowsPath(inner).name != inner:  # parts by any system's separator
        return "the name of the file in the archive has folders in it"
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG} or member.external_attr & _DOS_DIRECTORY:
        return "the archive has a folder or a link in it and no file"
    if member.flag_bits & _ENCRYPTED:
        return "the archive has a password"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "the archive has an unusual compression"
    return None


def _damaged_error(name: str) -> InputFileError:
    return InputFileError(f"{name}: the archive is damaged or cut off. {_SEND_AGAIN}")
