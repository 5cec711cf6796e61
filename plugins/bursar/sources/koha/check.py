"""Checks a Koha before going live: logins, version, report, credit type, permissions and maps. Changes nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping

from bursar.errors import BursarError
from bursar.money import pluralize
from bursar.sources.koha.account import find_credits, read_open_debits
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.report import Page, read_page, read_pages
from bursar.sources.koha.rows import CREDIT, FINE_COLUMNS, USER_COLUMNS, is_payment, make_fine, make_user
from bursar.sources.system import Finding
from bursar.sources.system_model import NO_VALUE

MIN_VERSION = "23.05"
"""The first version with lists of debits and credits in its API."""
MIN_ROWS = 1_000
"""Fewer rows in an answer make a reading slow."""
MAX_SHOWN = 20
"""Values that one finding lists."""
NO_KEY = "bursar:check"
"""A key that no credit has."""
CHECK_AGAIN = "Correct it, and check again."


def check_koha(client: KohaClient, source: KohaSource) -> list[Finding]:
    """Returns what was found, in the order in which it is needed. Reads all open fines to count them."""
    findings: list[Finding] = []
    patron: str | None = None
    try:
        page = read_page(client, source, None, page_rows=1)
        patron = page.rows[0]["user_id"] if page.rows else None
        findings += _check_settings(page, source)
    except BursarError as error:
        findings.append(Finding("saved report", is_good=False, text=str(error), remedy=CHECK_AGAIN))
    try:
        findings.append(_check_api(client, patron))
    except BursarError as error:
        findings.append(Finding("API", is_good=False, text=str(error), remedy=CHECK_AGAIN))
    if findings[0].is_good:
        try:
            findings += _check_fines(client, source)
        except BursarError as error:
            findings.append(Finding("fines", is_good=False, text=str(error), remedy=CHECK_AGAIN))
    return findings


def _check_settings(page: Page, source: KohaSource) -> Iterator[Finding]:
    yield Finding("saved report", is_good=True, text=f"Report {source.report} has the expected columns.")
    version = page.version[:5]  # of 23.0501000
    yield _make_finding(
        "version",
        f"Koha {version}.",
        is_good=version >= MIN_VERSION,
        remedy=f"Bursar can't write into it. Update Koha to {MIN_VERSION}, or write off at each event in write_back.",
    )
    rows = int(page.max_rows) if page.max_rows.isdecimal() else 0
    yield _make_finding(
        "SvcMaxReportRows",
        f"An answer has at most {pluralize(rows or 10, 'row')}.",
        is_good=rows >= MIN_ROWS,
        remedy="No row is lost, but many requests are needed. Set the system preference to 10000.",
    )
    if source.closes_fines_when == "handed_over":
        yield _make_finding(
            "credit type",
            f"{source.credit_type} {'exists' if page.has_credit_type else 'does not exist, or is archived'}.",
            is_good=page.has_credit_type,
            remedy=f"Add the credit type {source.credit_type} in Koha's administration.",
        )


def _check_api(client: KohaClient, patron: str | None) -> Finding:
    """Reads one account, with each request that writing needs; errors name what is missing."""
    if patron is None:
        params: Mapping[str, str | int] = {"_per_page": 1, "_order_by": "+patron_id"}
        patrons = client.get("/patrons", "the patrons", params).parse_json()
        if not patrons:
            return Finding("API", is_good=True, text="The login is accepted. There are no patrons.")
        patron = patrons[0]["patron_id"]
    read_open_debits(client, str(patron))
    find_credits(client, str(patron), NO_KEY)
    return Finding("API", is_good=True, text="The login is accepted, and may read accounts.")


def _check_fines(client: KohaClient, source: KohaSource) -> Iterator[Finding]:
    """Reads all fines; counts them, and the values that the maps lack."""
    place_of = {name: FINE_COLUMNS.index(name) for name in ("fine_fee_type", "owner_library", "user_id")}
    types, owners, own_types = Counter[str](), Counter[str](), Counter[str]()
    users: set[str] = set()
    without: Counter[str] = Counter()
    fines = 0
    for page in read_pages(client, source, None):
        for row in page.rows:
            if is_payment(row, source):
                continue
            fines += 1
            fine = make_fine(row, source)
            type_ = fine[place_of["fine_fee_type"]]
            if row["credit_type"] is None:
                types[type_] += 1
            elif type_ != CREDIT:
                own_types[type_] += 1
            owners[fine[place_of["owner_library"]] or NO_VALUE] += 1
            if row["user_id"] not in users:
                users.add(row["user_id"])
                found = make_user(row, source)[len(USER_COLUMNS) :]
                without.update(name for name, value in zip(source.identifiers, found, strict=True) if not value)
    yield Finding("fines", is_good=True, text=f"{pluralize(fines, 'fine')} of {pluralize(len(users), 'user')}.")
    yield _check_map("owners", owners, source.owners)
    yield _check_map("fine_fee_types", types, source.fine_fee_types)
    yield _check_map("credit_types", own_types, source.credit_types)
    for name in source.identifiers:
        yield _make_finding(
            f"identifier {name}",
            f"{pluralize(without[name], 'user')} of {len(users):,} {'lacks' if without[name] == 1 else 'lack'} it.",
            is_good=without[name] < max(len(users), 1),
            remedy=f"No user has it. Check where it is in Koha, in identifiers of the source's file: "
            f"{source.identifiers[name]}.",
        )


def _check_map(name: str, found: Counter[str], known: Mapping[str, str]) -> Finding:
    unknown = [(value, count) for value, count in found.most_common() if value.strip() not in known]
    shown = ", ".join(f"{value} ({pluralize(count, 'fine')})" for value, count in unknown[:MAX_SHOWN])
    if len(unknown) > MAX_SHOWN:
        shown += f" and {len(unknown) - MAX_SHOWN:,} more"
    return _make_finding(
        name,
        f"The map lacks {shown}." if unknown else f"The map has {pluralize(len(found), 'value')} that fines have.",
        is_good=not unknown,
        remedy=f"Fines with these values are rejected. Add a line for each to {name} in the source's file.",
    )


def _make_finding(subject: str, text: str, *, is_good: bool, remedy: str) -> Finding:
    return Finding(subject, is_good=is_good, text=text, remedy="" if is_good else remedy)
