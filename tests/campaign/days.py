"""The days of a round: the work of each actor as the steps of a run, and the runs at the end without faults."""

from collections.abc import Generator, Iterator
from pathlib import Path

from tests.campaign import product
from tests.campaign.attempts import Actor, Call
from tests.campaign.desk import load, work_at_desk
from tests.campaign.fake_bursar import FakeBursar
from tests.campaign.faults import WEIGHTS, Kind
from tests.campaign.report import Tally, Violation
from tests.campaign.round import ActCounts, Round, Steps
from tests.campaign.world import CODES, MACHINES, World

DAYS_PER_ROUND = (2, 3)
MAX_FINAL_RUNS = 6
COMMAND_FAULT_KINDS: tuple[Kind, ...] = (
    "worker killed",
    "all connections to the ledger terminated",
    "PostgreSQL stopped",
    "PostgreSQL stopped immediately",
    "PostgreSQL killed",
)
COMMAND_FAULTS = {kind: WEIGHTS[kind] for kind in COMMAND_FAULT_KINDS}
"""The faults of a command, which is not repeated automatically."""


class ExportRounds:
    """The rounds of exports and imports in one world."""

    def __init__(self, folder: Path, seed: int, tally: Tally) -> None:
        self.world, self.seed, self.tally = World(folder), seed, tally
        self.acts: ActCounts = {}

    def start(self) -> None:
        """Starts the world."""
        self.world.start()

    def run(self, number: int) -> tuple[Round, list[Violation]]:
        """Runs a round; returns it, and its violations."""
        round_ = Round(self.world, self.seed, number, self.tally, self.acts)
        return round_, run_round(round_)

    def end(self) -> None:
        """Ends the world."""
        self.world.end()


def run_round(round_: Round) -> list[Violation]:
    """Runs a round; returns its violations."""
    has_faults, round_.has_faults = round_.has_faults, False
    round_.system.add_users(12)
    round_.system.add_fines(30)
    round_.run_actors(_load(round_, round_.actor("first load"), "base"))
    round_.has_faults = has_faults
    for day in range(round_.random.randint(*DAYS_PER_ROUND)):
        actors = [_exchange(round_, round_.actor(f"{code} on day {day}", code)) for code in CODES]
        for name, work in (("desk", _desk), ("library system", _new_fines), ("jobs", _jobs)):
            faults = WEIGHTS if name == "jobs" else COMMAND_FAULTS
            actors.append(work(round_, round_.actor(f"{name} on day {day}", None, faults)))
        round_.run_actors(*actors, bursar=round_.random_for(f"bursars on day {day}"))
    _run_to_end(round_)
    round_.check()
    return round_.found


def _exchange(round_: Round, actor: Actor) -> Steps:
    """Runs the exports and imports of one bursar, one after the other."""
    random = actor.random
    for number in range(random.randint(1, 2)):
        yield from export_run(round_, actor, f"{actor.name}, export {number}")
        if random.random() < 0.3:
            yield from _release(round_, actor)
        yield from round_.wait(random.uniform(0, 0.2))
        yield from import_run(round_, actor, f"{actor.name}, import {number}")
        yield from _decide(round_, actor)
        if random.random() < 0.3:
            yield from _resend(round_, actor, f"{actor.name}, resend {number}")


def of_batch(name: str, batch: int) -> Call:
    """Returns a call of a stage with a batch."""
    return lambda stages, _: stages.named(name)(batch)


def export_run(round_: Round, actor: Actor, run_id: str) -> Generator[None, None, bool]:
    """Runs an export; returns whether a file was sent."""
    yield from _answer(round_, actor)
    done = yield from round_.stage(actor, "recover", lambda stages, _: stages.recover(run_id))
    if not done.ok:
        return False
    selected = yield from round_.stage(actor, "select", lambda stages, _: stages.select(run_id))
    if not selected.ok or not selected.value[1]:
        return False
    batch = selected.value[0]
    for name in ("build", "upload", "close"):
        done = yield from round_.stage(actor, name, of_batch(name, batch))
        if not done.ok:
            return False
    return True


