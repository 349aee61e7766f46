"""Switches of a world beyond billing events: product lines, changes in its middle, and unusual answers."""

from dataclasses import dataclass

LINES = ("model_apis", "serverless", "compute")


@dataclass(frozen=True)
class Switches:
    """Each switch adds one thing to a world. All are off by default.

    Product lines. serverless: the account runs apps. compute: it runs instances. surge: apps also have surge
    rows. unnamed_app: some apps have no name, some no environment. late_rows: usage of one app appears
    `LATE` after it was used.

    Changes at `World.changed_at`. price_changes: some endpoints and machines get another price. renamed_key:
    "Key 1" becomes "imaging key" and keeps its id. deleted_key: "Key 2" is deleted; its requests then come
    with "prod key". deprecated_model: one model becomes deprecated.

    Unusual days of accounts that have an admin key, counted back from the last day (see `episodes`).
    launch: from one day on, "prod key" also calls a new model, with half as many requests as the account has
    without it. batch_run: on one day, twice as many requests of one model are added, without a key.
    leaked_key: on one day, "Key 1" makes five times as many, of an expensive model.

    Estimates. display_names: rows of endpoints have a display name in place of the endpoint id, and nothing
    that identifies their product line. vague_lines: the same for rows of apps and instances.

    Refusals. no_structured_auth: 400 for expand=auth_method_structured. unknown_endpoints: 404 for a request
    to /models or /models/pricing with an endpoint id that is not in the catalogue; otherwise it is omitted.
    """

    serverless: bool = False
    compute: bool = False
    surge: bool = False
    unnamed_app: bool = False
    late_rows: bool = False
    price_changes: bool = False
    renamed_key: bool = False
    deleted_key: bool = False
    deprecated_model: bool = False
    batch_run: bool = False
    launch: bool = False
    leaked_key: bool = False
    display_names: bool = False
    vague_lines: bool = False
    no_structured_auth: bool = False
    unknown_endpoints: bool = False


@dataclass(frozen=True)
class Team:
    """A team of an organization. The root's username is the alias of its account."""

    username: str
    name: str

    @property
    def customer_id(self) -> str:
        """The team's billing customer id, which is its SubAccountId in reports."""
        return f"cus_{self.username}"
