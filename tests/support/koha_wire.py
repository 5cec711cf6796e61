"""Requests and answers of the Koha server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass(frozen=True)
class Answer:
    """An answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def path(self) -> str:
        """The path without its parameters."""
        return urlsplit(self.target).path

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        """The parameters of the address."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return dict(parse_qsl(self.body.decode()))


def json_answer(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Returns an answer with JSON."""
    return Answer(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})
