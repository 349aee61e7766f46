"""Two OpenAPI documents compared: whether one takes all that another takes, and promises all it promises.

It knows the keywords that the two documents have; another one is reported, too, since it may mean anything.
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
    """A schema, and the document that its references lead into."""

    document: Json
    told: Json

    def at(self, told: Json) -> "Schema":
        """A schema of the same document, or the one that a reference names."""
        if "$ref" in told:
            told = self.document["components"]["schemas"][told["$ref"].rpartition("/")[2]]
        return Schema(self.document, told)

    @property
    def types(self) -> set[str]:
        """The types that it lets through; a whole number is a number, too."""
        kinds = self.told["type"]
        types = {kinds} if isinstance(kinds, str) else set(kinds)
        return types | ({"integer"} if "number" in types else set())

    @property
    def fields(self) -> Json:
        """The fields of an object."""
        return self.told.get("properties", {})


@dataclass(frozen=True)
class Operation:
    """An operation of a document."""

    document: Json
    told: Json

    @property
    def parameters(self) -> dict[tuple[str, str], Json]:
        """Its parameters, by where they are and their name."""
        return {(told["in"], told["name"]): told for told in self.told.get("parameters", [])}

    @property
    def body(self) -> Json:
        """Its body."""
        return self.told.get("requestBody", {"required": False, "content": {}})

    def schema(self, holder: Json) -> Schema:
        """The schema of a parameter or of a type of content."""
        return Schema(self.document, {}).at(holder["schema"])


def lost(given: Json, ours: Json) -> Iterator[str]:
    """What a client of the given document cannot rely on with ours; nothing if ours is as good."""
    yield from lost_security(given, ours)
    for path, operations in given["paths"].items():
        for method, told in operations.items():
            where = f"{method} {path}"
            counterpart = ours["paths"].get(path, {}).get(method)
            if counterpart is None:
                yield f"{where}: is missing"
                continue
            theirs, known = Operation(given, told), Operation(ours, counterpart)
            if known.told["operationId"] != theirs.told["operationId"]:
                yield f"{where}: has another operationId"
            if "security" in known.told:
                yield f"{where}: has a security of its own"
            yield from lost_parameters(where, theirs, known)
            yield from lost_bodies(where, theirs, known)
            yield from lost_answers(where, theirs, known)


def lost_security(given: Json, ours: Json) -> Iterator[str]:
    """Ways to authenticate that ours does not know."""
    for way in given["security"]:
        if way not in ours["security"]:
            yield f"security: {', '.join(way)} is missing"
    for name, scheme in given["components"]["securitySchemes"].items():
        known = ours["components"]["securitySchemes"].get(name, {})
        if known | {"description": scheme["description"]} != scheme:
            yield f"security: {name} is another"


def lost_parameters(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Parameters that ours does not take, takes fewer values of, or needs."""
    for key, told in given.parameters.items():
        known = ours.parameters.get(key)
        named = f"{where} {key[1]}"
        if known is None:
            yield f"{named}: is missing"
            continue
        yield from refused(named, given.schema(told), ours.schema(known))
        if known["schema"].get("default") != told["schema"].get("default"):
            yield f"{named}: has another default"
    for key, known in ours.parameters.items():
        if known["required"] and not given.parameters.get(key, {"required": False})["required"]:
            yield f"{where} {key[1]}: is required"


def lost_bodies(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Bodies that ours does not take, or takes as another."""
    if ours.body["required"] and not given.body["required"]:
        yield f"{where} body: is required"
    for kind, told in given.body["content"].items():
        named = f"{where} body {kind}"
        if kind not in ours.body["content"]:
            yield f"{named}: is missing"
            continue
        theirs, known = given.schema(told), ours.schema(ours.body["content"][kind])
        yield from refused(named, theirs, known)
        for name, field in theirs.fields.items():
            if name not in known.fields:
                yield f"{named}.{name}: is missing"
            elif known.fields[name].get("default") != field.get("default"):
                yield f"{named}.{name}: has another default"


def lost_answers(where: str, given: Operation, ours: Operation) -> Iterator[str]:
    """Answers that ours does not give, or that a client of given would not take."""
    for status, answer in given.told["responses"].items():
        known = ours.told["responses"].get(status, {"content": {}})
        if known["content"].keys() != answer["content"].keys():
            yield f"{where} {status}: is missing, or of another type of content"
            continue
        for kind, told in answer["content"].items():
            yield from refused(f"{where} {status}", ours.schema(known["content"][kind]), given.schema(told))


def refused(where: str, sent: Schema, taken: Schema) -> Iterator[str]:
    """Why not all that one schema lets through is let through by another, which may know no more fields."""
    if unknown := taken.told.keys() - ANNOTATIONS - COMPARED:
        yield f"{where}: {', '.join(sorted(unknown))} cannot be compared"
    if not sent.types <= taken.types:
        yield f"{where}: is of another type"
        return
    if "format" in taken.told and sent.told.get("format") != taken.told["format"]:
        yield f"{where}: is of another format"
    if "enum" in taken.told and not set(sent.told.get("enum", [None])) <= set(taken.told["enum"]):
        yield f"{where}: has other values"
    if sent.told.get("minimum", -INFINITE) < taken.told.get("minimum", -INFINITE):
        yield f"{where}: has another minimum"
    if sent.told.get("maximum", INFINITE) > taken.told.get("maximum", INFINITE):
        yield f"{where}: has another maximum"
    for name in sorted(set(taken.told.get("required", [])) - set(sent.told.get("required", []))):
        yield f"{where}.{name}: is required by one alone"
    parts = {f".{name}": (sent.fields.get(name), told) for name, told in taken.fields.items()}
    for keyword, name in (("items", "[]"), ("additionalProperties", ".*")):
        if keyword in taken.told:
            parts[name] = (sent.told.get(keyword), taken.told[keyword])
    for name, (part, whole) in parts.items():
        if isinstance(part, dict) and isinstance(whole, dict):
            yield from refused(where + name, sent.at(part), taken.at(whole))
        else:
            yield f"{where}{name}: is of one alone"
