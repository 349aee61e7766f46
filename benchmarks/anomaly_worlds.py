"""Made-up accounts with incidents of known day, cause and amount, for benchmarks.anomalies.

An account is a set of cells: a model that a key uses, with a price, a discount and a daily volume. Volumes
have noise of their own, of the key and of the account, a weekly pattern and a trend. An incident changes the
volume, price or discount of some cells from a day on.
"""

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2025, 1, 6)  # a Monday
DAYS = 200
SHAPES = ("steady", "weekly", "growing", "spiky", "sparse")
KINDS = (
    "spike",
    "drop",
    "price change",
    "discount change",
    "key leak",
    "slow drift",
    "launch of a model",
    "launch of a key",
    "other mix",
)
CAUSES = {
    "price change": "price",
    "discount change": "discount",
    "launch of a model": "new model",
    "launch of a key": "new key",
    "other mix": "mix",
}
FIRST_INCIDENT, INCIDENT_DISTANCE = 75, 42  # days


@dataclass(frozen=True)
class Cell:
    """The use of a model by a key. volume: units a day. dear: the share of units at four times the price."""

    model: str
    key: str
    team: str
    price: float
    volume: float
    noise: float
    active: float = 1.0
    discount: float = 0.0
    dear: float = 0.0


@dataclass(frozen=True)
class Incident:
    """A change of cells from a day until before another. Days are numbers from 0."""

    number: int
    kind: str
    first: int
    end: int
    cells: frozenset[int]
    amount: float

    @property
    def cause(self) -> str:
        """The cause that a detector should find."""
        return CAUSES.get(self.kind, "volume")

    def apply(self, cell: Cell, day: int) -> Cell:
        """Return the cell as it is on a day of the incident."""
        if self.kind == "price change":
            return replace(cell, price=cell.price * self.amount)
        if self.kind == "discount change":
            return replace(cell, discount=self.amount)
        if self.kind == "other mix":
            return replace(cell, dear=self.amount)
        if self.kind == "slow drift":
            return replace(cell, volume=cell.volume * self.amount ** min(day - self.first + 1, 40))
        return replace(cell, volume=cell.volume * self.amount)


@dataclass
class Account:
    """An account with its cells and incidents. launched: the first day of cells that an incident adds."""

    name: str
    shape: str
    random: random.Random
    cells: list[Cell] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    launched: dict[int, int] = field(default_factory=dict)

    def pick_by_cost(self, attribute: str, minimum: float = 0.08) -> frozenset[int]:
        """Return the cells of a model or key that has at least this share of the cost."""
        known = [cell for number, cell in enumerate(self.cells) if number not in self.launched]
        total = sum(cell.price * cell.volume * cell.active for cell in known)
        shares: dict[str, float] = {}
        for cell in known:
            name = getattr(cell, attribute)
            shares[name] = shares.get(name, 0.0) + cell.price * cell.volume * cell.active / total
        names = [name for name, share in sorted(shares.items()) if share >= minimum]
        name = self.random.choice(names or [max(shares, key=lambda name: shares[name])])
        return frozenset(
            number
            for number, cell in enumerate(self.cells)
            if getattr(cell, attribute) == name and number not in self.launched
        )


def make_cells(account: Account) -> list[Cell]:
    """Return the cells of an account: 3 to 10 models, 2 to 6 keys, of which some use each model."""
    chance = account.random
    keys = [(f"key-{n}", f"team-{n % 3}") for n in range(chance.randint(2, 6))]
    scale = math.exp(chance.uniform(math.log(40), math.log(4000)))
    models = [(f"model-{n}", math.exp(chance.gauss(0, 1.2))) for n in range(chance.randint(3, 10))]
    total = sum(weight for _, weight in models)
    cells = []
    for model, weight in models:
        price = chance.choice((0.003, 0.025, 0.05, 0.1, 0.7))
        users = chance.sample(keys, chance.randint(1, min(3, len(keys))))
        discount = chance.choice((0.0, 0.0, 0.1, 0.25))
        for key, team in users:
            volume = scale * weight / total / len(users) / price * chance.uniform(0.5, 1.5)
            noise = chance.uniform(0.15, 0.35) if account.shape == "spiky" else chance.uniform(0.03, 0.12)
            active = 0.3 if account.shape == "sparse" and int(key[-1]) % 2 else 1.0
            dear = chance.choice((0.0, 0.2))
            cells.append(Cell(model, key, team, price, volume, noise, active, discount, dear))
    return cells


def make_incident(account: Account, number: int, kind: str, first: int) -> Incident:
    """Add the incident of a kind to an account; launches add their cells as well."""
    chance = account.random
    attribute = chance.choice(("model", "key"))
    end, amount = DAYS, 1.0
    if kind == "spike":
        cells, end = account.pick_by_cost(attribute), first + chance.randint(1, 2)
        amount = chance.uniform(2, 6)
    elif kind == "drop":
        cells, amount = account.pick_by_cost(attribute), chance.uniform(0, 0.4)
        end = first + chance.randint(1, 5)
    elif kind == "price change":
        cells, amount = account.pick_by_cost("model"), chance.choice((0.5, 0.7, 1.35, 1.5, 2.0))
    elif kind == "discount change":
        cells, amount = account.pick_by_cost("model"), chance.choice((0.4, 0.5))
    elif kind == "key leak":
        cells, amount, end = account.pick_by_cost("key"), 5.0, first + chance.randint(2, 10)
    elif kind == "slow drift":
        cells, amount = account.pick_by_cost(attribute), chance.uniform(1.018, 1.03)
    elif kind == "other mix":
        cells, amount = account.pick_by_cost("model"), chance.uniform(0.6, 0.9)
        account.cells = [
            replace(cell, dear=0.2) if number in cells else cell for number, cell in enumerate(account.cells)
        ]
    else:
        cells = add_launch(account, kind, number, first)
    return Incident(number, kind, first, end, cells, amount)


