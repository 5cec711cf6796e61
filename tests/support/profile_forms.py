"""A valid profile as a person types it into the wizard, and the parts of a wizard's page."""

import re
from html import unescape
from typing import Any

GOOD = {
    "code": "LAW",
    "name": "Law Library",
    "integration_type": "bursar",
    "sftp_connection": "bursar_law",
    "system": "Banner",
    "description": "For the law students.\r\nAsk Anna.",
    "time_zone": "",
    "export.active": "yes",
    "export.time_before_export_days": "0",
    "export.user_identifier_type": "02",
    "export.institutional_fine_fee": "yes",
    "export.libraries": ["LAW", "MAIN"],
    "export.output_file_path": "law/out",
    "export.schedule": "daily at 02:00",
    "import.active": "yes",
    "import.input_file_path": "law/in",
    "import.schedule": "daily at 06:00",
    "import.file_patterns": "*.xml\r\n*.txt",
}
"""The fields of a valid profile; a field with several boxes is a list."""


def fill_form(step: str = "save", *, based_on: int = 0, page: int = 2, **changes: Any) -> dict[str, Any]:
    """Returns the form of a valid profile; in the names of `changes`, `__` is a dot."""
    fields = GOOD | {name.replace("__", "."): value for name, value in changes.items()}
    return fields | {"step": step, "based_on": str(based_on), "page": str(page)}


def read_hidden_fields(page: str) -> dict[str, list[str]]:
    """Returns the hidden fields of a page."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page):
        found.setdefault(name, []).append(unescape(value))
    return found


def find_errors(page: str) -> list[str]:
    """Returns the messages at the top of a page, without markup."""
    listed = re.findall(r"<li>(.*?)</li>", page, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", one)).strip() for one in listed]
