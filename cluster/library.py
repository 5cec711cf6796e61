"""A library with six bursars: its users, fines and profiles."""

import csv
import json
from decimal import Decimal
from pathlib import Path

CODES = [f"P{number}" for number in range(1, 7)]
FINES = 40  # of each profile
SERVERS = ("east", "west")

PROFILE = """\
code: {code}
name: Bursar {code}
sftp_connection: bursar_{server}
system: Other
export:
  active: yes
  time_before_export_days: 0
  user_identifier_type: userName
  user_groups: [G{code}]
  institutional_fine_fee: yes
  output_file_path: {code}/out
  schedule: cron 0 2 1 1 *
import:
  active: yes
  input_file_path: {code}/in
  done_file_suffix: .done
  schedule: cron 0 6 1 1 *
"""


def write_profiles(folder: Path) -> None:
    """Replaces the profiles in a folder by six others."""
    for profile in folder.glob("*.yaml"):
        profile.unlink()
    for code in CODES:
        (folder / f"{code.lower()}.yaml").write_text(PROFILE.format(code=code, server=server_of(code)))


def server_of(code: str) -> str:
    """Returns the server of a profile's bursar."""
    return SERVERS[int(code[1:]) % 2]


def write_fines(folder: Path) -> dict[str, Decimal]:
    """Writes the files for `bin/bursar sources load`; returns the amounts by the fines' ids in the library system."""
    fines = {
        f"{code}-{number}": Decimal(100 + 37 * number + int(code[1:])) / 100
        for code in CODES
        for number in range(FINES)
    }
    _write(folder / "groups.csv", ["code", "name"], [[f"G{code}", f"Group {code}"] for code in CODES])
    _write(
        folder / "users.csv",
        ["primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date"],
        [[f"u-{fine}", "Saguaro", f"No {fine}", f"G{fine.partition('-')[0]}", "", ""] for fine in fines],
    )
    _write(
        folder / "fines.csv",
        ["fine_id", "primary_id", "fine_fee_type", "amount", "created_at"],
        [[fine, f"u-{fine}", "OVERDUEFINE", str(amount), "2026-01-05T10:00"] for fine, amount in fines.items()],
    )
    return fines


def connection(server: str, address: str, port: int, password: str, host_key: str) -> list[str]:
    """Returns the arguments of `airflow` that create a connection to a bursar's server."""
    values = {
        "conn_type": "sftp",
        "host": address,
        "port": port,
        "login": server,
        "password": password,
        "extra": {"host_key": host_key},
    }
    return ["connections", "add", f"bursar_{server}", "--conn-json", json.dumps(values)]


def _write(file: Path, heading: list[str], rows: list[list[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([heading, *rows])
