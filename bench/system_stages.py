"""The product's stages with a library's system: it is read and loaded, informed of exports, and read again.

Each request is recorded but those of logins, so that the reference can repeat it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx

from bench.meter import Meter
from bench.system_sources import LOGINS, SOURCES
from bursar.db.engine import ledger_engine
from bursar.sources.http_client import HttpAnswer, HttpClient
from bursar.sources.open_system import open_system
from bursar.sources.outbox import Outbox
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system import LibrarySystem, Reading
from bursar.sources.system_account import SystemAccount

Given = dict[str, Any]  # ledger: URL; staging: folder; system: its name in SOURCES; account: fields of a SystemAccount


def read_system(given: Given) -> Given:
    """Reads all open fines, and loads them."""
    meter = Meter()
    with _open(given) as system:
        loads = _read(given, system, meter, "read", "load")
    return {"costs": meter.costs, "loads": loads}


def write_system(given: Given) -> Given:
    """Informs the system of all fines that were handed over, and reads and loads what has changed by that."""
    meter = Meter()
    with _open(given) as system:
        with meter.measure("write_back"), _record(given, "write_back"):
            outbox = Outbox(ledger_engine(given["ledger"]), SOURCES[given["system"]])
            written = asdict(outbox.write(system))
        loads = _read(given, system, meter, "read_changes", "load_changes")
    return {"costs": meter.costs, "loads": loads, "written": written}


def _read(given: Given, system: LibrarySystem, meter: Meter, read: str, load: str) -> list[dict[str, int]]:
    """Reads and loads as two parts of the meter; returns the counts of each load."""
    run_meter = Meter()
    engine, source = ledger_engine(given["ledger"]), SOURCES[given["system"]]
    with run_meter.measure(load), lock_source(engine, source.code) as lock, _record(given, read):
        results = ReadingRun(
            engine=engine,
            lock=lock,
            source=source,
            system=cast("LibrarySystem", _MeasuredSystem(system, meter, read)),
            work_dir=Path(given["staging"]),
            run_id="bench",
            requested_by=None,
            now=datetime.now(UTC),
        ).load()
    cost = run_meter.costs[load]
    for name in ("seconds", "processor"):
        cost[name] -= meter.costs[read][name]
    meter.costs[load] = cost
    return [asdict(result.counts) for result in results]


class _MeasuredSystem:
    """A system of which readings are measured."""

    def __init__(self, system: LibrarySystem, meter: Meter, part: str) -> None:
        self._system, self._meter, self._part = system, meter, part

    def read(self, since: datetime | None, folder: Path) -> Reading:
        with self._meter.measure(self._part):
            return self._system.read(since, folder)


@contextmanager
def _open(given: Given) -> Iterator[LibrarySystem]:
    with open_system(SOURCES[given["system"]], SystemAccount(**given["account"])) as system:
        yield system


@contextmanager
def _record(given: Given, stage: str) -> Iterator[None]:
    """Writes the requests of a block to the file of a stage: method, path and body, one in JSON on each line."""
    send = HttpClient._send  # noqa: SLF001  the product has no other place through which all of them go

    def recorded(client: HttpClient, request: httpx.Request, subject: str) -> HttpAnswer:
        if urlsplit(str(request.url)).path not in LOGINS:
            line = [request.method, request.url.raw_path.decode(), request.content.decode()]
            file.write(json.dumps(line) + "\n")
        return send(client, request, subject)

    file: IO[str]
    with (Path(given["staging"]) / f"{stage}.jsonl").open("w") as file, patch.object(HttpClient, "_send", recorded):
        yield
