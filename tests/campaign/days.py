"""The days of a round: who does what, the work of each as the steps of a run, and how all of it ends."""

from collections.abc import Generator, Iterator

from tests.campaign import product
from tests.campaign.attempts import Actor, Call
from tests.campaign.desk import load, work_at_desk
from tests.campaign.faults import WEIGHTS, Kind
from tests.campaign.office import Office
from tests.campaign.report import Violation
from tests.campaign.round import Round, Steps
from tests.campaign.world import CODES, MACHINES

DAYS = (2, 3)
ROUNDS_TO_END = 6
OF_A_PERSON: tuple[Kind, ...] = (
    "worker killed",
    "all connections to the ledger terminated",
    "PostgreSQL stopped",
    "PostgreSQL stopped at once",
    "PostgreSQL killed",
)
PERSONS_FAULTS = {kind: WEIGHTS[kind] for kind in OF_A_PERSON}
"""What can go wrong with a command that nobody repeats by himself."""


def play(round_: Round) -> list[Violation]:
    """Plays a round; returns what must never happen and has."""
    noisy, round_.noisy = round_.noisy, False
    round_.system.add_users(12)
    round_.system.add_fines(30)
    round_.spin(_load(round_, round_.actor("first load"), "base"))
    round_.noisy = noisy
    for day in range(round_.random.randint(*DAYS)):
        actors = [_bursar(round_, round_.actor(f"{code} on day {day}", code)) for code in CODES]
        for name, work in (("desk", _desk), ("library system", _new_fines), ("jobs", _jobs)):
            faults = WEIGHTS if name == "jobs" else PERSONS_FAULTS
            actors.append(work(round_, round_.actor(f"{name} on day {day}", None, faults)))
        round_.spin(*actors, office=round_.part(f"offices on day {day}"))
    _end(round_)
    round_.check()
    return round_.found


def _bursar(round_: Round, actor: Actor) -> Steps:
    """The exports and imports of one bursar, one after the other."""
    random = actor.random
    for number in range(random.randint(1, 2)):
        yield from export_run(round_, actor, f"{actor.name}, export {number}")
        if random.random() < 0.3:
            yield from _release(round_, actor)
        yield from round_.wait(random.uniform(0, 0.2))
        yield from import_run(round_, actor, f"{actor.name}, import {number}")
        if random.random() < 0.3:
            yield from _resend(round_, actor, f"{actor.name}, resend {number}")


def of_batch(name: str, batch: int) -> Call:
    """A stage that is about a batch."""
    return lambda stages, _: stages.named(name)(batch)


def export_run(round_: Round, actor: Actor, run_id: str) -> Generator[None, None, bool]:
    """A run of the export; returns whether it sent something."""
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
    """A run of the import: the files that are ready, one after the other."""
    found = yield from round_.stage(actor, "detect", lambda stages, _: stages.detect())
    for name in found.value or ():
        yield from _import_file(round_, actor, run_id, name)


def _import_file(round_: Round, actor: Actor, run_id: str, name: str) -> Steps:
    read = yield from round_.stage(actor, "read", lambda stages, _: stages.read(name, run_id))
    if not read.ok:
        return
    applied = yield from round_.stage(actor, "apply", lambda stages, _: stages.apply(read.value, run_id))
    if applied.ok:
        archived = yield from _archive(round_, actor, read.value, name, run_id)
        if not archived:
            round_.unarchived.append((actor.code, read.value, name, run_id))


def _archive(round_: Round, actor: Actor, file: int, name: str, run_id: str) -> Generator[None, None, bool]:
    done = yield from round_.stage(actor, "archive", lambda stages, _: stages.archive(file, name, run_id))
    return bool(done.ok)


def _answer(round_: Round, actor: Actor) -> Steps:
    """A person looks into each delivery that is not certain, and says what is true."""
    for batch, sha256, file_name in round_.rows(
        "SELECT id, sha256, file_name FROM batches_with_state WHERE profile = %s AND state = 'UNCLEAR'", actor.code
    ):
        yield from round_.wait(0.2)  # the bursar's server may take a moment to file what it has
        if _office(actor).has(sha256, file_name):
            yield from round_.stage(actor, "confirm", of_batch("confirm", batch))
        else:
            yield from round_.stage(actor, "release", of_batch("release", batch))


