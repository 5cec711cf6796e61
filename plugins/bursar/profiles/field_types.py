"""The types of values in a profile or in the settings. Their errors say what to write instead of an invalid value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bursar.money import get_currency_decimals
from bursar.profiles.rules import RuledModel
from bursar.profiles.schedule import Schedule

T = TypeVar("T")

# Control characters, halves of surrogate pairs, and two more that XML forbids.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_WHOLE_NUMBER = re.compile("[0-9]{1,19}")
MAX_PATTERN = 500  # characters; PostgreSQL checks the syntax, if there is a ledger


class StrictModel(RuledModel):
    """A section of a file: immutable, without unknown keys; a blank value counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _remove_blanks(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}


def _validate_single_value(value: object) -> object:
    if value is None:
        raise ValueError("is blank: write a value, or remove the line")
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, tuple, dict)):
        raise ValueError("write one value here, not a list or a section")  # noqa: TRY004  pydantic wants ValueError
    return value


def _validate_text(value: str) -> str:
    if match := _UNPRINTABLE.search(value):
        raise ValueError(f"the control character U+{ord(match[0]):04X} is not allowed here: remove it")
    return value


def _validate_lines(value: str) -> str:
    _validate_text(value.replace("\n", ""))
    return value


def _parse_yes_no(value: object) -> bool:
    answers: Mapping[object, bool] = {"yes": True, "true": True, "no": False, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in answers:
        return answers[value]
    raise ValueError(f"{_format_value(value)} is neither yes nor no: write yes or no")


def _parse_whole_number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    raise ValueError(
        f"{_format_value(value)} is not a whole number: write digits alone, such as 10, without decimal point"
    )


def validate_list(value: object) -> object:
    """Returns a list as it is; raises a ValueError if a value is not one."""
    if isinstance(value, (list, tuple)):
        return value
    example = value if isinstance(value, str) and "," not in value else "MAIN, LAW"
    raise ValueError(f"write a list, in brackets: [{example}], or each on a line of its own after a hyphen")


def _format_value(value: object) -> str:
    return repr(value) if isinstance(value, (str, int, float)) else "a list or a section"


@dataclass(frozen=True)
class Matches:
    """Requires that a regular expression matches a whole text; `hint` ends the message "... is not allowed here: "."""

    pattern: str
    hint: str

    def check(self, value: str) -> str:
        """Returns the value if it matches; raises a ValueError if not."""
        if re.fullmatch(self.pattern, value) is None:
            raise ValueError(f"{value!r} is not allowed here: {self.hint}")
        return value

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Adds the check after the validation of the type."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the expression to the JSON Schema, for editors."""
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}


@cache
def _get_time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _validate_time_zone(value: str) -> str:
    if value not in _get_time_zones():
        by_city = [name for name in _get_time_zones() if name.rpartition("/")[2].casefold() == value.casefold()]
        near = by_city or get_close_matches(value, sorted(_get_time_zones()), 1) or ["America/New_York"]
        raise ValueError(f"{value!r} is not a time zone: write one as in {min(near)}")
    return value


def validate_relative_path(value: str) -> str:
    """Returns the path of a folder on a server; raises a ValueError if it is not one."""
    if "\\" in value:
        raise ValueError("folders are divided by /, not by a backslash")
    if value.startswith("/"):
        raise ValueError(
            f"write {value.strip('/') or 'bursar'!r}, without the leading /: "
            "the path starts in the sub_directory of the S/FTP connection"
        )
    if not set(value.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError(f"{value!r} has an empty part, . or .. in it: write plain folder names, as in students/out")
    return value


def _validate_pattern(value: str) -> str:
    if len(value) > MAX_PATTERN:
        raise ValueError(f"a regular expression has at most {MAX_PATTERN} characters here, and this has {len(value)}")
    return value


def _validate_currency(value: str) -> str:
    if value not in get_currency_decimals():
        raise ValueError(f"{value!r} is not a currency of ISO 4217: write one, as in USD")
    return value


def _parse_folder(value: object) -> Path:
    if isinstance(value, Path):
        return value
    text = str(_validate_single_value(value))
    if "://" in text:
        raise ValueError(f"{text!r} is not a folder on this machine: write one, as in .local/staging")
    return Path(text)


def _parse_schedule(value: object) -> Schedule:
    return value if isinstance(value, Schedule) else Schedule.parse(str(_validate_single_value(value)))


REQUIRED_IF_ACTIVE = "required once active"
"""The mark of a field that an active section requires."""
RequiredIfActive = Annotated[T, REQUIRED_IF_ACTIVE, Field(default=None)]
"""Required in an active section. In an inactive one it may be absent, and is None then."""

# YAML editors see numbers where Bursar sees text.
_AnyText = WithJsonSchema({"type": ["string", "number"]})
Text = Annotated[str, BeforeValidator(_validate_single_value), AfterValidator(_validate_text), _AnyText]
Lines = Annotated[str, BeforeValidator(_validate_single_value), AfterValidator(_validate_lines), _AnyText]
YesNo = Annotated[bool, PlainValidator(_parse_yes_no), WithJsonSchema({"enum": [True, False, "yes", "no"]})]
WholeNumber = Annotated[
    int, BeforeValidator(_parse_whole_number), WithJsonSchema({"type": ["integer", "string"], "pattern": "^[0-9]+$"})
]
TextList = Annotated[tuple[Text, ...], BeforeValidator(validate_list)]
TimeZone = Annotated[Text, AfterValidator(_validate_time_zone)]
AbsolutePath = Annotated[Path, PlainValidator(_parse_folder), WithJsonSchema({"type": "string"})]
RelativePath = Annotated[Text, AfterValidator(validate_relative_path)]
Code = Annotated[Text, Matches("[A-Za-z0-9_]{1,30}", "write 1 to 30 letters, digits and underscores")]
ConnectionId = Annotated[
    Text, Matches("[A-Za-z0-9_.-]{1,250}", "write the id of an Airflow connection: letters, digits, _ . and -")
]
Currency = Annotated[Text, Matches("[A-Z]{3}", "write the three capitals of ISO 4217, as in USD")]
KnownCurrencies = Annotated[tuple[Annotated[Currency, AfterValidator(_validate_currency)], ...], *TextList.__metadata__]
DoneFileSuffix = Annotated[Text, Matches("[.][A-Za-z0-9_.-]{1,20}", "write a suffix, as in .done")]
LayoutName = Annotated[
    Text, Matches("[a-z0-9][a-z0-9_-]{0,60}", "write the name of a file of include/layouts, without .yaml")
]
IdentifierPattern = Annotated[Text, AfterValidator(_validate_pattern)]
ScheduleLine = Annotated[
    Schedule,
    PlainValidator(_parse_schedule),
    PlainSerializer(lambda schedule: None if schedule is None else str(schedule)),
    WithJsonSchema({"type": "string", "pattern": "^(daily|weekly on|monthly on day|cron) .+"}),
]
