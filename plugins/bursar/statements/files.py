"""Fetches the statements in a bursar's folder, has each compared once in a run, and moves them away.

A killed task is repeated: a comparison that its run has recorded is not repeated. Another run compares the same bytes
again, since the ledger may have changed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError, TransientError
from bursar.imports.detect import WatchedFolder
from bursar.imports.download import (
    Download,
    KeptState,
    download,
    find_entry,
    list_kept_downloads,
    open_kept_download,
)
from bursar.layouts.payments.statement import StatementLayout
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.remote_files.archive import Archive
from bursar.remote_files.base import RemoteFile, RemoteFolder
from bursar.remote_files.entries import UNKNOWN_TIME
from bursar.statements.compare import Comparison, compare_lines, get_statement_layout, stage_lines
from bursar.statements.records import Statement, find_statement

log = logging.getLogger(__name__)


def watch_folder(profile: Profile) -> WatchedFolder:
    """Returns the folder that the bursar writes the statements of a profile to."""
    section = profile.statement
    return WatchedFolder(
        key=f"statement:{profile.code}",
        owner="statement section",
        patterns=section.file_patterns,
        done_file_suffix=section.done_file_suffix,
        stable_for_seconds=section.stable_for_seconds,
        files_stay=section.files_stay,
        known_files="statements/find_known_files",
        other_patterns=profile.list_other_patterns("statement"),
    )


def remove_compared_downloads(engine: Engine, profile: str, work_dir: Path) -> None:
    """Removes the bytes that a killed worker left on this machine, if the ledger has their comparison."""
    for kept in list_kept_downloads(work_dir, partial(_get_kept_state, engine, profile), KeptState.RECORDED):
        kept.discard()


@dataclass(frozen=True, kw_only=True)
class StatementRun:
    """A run that compares statements. `folder` is open, `work_dir` has the files while they are compared."""

    engine: Engine
    profile: Profile
    folder: RemoteFolder
    work_dir: Path
    run_id: str

    def compare_file(self, name: str) -> Statement:
        """Compares a file of the folder with the ledger, unless this run has; returns the recorded statement.

        Raises:
            TransientError: the file is still being written, is not in the folder, or the server can't be reached.
            InputFileError: it is no valid statement, and was rejected as a whole.
            BursarError: the layout of the profile is missing or invalid, or does not suit the profile.
        """
        known = self._find(name)
        if known and known.compared_at:
            log.info("%s has already been compared by this run, as statement %s.", name, known.id)
            return known
        layout = get_statement_layout(self.profile)
        with self._fetch(name, known) as (fetched, warnings):
            statement = self._compare(fetched, layout)
        for warning in warnings:
            with self.engine.begin() as connection:
                facts = {"statement_id": statement.id, "warning": warning}
                connection.execute(query("statements/record_warning"), facts)
        return statement

    def archive_file(self, name: str) -> str | None:
        """Moves a compared or rejected file to `processed` or `failed`; returns its path, None if it stays or is gone.

        A repeated call changes nothing.

        Raises:
            InputFileError: it was neither compared nor rejected; it stays where it is.
            TransientError: the server can't be reached.
            RemoteFolderError: the server does not move it.
        """
        found = self._find(name)
        if found is None:
            raise InputFileError(f"{name} has not been compared and stays where it is. Repeat its comparison first.")
        if found.archived_at:
            log.info("%s has already been archived: %s.", name, found.archived_path)
            return found.archived_path
        section = self.profile.statement
        if section.files_stay:
            self._mark_archived(found, None, None)
            log.info("%s stays in %s, as the profile says.", name, self.folder.address)
            return None
        archive = Archive(
            folder=self.folder,
            loaded=RemoteFile(name, found.size, found.modified, is_regular=True),
            sha256=found.sha256,
            name="processed" if found.compared_at else "failed",
            number=found.id,
            record=f"statement {found.id} of the job report (`bin/bursar statements list`)",
            is_of_another=partial(self._is_of_another, found),
        )
        path = archive.move(section.done_file_suffix)
        self._mark_archived(found, path, archive.warning)
        return path

    def _compare(self, fetched: Download, layout: StatementLayout) -> Statement:
        entry, now = fetched.entry, datetime.now(UTC)
        stated_at = now if entry.modified == UNKNOWN_TIME else min(entry.modified, now)
        comparison = Comparison(self.profile, layout, stated_at)
        facts: dict[str, Any] = comparison.parameters | {"run_id": self.run_id, "layout": layout.name}
        facts |= {"name": entry.name, "size": entry.size, "modified": entry.modified, "sha256": fetched.sha256}
        try:
            with self.engine.begin() as connection:
                lines, comparison = stage_lines(connection, entry.name, fetched.path, comparison)
                facts |= comparison.parameters
                row = connection.execute(query("statements/insert_statement"), facts | {"lines": lines}).first()
                if row:
                    compare_lines(connection, row.id, entry.name, comparison)
        except InputFileError as error:
            raise self._reject(fetched, facts, str(error)) from error
        fetched.discard()
        with self.engine.connect() as connection:
            statement = find_statement(connection, self.profile.code, self.run_id, entry.name)
            assert statement  # noqa: S101  this transaction or another worker has inserted it
        log.info(
            "Compared %s as statement %s: %s, %s.",
            *(entry.name, statement.id, pluralize(lines, "line"), pluralize(statement.differences, "difference")),
        )
        return statement

    def _reject(self, fetched: Download, facts: dict[str, Any], rejection: str) -> InputFileError:
        """Records that a file was rejected; its bytes are kept if the server does not have it any more."""
        if self._is_on_server(fetched.entry):
            fetched.discard()
        else:
            rejection += (
                f" The server has removed the file, so the only copy is {fetched.place}. It names people: remove its "
                "folder when it is not needed any more."
            )
        with self.engine.begin() as connection:
            connection.execute(query("statements/insert_rejected_statement"), facts | {"rejection": rejection})
        return InputFileError(rejection)

    @contextmanager
    def _fetch(self, name: str, known: Statement | None) -> Iterator[tuple[Download, list[str]]]:
        """Yields the bytes of a file on this machine, and warnings about others that are kept there."""
        entry = find_entry(self.folder, name)
        get_state = partial(_get_kept_state, self.engine, self.profile.code)
        with open_kept_download(self.work_dir, name, entry, get_state) as (kept, warnings):
            if kept:
                yield kept, warnings
                return
        if entry is None:
            if known and known.rejection:
                raise InputFileError(known.rejection)
            raise TransientError(
                f"{name} is not in {self.folder.address} any more, and has not been compared. Have it put there again, "
                "or leave it to the next run."
            )
        with download(self.folder, entry, self.work_dir, run_id=self.run_id) as fetched:
            yield fetched, warnings

    def _find(self, name: str) -> Statement | None:
        with self.engine.connect() as connection:
            return find_statement(connection, self.profile.code, self.run_id, name)

    def _mark_archived(self, statement: Statement, path: str | None, warning: str | None) -> None:
        facts = {"statement_id": statement.id, "archived_path": path, "warning": warning}
        with self.engine.begin() as connection:
            connection.execute(query("statements/mark_archived"), facts)

    def _is_of_another(self, statement: Statement, path: str, moved: RemoteFile) -> bool:
        facts = {"profile": statement.profile, "statement_id": statement.id, "path": path}
        facts |= {"size": moved.size, "modified": moved.modified}
        with self.engine.connect() as connection:
            return bool(connection.execute(query("statements/is_archived"), facts).scalar_one())

    def _is_on_server(self, entry: RemoteFile) -> bool:
        try:
            return find_entry(self.folder, entry.name) == entry
        except BursarError:
            return False


def _get_kept_state(engine: Engine, profile: str, kept: Download) -> KeptState:
    """Returns the state of kept bytes in the ledger."""
    entry = kept.entry
    if entry.modified == UNKNOWN_TIME:
        return KeptState.UNKNOWN
    facts = {"profile": profile, "name": entry.name, "size": entry.size, "modified": entry.modified}
    with engine.connect() as connection:
        row = connection.execute(query("statements/get_kept_state"), facts | {"sha256": kept.sha256}).first()
    if row is None:
        return KeptState.UNKNOWN
    return KeptState.RECORDED if row.is_compared or row.is_archived else KeptState.REJECTED
