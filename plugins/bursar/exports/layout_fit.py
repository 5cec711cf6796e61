"""Finds the selected fines that do not fit the layout of their profile, each with a reason, before they are frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.layouts.flat.characters import spell_in_ascii
from bursar.layouts.flat.file_fit import count_fines, find_unfit_column
from bursar.layouts.flat.queries import select_foreign_characters, select_kinds, select_unfit
from bursar.layouts.flat.render import Content, make_batch_values
from bursar.layouts.flat.sql import Bindings
from bursar.layouts.layout import Layout
from bursar.layouts.model import Each, Kind
from bursar.layouts.read import get_layout
from bursar.ledger.totals import CurrencyTotals
from bursar.profiles import Profile
from bursar.profiles.settings import TransactionIds


def _check_currencies(profile: Profile, layout: Layout) -> None:
    """Raises a BursarError if an amount in the file can be taken for one of another currency."""
    if len(profile.export.currencies) == 1 or not layout.needs_one_currency:
        return
    reason = "adds up amounts" if layout.adds_money else "does not show the currency"
    raise BursarError(
        f"The layout {profile.export.layout} {reason}, so it needs one currency. Write it in the profile "
        f"{profile.code}, below export: as in currencies: [USD]."
    )


@dataclass(frozen=True)
class FrozenLayout:
    """A layout for the lines of a batch, and how their characters are written in ASCII, if the layout wants it."""

    layout: Layout
    spelling: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """Returns the stored form."""
        return {"layout": self.layout.dump(), "spelling": self.spelling}


def find_layout(profile: Profile) -> Layout | None:
    """Returns the layout that a profile exports in; None for Alma's XML.

    Raises:
        NotFoundError: there is no such layout.
        ProfileError: it is invalid.
        BursarError: the profile exports more than one currency, and the layout needs one.
    """
    if profile.export.layout is None:
        return None
    layout = get_layout(profile.export.layout, Layout)
    _check_currencies(profile, layout)
    return layout


def skip_unfit_fines(
    connection: Connection, profile: Profile, layout: Layout, ids: TransactionIds, batch_id: int | None
) -> FrozenLayout:
    """Marks the candidates that do not fit with their reasons.

    Then marks all fines of the users whose own lines do not fit. `ids` says how new transaction ids are made.
    `batch_id` is the number of the batch, None if it is not known yet. Returns the layout for the lines that are left.

    Raises:
        BursarError: something does not fit a header or trailer, such as the total of the file.
    """
    draft = _Draft(connection, profile, ids, batch_id)
    spelling: dict[str, str] = {}
    for kinds, file in layout.list_files():
        if layout.characters == "ascii":
            spelling |= draft.spell(file, kinds)
        for each in ("fine", "user"):
            if file.list_records(each):
                draft.mark_unfit(file, kinds, each, spelling)
    draft.check_lines_of_files(layout, spelling)
    return FrozenLayout(layout, spelling)


def check_file_names(connection: Connection, profile: Profile, names: Sequence[str]) -> None:
    """Checks that no other file can be taken for one of a batch: after a crash, only name and size may be known.

    Raises:
        BursarError: two of the names are the same, or an unfinished batch has one of them in the same folder.
    """
    if len(set(names)) < len(names):
        raise BursarError(
            f"Two files of this export would have one name: {', '.join(names)}. Nothing was selected. Correct the "
            f"names in the layout {profile.export.layout}."
        )
    place = {"sftp_connection": profile.sftp_connection, "output_file_path": profile.export.output_file_path}
    if other := find_same_file_name(connection, file_names=names, **place):
        raise BursarError(
            f"The file {other.file_name} is also that of batch {other.id} of {other.profile}, which is not finished. "
            "Nothing was selected. Finish or release that batch first. With {batch} in the file_name of the layout, "
            "each file has a name of its own."
        )


def find_same_file_name(
    connection: Connection, *, sftp_connection: str, output_file_path: str, file_names: Sequence[str]
) -> Row[Any] | None:
    """Returns an unfinished batch that has a file of one of the names in the same folder: id, profile, file_name."""
    place = {"sftp_connection": sftp_connection, "output_file_path": output_file_path, "file_names": list(file_names)}
    return connection.execute(query("exports/find_same_file_name"), place).one_or_none()


class _Draft:
    """The candidates as the lines that they will be."""

    def __init__(self, connection: Connection, profile: Profile, ids: TransactionIds, batch_id: int | None) -> None:
        self._connection = connection
        self._profile = profile
        self._values = {
            "charge_profiles": [profile.code, *profile.credits_of],
            "prefix": ids.prefix,
            "start": ids.start,
        }
        now = connection.execute(query("exports/guess_next_batch")).one()
        self._batch = make_batch_values(batch_id or now.next_id, profile.code, now.selected_at, profile.time_zone)

    def _get_content(self, layout: Layout, kinds: Sequence[Kind] | None, spelling: Mapping[str, str]) -> Content:
        def get_source(bindings: Bindings) -> str:
            return select_kinds(f"({query('exports/draft_lines').text})", kinds, bindings)

        time_zone = self._profile.time_zone
        return Content(layout, self._batch, time_zone, spelling, CurrencyTotals(), 0, 0, get_source)

    def spell(self, layout: Layout, kinds: Sequence[Kind] | None) -> Mapping[str, str]:
        """Returns how the characters of a file that are not in ASCII are written."""
        lines = self._get_content(layout, kinds, {}).get_lines()
        if (statement := select_foreign_characters(lines)) is None:
            return {}
        return spell_in_ascii(self._connection.execute(lines.bindings.bind(statement), self._values).scalars())

    def mark_unfit(self, layout: Layout, kinds: Sequence[Kind] | None, each: Each, spelling: Mapping[str, str]) -> None:
        """Marks the candidates that do not fit the lines of a file for each fine, or for each user."""
        lines = self._get_content(layout, kinds, spelling).get_lines()
        keys = "unfit.user_id = candidates.user_id"
        if each == "fine":
            keys = "unfit.fine_id = candidates.fine_id AND unfit.reversal = candidates.reversal"
        statement = (
            f"UPDATE candidates SET reason = unfit.reason FROM ({select_unfit(lines, each)}) AS unfit "
            f"WHERE {keys} AND candidates.reason IS NULL"
        )
        self._connection.execute(lines.bindings.bind(statement), self._values)

    def check_lines_of_files(self, layout: Layout, spelling: Mapping[str, str]) -> None:
        """Checks the headers and trailers of the files, if the fines that are selected by now give any file.

        Raises:
            BursarError: one does not fit; the message names its column.
        """
        counted = [
            count_fines(self._connection, self._get_content(file, kinds, spelling), self._values)
            for kinds, file in layout.list_files()
            if file.list_records("file")
        ]
        for content in counted if any(content.fines for content in counted) else ():
            if unfit := find_unfit_column(self._connection, content, self._values):
                raise BursarError(
                    f"The file of the profile {self._profile.code} can't be written in the layout "
                    f"{self._profile.export.layout}, {unfit}. Nothing was selected. Correct the layout in agreement "
                    "with the bursar. A total that is too long also becomes smaller if the fines are divided among "
                    "several profiles, as by libraries."
                )