def _release(round_: Round, actor: Actor) -> Steps:
    """A person releases a batch that the bursar has not got, unless a worker may still be sending it unnoticed."""
    unnoticed = any(dead.actor is actor and not dead.connected for dead in round_.dead)
    if unnoticed or round_.takes:
        return
    rows = round_.rows(
        "SELECT id, sha256, file_name FROM batches_with_state"
        " WHERE profile = %s AND state IN ('UPLOADING', 'PART_COMPLETE')",
        actor.code,
    )
    for batch, sha256, file_name in rows:
        if not _office(actor).has(sha256, file_name):
            yield from round_.stage(actor, "release", of_batch("release", batch))


def _resend(round_: Round, actor: Actor, run_id: str) -> Steps:
    """A person has a closed batch sent again, once the office has taken its file."""
    _office(actor).take()
    closed = "SELECT id FROM batches_with_state WHERE profile = %s AND state = 'CLOSED' AND fines > 0"
    rows = round_.rows(closed, actor.code)
    if rows and not round_.takes:
        batch = actor.random.choice(sorted(rows))[0]
        built = yield from round_.stage(actor, "build", lambda stages, _: stages.build(batch))
        if built.ok:
            yield from round_.stage(actor, "resend", lambda stages, _: stages.resend(batch, run_id))


def _desk(round_: Round, actor: Actor) -> Steps:
    """Some operations at the desk, by several people one after the other."""
    for number in range(3):
        yield from round_.wait(actor.random.uniform(0, 0.5))
        seed = f"{round_.seed}/{round_.number}/{actor.name}/{number}"
        comments = [f"{actor.name}, operation {number}.{position}" for position in range(4)]
        yield from _operate(round_, actor, seed, comments)


def _operate(round_: Round, actor: Actor, seed: str, comments: list[str]) -> Steps:
    work = work_at_desk(seed, comments, allowed=round_.allowed)
    yield from round_.command(
        actor, "desk", lambda _, reports: work(reports), lambda told: round_.truth.take_reports(told, comments)
    )


def _new_fines(round_: Round, actor: Actor) -> Steps:
    """Loads from the library's system: new fines, the same again, and such as were paid down there."""
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
    """The jobs of the institution: now and then users are purged, and small debts waived."""
    yield from round_.wait(actor.random.uniform(0, 1))
    if actor.random.random() < 0.4:
        yield from round_.stage(actor, "purge", lambda stages, _: stages.purge(actor.name))
    if actor.random.random() < 0.3:
        yield from round_.stage(actor, "waive_small", lambda stages, _: stages.waive_small(actor.name, 5))


def _end(round_: Round) -> None:
    """Brings all that is under way to its end, without faults."""
    round_.noisy = False
    round_.world.repair()
    for dead in round_.dead:
        dead.thaws = 0
    round_.spin()
    for number in range(ROUNDS_TO_END):
        busy: list[bool] = []
        actors = [_last_run(round_, round_.actor(f"{code}, end {number}", code), number, busy) for code in CODES]
        round_.spin(*actors)
        if not any(busy):
            break
    product.sweep(round_.engine(), [round_.world.work_dir(machine, code) for machine in MACHINES for code in CODES])


def _last_run(round_: Round, actor: Actor, number: int, busy: list[bool]) -> Iterator[None]:
    """One more run of both, and whether there was something to do; the first time the office pays once more."""
    office = _office(actor)
    for failed in [failed for failed in round_.unarchived if failed[0] == actor.code]:  # a person clears the task
        round_.unarchived.remove(failed)
        yield from _archive(round_, actor, *failed[1:])
    busy.append((yield from export_run(round_, actor, actor.name)))
    office.take()
    if number == 0:
        office.pay(actor.random)
    busy.append(bool(office.waiting()))
    yield from import_run(round_, actor, actor.name)
    unfinished = "SELECT id FROM batches WHERE profile = %s AND closed_at IS NULL AND released_at IS NULL"
    busy.append(bool(round_.rows(unfinished, actor.code)))


def _office(actor: Actor) -> Office:
    assert actor.office
    return actor.office
