"""The bursar's folder, as the profile describes its server: how files are looked at, compared, named and renamed."""

import posixpath
from dataclasses import dataclass
from enum import Enum, auto

from bursar.errors import PermissionDeniedError
from bursar.exports.build import ExportFile
from bursar.money import pluralize
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder, file_exists_error


def get_temporary_folder(settings: UploadSettings, output_path: str) -> str | None:
    """Returns the folder for temporary names as a path from the output folder; None for another method."""
    return None if settings.folder is None else posixpath.relpath(settings.folder, output_path)


class Finding(Enum):
    """What the server shows of a file, compared with the file that Bursar has built."""

    WHOLE = auto()
    """It is there, with our size and, if the server computes one, our SHA-256."""
    SHORTER = auto()
    """It is there, and smaller."""
    DIFFERENT = auto()
    """It is there, and larger, or with other bytes."""
    PRESENT = auto()
    """It is there; the profile says that its size means nothing."""
    MISSING = auto()
    """It is not there."""
    UNKNOWN = auto()
    """The server does not let the account look, or denies it."""


@dataclass(frozen=True)
class Look:
    """The result of a look at a file; `size` is in bytes, if the server shows it."""

    finding: Finding
    size: int | None = None

    def __str__(self) -> str:
        """Says what is there, in words for people."""
        if self.size is not None:
            return pluralize(self.size, "byte")
        return {Finding.MISSING: "no such file", Finding.UNKNOWN: "unknown"}.get(self.finding, "there")


@dataclass(frozen=True, kw_only=True)
class BursarFolder:
    """A remote folder and the settings that describe its server.

    `file` has the bytes that the newest attempt sends, with which the files on the server are compared.
    """

    folder: RemoteFolder
    settings: UploadSettings
    file: ExportFile
    output_path: str

    @property
    def is_direct(self) -> bool:
        """Whether files are uploaded under their final names."""
        return self.settings.method == "direct"

    @property
    def can_look(self) -> bool:
        """Whether the server lets us look at files, though it may deny missing ones."""
        return self.settings.look_before or self.settings.confirm_size

    def name_part(self, file_name: str) -> str:
        """Returns the path under which an attempt uploads a file; `{attempt}` in it is the number of the attempt."""
        settings = self.settings
        temporary = f"{file_name}.{{attempt}}{settings.suffix}"
        match settings.method:
            case "dot":
                return f".{temporary}"
            case "suffix":
                return temporary
            case "folder":
                return posixpath.join(get_temporary_folder(settings, self.output_path) or "", temporary)
            case "direct":
                return file_name

    def is_there(self, path: str) -> bool | None:
        """Returns whether there is a file before a write or a rename; None if the server does not let us look.

        Raises:
            PermissionDeniedError: the server denies the look, and the profile does not say what that means.
        """
        if not self.settings.look_before:
            return None
        try:
            if self.settings.confirm_size:
                return self.folder.size(path) is not None
            return self.folder.exists(path)
        except PermissionDeniedError:
            if self.settings.denied_means_missing:
                return False
            raise

    def look(self, path: str) -> Look:
        """Looks at a file, as closely as the server lets us.

        Raises:
            PermissionDeniedError: the server denies the look, and the profile does not say what that means.
        """
        try:
            if self.settings.confirm_size:
                return self._compare(path)
            if self.settings.look_before:
                return Look(Finding.PRESENT if self.folder.exists(path) else Finding.MISSING)
        except PermissionDeniedError:
            if not self.settings.denied_means_missing:
                raise
        return Look(Finding.UNKNOWN)

    def rename(self, part: str, file_name: str) -> None:
        """Renames a part; the final name must be free, as far as the server lets us look.

        Raises:
            RemoteFolderError: the name is not free, or the server rejects the renaming.
        """
        settings = self.settings
        looks_itself = settings.look_before and settings.confirm_size and not settings.denied_means_missing
        if not looks_itself and self.is_there(file_name):
            raise file_exists_error(f"{self.folder.address}/{file_name}")
        self.folder.rename(part, file_name, look=looks_itself)

    def _compare(self, path: str) -> Look:
        size = self.folder.size(path)
        if size is None:
            return Look(Finding.MISSING)
        if size < self.file.size:
            return Look(Finding.SHORTER, size)
        is_ours = size == self.file.size and self.folder.sha256(path) in (None, self.file.sha256)
        return Look(Finding.WHOLE if is_ours else Finding.DIFFERENT, size)
