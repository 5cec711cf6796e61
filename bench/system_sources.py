"""The sources of the bench that are libraries' systems, by the names of the systems."""

from typing import Any

from bursar.sources.folio.model import FolioSource
from bursar.sources.system_model import SystemSource
from tests.support import folio_library
from tests.support.folio_server import TENANT
from tests.support.koha_library import make_koha_source

_COMMON: dict[str, Any] = {
    "schedule": "daily at 02:00",
    "currency": "USD",
    "time_zone": "UTC",
    "write_back": dict.fromkeys(("handed_over", "paid_at_bursar", "reversed", "owed_again"), "on"),
}
SOURCES: dict[str, SystemSource] = {
    "FOLIO": FolioSource(
        code="FOLIO",
        name="FOLIO",
        kind="folio",
        connection="folio",
        tenant=TENANT,
        primary_id="username",
        identifiers={"BARCODE": "barcode", "02": "externalSystemId"},
        owners=dict.fromkeys(folio_library.OWNERS, "MAIN"),
        fine_fee_types=dict.fromkeys(folio_library.TYPES, "OVERDUEFINE"),
        service_point="bursar",
        transfer_account=folio_library.TRANSFER_ACCOUNT,
        payment_method=folio_library.PAYMENT_METHOD,
        waive_reason=folio_library.WAIVE_REASON,
        refund_reason=folio_library.REFUND_REASON,
        **_COMMON,
    ),
    "Koha": make_koha_source(**_COMMON),
}
GROUPS = {"FOLIO": "students", "Koha": "ST"}
"""The group of all users of a system."""
LOGINS = ("/authn/login-with-expiry", "/authn/refresh", "/cgi-bin/koha/svc/authentication", "/api/v1/oauth/token")
"""The paths of logins, which do not count as calls."""