def add_launch(account: Account, kind: str, number: int, first: int) -> frozenset[int]:
    """Add the cells of a new model or key, which cost 30 to 120 % of the account; return their numbers."""
    chance = account.random
    cost = sum(cell.price * cell.volume * cell.active for cell in account.cells) * chance.uniform(0.3, 1.2)
    known = [cell for cell in account.cells if cell.active == 1.0] or account.cells
    like = chance.sample(known, min(2, len(known)))
    added = set()
    for cell in like:
        cell = replace(cell, volume=cost / len(like) / cell.price, active=1.0, dear=0.0)
        if kind == "launch of a model":
            cell = replace(cell, model=f"new-model-{number}")
        else:
            cell = replace(cell, key=f"new-key-{number}", team=f"team-{number % 3}")
        account.launched[len(account.cells)] = first
        added.add(len(account.cells))
        account.cells.append(cell)
    return frozenset(added)


def make_account(seed: int, number: int) -> Account:
    """Return an account with three incidents; one of six accounts has none."""
    chance = random.Random(f"{seed} {number}")
    account = Account(f"account-{number:03}", SHAPES[number % len(SHAPES)], chance)
    account.cells = make_cells(account)
    if number % 6 != 5:
        for place in range(3):
            kind = KINDS[(number * 3 + place + number // 18) % len(KINDS)]
            first = FIRST_INCIDENT + place * INCIDENT_DISTANCE + chance.randint(0, 10)
            account.incidents.append(make_incident(account, number * 10 + place, kind, first))
    return account


def weekly_factors(account: Account) -> list[float]:
    """Return the volume of each weekday beside that of a Monday."""
    weekend = {"steady": 1.0, "spiky": 0.8}.get(account.shape, account.random.uniform(0.15, 0.7))
    return [1.0, 1.0, 1.0, 1.0, account.random.uniform(0.85, 1.0), weekend, weekend * 0.95]


@dataclass(frozen=True)
class Row:
    """A row of daily_cost, with the cost that the incident of the day added."""

    day: int
    cell: Cell
    unit_price: float
    quantity: float
    incident: int | None
    added_cost: float

    @property
    def fields(self) -> tuple[object, ...]:
        """The fields in costs.csv."""
        cell = self.cell
        return (
            FIRST_DAY + timedelta(days=self.day),
            cell.model,
            cell.key,
            cell.team,
            f"{self.unit_price:.6f}",
            f"{1 - cell.discount:.6f}",
            f"{self.quantity:.3f}",
            self.incident,
            f"{self.added_cost:.6f}",
        )


def make_rows(account: Account) -> Iterator[Row]:
    """Yield the days of an account. The same noise applies with and without incidents."""
    chance = account.random
    factors, growth = weekly_factors(account), 1.004 if account.shape == "growing" else 1.0
    for day in range(DAYS):
        common = math.exp(chance.gauss(0, 0.025)) * factors[day % 7] * growth**day
        by_key = {key: math.exp(chance.gauss(0, 0.04)) for key in sorted({c.key for c in account.cells})}
        for number, cell in enumerate(account.cells):
            noise = math.exp(chance.gauss(0, cell.noise)) * (chance.random() < cell.active)
            if day >= account.launched.get(number, 0):
                yield from make_cell_rows(account, day, number, common * by_key[cell.key] * noise)


def make_cell_rows(account: Account, day: int, number: int, factor: float) -> Iterator[Row]:
    """Yield the rows of a cell on a day: one for each price."""
    cell = account.cells[number]
    running = [one for one in account.incidents if number in one.cells and one.first <= day < one.end]
    for earlier in running[:-1]:
        cell = earlier.apply(cell, day)
    before, after = cell, running[-1].apply(cell, day) if running else cell
    launched = account.launched.get(number)
    for tier, (share, was) in {1: (1 - after.dear, 1 - before.dear), 4: (after.dear, before.dear)}.items():
        quantity = round(after.volume * factor * share, 3)
        cost = quantity * after.price * tier * (1 - after.discount)
        old = before.volume * factor * was * before.price * tier * (1 - before.discount)
        if launched is not None and running and running[-1].kind.startswith("launch"):
            old = 0.0
        incident = running[-1].number if running else None
        if quantity:
            yield Row(day, after, after.price * tier, quantity, incident, cost - old)
        elif incident is not None:
            yield Row(day, after, after.price * tier, 0.0, incident, -old)


def write_accounts(folder: Path, seed: int, count: int) -> None:
    """Write costs.csv and incidents.csv of some accounts into a folder."""
    with (
        (folder / "costs.csv").open("w", newline="") as file,
        (folder / "incidents.csv").open("w", newline="") as truth,
    ):
        costs, incidents = csv.writer(file), csv.writer(truth)
        for number in range(count):
            account = make_account(seed, number)
            for one in account.incidents:
                days = (FIRST_DAY + timedelta(days=day) for day in (one.first, one.end))
                incidents.writerow((account.name, one.number, one.kind, one.cause, *days))
            for row in make_rows(account):
                costs.writerow((account.name, account.shape, *row.fields))
