"""Reads requests and writes answers by botocore's own models, refusing whatever they do not allow, both ways."""

from __future__ import annotations

import datetime
import functools
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "double": (int, float),
    "boolean": bool,
    "structure": dict,
    "map": dict,
    "list": list,
    "timestamp": (int, float, str, datetime.datetime),
}


class Refused(Exception):
    """An answer that is an error, with its HTTP status and its code in the service's words."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True)
class Request:
    service: str
    operation: str
    parameters: dict[str, Any]
    region: str = ""  # that it was signed for


@functools.cache
def model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def problems(value: Any, shape: Shape, at: str = "") -> list[str]:
    """Everything in a value that its shape does not allow: members, types, required, enums, lengths, patterns."""
    name = at or shape.name
    allowed: Any = KINDS.get(shape.type_name, object)
    if not isinstance(value, allowed):
        return [f"{name}: {value!r} is no {shape.type_name}"]
    found: list[str] = []
    if isinstance(shape, StructureShape):
        found += [f"{name}.{key}: unknown" for key in value.keys() - shape.members.keys()]
        found += [f"{name}.{key}: missing" for key in shape.required_members if key not in value]
        for key, inner in shape.members.items():
            if key in value:
                found += problems(value[key], inner, f"{name}.{key}")
        return found
    inner_shape: Any = shape
    if shape.type_name == "list":
        found += [p for i, item in enumerate(value) for p in problems(item, inner_shape.member, f"{name}[{i}]")]
    if shape.type_name == "map":
        found += [p for key, item in value.items() for p in problems(item, inner_shape.value, f"{name}.{key}")]
    return found + _limits(value, shape, name)


def _limits(value: Any, shape: Shape, name: str) -> list[str]:
    rules, found = shape.metadata, []
    size = len(value) if isinstance(value, (str, list, dict)) else value
    measured = shape.type_name != "timestamp" and not isinstance(value, bool) and ("min" in rules or "max" in rules)
    if measured and not rules.get("min", size) <= size <= rules.get("max", size):
        found.append(f"{name}: {size} is outside {rules.get('min')}..{rules.get('max')}")
    if rules.get("enum") and value not in rules["enum"]:
        found.append(f"{name}: {value!r} is none of {rules['enum']}")
    pattern = rules.get("pattern")
    # the models' wide character classes are written for Java; only those of ASCII are read the same here
    if pattern and "uD7FF" not in pattern and "\\S" not in pattern and not re.fullmatch(pattern, value):
        found.append(f"{name}: {value!r} does not match {pattern}")
    return found


def read(method: str, target: str, headers: Any, body: bytes) -> Request:
    """The request, by its X-Amz-Target header or its path; Refused when the model does not allow it."""
    signed = re.search(r"/([^/]+)/([a-z-]+)/aws4_request", headers.get("Authorization", ""))
    region, name = (signed[1], signed[2]) if signed else ("", "")
    if "X-Amz-Target" in headers:
        operation = model("emr").operation_model(headers["X-Amz-Target"].split(".")[1])
        return _checked("emr", operation, json.loads(body or b"{}"), region)
    url = urlsplit(target)
    for candidate in model(name).operation_names:
        operation = model(name).operation_model(candidate)
        path = operation.http["requestUri"].split("?")[0]
        match = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)), url.path)
        if match and operation.http["method"] == method:
            parameters = json.loads(body) if body else {}
            parameters |= _from_url(operation, match.groupdict(), parse_qs(url.query))
            return _checked(name, operation, parameters, region)
    raise Refused("UnknownOperationException", f"{method} {target} is no operation of {name}", status=404)


def _from_url(operation: OperationModel, path: dict[str, str], query: dict[str, list[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    members = operation.input_shape.members if operation.input_shape else {}
    for name, shape in members.items():
        wire = shape.serialization.get("name", name)
        if shape.serialization.get("location") == "uri" and wire in path:
            found[name] = unquote(path[wire])
        elif shape.serialization.get("location") == "querystring" and wire in query:
            found[name] = {"integer": int, "boolean": bool}.get(shape.type_name, str)(query[wire][0])
    return found


def _checked(service: str, operation: OperationModel, parameters: dict[str, Any], region: str) -> Request:
    wrong = problems(parameters, operation.input_shape) if operation.input_shape else []
    if wrong:
        raise Refused("ValidationException", "; ".join(wrong))
    return Request(service, operation.name, parameters, region)


def answer(request: Request, value: dict[str, Any]) -> bytes:
    """The body of an answer; AssertionError when the service's model would not allow it."""
    shape = model(request.service).operation_model(request.operation).output_shape
    if shape is None:
        assert not value
        return b"{}"
    wrong = problems(value, shape)
    assert not wrong, f"the test server answers what {request.operation} cannot: {wrong}"
    return json.dumps(value, default=lambda moment: moment.timestamp()).encode()
