"""The result of an export, in the ledger and in the bursar's own folder, and checks that both agree."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from lxml import etree
from sqlalchemy import Engine, text

from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger.batches import Batch, get_batch_of_run
from bursar.ledger.totals import SelectionSummary
from bursar.profiles import Profile
from demo.library import SUB_DIRECTORY, Library

NS = {"xb": NAMESPACE}


@dataclass(frozen=True)
class Export:
    """One run of one export. `file` is None if there was nothing to send."""

    profile: Profile
    run_state: str
    batch: Batch
    file: Path | None
    in_ledger: Mapping[str, Decimal]
    in_file: Mapping[str, Decimal]
    fines_in_file: int
    sha256: str
    previewed: SelectionSummary | None = None


def get_export(engine: Engine, library: Library, profile: Profile, run_id: str, run_state: str) -> Export:
    """Returns an export after its run."""
    with engine.connect() as connection:
        batch = get_batch_of_run(connection, profile.code, run_id)
        if batch is None:
            raise LookupError(f"run {run_id} of {profile.code} selected nothing")
        rows = connection.execute(
            text(
                "SELECT currency, sum(reversal_change - balance_change) AS net"
                " FROM journal_entries JOIN fines ON fines.id = fine_id"
                " WHERE batch_id = :batch GROUP BY currency ORDER BY currency"
            ),
            {"batch": batch.id},
        )
        in_ledger = {row.currency: row.net for row in rows}
    if not batch.fines:
        return Export(profile, run_state, batch, None, in_ledger, {}, 0, "")
    folder = library.folders[profile.sftp_connection.removeprefix("bursar_")] / SUB_DIRECTORY
    file = folder / profile.export.output_file_path / batch.file_name
    sums = _sums(file)
    in_file = {currency: sum(amounts, Decimal()) for currency, amounts in sums.items()}
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return Export(profile, run_state, batch, file, in_ledger, in_file, sum(map(len, sums.values())), sha256)


def find_export_problems(engine: Engine, first: list[Export], second: list[Export]) -> list[str]:
    """Returns the problems of the exports, as sentences."""
    problems = []
    for export in [*first, *second]:
        name = f"{export.profile.code}, batch {export.batch.id}"
        if export.run_state != "success" or export.batch.state != "CLOSED":
            problems.append(f"{name}: the run ended as {export.run_state}, the batch is {export.batch.state}")
        if export.file and (export.in_file != export.in_ledger or export.fines_in_file != export.batch.fines):
            problems.append(f"{name}: the file holds {export.in_file}, the ledger {export.in_ledger}")
        if (seen := export.previewed) and (seen.fines, seen.totals) != (export.batch.fines, export.batch.totals):
            problems.append(f"{name}: the preview showed {seen.fines} fines, {seen.totals}")
        if export.sha256 != "".join(file.sha256 or "" for file in export.batch.files):
            problems.append(f"{name}: the file's checksum is not the recorded one")
    problems += [f"{export.profile.code}: no fine was sent" for export in first if not export.batch.fines]
    with engine.connect() as connection:
        twice = connection.scalar(
            text(
                "SELECT count(*) FROM"
                " (SELECT FROM batch_lines WHERE NOT reversal GROUP BY fine_id HAVING count(*) > 1) AS twice"
            )
        )
        claims = connection.scalar(text("SELECT count(*) FROM batch_claims"))
    if twice or claims:
        problems.append(f"{twice} fines were exported twice, {claims} are still claimed")
    return problems


def _sums(file: Path) -> dict[str, list[Decimal]]:
    """Returns the amounts in a file by currency, read independently of Bursar."""
    sums: dict[str, list[Decimal]] = defaultdict(list)
    for money in etree.parse(file).iterfind(".//xb:compositeSum", NS):
        sums[money.findtext("xb:currency", "", NS)].append(Decimal(money.findtext("xb:sum", "", NS)))
    return sums
