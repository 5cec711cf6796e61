"""The fields of the wizard's two pages, made from the model of a profile: a new field of the model appears by itself.

The fields of the reference platform come first, under its names; the others follow behind *More*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import FormData

from bursar.profiles import Profile
from bursar.profiles.field_types import REQUIRED_IF_ACTIVE
from bursar.profiles.yaml_reader import Place, Value

Draft = dict[str, Value]
"""The fields of a profile as text, as a person typed them, like those of a YAML file."""

Kind = Literal["text", "lines", "number", "yes_no", "choice", "list"]
REFERENCE_LABELS = {
    "code": "Code",
    "name": "Name",
    "integration_type": "Integration type",
    "sftp_connection": "S/FTP connection",
    "system": "System",
    "system_description": "System description",
    "description": "Description",
    "export.active": "Active",
    "export.time_before_export_days": "Time before export (days)",
    "export.minimum_amount_for_user": "Minimum amount for user",
    "export.user_identifier_type": "User identifier type",
    "export.user_groups": "User groups",
    "export.fine_fee_types": "Fine/fee types to export",
    "export.institutional_fine_fee": "Institutional fine/fee",
    "export.libraries": "Library fine/fee",
    "export.output_file_path": "Output file path",
    "export.schedule": "Schedule",
    "import.active": "Active",
    "import.input_file_path": "Input file path",
    "import.schedule": "Schedule",
    "statement.active": "Active",
}
"""The labels of the reference platform's fields."""
_FIRST = {*REFERENCE_LABELS, "time_zone"}
_SEVERAL_LINES = {"description"}


@dataclass(frozen=True)
class FormField:
    """A field of the form. `required` and `default`, the value of a blank field, are words; either may be empty."""

    place: Place
    label: str
    help: str
    kind: Kind
    required: str
    choices: tuple[str, ...] = ()
    default: str = ""

    @property
    def name(self) -> str:
        """The name in the form and in messages, as in `export.libraries`."""
        return ".".join(map(str, self.place))

    @property
    def full_label(self) -> str:
        """The label with that of its section: `Export: Schedule`."""
        return ": ".join([*(_make_label(str(key)) for key in self.place[:-1]), self.label])


@dataclass(frozen=True)
class FormSection:
    """A section of a page: the fields that show, and those behind *More*, by the title of their group."""

    title: str
    help: str
    fields: tuple[FormField, ...]
    more: tuple[tuple[str, tuple[FormField, ...]], ...]

    @property
    def all_fields(self) -> Iterator[FormField]:
        """The fields of the section, and those behind *More*."""
        yield from self.fields
        for _, fields in self.more:
            yield from fields


@cache
def form_pages() -> tuple[tuple[FormSection, ...], tuple[FormSection, ...]]:
    """Returns the sections of the first and of the second page."""
    simple: list[FormField] = []
    sections: list[FormSection] = []
    for name, info in Profile.model_fields.items():
        key = info.alias or name
        if model := _get_model(info):
            sections.append(_make_section((key,), model, info.description or ""))
        else:
            simple.append(_make_field((key,), info))
    first = FormSection("", "", *_split(simple))
    return (first,), tuple(sections)


@cache
def form_fields() -> dict[str, FormField]:
    """Returns all fields by name."""
    return {field.name: field for page in form_pages() for section in page for field in section.all_fields}


@cache
def group_labels() -> dict[str, str]:
    """Returns the labels of the groups of fields, by the names that messages about a whole group have: `export.xml`."""
    return {
        get_group(fields): f"{section.title}: {title}"
        for page in form_pages()
        for section in page
        for title, fields in section.more
        if title
    }


def get_group(fields: Sequence[FormField]) -> str:
    """Returns the name of the group that fields belong to, as in `export.xml`."""
    return ".".join(map(str, fields[0].place[:-1]))


def get_page(name: str) -> int:
    """Returns the number of the page, 1 or 2, that has a field; `name` may be a section's."""
    return 1 if any(name == field.name for section in form_pages()[0] for field in section.all_fields) else 2


