"""The sources of fines, and their loads, as far as a person may see them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE, Problem, Profile
from bursar.reporting.run_description import format_minute
from bursar.sources.model import Source
from bursar.sources.read import load_sources
from bursar.sources.records import LoadRecord
from bursar.web.integration_dags import list_next_runs
from bursar.web.rights import Person
from bursar.web.runs import Run, read_run
from bursar.web.views import PAGE_LENGTH, settings

NO_SOURCE = "files that a person named"


@dataclass(frozen=True)
class SourceState:
    """A source with its next run in words, its newest load, and its newest run, which may have loaded nothing."""

    source: Source
    next_run: str
    load: LoadRecord | None
    run: Run | None


def read_sources(
    code: str | None = None, *, list_profiles: Callable[[], Iterable[Profile]] = tuple
) -> tuple[list[Source], list[Problem]]:
    """Returns the valid sources of include/sources, or the one with a code, and the problems of the others.

    Only with profiles, sources that may take their payment files are among the others.
    """
    return load_sources(INCLUDE / "sources", settings(), code=code, list_profiles=list_profiles)


def find_source(code: str) -> Source | None:
    """Returns the source with a code; None if it has been removed or is not valid, and for files without a source."""
    sources, _ = read_sources(code) if code else ([], [])
    return sources[0] if sources else None


def visible_sources(
    person: Person, list_profiles: Callable[[], Iterable[Profile]] = tuple
) -> tuple[list[Source], list[Problem]]:
    """Returns the valid sources that the person may see, and the problems of the others.

    Problems that belong to no source that is known are for those who may edit.
    """
    sources, problems = read_sources(list_profiles=list_profiles)
    may_edit = person.may_edit()
    seen = [one for one in problems if may_edit or ((code := _find_code(one)) and person.may_see_source(code))]
    return [source for source in sources if person.may_see_source(source.code)], seen


def list_source_names(person: Person) -> dict[str, str]:
    """Returns the names of the sources that the person may see, by code; a removed source has none."""
    return {"": NO_SOURCE} | {source.code: source.name for source in visible_sources(person)[0]}


def describe_source_name(code: str) -> str:
    """Returns the name of a source, with its code if that is another word; of a removed source, the code."""
    source = find_source(code)
    if source and source.name.upper() != code:
        return f"{source.name} ({code})"
    return source.name if source else code or NO_SOURCE


def list_loaded_codes(connection: Connection, person: Person) -> list[str]:
    """Returns the codes of the sources with loads that the person may see, also of removed ones."""
    recorded = connection.execute(query("web/list_sources_of_loads")).scalars()
    return sorted(code for code in recorded if person.may_see_source(code))


def list_loads(
    connection: Connection, sources: Sequence[str], below: int | None = None
) -> tuple[list[LoadRecord], int | None]:
    """Returns a page of the loads of some sources, newest first, and the id below which the next page begins."""
    parameters = {"sources": list(sources), "below": below, "limit": PAGE_LENGTH + 1}
    loads = [LoadRecord.of_row(row) for row in connection.execute(query("web/list_loads"), parameters)]
    page = loads[:PAGE_LENGTH]
    return page, page[-1].id if len(loads) > len(page) else None


def list_newest_loads(connection: Connection, sources: Sequence[str]) -> list[LoadRecord]:
    """Returns the newest load of each of some sources, the newest first."""
    rows = connection.execute(query("web/list_newest_loads"), {"sources": list(sources)})
    return [LoadRecord.of_row(row) for row in rows]


def list_states(connection: Connection, sources: Sequence[Source]) -> list[SourceState]:
    """Returns the states of sources."""
    codes = [source.code for source in sources]
    loads = {load.source: load for load in list_newest_loads(connection, codes)}
    rows = connection.execute(query("web/list_last_runs"), {"profiles": codes, "jobs": [Job.SYNC]}).mappings()
    runs = {run.report.profile: run for run in map(read_run, rows)}
    next_runs = list_next_runs([dag_id(Job.SYNC, source.code) for source in sources if source.active])

    def describe_next_run(source: Source) -> str:
        moment = next_runs.get(dag_id(Job.SYNC, source.code))
        return format_minute(moment, ZoneInfo(source.time_zone)) if moment else ""

    return [SourceState(one, describe_next_run(one), loads.get(one.code), runs.get(one.code)) for one in sources]


def _find_code(problem: Problem) -> str | None:
    """Returns the code of the source that a problem belongs to, from its file's name; None if it is no such file."""
    path = Path(problem.file)
    return path.stem.upper() if path.suffix in {".yaml", ".yml"} else None
