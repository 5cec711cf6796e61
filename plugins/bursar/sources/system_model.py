"""The model of a source that is a library's system: it is read over its API, and informed of what happened."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import InitErrorDetails

from bursar.ledger.jobs import Job
from bursar.profiles.field_types import ConnectionId, StrictModel, Text, WholeNumber, YesNo
from bursar.profiles.job_owner import JobOwner
from bursar.profiles.monitoring import MAX_MINUTES
from bursar.profiles.rules import Rules, wrong
from bursar.sources.model import Source
from bursar.sources.system import EventKind

INSTITUTION = "institution"
"""The value in the map of owners that stands for the institution itself."""
NO_VALUE = "none"
"""The key in a map for fines that have no value there."""

_WORDS: dict[object, str] = {True: "on", False: "off"}  # as YAML reads them elsewhere
WriteMode = Annotated[
    Literal["off", "show", "on"],
    BeforeValidator(lambda value: _WORDS[value] if isinstance(value, bool) else value),
    WithJsonSchema({"enum": ["off", "show", "on", True, False]}),
]


class WriteBack(StrictModel):
    """Which events are written into the library's system: `on`, `show` (they are only listed) or `off`."""

    handed_over: WriteMode = Field("show", description="A fine was handed over to the bursar.")
    paid_at_bursar: WriteMode = Field("show", description="A fine was paid at the bursar.")
    reversed: WriteMode = Field(
        "show", description="A fine was paid, waived or credited in Bursar, so nobody owes so much of it any more."
    )
    owed_again: WriteMode = Field(
        "show", description="A payment at the bursar was taken back, as of a returned cheque."
    )

    def mode_of(self, kind: EventKind) -> Literal["off", "show", "on"]:
        """Returns what happens to events of a kind."""
        mode: Literal["off", "show", "on"] = getattr(self, kind.value)
        return mode

    def kinds_in_mode(self, mode: Literal["off", "show", "on"]) -> list[str]:
        """Returns the kinds of events that have a mode."""
        return [kind.value for kind in EventKind if self.mode_of(kind) == mode]


class SystemSource(Source):
    """A source that is a library's system with an API. Each kind of system is a model of its own."""

    connection: ConnectionId = Field(
        description="The id of the Airflow connection of type http to the library's system: its address, login and "
        "password."
    )
    owners: dict[Text, Text] = Field(
        description="The owners in the library's system, and the codes of their libraries in Bursar, as in "
        "`CENTRAL: MAIN`. `institution` is the institution itself, and the key `none` is for fines without an owner. "
        "A fine of an owner that is not here is rejected, and reported with the line to add."
    )
    fine_fee_types: dict[Text, Text] = Field(
        description="The types of fines in the library's system, and their types in Bursar, as in "
        "`LOST: LOSTITEMREPLACEMENTFEE`. A fine of a type that is not here is rejected, and reported with the line to "
        "add."
    )
    libraries: dict[Text, Text] = Field(
        {},
        description="The libraries that own fines, by their codes, with their names. A load adds them. Blank: "
        "they come from another source.",
    )
    closes_fines_when: Literal["handed_over", "paid"] = Field(
        "handed_over",
        description="Which event closes a fine in the library's system: that it was handed over to the bursar, or that "
        "it was paid there.",
    )
    write_back: WriteBack = Field(
        WriteBack(),
        description="Which events are written into the library's system. Begin with `show`, look at the outbox, and "
        "then write `on`.",
    )
    closes_exported_fines: YesNo = Field(
        default=False,
        description="Whether something other than Bursar closes a fine in the library's system once it has been "
        "exported. Then a balance that falls to 0 after the export means nothing. If not, it was settled at the "
        "library, and the next export reverses it. Closings that Bursar writes do not count.",
    )
    overlap_minutes: Annotated[WholeNumber, Field(le=MAX_MINUTES)] = Field(
        60, description="How far before the end of the last reading the next one begins, so that none is missed."
    )

    def _check_maps(self) -> Iterator[InitErrorDetails]:
        for name in ("owners", "fine_fee_types"):
            if not getattr(self, name):
                yield wrong("the map is empty, so every fine would be rejected: write at least one line", name)

    rules: ClassVar[Rules] = (*Source.rules, _check_maps)

    @property
    def place(self) -> str:
        """The library's system."""
        return f"the system of the connection {self.connection}"

    @property
    def maps(self) -> dict[str, dict[str, str]]:
        """The maps by the columns of fines that they are applied to."""
        return {"owner_library": self.owners, "fine_fee_type": self.fine_fee_types}


def describe_job(job: Job, owner: JobOwner) -> str:
    """Returns the name of a job of a profile or source for people: a library's system is not only read."""
    return f"Synchronize with {owner.name}" if isinstance(owner, SystemSource) else job.display_name(owner.name)
