"""Lineage: which files and tables a task reads and writes, as Airflow's assets. Nothing is scheduled by them.

Airflow shows them; OpenLineage, where it is installed, reports them. Servers go by the ids of their connections,
since what these lead to is not known while DAGs are parsed.
"""

from airflow.sdk import Asset

from bursar.airflow.connections import LEDGER
from bursar.profiles import Profile


def ledger_asset() -> Asset:
    """The ledger, by its journal."""
    return Asset(name="bursar_ledger", uri=f"postgres://{LEDGER}:5432/ledger/public/journal_entries")


def exported_files_asset(profile: Profile) -> Asset:
    """The folder that a profile's files go to."""
    return _folder(profile, "exports", profile.export.output_file_path)


def payment_files_asset(profile: Profile) -> Asset:
    """The folder that a profile's payments come from."""
    return _folder(profile, "payments", profile.import_.input_file_path)


def _folder(profile: Profile, what: str, path: str) -> Asset:
    return Asset(name=f"bursar_{what}__{profile.code}", uri=f"file://{profile.sftp_connection}/{path}")