def import_run(round_: Round, actor: Actor, run_id: str) -> Steps:
    """Runs an import: the files that are ready, one after the other."""
    found = yield from round_.stage(actor, "detect", lambda stages, _: stages.detect())
    for name in found.value or ():
        yield from _import_file(round_, actor, run_id, name)


def _import_file(round_: Round, actor: Actor, run_id: str, name: str) -> Steps:
    loaded = yield from round_.stage(actor, "load_file", lambda stages, _: stages.load_file(name, run_id))
    if not loaded.ok:
        return
    applied = yield from round_.stage(actor, "apply", lambda stages, _: stages.apply(loaded.value, run_id))
    if applied.ok:
        archived = yield from _archive(round_, actor, loaded.value, name, run_id)
        if not archived:
            round_.unarchived.append((actor.code, loaded.value, name, run_id))


def _archive(round_: Round, actor: Actor, file: int, name: str, run_id: str) -> Generator[None, None, bool]:
    done = yield from round_.stage(actor, "archive", lambda stages, _: stages.archive(file, name, run_id))
    return bool(done.ok)


def _answer(round_: Round, actor: Actor) -> Steps:
    """Resolves each unclear delivery, as a person does who looks at the bursar."""
    for batch, files in round_.rows(
        "SELECT id, files FROM batches_with_state WHERE profile = %s AND state = 'UNCLEAR'", actor.code
    ):
        yield from round_.wait(0.2)  # the bursar's server may need a moment to collect its files
        unclear = [file for file in files if file["state"] == "UNCLEAR"]
        if all(_bursar_of(actor).has(file["sent_sha256"], file["name"]) for file in unclear):
            yield from round_.stage(actor, "confirm", of_batch("confirm", batch))
        elif any(file["state"] == "DELIVERED" for file in files) or actor.random.random() < 0.5:
            yield from round_.stage(actor, "repeat", of_batch("repeat", batch))
        else:
            yield from round_.stage(actor, "release", of_batch("release", batch))


def _decide(round_: Round, actor: Actor) -> Steps:
    """Releases or rejects each overpayment beyond the limit, as a person does who has asked the bursar."""
    held = "SELECT file_id, number FROM import_records JOIN import_files ON import_files.id = file_id"
    held += " WHERE profile = %s AND held_amount > 0 AND held_decision IS NULL ORDER BY file_id, number"
    for file, record in round_.rows(held, actor.code):
        yield from round_.stage(actor, "decide", _of_record(file, record, is_released=actor.random.random() < 0.5))


def _of_record(file: int, record: int, *, is_released: bool) -> Call:
    return lambda stages, _: stages.decide(file, record, is_released=is_released)


def _release(round_: Round, actor: Actor) -> Steps:
    """Releases a batch that has not reached the bursar, unless an abandoned worker may still send it."""
    may_be_sent = any(abandoned.actor is actor and not abandoned.connected for abandoned in round_.abandoned)
    # The server may still receive the end of a direct upload; only an unclear one is for a person.
    if may_be_sent or round_.collects or actor.code in round_.uploads:
        return
    rows = round_.rows(
        "SELECT id, files FROM batches_with_state WHERE profile = %s AND state IN ('UPLOADING', 'PART_COMPLETE')",
        actor.code,
    )
    for batch, files in rows:
        has_any = any(_bursar_of(actor).has(file["sent_sha256"], file["name"]) for file in files)
        if not has_any and not any(file["state"] == "DELIVERED" for file in files):
            yield from round_.stage(actor, "release", of_batch("release", batch))


def _resend(round_: Round, actor: Actor, run_id: str) -> Steps:
    """Has a closed batch sent again, after the bursar has collected its file."""
    _bursar_of(actor).collect_files()
    closed = "SELECT id FROM batches_with_state WHERE profile = %s AND state = 'CLOSED' AND fines > 0"
    rows = round_.rows(closed, actor.code)
    if rows and not round_.collects:
        batch = actor.random.choice(sorted(rows))[0]
        built = yield from round_.stage(actor, "build", lambda stages, _: stages.build(batch))
        if built.ok:
            yield from round_.stage(actor, "resend", lambda stages, _: stages.resend(batch, run_id))


