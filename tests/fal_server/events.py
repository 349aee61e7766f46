"""Billing events, their JSON, and random days of events.

Every number is kept as the text that goes over the wire; nothing passes through a float.
"""

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from tests.fal_server.catalogue import METERS, WEIGHTS, Meter

NANO = 1_000_000_000
MILLIS_OF_A_DAY = 86_400_000
LABELS: tuple[str | None, ...] = ("Key 1", "Key 2", "prod key", None)
ODD_LABELS = (
    'Kéy "prod", {team: a,b} \\ back/slash',
    "鍵 🚀 ключ מפתח",
    "it's; -- a 'quoted' label\twith a tab\nand a line break",
    "long " + "ü" * 300,
)
DISCOUNTS: tuple[str | None, ...] = (None, "0", "10", "12.5")
NEW_FIELD = ',"region":"us-west","labels":{"note":"a, \\"b\\" }]{["},"retries":[0,1]'


@dataclass(frozen=True)
class Oddities:
    """Irregularities of real data. Each can be enabled separately."""

    nulls: bool = False
    cost_only: bool = False
    units_without_price: bool = False
    free: bool = False
    two_meters: bool = False
    exponents: bool = False
    long_decimals: bool = False
    big_integers: bool = False
    fractional_nanos: bool = False
    odd_labels: bool = False
    new_fields: bool = False
    empty_day: bool = False
    edge_instants: bool = False
    whole_seconds: bool = False
    shifted_pages: bool = False

    @classmethod
    def all(cls) -> "Oddities":
        """Enable every oddity."""
        return cls(**{field.name: True for field in fields(cls)})


@dataclass(frozen=True)
class Event:
    """One billed request on one meter. Numbers are the texts that are sent; `None` is sent as null."""

    request_id: str
    endpoint_id: str
    at: datetime
    cost_nano_usd: int
    output_units: str | None = None
    unit_price: str | None = None
    percent_discount: str | None = None
    auth_method: str | None = "Key 1"
    with_millis: bool = True
    more_json: str = ""
    key_id: str | None = None
    username: str | None = None

    @property
    def timestamp(self) -> str:
        """The time as fal writes it: UTC, with or without milliseconds."""
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if self.with_millis else iso(self.at)

    @property
    def cost(self) -> Decimal:
        """Exact cost in USD."""
        return nano_to_usd(self.cost_nano_usd)

    @property
    def subtotal(self) -> Decimal:
        """USD before the discount: price × units if both are known, to 18 decimals."""
        if self.unit_price is None or self.output_units is None:
            return self.cost
        return product(self.unit_price, self.output_units)

    def json(self, *, label: bool = False, structured: bool = False, username: bool = False) -> str:
        """Write the event as JSON, with authentication fields and the team's username only if requested."""
        subtotal = self.subtotal
        discount = minus(subtotal, self.cost)
        text = (
            f'{{"request_id":{json.dumps(self.request_id)},"endpoint_id":{json.dumps(self.endpoint_id)},'
            f'"timestamp":"{self.timestamp}","output_units":{self.output_units or "null"},'
            f'"unit_price":{self.unit_price or "null"},"percent_discount":{self.percent_discount or "null"},'
            f'"cost_estimate_nano_usd":{self.cost_nano_usd},"cost_subtotal":{plain(subtotal)},'
            f'"cost_discount":{plain(discount)},"cost_total":{plain(self.cost)}{self.more_json}'
        )
        if label:
            text += f',"auth_method":{json.dumps(self.auth_method, ensure_ascii=False)}'
        if structured:
            text += f',"auth_method_structured":{json.dumps(self.auth_structured, ensure_ascii=False)}'
        if username:
            text += f',"username":{json.dumps(self.username)}'
        return text + "}"

    @property
    def auth_structured(self) -> dict[str, str | None]:
        """Structured form of auth_method."""
        return {
            "detail": self.auth_method,
            "api_key_id": self.api_key_id,
            "login_username": self.login_username,
        }

    @property
    def api_key_id(self) -> str | None:
        """Id of the key with this label; None for a call from the web site."""
        return self.key_id or (make_id(self.auth_method) if self.auth_method else None)

    @property
    def login_username(self) -> str | None:
        """User name of a call without a key."""
        return None if self.auth_method else "ada"


