"""Draw the teams, keys, owners and balances of an account, and write their seeds and snapshots."""

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from tests.end_to_end.bill_rows import DAY, Account, Owner
from tests.end_to_end.landing_zone import list_page, write_snapshot

KEYS = ("k-1", "k-2")
LABELS = ("Key 1", "Key 2")
TEAMS = ("lab", "film-1", "film-2")
# the name of a team can be the username of another, and two teams can have one name
TEAM_NAMES = ("Film", "Lab", "film-2", "Research")
CONDITIONS = {
    "api_key_id": ("k-1", "k-2", "k*", "*"),
    "auth_method": ("Key 1", "Key*", "*2", "old*", "new name"),
    "key_alias": ("Key 2", "old name", "new*", "*e*"),
    "login_username": ("kim", "k*", "lee"),
    "team": ("lab", "film*", "Film", "*"),
}
TAG_KEYS = ("Team", "cost_center", "Owner")


def draw_owners(chance: random.Random, account: Account, days: Sequence[date]) -> None:
    """Give an account teams, names of keys, lines of the allocation, and balances; or some of them."""
    if chance.random() < 0.5:
        account.teams = tuple(chance.sample(TEAMS, chance.choice((1, 2, 3))))
        for day in chance.sample(days, 2):
            named = chance.sample(account.teams, chance.randrange(1, len(account.teams) + 1))
            account.team_snapshots[day] = {team: chance.choice(TEAM_NAMES) for team in named}
    for day in chance.sample(days, chance.choice((0, 1, 3))):
        named = chance.sample(KEYS, chance.choice((1, 2)))
        names = ("Key 1", "Key 2", "old name", "new name")
        account.key_snapshots[day] = {key: chance.choice(names) for key in named}
    lines: dict[tuple[object, ...], Owner] = {}
    for _ in range(chance.choice((0, 1, 4, 12))):
        line = draw_line(chance, days)
        # a line gives a tag once under the same conditions
        lines[replace(line, tag_value="")] = line
    account.owners = list(lines.values())
    for day in chance.sample([*days, days[-1] + 9 * DAY], chance.choice((0, 1, 3))):
        account.balances[day] = chance.randrange(100_000)


def draw_line(chance: random.Random, days: Sequence[date]) -> Owner:
    """Draw a line of the allocation with up to two conditions, and sometimes a period."""
    conditions = chance.sample(sorted(CONDITIONS), chance.choice((0, 1, 1, 2)))
    first, last = sorted(chance.sample(days, 2))
    return Owner(
        tag_key=chance.choice(TAG_KEYS),
        tag_value=chance.choice(("A", "B", 'Ä "quoted"', "4")),
        valid_from=chance.choice((None, None, first)),
        valid_to=chance.choice((None, None, last)),
        **{name: chance.choice(CONDITIONS[name]) for name in conditions},
    )


def write_owners(seeds: Path, accounts: Sequence[Account]) -> None:
    """Add the lines of the accounts to fal_allocation."""
    path = seeds / "fal_allocation.csv"
    header = path.read_text().splitlines()[0].split(",")
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        for account in accounts:
            writer.writerows({"account": account.alias, **asdict(line)} for line in account.owners)


def write_snapshots(landing: Path, account: Account) -> None:
    """Write the snapshots of models, keys, teams and balances."""
    if account.endpoints:
        models = [json.dumps({"endpoint_id": endpoint}) for endpoint in account.endpoints]
        write_snapshot(landing, account.alias, "models", "2026-01-02", [list_page("models", *models)])
    for day, keys in account.key_snapshots.items():
        items = [json.dumps({"key_id": key, "alias": alias}) for key, alias in keys.items()]
        write_snapshot(landing, account.alias, "keys", f"{day}", [list_page("keys", *items)])
    for day, teams in account.team_snapshots.items():
        items = [json.dumps({"username": team, "name": name}) for team, name in teams.items()]
        write_snapshot(landing, account.alias, "teams", f"{day}", [list_page("teams", *items)])
    for day, amount in account.balances.items():
        credit = {"current_balance": amount / 100, "currency": "USD"}
        body = json.dumps({"username": account.alias, "credits": credit}).encode()
        write_snapshot(landing, account.alias, "balance", f"{day}", [(body, 1)])
