"""A comparison of OpenAPI documents: whether clients of one document can use a server of another.

It knows the keywords of the two documents. It reports any other keyword, since it cannot compare that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ANNOTATIONS = {"description", "example", "default", "nullable"}
COMPARED = {
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "required",
    "properties",
    "additionalProperties",
    "items",
}
INFINITE = float("inf")


@dataclass(frozen=True)
class Schema:
    """A schema, and the document that its references point into."""

    document: Json
    content: Json

    def at(self, content: Json) -> "Schema":
        """Return a schema of the same document. A reference is resolved."""
        if "$ref" in content:
            content = self.document["components"]["schemas"][content["$ref"].rpartition("/")[2]]
        return Schema(self.document, content)

    @property
    def types(self) -> set[str]:
        """The accepted types. An integer is also a number."""
        kinds = self.content["type"]
        types = {kinds} if isinstance(kinds, str) else set(kinds)
        return types | ({"integer"} if "number" in types else set())

    @property
    def fields(self) -> Json:
        """The fields of an object."""
        return self.content.get("properties", {})


@dataclass(frozen=True)
class Operation:
    """An operation of a document."""

    document: Json
    content: Json

    @property
    def parameters(self) -> dict[tuple[str, str], Json]:
        """The parameters, by location and name."""
        return {(content["in"], content["name"]): content for content in self.content.get("parameters", [])}

    @property
    def body(self) -> Json:
        """The request body."""
        return self.content.get("requestBody", {"required": False, "content": {}})

    def schema(self, holder: Json) -> Schema:
        """Return the schema of a parameter or of a media type."""
        return Schema(self.document, {}).at(holder["schema"])


def find_lost(given: Json, ours: Json) -> Iterator[str]:
    """Yield what a client of the given document cannot rely on with ours."""
    yield from find_lost_security(given, ours)
    for path, operations in given["paths"].items():
        for method, content in operations.items():
            where = f"{method} {path}"
            counterpart = ours["paths"].get(path, {}).get(method)
            if counterpart is None:
                yield f"{where}: is missing"
                continue
            theirs, known = Operation(given, content), Operation(ours, counterpart)
            if known.content["operationId"] != theirs.content["operationId"]:
                yield f"{where}: has another operationId"
            if "security" in known.content:
                yield f"{where}: has a security of its own"
            yield from find_lost_parameters(where, theirs, known)
            yield from find_lost_bodies(where, theirs, known)
            yield from find_lost_answers(where, theirs, known)


def find_lost_security(given: Json, ours: Json) -> Iterator[str]:
    """Yield the security schemes that ours lacks."""
    for way in given["security"]:
        if way not in ours["security"]:
            yield f"security: {', '.join(way)} is missing"
    for name, scheme in given["components"]["securitySchemes"].items():
        known = ours["components"]["securitySchemes"].get(name, {})
        if known | {"description": scheme["description"]} != scheme:
            yield f"security: {name} is another"


def find_lost_parameters(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Yield parameters that ours lacks, restricts or requires."""
    for key, content in given.parameters.items():
        known = ours.parameters.get(key)
        named = f"{where} {key[1]}"
        if known is None:
            yield f"{named}: is missing"
            continue
        yield from find_refused(named, given.schema(content), ours.schema(known))
        if known["schema"].get("default") != content["schema"].get("default"):
            yield f"{named}: has another default"
    for key, known in ours.parameters.items():
        if known["required"] and not given.parameters.get(key, {"required": False})["required"]:
            yield f"{where} {key[1]}: is required"


def find_lost_bodies(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Yield request bodies that ours refuses, or reads in another way."""
    if ours.body["required"] and not given.body["required"]:
        yield f"{where} body: is required"
    for kind, content in given.body["content"].items():
        named = f"{where} body {kind}"
        if kind not in ours.body["content"]:
            yield f"{named}: is missing"
            continue
        theirs, known = given.schema(content), ours.schema(ours.body["content"][kind])
        yield from find_refused(named, theirs, known)
        for name, field in theirs.fields.items():
            if name not in known.fields:
                yield f"{named}.{name}: is missing"
            elif known.fields[name].get("default") != field.get("default"):
                yield f"{named}.{name}: has another default"


def find_lost_answers(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Yield responses that ours lacks, or that a client of the given document would refuse."""
    for status, answer in given.content["responses"].items():
        known = ours.content["responses"].get(status, {"content": {}})
        if known["content"].keys() != answer["content"].keys():
            yield f"{where} {status}: is missing, or of another type of content"
            continue
        for kind, content in answer["content"].items():
            yield from find_refused(
                f"{where} {status}", ours.schema(known["content"][kind]), given.schema(content)
            )


def find_refused(where: str, sent: Schema, taken: Schema) -> Iterator[str]:
    """Yield why a value of one schema may not be valid for another, whose fields must all be known."""
    if unknown := taken.content.keys() - ANNOTATIONS - COMPARED:
        yield f"{where}: {', '.join(sorted(unknown))} cannot be compared"
    if not sent.types <= taken.types:
        yield f"{where}: is of another type"
        return
    if "format" in taken.content and sent.content.get("format") != taken.content["format"]:
        yield f"{where}: is of another format"
    if "enum" in taken.content and not set(sent.content.get("enum", [None])) <= set(taken.content["enum"]):
        yield f"{where}: has other values"
    if sent.content.get("minimum", -INFINITE) < taken.content.get("minimum", -INFINITE):
        yield f"{where}: has another minimum"
    if sent.content.get("maximum", INFINITE) > taken.content.get("maximum", INFINITE):
        yield f"{where}: has another maximum"
    for name in sorted(set(taken.content.get("required", [])) - set(sent.content.get("required", []))):
        yield f"{where}.{name}: is required by one alone"
    parts = {f".{name}": (sent.fields.get(name), content) for name, content in taken.fields.items()}
    for keyword, name in (("items", "[]"), ("additionalProperties", ".*")):
        if keyword in taken.content:
            parts[name] = (sent.content.get(keyword), taken.content[keyword])
    for name, (part, whole) in parts.items():
        if isinstance(part, dict) and isinstance(whole, dict):
            yield from find_refused(where + name, sent.at(part), taken.at(whole))
        else:
            yield f"{where}{name}: is of one alone"
