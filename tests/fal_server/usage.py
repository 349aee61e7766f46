"""Usage of apps (fal Serverless) and instances (fal Compute), which no billing event has.

Every amount is an exact decimal: a price has at most six decimals, a quantity and a discount three.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext

from tests.fal_server.switches import Switches

LATE = timedelta(hours=30)
NEW_MACHINE_PRICES = {"GPU-H100": Decimal("0.0005"), "type: gpu_1x_h100_sxm5": Decimal("2.25")}


@dataclass(frozen=True)
class Machine:
    """What an app or an instance runs on. surge_price: None without surge rows."""

    line: str
    machine_type: str
    unit_price: Decimal
    percent_discount: Decimal
    app: str | None
    environment: str | None = None
    surge_price: Decimal | None = None
    is_late: bool = False
    share_of_hours: float = 0.75


def _app(machine_type: str, price: str, discount: str, app: str | None, environment: str | None) -> Machine:
    return Machine("serverless", machine_type, Decimal(price), Decimal(discount), app, environment)


def _instance(machine_type: str, price: str, discount: str, name: str) -> Machine:
    price_and_discount = (Decimal(price), Decimal(discount))
    return Machine("compute", machine_type, *price_and_discount, name, share_of_hours=0.25)


APPS = (
    replace(_app("GPU-H100", "0.000525", "0", "image-pipeline", "main"), surge_price=Decimal("0.00084")),
    _app("GPU-A100", "0.000275", "10", "image-pipeline", "staging"),
    replace(_app("GPU-H100", "0.000525", "12.5", "lora-trainer", "main"), is_late=True),
    _app("XS", "0.000006", "0", "webhook-relay", "main"),
)
UNNAMED_APPS = (
    _app("GPU-A100", "0.000275", "0", None, None),
    _app("GPU-A6000", "0.000167", "0", "image-pipeline", None),
)
INSTANCES = (
    _instance("type: gpu_1x_h100_sxm5", "2.1", "0", "trainer-1"),
    _instance("type: gpu_1x_a100_sxm4", "1.2", "10", "research"),
)


@dataclass(frozen=True)
class Usage:
    """Time of a machine within one hour: seconds of an app, hours of an instance."""

    machine: Machine
    at: datetime
    visible_at: datetime
    quantity: Decimal
    unit_price: Decimal
    is_surge: bool

    @property
    def subtotal(self) -> Decimal:
        """USD before the discount."""
        with localcontext(prec=100):
            return self.unit_price * self.quantity

    @property
    def cost(self) -> Decimal:
        """USD after the discount."""
        with localcontext(prec=100):
            return self.subtotal * (100 - self.machine.percent_discount) / 100

    def is_visible(self, now: datetime) -> bool:
        """Whether the API has it by now."""
        return self.at < now and self.visible_at <= now

    @property
    def unit(self) -> str:
        """The unit as fal writes it."""
        return "second" if self.machine.line == "serverless" else "hour"

    @property
    def key(self) -> tuple[str | None, str | None, str, Decimal, Decimal, bool]:
        """What rows of a report and of a bucket are grouped by."""
        machine = self.machine
        return (
            machine.app,
            machine.environment,
            machine.machine_type,
            self.unit_price,
            machine.percent_discount,
            self.is_surge,
        )


def draw_usage(seed: str, day: date, switches: Switches, changed_at: datetime) -> list[Usage]:
    """Draw the usage of one UTC day, oldest first. A machine draws the same numbers under any switches."""
    machines: tuple[Machine, ...] = ()
    if switches.serverless:
        machines += APPS + (UNNAMED_APPS if switches.unnamed_app else ())
    if switches.compute:
        machines += INSTANCES
    drawn = [
        usage
        for machine in machines
        for usage in _draw(random.Random(f"{seed}|{machine}|{day}"), machine, day, switches, changed_at)
    ]
    return sorted(drawn, key=lambda usage: (usage.at, str(usage.key)))


def group(usages: Iterable[Usage]) -> list[list[Usage]]:
    """Group usage by key, in a fixed order."""
    groups: dict[tuple[object, ...], list[Usage]] = {}
    for usage in usages:
        groups.setdefault((usage.machine.line, *usage.key), []).append(usage)
    return [groups[key] for key in sorted(groups, key=str)]


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """Sum exactly."""
    with localcontext(prec=100):
        return sum(amounts, Decimal(0))


def _draw(
    rng: random.Random, machine: Machine, day: date, switches: Switches, changed_at: datetime
) -> Iterable[Usage]:
    midnight = datetime.combine(day, time(), UTC)
    is_late = machine.is_late and switches.late_rows
    for hour in range(24):
        at = midnight + timedelta(hours=hour, seconds=rng.randrange(3600))
        lot, thousandths, surge_lot = rng.random(), rng.randrange(1, 900_000), rng.random()
        if lot > machine.share_of_hours:
            continue
        quantity = Decimal(thousandths).scaleb(-3) if machine.line == "serverless" else Decimal(1)
        price, is_surge = machine.unit_price, False
        if switches.price_changes and at >= changed_at:
            price = NEW_MACHINE_PRICES.get(machine.machine_type, price)
        if switches.surge and machine.surge_price and surge_lot < 0.3:
            price, is_surge = machine.surge_price, True
        yield Usage(machine, at, at + LATE if is_late else at, quantity, price, is_surge)