def make_id(label: str) -> str:
    """Return the id of a key with this label, or of an instance with this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, label))


def iso(moment: datetime) -> str:
    """Format a UTC time to the second, with a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(number: Decimal) -> str:
    """Format a decimal without exponent and without trailing zeros."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def nano_to_usd(nano: int) -> Decimal:
    """Convert nano-USD to USD exactly."""
    return Decimal(nano).scaleb(-9)


def product(*factors: str | Decimal) -> Decimal:
    """Multiply exactly, then round half even to 18 decimals, the scale of a cost column."""
    with localcontext(prec=100):
        result = Decimal(1)
        for factor in factors:
            result *= Decimal(factor)
        return result.quantize(Decimal("1e-18"), ROUND_HALF_EVEN)


def minus(left: Decimal, right: Decimal) -> Decimal:
    """Subtract exactly."""
    with localcontext(prec=100):
        return left - right


def charged_nano(unit_price: str, output_units: str, percent_discount: str | None) -> int:
    """The charge of fal: price × units × (1 − discount/100), rounded half even to whole nano-USD."""
    with localcontext(prec=100):
        kept = 1 - Decimal(percent_discount or 0) / 100
        exact = Decimal(unit_price) * Decimal(output_units) * kept * NANO
        return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def reprice(event: Event, unit_price: str) -> Event:
    """Give an event another unit price."""
    return _priced(event, unit_price, event.output_units or "0", event.percent_discount)


def draw_day(seed: str, day: date, count: int, oddities: Oddities) -> list[Event]:
    """Draw `count` distinct events of one UTC day, oldest first. Equal seeds give equal events."""
    rng = random.Random(f"{seed}|{day}")
    midnight = datetime.combine(day, time(), UTC)
    instants = [midnight + timedelta(milliseconds=rng.randrange(MILLIS_OF_A_DAY)) for _ in range(count)]
    if oddities.edge_instants and count >= 2:
        instants[0] = midnight
        instants[1] = midnight + timedelta(milliseconds=MILLIS_OF_A_DAY - 1)
    drawn: list[Event] = []
    for instant in instants:
        if len(drawn) < count:
            drawn.extend(_draw(rng, instant, oddities))
    return sorted(drawn[:count], key=order)


def draw_requests(seed: str, day: date, count: int, meter: Meter, label: str | None) -> list[Event]:
    """Draw `count` requests of one model with one label, on one UTC day. Equal seeds give equal events."""
    rng = random.Random(f"{seed}|{day}")
    midnight = datetime.combine(day, time(), UTC)
    return [
        _request(rng, midnight + timedelta(milliseconds=rng.randrange(MILLIS_OF_A_DAY)), meter, [label])
        for _ in range(count)
    ]


def order(event: Event) -> tuple[datetime, str, str, str]:
    """Sort key of events: time, then identity. fal lists them in reverse."""
    return event.at, event.request_id, event.unit_price or "", event.output_units or ""


def _draw(rng: random.Random, at: datetime, oddities: Oddities) -> Iterator[Event]:
    event = _request(rng, at, rng.choices(METERS, WEIGHTS)[0], LABELS)
    lot, second_lot = rng.random(), rng.random()
    if oddities.whole_seconds and second_lot < 0.03:
        event = replace(event, at=event.at.replace(microsecond=0), with_millis=False)
    if oddities.odd_labels and 0.03 <= second_lot < 0.06:
        event = replace(event, auth_method=rng.choice(ODD_LABELS))
    if oddities.new_fields and 0.06 <= second_lot < 0.12:
        event = replace(event, more_json=NEW_FIELD)
    if oddities.two_meters and 0.12 <= second_lot < 0.14:
        yield _priced(event, "0.007", "3", event.percent_discount)
    yield _odd(rng, event, lot, oddities)


def _request(rng: random.Random, at: datetime, meter: Meter, labels: Sequence[str | None]) -> Event:
    return _priced(
        Event(
            request_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            endpoint_id=meter.endpoint_id,
            at=at,
            cost_nano_usd=0,
            auth_method=rng.choice(labels),
        ),
        meter.unit_price,
        rng.choice(meter.quantities),
        rng.choice(DISCOUNTS),
    )


def _odd(rng: random.Random, event: Event, lot: float, oddities: Oddities) -> Event:
    """Apply an oddity to one event in ten."""
    units, price, discount = event.output_units or "1", event.unit_price or "1", event.percent_discount
    if lot < 0.01 and oddities.cost_only:
        return replace(event, output_units=None, unit_price=None, percent_discount=None)
    if 0.01 <= lot < 0.02 and oddities.units_without_price:
        return replace(event, unit_price=None)
    if 0.02 <= lot < 0.03 and oddities.nulls:
        return replace(event, output_units=None)
    if 0.03 <= lot < 0.04 and oddities.free:
        return (
            _priced(event, "0", units, discount)
            if rng.random() < 0.5
            else _priced(event, price, units, "100")
        )
    if 0.04 <= lot < 0.05 and oddities.exponents:
        return _priced(event, "3.33e-05", str(rng.randrange(1, 5000)), discount)
    if 0.05 <= lot < 0.06 and oddities.long_decimals:
        long_price = rng.choice(("0.12345678901234567", "0.123456789012345678", "0.000000000000123457"))
        return _priced(event, long_price, "3", discount)
    if 0.06 <= lot < 0.065 and oddities.big_integers:
        return _priced(event, "1e-18", "12345678901234567890", discount)
    if 0.065 <= lot < 0.10 and oddities.fractional_nanos:
        return _priced(event, "0.00055555", rng.choice(("1.048576", "0.333333333", "2.359296")), discount)
    return event


def _priced(event: Event, unit_price: str, output_units: str, percent_discount: str | None) -> Event:
    return replace(
        event,
        unit_price=unit_price,
        output_units=output_units,
        percent_discount=percent_discount,
        cost_nano_usd=charged_nano(unit_price, output_units, percent_discount),
    )
