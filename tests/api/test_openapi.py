"""The OpenAPI document is complete enough to generate a client from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.api.application import create_app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app().openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method} {path}", operation


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_operation_has_id_summary_description_and_tag(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for member in ("operationId", "summary", "description", "tags"):
            assert operation.get(member), f"{name} has no {member}"


def test_operation_ids_are_unique_and_usable_as_names(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in _operations(document)]
    assert len(ids) == len(set(ids))
    assert all(identifier.isidentifier() for identifier in ids)


def test_every_parameter_and_member_is_described(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{name}: {parameter['name']}"
    for schema_name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), schema_name
        for member, described in schema.get("properties", {}).items():
            assert _description(document, described), f"{schema_name}.{member}"


def _description(document: dict[str, Any], described: dict[str, Any]) -> str | None:
    """A member's own description, or that of the schema it refers to (pydantic drops one that repeats it)."""
    reference = described.get("$ref", "").rsplit("/", 1)[-1]
    referred = document["components"]["schemas"].get(reference, {})
    return described.get("description") or referred.get("description")


def test_numbers_say_their_unit(document: dict[str, Any]) -> None:
    units = {"_wh": "Wh", "_w": "W", "_s": "second", "_ms": "ms", "_percent": "percent", "_a": " A", "_v": " V"}
    for schema_name, schema in document["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            for ending, unit in units.items():
                if member.endswith(ending):
                    assert unit in described["description"], f"{schema_name}.{member}"


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = set(_references(document))
    assert references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_answer_has_a_schema_and_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for status, answer in operation["responses"].items():
            if status == "204":
                continue
            (kind,) = answer["content"]
            problem = int(status) >= 400 and (name, status) != ("get /ready", "503")
            lines = name.endswith("/messages/export") and status == "200"
            pem = "/api/certificate-authority" in name and status == "200"
            plain = "application/x-ndjson" if lines else "application/x-pem-file" if pem else "application/json"
            if name.endswith("/file") and status == "200":
                plain = "application/octet-stream"
            if name.endswith("/audit/export") and status == "200":
                plain = "text/csv"
            assert kind == ("application/problem+json" if problem else plain), (name, status)
            assert answer["content"][kind]["schema"], (name, status)


def test_what_any_request_may_meet_is_declared_everywhere(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        told = set(operation["responses"])
        assert {"422", "500", "503", "504"} <= told, name
        assert "requestBody" not in operation or {"408", "413"} <= told, name
        assert "429" in told or "/health" in name or "/ready" in name or "/files/" in name, name


def test_the_paths_of_the_first_edition_are_there(document: dict[str, Any]) -> None:
    first = {
        "/api/chargers": {"get", "post"},
        "/api/chargers/{charger_id}/status": {"put"},
        "/api/client/remote-start": {"post"},
        "/api/client/remote-stop": {"post"},
        "/api/analytics/dashboard": {"get"},
    }
    for path, methods in first.items():
        assert methods <= document["paths"][path].keys()
