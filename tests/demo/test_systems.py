"""The FOLIO and the Koha of the demo: what they have is loaded, and differences from the ledger are found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console
from sqlalchemy import text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.profiles import INCLUDE, load_settings
from bursar.sources.load_types import LoadResult
from bursar.sources.model import Source
from bursar.sources.open_system import open_system
from bursar.sources.outbox import Outbox
from bursar.sources.outbox_events import EventState
from bursar.sources.read import load_sources
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system_account import SystemAccount
from bursar.sources.system_model import SystemSource
from demo.profiles import SYSTEMS as SOURCES
from demo.returns import MOMENTS, Standing, find_return_problems, get_standings, print_returns
from demo.system_checks import SystemState, find_system_problems, get_system_states, print_systems
from demo.system_records import LOST_IN_FOLIO, LOST_IN_KOHA
from demo.systems import FOLIO, KOHA, LibrarySystems, serve_systems
from tests.support.fixtures import Library, make_profile, make_settings, record_delivery

FINES = 40


@contextmanager
def serve(folder: Path) -> Iterator[LibrarySystems]:
    with serve_systems(folder, folio_fines=FINES, koha_fines=FINES) as systems:
        yield systems


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[LibrarySystems]:
    with serve(tmp_path / "systems") as systems:
        yield systems


@pytest.fixture
def synchronize(library: Library, systems: LibrarySystems, tmp_path: Path) -> Callable[[], list[str]]:
    """Returns a function that writes and reads both systems; it returns the codes of the messages about rows."""
    sources, problems = load_sources(SOURCES, load_settings(INCLUDE / "bursar.yaml"))
    assert problems == []

    def run(source: Source) -> list[LoadResult]:
        assert isinstance(source, SystemSource)
        with open_system(source, make_account(systems, source)) as system:
            Outbox(library.ledger, source).write(system)
            with lock_source(library.ledger, source.code) as lock:
                return ReadingRun(
                    engine=library.ledger,
                    source=source,
                    system=system,
                    lock=lock,
                    work_dir=tmp_path,
                    run_id="run",
                    requested_by=None,
                    now=datetime.now(UTC),
                ).load()

    return lambda: [message.code for source in sources for result in run(source) for message in result.messages]


def export(library: Library) -> None:
    """Exports all fines of the three libraries."""
    profile = make_profile(libraries=["MAIN", "LAW", "MED"], user_identifier_type="userName")
    batch = select_fines(library.ledger, profile, make_settings(), run_id=uuid4().hex, as_of=datetime.now(UTC))
    record_delivery(library.ledger, batch.id)
    close_fines(library.ledger, batch.id)


def make_account(systems: LibrarySystems, source: SystemSource) -> SystemAccount:
    values = dict(systems.connections[source.connection])
    extra = values.get("extra", {})
    assert isinstance(extra, dict)
    return SystemAccount(
        connection_id=source.connection,
        url=f"{values['schema']}://{values['host']}:{values['port']}",
        login=str(values["login"]),
        password=str(values["password"]),
        **extra,
    )


def test_the_fines_of_both_systems_are_loaded_without_a_message(
    synchronize: Callable[[], list[str]], library: Library
) -> None:
    assert synchronize() == []
    with library.ledger.connect() as connection:
        rows = connection.execute(text("SELECT source, count(*) FROM fines GROUP BY source ORDER BY source"))
        assert [tuple(row) for row in rows] == [(FOLIO, FINES), (KOHA, FINES)]
        owners = connection.execute(text("SELECT DISTINCT source, owner_library FROM fines ORDER BY 1, 2")).all()
    assert [tuple(row) for row in owners] == [(FOLIO, "LAW"), (FOLIO, "MAIN"), (KOHA, "MED")]


def test_books_that_are_returned_after_the_export_are_reversed_and_all_agrees(
    synchronize: Callable[[], list[str]], library: Library, systems: LibrarySystems
) -> None:
    synchronize()
    standings = [get_standings(library.ledger, systems)]
    export(library)
    synchronize()
    standings.append(get_standings(library.ledger, systems))
    systems.return_items()
    synchronize()
    export(library)
    standings.append(get_standings(library.ledger, systems))
    assert find_return_problems(standings) == []
    assert [one[FOLIO].system for one in standings] == [
        "Open, 92.00: Outstanding",
        "Closed, 0.00: Transferred fully",
        "Closed, 0.00: Cancelled item returned",
    ]
    assert [one[KOHA].system for one in standings] == [
        "open, 75.00",
        "closed, 0.00: credit BURSAR 75.00",
        "FOUND, 0.00: credit BURSAR 75.00; unused credit LOST_FOUND 75.00",
    ]
    synchronize()
    states = get_system_states(library.ledger, systems)
    assert find_system_problems(states) == []
    assert [list(state.unused_credits.values()) for state in states] == [[], [Decimal(-75)]]
    assert [len(state.written) for state in states] == [FINES, FINES]


def test_a_return_that_was_not_exported_is_a_problem() -> None:
    owed = {source: Standing("Díaz, Ana", "", "active, 9.00", "nothing") for source in (FOLIO, KOHA)}
    found = find_return_problems([owed, owed, owed])
    assert found[0] == "the lost book of FOLIO is active, 9.00, then active, 9.00, then active, 9.00 in the ledger"
    assert found[1] == "the lost book of FOLIO is nothing, then nothing, then nothing at the bursar"
    assert len(found) == 4


def test_differences_between_a_system_and_the_ledger_are_problems(
    synchronize: Callable[[], list[str]], library: Library, systems: LibrarySystems
) -> None:
    synchronize()
    export(library)
    synchronize()
    state, _ = get_system_states(library.ledger, systems)
    key, amount = state.written[0]
    twice = replace(state, written=[*state.written, (key, amount)])
    assert find_system_problems([twice]) == [f"FOLIO: event {key} was written twice"]
    lost = replace(state, written=state.written[1:])
    assert find_system_problems([lost]) == [f"FOLIO: {FINES} events changed something, {FINES - 1} are there"]
    owed = replace(state, there={LOST_IN_FOLIO: Decimal(92)})
    assert find_system_problems([owed]) == [f"FOLIO: 92 is owed for {LOST_IN_FOLIO}, in the ledger 0"]
    event = replace(state.events[0], state=EventState.PENDING)
    assert find_system_problems([replace(state, events=[event, *state.events[1:]])]) == [
        f"FOLIO: the event handed_over of {event.source_id} is pending"
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_the_tables_of_the_systems_fit_the_screen(width: int) -> None:
    out = Console(file=StringIO(), width=width)
    standing = Standing(
        "Díaz, Ana",
        "FOUND, 0.00: credit BURSAR 75.00; unused credit LOST_FOUND 75.00",
        "closed, 0.00",
        "reversed: 0.00, by transaction 12345",
    )
    print_returns(out, [dict.fromkeys((FOLIO, KOHA), standing)] * len(MOMENTS))
    amounts = {"9001": Decimal("123456.78")}
    print_systems(out, [SystemState(FOLIO, amounts, amounts, 1_000, [], [("", amounts["9001"])])])
    text_ = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\N{HORIZONTAL ELLIPSIS}" not in text_
    assert text_.count("123,456.78") == 3
    assert max(map(len, text_.splitlines())) <= width


def test_the_systems_keep_what_happened_after_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as systems:
        systems.return_items()
        before = dict(systems.folio.library.accounts.by_id), list(systems.koha.state.rows("SELECT * FROM accountlines"))
    with serve(tmp_path) as systems:
        assert systems.folio.library.accounts.by_id == before[0]
        assert systems.folio.library.total({"id": LOST_IN_FOLIO}, "Cancelled") == 0
        lines = systems.koha.state.rows("SELECT * FROM accountlines")
        assert list(map(tuple, lines)) == list(map(tuple, before[1]))
        assert (
            systems.koha.state.one("SELECT status FROM accountlines WHERE accountlines_id = ?", LOST_IN_KOHA) == "FOUND"
        )
