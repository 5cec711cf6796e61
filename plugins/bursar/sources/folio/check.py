"""Checks a FOLIO before it goes live, and when events are refused. Nothing is changed there."""

from collections import Counter
from collections.abc import Iterator, Mapping

from bursar.errors import BursarError, TransientError
from bursar.money import pluralize
from bursar.sources.folio.model import FolioSource
from bursar.sources.folio.read import ALL, list_open_fines
from bursar.sources.folio.session import FolioSession, quote_cql
from bursar.sources.system import Finding
from bursar.sources.system_model import NO_VALUE

VERSION = "19"
"""The version of the interface `feesfines` that the calls were written for."""
NO_FINE = "00000000-0000-4000-8000-000000000000"
"""The id of a fine that no FOLIO has: a call for it shows the permission, and does nothing."""
_FORBIDDEN = 403
_POINTS = "the service points"
_CALLS = {
    "transfer_account": ("transfer",),
    "payment_method": ("pay",),
    "waive_reason": ("waive", "cancel"),
    "refund_reason": ("refund",),
}
"""The calls by the key of the source that they need."""
_NAMES = {
    "transfer_account": ("/transfers", "transfers", "accountName"),
    "payment_method": ("/payments", "payments", "nameMethod"),
    "waive_reason": ("/waives", "waivers", "nameReason"),
    "refund_reason": ("/refunds", "refunds", "nameReason"),
}
"""Where FOLIO has the names that the source has under a key: the path, the list in the answer, and the field. Accounts
and methods belong to an owner; reasons do not."""


def check_folio(session: FolioSession, source: FolioSource) -> list[Finding]:
    """Returns what was found, in the order in which a person mends it.

    Raises:
        TransientError: FOLIO can't be reached.
        BursarError: it refuses the login.
    """
    needed = source.list_needed(("show", "on"))
    findings = [*_check_version(session, source)]
    findings += _catch("users", _check_users(session))
    findings += _catch("actions", _check_actions(session))
    owners: dict[str, str] = {}
    findings += _catch("owners", _check_owners(session, source, owners))
    for key in sorted(needed):
        findings += (_check_call(session, call) for call in _CALLS.get(key, ()))
        findings += _catch(key.replace("_", " "), _check_name(session, source, key, owners))
    findings += _catch("open fines", _check_fines(session, source))
    return findings


def check_names(session: FolioSession, source: FolioSource) -> None:
    """Checks the names with which events are written: FOLIO takes any text when it is called.

    Raises:
        TransientError: FOLIO can't be reached.
        BursarError: it lacks one, or does not let it be looked up.
    """
    needed = source.list_needed()
    owners = _list_owners(session) if needed else {}
    findings = [finding for key in sorted(needed) for finding in _check_name(session, source, key, owners)]
    if problems := [f"{one.text} {one.remedy}" for one in findings if not one.is_good]:
        raise BursarError(
            f"Nothing is written into {session.name}, since it would take any name. {' '.join(problems)} The events "
            f"wait, and the next run writes them (`bin/bursar sources check {source.code}` checks it)."
        )


