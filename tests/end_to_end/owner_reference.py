"""Compute who owns a charge by docs/rules.md: its tags (rule 12) and its team (rule 13).

Like bill_reference, this shares no code with the models.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cached_property

from tests.end_to_end.bill_rows import ESTIMATE, INVOICE, Account, Caller, Load, Owner, Record

Tags = tuple[tuple[str, str], ...]
TEAM = "Team"


class Owners:
    """The lines of the allocation, the names of keys, and the teams of an account."""

    def __init__(self, account: Account, latest: Iterable[Load], callers: Iterable[Caller]) -> None:
        self.account = account
        self.loads = list(latest)
        self.labels: dict[str, set[str]] = defaultdict(set)
        for caller in callers:
            if caller.api_key_id and caller.auth_method:
                self.labels[caller.api_key_id].add(caller.auth_method)

    # ---------------------------------------------------------------- tags

    def tags_of(self, caller: Caller, day: date) -> Tags:
        """Return the tags of usage on a day, by key."""
        best: dict[str, tuple[tuple[object, ...], str]] = {}
        for line in self.account.owners:
            if not self.applies(line, caller, day):
                continue
            rank = self.rank(line, caller, day)
            key = pascal(line.tag_key)
            if key not in best or rank < best[key][0]:
                best[key] = rank, line.tag_value
        return tuple(sorted((key, value) for key, (_, value) in best.items()))

    def applies(self, line: Owner, caller: Caller, day: date) -> bool:
        """Whether a line is valid on a day and the caller fulfils its conditions."""
        if not (line.valid_from or date.min) <= day < (line.valid_to or date.max):
            return False
        names = self.names_on(caller, day) | self.names_ever(caller)
        teams = {caller.team, self.team_names.get(caller.team or "")}
        return (
            fulfils(line.api_key_id, {caller.api_key_id})
            and fulfils(line.auth_method, names)
            and fulfils(line.key_alias, names)
            and fulfils(line.login_username, {caller.login_username})
            and fulfils(line.team, teams)
        )

    def rank(self, line: Owner, caller: Caller, day: date) -> tuple[object, ...]:
        """The order of lines with one tag: the least applies."""
        conditions = [
            text
            for text in (line.api_key_id, line.auth_method, line.key_alias, line.login_username, line.team)
            if text is not None
        ]
        names = self.names_on(caller, day)
        has_name = line.auth_method is not None or line.key_alias is not None
        is_of_the_day = fulfils(line.auth_method, names) and fulfils(line.key_alias, names)
        return (
            line.api_key_id is None,
            not (has_name and is_of_the_day),
            not has_name,
            line.login_username is None,
            line.team is None,
            any("*" in text for text in conditions),
            -(line.valid_from or date.min).toordinal(),
            line.valid_to or date.max,
            -len("|".join(conditions)),
            line.tag_value,
        )

    def names_on(self, caller: Caller, day: date) -> set[str]:
        """The names of a key on a day: the label of its requests, and its alias."""
        dated = [
            (at, keys[caller.api_key_id]) for at, keys in self.key_snapshots if caller.api_key_id in keys
        ]
        before = [alias for at, alias in dated if at <= day]
        aliases = before[-1:] or [alias for _, alias in dated[:1]]
        return {name for name in (caller.auth_method, *aliases) if name}

    def names_ever(self, caller: Caller) -> set[str]:
        """All names that a key ever had."""
        if caller.api_key_id is None:
            return set()
        aliases = {keys[caller.api_key_id] for _, keys in self.key_snapshots if caller.api_key_id in keys}
        return aliases | self.labels[caller.api_key_id]

    @property
    def key_snapshots(self) -> Sequence[tuple[date, dict[str | None, str]]]:
        """The aliases of keys by id, in the order of the snapshots."""
        return [(day, dict(keys)) for day, keys in sorted(self.account.key_snapshots.items())]

    # ---------------------------------------------------------------- teams

    def sub_account_of(self, team: str | None) -> tuple[str | None, str | None, str | None]:
        """The id, name and type of the sub account of a team."""
        if team is None:
            return None, None, None
        name = self.team_names.get(team, team)
        return self.sub_account_ids.get(team, team), name, TEAM

    @cached_property
    def team_names(self) -> dict[str, str]:
        """The names of teams in the latest snapshot of each."""
        names: dict[str, str] = {}
        for _, teams in sorted(self.account.team_snapshots.items()):
            names |= teams
        return names

    @cached_property
    def sub_account_ids(self) -> dict[str, str]:
        """The ids that the latest report gives to the names of teams."""
        landed = {load.team for load in self.loads if load.team}
        teams = sorted(landed | set(self.team_names))
        names = list(self.team_names.values())
        found: dict[str, tuple[tuple[object, ...], str]] = {}
        for landed_for, row in self.reported_rows():
            for team in teams:
                by_name = row.sub_account_name == self.team_names.get(team)
                by_username = row.sub_account_name == team and team not in names
                is_certain = by_username or (by_name and names.count(row.sub_account_name or "") == 1)
                if not is_certain:
                    continue
                assert row.sub_account_id
                order = (-landed_for.toordinal(), not by_name, row.sub_account_id)
                if team not in found or order < found[team][0]:
                    found[team] = order, row.sub_account_id
        return {team: sub_account_id for team, (_, sub_account_id) in found.items()}

    def reported_rows(self) -> Iterable[tuple[date, Record]]:
        """Rows of reports with a sub account, and the day or month that their file was requested for."""
        for load in self.loads:
            if load.feed in (ESTIMATE, INVOICE):
                text = load.partition if load.feed == ESTIMATE else f"{load.partition}-01"
                yield from (
                    (date.fromisoformat(text), row) for row in load.rows if row.sub_account_name is not None
                )


def fulfils(pattern: str | None, texts: set[str | None] | set[str]) -> bool:
    """Whether a text matches a pattern, in which * stands for any text; true without a pattern."""
    if pattern is None:
        return True
    compiled = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return any(text is not None and compiled.fullmatch(text) for text in texts)


def pascal(key: str) -> str:
    """Spell the key of a tag in PascalCase."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[^A-Za-z0-9]+", key))