def _desk(round_: Round, actor: Actor) -> Steps:
    """Runs some operations at the desk, one after the other."""
    for number in range(3):
        yield from round_.wait(actor.random.uniform(0, 0.5))
        seed = f"{round_.seed}/{round_.number}/{actor.name}/{number}"
        comments = [f"{actor.name}, operation {number}.{position}" for position in range(4)]
        yield from _operate(round_, actor, seed, comments)


def _operate(round_: Round, actor: Actor, seed: str, comments: list[str]) -> Steps:
    work = work_at_desk(seed, comments, allowed=round_.allowed)
    yield from round_.command(
        actor, "desk", lambda _, reports: work(reports), lambda reports: round_.truth.add_reports(reports, comments)
    )


def _new_fines(round_: Round, actor: Actor) -> Steps:
    """Loads files of the library's system: new fines, known ones, and known ones that were paid down there."""
    for number in range(actor.random.randint(1, 2)):
        yield from round_.wait(actor.random.uniform(0, 0.5))
        if actor.random.random() < 0.7:
            round_.system.add_fines(actor.random.randint(1, 15))
        if actor.random.random() < 0.4:
            round_.system.pay_down(3)
        yield from _load(round_, actor, f"{actor.name}-{number}".replace(" ", "-"))


def _load(round_: Round, actor: Actor, name: str) -> Steps:
    files = round_.system.write(name)
    rows = list(round_.system.rows)
    round_.truth.fines.update({fine: round_.system.amount(fine) for fine in rows})
    done = yield from round_.stage(actor, "load", lambda *_: load(files))
    if done.ok:
        round_.truth.loaded.update(rows)


def _jobs(round_: Round, actor: Actor) -> Steps:
    """Runs the jobs of the institution: sometimes a purge of users and a waiver of small debts."""
    yield from round_.wait(actor.random.uniform(0, 1))
    if actor.random.random() < 0.4:
        yield from round_.stage(actor, "purge", lambda stages, _: stages.purge(actor.name))
    if actor.random.random() < 0.3:
        yield from round_.stage(actor, "waive_small", lambda stages, _: stages.waive_small(actor.name, 5))


def _run_to_end(round_: Round) -> None:
    """Runs exports and imports without faults until everything has ended."""
    round_.has_faults = False
    round_.world.repair()
    for abandoned in round_.abandoned:
        abandoned.resumes_at = 0
    round_.run_actors()
    for number in range(MAX_FINAL_RUNS):
        busy: list[bool] = []
        actors = [_last_run(round_, round_.actor(f"{code}, end {number}", code), number, busy) for code in CODES]
        round_.run_actors(*actors)
        if not any(busy):
            break
    product.sweep(round_.engine(), [round_.world.work_dir(machine, code) for machine in MACHINES for code in CODES])


def _last_run(round_: Round, actor: Actor, number: int, busy: list[bool]) -> Iterator[None]:
    """Runs an export and an import, and adds to `busy` whether they had work; the bursar pays once more before them."""
    bursar = _bursar_of(actor)
    for failed in [failed for failed in round_.unarchived if failed[0] == actor.code]:  # a person clears the task
        round_.unarchived.remove(failed)
        yield from _archive(round_, actor, *failed[1:])
    busy.append((yield from export_run(round_, actor, actor.name)))
    bursar.collect_files()
    if number == 0:
        bursar.pay(actor.random)
    busy.append(bool(bursar.waiting()))
    yield from import_run(round_, actor, actor.name)
    yield from _decide(round_, actor)
    unfinished = "SELECT id FROM batches WHERE profile = %s AND closed_at IS NULL AND released_at IS NULL"
    busy.append(bool(round_.rows(unfinished, actor.code)))


def _bursar_of(actor: Actor) -> FakeBursar:
    assert actor.bursar
    return actor.bursar
