"""Lineage: the files and tables that tasks read and write, as Airflow's assets. No DAG is scheduled by them.

Airflow shows them, and OpenLineage reports them where it is installed. A server is named by the id of its connection,
because connections are not read while DAGs are parsed.
"""

from airflow.sdk import Asset

from bursar.airflow.connections import LEDGER
from bursar.profiles import Profile
from bursar.sources.csv.model import CsvSource


def ledger_asset() -> Asset:
    """Returns the asset of the ledger: its journal."""
    return Asset(name="bursar_ledger", uri=f"postgres://{LEDGER}:5432/ledger/public/journal_entries")


def exported_files_asset(profile: Profile) -> Asset:
    """Returns the asset of the folder that a profile exports to."""
    return _folder(profile, "exports", profile.export.output_file_path)


def payment_files_asset(profile: Profile) -> Asset:
    """Returns the asset of the folder that a profile imports from."""
    return _folder(profile, "payments", profile.import_.input_file_path)


def statements_asset(profile: Profile) -> Asset:
    """Returns the asset of the folder that a profile reads statements from."""
    return _folder(profile, "statements", profile.statement.input_file_path)


def source_files_asset(source: CsvSource) -> Asset:
    """Returns the asset of the folder that a source is loaded from."""
    return Asset(
        name=f"bursar_source__{source.code}", uri=f"file://{source.connection or ''}/{source.folder.lstrip('/')}"
    )


def _folder(profile: Profile, what: str, path: str) -> Asset:
    return Asset(name=f"bursar_{what}__{profile.code}", uri=f"file://{profile.sftp_connection}/{path}")
