"""Checks rules over several fields of a model once all are known: the order of the fields is irrelevant."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import BaseModel, ModelWrapValidatorHandler, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails

Rules: TypeAlias = tuple[Callable[[Any], Iterable[InitErrorDetails]], ...]


class RuledModel(BaseModel):
    """A model with rules over several of its fields, which are reported together with the errors of single fields."""

    rules: ClassVar[Rules] = ()
    """Methods that yield errors, made by `wrong` or `missing`."""

    @model_validator(mode="wrap")
    @classmethod
    def _check_rules(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            model = handler(data)
        except ValidationError as error:
            if isinstance(data, Mapping) and (broken := cls._find_broken_rules(data)):
                errors = [*map(_copy_error, error.errors(include_url=False)), *broken]
                raise ValidationError.from_exception_data(cls.__name__, errors) from None
            raise
        if broken := [error for rule in cls.rules for error in rule(model)]:
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return model

    @classmethod
    def _find_broken_rules(cls, data: Mapping[str, Any]) -> list[InitErrorDetails]:
        """Checks the rules on data with invalid fields; a rule that reads one of these fields is skipped."""
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            value = data.get(field.alias or name)
            if value is None and not field.is_required():
                values[name] = field.get_default(call_default_factory=True)
            else:
                with suppress(ValidationError):
                    values[name] = _get_adapters(cls)[name].validate_python(value)
        model = cls.model_construct(**values)
        for name in cls.model_fields.keys() - values.keys():
            model.__dict__.pop(name, None)
        broken: list[InitErrorDetails] = []
        for rule in cls.rules:
            with suppress(AttributeError):
                broken += rule(model)
        return broken


def wrong(message: str, *place: str | int) -> InitErrorDetails:
    """Returns the error of a broken rule at a field; `place` has its keys and its numbers in lists."""
    return {"type": "value_error", "loc": place, "input": None, "ctx": {"error": ValueError(message)}}


def missing(*place: str) -> InitErrorDetails:
    """Returns the error of a missing field."""
    return {"type": "missing", "loc": place, "input": None}


def _copy_error(details: Mapping[str, Any]) -> InitErrorDetails:
    copied: Any = {key: details[key] for key in ("type", "loc", "input", "ctx") if key in details}
    return copied  # type: ignore[no-any-return]


@cache
def _get_adapters(model: type[BaseModel]) -> dict[str, TypeAdapter[Any]]:
    """Returns the validators of the single fields of a model, by name."""
    adapters = {}
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        adapters[name] = TypeAdapter(Annotated[annotation, *field.metadata] if field.metadata else annotation)
    return adapters