def read_form(form: FormData) -> Draft:
    """Returns the draft that a form carries. A blank field is absent; items of a list are divided by lines."""
    draft: Draft = {}
    for name, field in form_fields().items():
        posted = [value.replace("\r\n", "\n") for value in form.getlist(name) if isinstance(value, str)]
        if field.kind == "list":
            items = [item.strip() for value in posted for item in value.split("\n") if item.strip()]
            _put(draft, field.place, list(dict.fromkeys(items)) or None)
        else:
            _put(draft, field.place, next((value.strip() for value in posted if value.strip()), None))
    return draft


def get_values(draft: Mapping[str, Any], field: FormField) -> list[str]:
    """Returns the values of a field in a draft: none, one, or the items of a list."""
    value: Any = draft
    for key in field.place:
        value = value.get(key) if isinstance(value, Mapping) else None
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    texts = [str(item) for item in items if item is not None]
    return [{"true": "yes", "false": "no"}.get(text, text) for text in texts] if field.kind == "yes_no" else texts


def clean(data: Mapping[str, Any]) -> Draft:
    """Returns the fields of a stored profile as a draft, without those that the model does not have."""
    draft: Draft = {}
    for field in form_fields().values():
        values: list[Value] = list(get_values(data, field))
        _put(draft, field.place, (values if field.kind == "list" else values[0]) if values else None)
    return draft


def _put(draft: Draft, place: Place, value: Value) -> None:
    *sections, key = map(str, place)
    if value is None:
        return
    inner: dict[str, Value] = draft
    for section in sections:
        below = inner.setdefault(section, {})
        assert isinstance(below, dict)  # noqa: S101  made by this function
        inner = below
    inner[key] = value


def _make_section(place: Place, model: type[BaseModel], help_: str) -> FormSection:
    simple: list[FormField] = []
    groups: list[tuple[str, tuple[FormField, ...]]] = []
    for name, info in model.model_fields.items():
        inner = (*place, info.alias or name)
        if below := _get_model(info):
            fields = (_make_field((*inner, key), field) for key, field in below.model_fields.items())
            groups.append((_make_label(str(inner[-1])), tuple(fields)))
        else:
            simple.append(_make_field(inner, info))
    first, more = _split(simple)
    return FormSection(_make_label(str(place[-1])), help_, first, (*more, *groups))


def _split(
    fields: list[FormField],
) -> tuple[tuple[FormField, ...], tuple[tuple[str, tuple[FormField, ...]], ...]]:
    first = tuple(field for field in fields if field.name in _FIRST)
    others = tuple(field for field in fields if field.name not in _FIRST)
    return first, (("", others),) if others else ()


def _make_field(place: Place, info: FieldInfo) -> FormField:
    name, type_ = ".".join(map(str, place)), _get_type(info.annotation)
    choices: tuple[str, ...] = ()
    if get_origin(type_) is Literal:
        kind: Kind = "choice"
        choices = get_args(type_)
    elif type_ is bool:
        kind, choices = "yes_no", ("yes", "no")
    elif type_ is int:
        kind = "number"
    elif get_origin(type_) is tuple:
        kind = "list"
    else:
        kind = "lines" if name in _SEVERAL_LINES else "text"
    label = REFERENCE_LABELS.get(name) or _make_label(str(place[-1]))
    required = "required" if info.is_required() and name != "time_zone" else ""
    if REQUIRED_IF_ACTIVE in info.metadata:
        required = "required if active"
    return FormField(place, label, info.description or "", kind, required, choices, _describe_default(info))


def _make_label(key: str) -> str:
    return "XML" if key == "xml" else key.replace("_", " ").capitalize()


def _describe_default(info: FieldInfo) -> str:
    if info.is_required() or info.default in (None, ()):
        return ""
    if isinstance(info.default, bool):
        return "yes" if info.default else "no"
    return " ".join(info.default) if isinstance(info.default, tuple) else str(info.default)


def _get_model(info: FieldInfo) -> type[BaseModel] | None:
    type_ = _get_type(info.annotation)
    return type_ if isinstance(type_, type) and issubclass(type_, BaseModel) else None


def _get_type(annotation: Any) -> Any:  # noqa: ANN401  any annotation
    """Returns the type below `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _get_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _get_type(next(one for one in get_args(annotation) if one is not type(None)))
    return annotation
