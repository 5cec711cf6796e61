"""The integration profile and the settings of the bench, as fields of YAML files and as models."""

from datetime import UTC, datetime
from typing import Any

from bursar.profiles import Profile, Settings

SETTINGS_FIELDS: dict[str, Any] = {
    "institution_name": "Bench University",
    "institution_id": "4321",
    "default_currency": "USD",
    "time_zone": "America/New_York",
    "approval": {"max_users": 10**9, "max_fines": 10**9, "max_amount": 10**9},
}
PROFILE_FIELDS: dict[str, Any] = {
    "code": "BENCH",
    "name": "Bench",
    "sftp_connection": "bursar_bench",
    "system": "Other",
    "time_zone": "America/New_York",
    "export": {
        "active": True,
        "time_before_export_days": 7,
        "user_identifier_type": "02",
        "identifier_pattern": r"\d{8}",
        "user_groups": ["UNDERGRADUATE", "GRADUATE", "STAFF"],
        "institutional_fine_fee": True,
        "libraries": ["MAIN", "LAW", "SCI"],
        "output_file_path": "out",
        "schedule": "daily at 02:00",
    },
    "import": {"active": True, "input_file_path": "in", "stable_for_seconds": 0, "schedule": "daily at 06:00"},
}
SETTINGS = Settings.model_validate(SETTINGS_FIELDS)
PROFILE = Profile.model_validate(PROFILE_FIELDS)
AS_OF = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
