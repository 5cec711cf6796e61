"""Loads the files in the folder of a source, and moves them away: the job of its DAG, and of a command.

Each set of files is one load. A killed run is repeated: a load that it has recorded is found, so nothing is loaded
twice, and its files are moved away. A source is locked meanwhile, since an older file must not be loaded after a newer
one. Messages have counts, codes and places of rows only: values name people.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError, TransientError
from bursar.imports.download import Download, KeptState, download, find_entry, open_kept_download
from bursar.remote_files.archive import Archive
from bursar.remote_files.base import RemoteFile, RemoteFolder
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.load import CsvFile, load
from bursar.sources.csv.model import CsvSource
from bursar.sources.load_types import InvalidRowsError, LoadResult, OlderFileError, SourceRules
from bursar.sources.loaded_files import find_load_of_run, get_facts, get_kept_state, is_of_another_load
from bursar.sources.ready_files import FileSet
from bursar.sources.records import LoadRecord
from bursar.sources.refusals import RefusedSetsError, describe_refusal
from bursar.sources.separate_older import separate_older_files
from bursar.sources.source_lock import lock_source

log = logging.getLogger(__name__)

FAILED_FOLDER = "failed"
NOT_ARCHIVED = "not_archived"
"""The code of the warning that a file was loaded, and stays in its folder."""


@dataclass(frozen=True, kw_only=True)
class SyncRun:
    """A run that loads a source. `folder` is open; `run_id` is None, and `requested_by` set, for a command.

    With `allow_older`, a file may be older than one that was loaded.
    """

    engine: Engine
    source: CsvSource
    folder: RemoteFolder
    work_dir: Path
    run_id: str | None
    requested_by: str | None
    strict: bool = False
    allow_older: bool = False

    def load_sets(self, sets: Iterable[FileSet]) -> list[LoadRecord]:
        """Loads sets of files one after the other, and moves the files of each away; returns the loads.

        A set that is refused is moved to `failed`, and does not stop the next one. A file that is older than one that
        was loaded is refused alone.

        Raises:
            RefusedSetsError: a set was refused; the others have been loaded.
            TransientError: the server can't be reached, a file is not complete, or another worker loads the source.
            RemoteFolderError: the server does not give a file, or does not let it be moved.
        """
        loads, refusals = [], []
        with lock_source(self.engine, self.source.code):
            for files in self._separate_older(sets):
                try:
                    loads += self._load_set(files)
                except InputFileError as error:
                    refusals.append(str(error))
        if refusals:
            raise RefusedSetsError("\n".join(refusals), loads)
        return loads

    def preview_sets(self, sets: Iterable[FileSet]) -> list[tuple[FileSet, LoadResult | InputFileError]]:
        """Returns what a load of each set would do, or why it would be refused. Changes nothing, and moves nothing.

        Each set is compared with the ledger as it is now: see `bursar.sources.ready_files.SEPARATE_PREVIEWS`.
        """
        previews: list[tuple[FileSet, LoadResult | InputFileError]] = []
        for files in self._separate_older(sets):
            try:
                previews.append((files, self.preview_set(files)))
            except (InvalidRowsError, HeadingError, OlderFileError) as error:
                previews.append((files, error))
        return previews

    def preview_set(self, files: FileSet) -> LoadResult:
        """Returns what a load of a set would do. Changes nothing, and moves nothing.

        Raises:
            InvalidRowsError, HeadingError, OlderFileError: it would be refused.
        """
        with self._fetch(files) as fetched:
            try:
                return self._load(fetched, dry_run=True)
            finally:
                for one in fetched.values():
                    if self._is_on_server(one.entry):
                        one.discard()

    def _separate_older(self, sets: Iterable[FileSet]) -> Iterator[FileSet]:
        for files in sets:
            if self.allow_older:
                yield files
            else:
                yield from separate_older_files(self.engine, self.source.code, self.run_id, files, self.folder.files())

    def _load_set(self, files: FileSet) -> list[LoadRecord]:
        """Loads a set unless this run has loaded it, and archives it; returns no load if all was loaded before."""
        record = self._find_load(files, is_refused=False) if self.run_id else None
        if record:
            log.info("%s: already loaded by this run, as load %s.", ", ".join(files.values()), record.id)
        else:
            record = self._fetch_and_load(files)
        if record is None:
            return []
        loaded = {file["name"]: file for file in record.files}
        for name in files.values():
            if file := loaded.get(name):
                modified = datetime.fromisoformat(file["modified"])
                entry = RemoteFile(name, file["size"], modified, is_regular=True)
                self._archive(record, entry, file["sha256"], self.source.archive_folder)
        return [record]

    def _fetch_and_load(self, files: FileSet) -> LoadRecord | None:
        with self._fetch(files) as fetched:
            new = {
                kind: one
                for kind, one in fetched.items()
                if get_kept_state(self.engine, self.source.code, one) is not KeptState.RECORDED
            }
            for kind in fetched.keys() - new.keys():
                log.warning("%s has been loaded before, and is not loaded again.", fetched[kind].entry.name)
                fetched[kind].discard()
            if not new:
                return None
            try:
                self._load(new, dry_run=False)
            except (InvalidRowsError, HeadingError, OlderFileError) as error:
                raise self._refuse(new, error) from None  # its text has values, which name people
            for one in new.values():
                one.discard()
        return self._find_load({kind: files[kind] for kind in new}, is_refused=False)

    def _load(self, fetched: Mapping[str, Download], *, dry_run: bool) -> LoadResult:
        source = self.source
        rules = SourceRules(
            currency=source.currency,
            time_zone=source.time_zone,
            code=source.code,
            complete=source.complete and "fines" in fetched,
            closes_exported_fines=source.closes_exported_fines,
            max_rejected_percent=source.max_rejected_percent,
            min_rejected_rows=source.min_rejected_rows,
            allow_older=self.allow_older,
        )
        files: dict[str, Any] = {
            kind: CsvFile(one.path, one.entry.name, get_facts(one.entry)) for kind, one in fetched.items()
        }
        return load(
            self.engine,
            rules,
            **files,
            dialect=source.dialect,
            strict=self.strict,
            dry_run=dry_run,
            run_id=self.run_id,
            requested_by=self.requested_by,
        )

    @contextmanager
    def _fetch(self, files: FileSet) -> Iterator[dict[str, Download]]:
        """Fetches files into working folders of this machine."""
        with ExitStack() as stack:
            yield {kind: self._fetch_file(stack, kind, name) for kind, name in files.items()}

    def _fetch_file(self, stack: ExitStack, kind: str, name: str) -> Download:
        entry = find_entry(self.folder, name)
        opening = open_kept_download(self.work_dir, name, entry, partial(get_kept_state, self.engine, self.source.code))
        kept, warnings = stack.enter_context(opening)
        for warning in warnings:
            log.warning("%s", warning)
        if kept:
            return kept
        if entry is None:
            if self.run_id and (refused := self._find_load({kind: name}, is_refused=True)):
                raise InputFileError(
                    f"{name} was refused by this run, with load {refused.id} (`bin/bursar sources loads show "
                    f"{refused.id}`), and is not in {self.folder.address} any more."
                )
            raise TransientError(
                f"{name} is not in {self.folder.address} any more, and has not been loaded. Have it put there again, "
                "or leave it to the next run."
            )
        return stack.enter_context(download(self.folder, entry, self.work_dir, run_id=self.run_id or "by hand"))

    def _refuse(self, fetched: Mapping[str, Download], error: InputFileError) -> InputFileError:
        """Moves the files of a refused load to `failed`; returns the error that names the load."""
        record = self._find_load({}, is_refused=True)
        assert record  # noqa: S101  a refused load is recorded before its error
        advice = ""
        for one in fetched.values():
            if self._is_on_server(one.entry):
                one.discard()
            else:
                advice += f" The only copy of {one.entry.name} is {one.place}: remove its folder when it is not needed."
            self._archive(record, one.entry, one.sha256, FAILED_FOLDER)
        where = "stay where they are" if self.source.after_load == "leave" else f"were moved to {FAILED_FOLDER}"
        reason = describe_refusal(self.engine, record, error, strict=self.strict)
        return InputFileError(
            f"Load {record.id} of the source {self.source.code} was refused, and changed nothing: {reason}. The files "
            f"{where}.{advice}"
        )

    def _archive(self, record: LoadRecord, entry: RemoteFile, sha256: str, to: str) -> None:
        """Moves a file of a load away, unless the source leaves it. A warning becomes a message of the load."""
        if self.source.after_load == "leave":
            return
        archive = Archive(
            folder=self.folder,
            loaded=entry,
            sha256=sha256,
            name=to,
            number=record.id,
            record=f"load {record.id} (`bin/bursar sources loads show {record.id}`)",
            is_of_another=partial(is_of_another_load, self.engine, record),
        )
        archive.move(self.source.done_file_suffix)
        if archive.warning:
            facts = {"load_id": record.id, "code": NOT_ARCHIVED, "file": entry.name, "reason": archive.warning}
            with self.engine.begin() as connection:
                connection.execute(query("sources/insert_archive_warning"), facts)

    def _find_load(self, files: FileSet, *, is_refused: bool) -> LoadRecord | None:
        return find_load_of_run(self.engine, self.source.code, self.run_id, files, is_refused=is_refused)

    def _is_on_server(self, entry: RemoteFile) -> bool:
        try:
            return find_entry(self.folder, entry.name) == entry
        except BursarError:
            return False