def _catch(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yields findings, and an error that ends them as another one: one missing permission does not hide the others."""
    try:
        yield from findings
    except TransientError:
        raise
    except BursarError as error:
        yield Finding(subject, is_good=False, text=str(error), remedy="Mend it, and check again.")


def _check_version(session: FolioSession, source: FolioSource) -> Iterator[Finding]:
    answer = session.get(f"/_/proxy/tenants/{source.tenant}/interfaces", subject="the version")
    if not answer.is_success:
        text = "FOLIO does not say it, as behind Kong or without a permission. This is no fault."
        yield Finding("version", is_good=True, text=text)
        return
    found = answer.parse_json()
    interfaces = found.get("interfaces", []) if isinstance(found, dict) else found
    version = next((str(one.get("version")) for one in interfaces if one.get("id") == "feesfines"), None)
    if version is None:
        yield Finding(
            "version", is_good=False, text="The tenant has no fees and fines.", remedy="Enable mod-feesfines."
        )
        return
    is_good = version.split(".")[0] == VERSION
    remedy = f"Bursar was written for {VERSION}: begin with a few fines, and look at each of them in FOLIO."
    yield Finding("version", is_good, f"FOLIO has feesfines {version}.", "" if is_good else remedy)


def _check_users(session: FolioSession) -> Iterator[Finding]:
    session.get_page("/users", "users", ALL, limit=1, subject="the users")
    groups = list(session.list_all("/groups", "usergroups", ALL, subject="the patron groups"))
    yield Finding("users", is_good=True, text=f"FOLIO has {pluralize(len(groups), 'patron group')}.")


def _check_actions(session: FolioSession) -> Iterator[Finding]:
    session.get_page("/feefineactions", "feefineactions", ALL, limit=1, subject="the actions of fines")
    yield Finding("actions", is_good=True, text="The account may read the actions of fines.")


def _list_owners(session: FolioSession) -> dict[str, str]:
    """Returns the names of the owners of fees and fines by their ids."""
    records = session.list_all("/owners", "owners", ALL, subject="the owners of fees")
    return {str(one["id"]): str(one.get("owner")).strip() for one in records}


def _check_owners(session: FolioSession, source: FolioSource, owners: dict[str, str]) -> Iterator[Finding]:
    """Yields whether FOLIO has the owners in the map, and adds all that it has to `owners`."""
    owners |= _list_owners(session)
    missing = sorted(source.owners.keys() - set(owners.values()) - {NO_VALUE})
    text = f"FOLIO has no owner {', '.join(missing)}." if missing else f"FOLIO has {pluralize(len(owners), 'owner')}."
    remedy = "Write the names in `owners` as FOLIO has them." if missing else ""
    yield Finding("owners", is_good=not missing, text=text, remedy=remedy)


def _check_name(session: FolioSession, source: FolioSource, key: str, owners: Mapping[str, str]) -> Iterator[Finding]:
    """Yields whether FOLIO has a name with which events are written, and has it for each owner in the map.

    `owners` are the names of FOLIO's owners by their ids.
    """
    value = getattr(source, key)
    if key == "service_point":
        found = session.get_page("/service-points", "servicepoints", f"code=={quote_cql(value or '')}", subject=_POINTS)
        yield _make_finding(key, value, is_there=len(found) == 1)
        return
    path, name, field = _NAMES[key]
    records = [
        one
        for one in session.list_all(path, name, ALL, subject=f"each {key.replace('_', ' ')}")
        if one.get(field) == value
    ]
    if key.endswith("_reason") or any(not one.get("ownerId") for one in records):
        yield _make_finding(key, value, is_there=bool(records))
        return
    lacking = (source.owners.keys() & set(owners.values())) - {owners.get(str(one["ownerId"])) for one in records}
    place = f" for {', '.join(sorted(lacking))}" if lacking else ""
    yield _make_finding(key, value, is_there=bool(records) and not lacking, place=place)


def _make_finding(key: str, value: str | None, *, is_there: bool, place: str = "") -> Finding:
    """Returns whether FOLIO has what the source names. It does not check the names itself when it is called."""
    word = key.replace("_", " ")
    if value is None:
        remedy = "Add it before `write_back` is on."
        return Finding(word, is_good=False, text=f"The file of the source has no `{key}`.", remedy=remedy)
    if not is_there:
        remedy = f"Create it in FOLIO, or correct `{key}`."
        return Finding(word, is_good=False, text=f"FOLIO has no {word} {value}{place}.", remedy=remedy)
    return Finding(word, is_good=True, text=f"FOLIO has the {word} {value}.")


def _check_call(session: FolioSession, name: str) -> Finding:
    """Returns whether the account may act, by a call for a fine that does not exist."""
    body: dict[str, object] = {
        "notifyPatron": False,
        "servicePointId": NO_FINE,
        "userName": "Bursar",
        "comments": "STAFF : check",
    }
    if name != "cancel":
        body |= {"amount": "0.01", "paymentMethod": "Bursar"}
    subject = f"the {name} of a fine"
    answer = session.post(f"/accounts/{NO_FINE}/{name}", body, subject=subject)
    if answer.status == _FORBIDDEN:
        error = str(session.make_error(answer, subject))
        return Finding(name, is_good=False, text=error, remedy="Mend it, and check again.")
    return Finding(name, is_good=True, text=f"The account may {name} fines.")


def _check_fines(session: FolioSession, source: FolioSource) -> Iterator[Finding]:
    """Yields what a complete reading would bring, and what of it the maps do not have."""
    owners, types = Counter[str](), Counter[str]()
    users: set[str] = set()
    for account in list_open_fines(session):
        users.add(str(account.get("userId")))
        owners[str(account.get("feeFineOwner") or NO_VALUE).strip()] += 1
        types[str(account.get("feeFineType") or NO_VALUE).strip()] += 1
    text = f"FOLIO has {pluralize(owners.total(), 'open fine')} of {pluralize(len(users), 'user')}."
    yield Finding("open fines", is_good=True, text=text)
    for name, counts in (("owners", owners), ("fine_fee_types", types)):
        unknown = {value: count for value, count in sorted(counts.items()) if value not in getattr(source, name)}
        listed = ", ".join(f"{value} ({pluralize(count, 'fine')})" for value, count in unknown.items())
        yield Finding(
            f"map {name}",
            is_good=not unknown,
            text=f"The map lacks {listed}." if unknown else "The map has all values of the open fines.",
            remedy=f"Add them to `{name}`. Until then their fines are rejected." if unknown else "",
        )
