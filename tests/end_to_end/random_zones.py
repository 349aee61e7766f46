"""Draw random landing zones, change them, and write them to disk."""

import csv
import io
import json
import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from tests.end_to_end.bill_reference import midnight, month_after, month_of
from tests.end_to_end.bill_rows import (
    DAY,
    ESTIMATE,
    EVENTS,
    INVOICE,
    SERVERLESS,
    Account,
    AppUsage,
    Commitment,
    Event,
    Load,
    Record,
)
from tests.end_to_end.landing_zone import (
    event,
    page,
    usage,
    usage_page,
    write_events,
    write_report,
    write_serverless_usage,
)
from tests.end_to_end.random_owners import draw_owners, write_owners, write_snapshots

HOUR = timedelta(hours=1)
PRICES = {
    "fal-ai/flux/dev": ("0.025", "0.02"),
    "fal-ai/flux/schnell": ("0.003",),
    "fal-ai/kling-video/v2/master/text-to-video": ("0.28", "0.3333"),
    "fal_ai/odd": ("1.5", "0.07"),
    "another/model": ("0.123456789", "2"),
}
ENDPOINTS = tuple(PRICES)
PATTERNS = (None, None, "*", "fal-ai/*", "fal-ai/flux/*", "fal_ai/*", "*/dev", "*model*", "up*", "no/such/*")
APP_NAMES = ("upscaler", "our_app", "Face Swap", "fal-ai/flux/dev", None)
MACHINES = ("GPU-H100", "GPU-A100", "XS")
SECOND_PRICES = ("0.0005", "0.00073", "0.000123456")
# names in reports of no endpoint and no app: instances, machine types, and texts that no pattern matches
OTHER_NAMES = ("type: gpu_1x_h100_sxm5 (upscaler)", "TYPE: cpu", "gpu-h100", "mystery", "Upscaler")
SERVICES = (None,) * 6 + ("fal Serverless", "Serverless Compute", "fal Compute", "Model APIs", "Storage")
HEADER = (
    "ChargeDescription ChargeCategory ChargeClass ChargePeriodStart ChargePeriodEnd BilledCost EffectiveCost"
    " ResourceId SkuId PricingUnit PricingQuantity ContractedUnitPrice InvoiceId ContractApplied ResourceName"
    " ServiceName SubAccountId SubAccountName"
).split()
THEIR_CONTRACT = json.dumps(
    {
        "Elements": [
            {
                "ContractId": "theirs",
                "ContractCommitmentId": "theirs",
                "ContractCommitmentAppliedCost": 1.5,
                "ContractCommitmentAppliedQuantity": 1.5,
                "ContractCommitmentAppliedUnit": "USD",
            }
        ]
    }
)


@dataclass
class Zone:
    """Accounts of one landing zone. Equal seeds give equal zones."""

    seed: str
    accounts: list[Account]


def random_zone(seed: str) -> Zone:
    """Draw one or two accounts."""
    chance = random.Random(seed)
    names = ["a", "b"][: chance.choice((1, 2, 2))]
    return Zone(seed, [random_account(chance, f"zone-{seed}-{name}") for name in names])


def random_account(chance: random.Random, alias: str) -> Account:
    """Draw 40 to 60 days over two to four months, some invoices, and 2 to 14 commitments."""
    account = Account(alias)
    if chance.random() < 0.7:
        account.apps = tuple(chance.sample(APP_NAMES, chance.choice((1, 2, 3))))
    if chance.random() < 0.5:
        account.endpoints = ("another/model", "never/used")
    first = date(2026, 1, 3) + chance.randrange(60) * DAY
    days = [first + n * DAY for n in range(chance.randrange(40, 61))]
    months = sorted({month_of(day) for day in days})
    account.commitments = random_commitments(chance, days, months)
    draw_owners(chance, account, days)
    for day in days:
        land_day(chance, account, day)
    for month in months:
        if chance.random() < 0.6:
            land_invoice(chance, account, month_after(month))
    if chance.random() < 0.3:
        # issued early, or with rows of earlier months only
        land_invoice(chance, account, chance.choice((months[0], month_after(month_after(months[-1])))))
    for load in chance.sample(account.loads, 4):
        # a superseded load: fetched earlier, with other content
        other = tuple(row for row in load.rows if chance.random() < 0.5)
        account.loads.append(replace(load, load_id="0000", rows=other))
    return account


def change_account(chance: random.Random, account: Account) -> None:
    """Land more days, land some days and an invoice again, and remove a partition of two feeds."""
    days = sorted(partitions(account, EVENTS) | partitions(account, ESTIMATE))
    last = date.fromisoformat(days[-1])
    for n in range(1, chance.randrange(2, 9)):
        land_day(chance, account, last + n * DAY)
    for day in chance.sample(days, 3):
        land_day(chance, account, date.fromisoformat(day))
    land_invoice(chance, account, month_after(last - chance.choice((0, 31)) * DAY))
    for feed in (EVENTS, SERVERLESS):
        if landed := sorted(partitions(account, feed)):
            lost = chance.choice(landed)
            account.loads = [load for load in account.loads if load.place[:2] != (feed, lost)]


def partitions(account: Account, feed: str) -> set[str]:
    """Partitions of a feed with a load."""
    return {load.partition for load in account.loads if load.feed == feed}


def land(
    account: Account,
    feed: str,
    partition: str,
    rows: Iterable[object],
    complete: bool = True,
    team: str | None = None,
) -> None:
    """Add a load, later than the other loads of its partition."""
    loads = [load for load in account.loads if load.place == (feed, partition, team)]
    account.loads.append(Load(feed, partition, f"{len(loads) + 1:04}", tuple(rows), complete, team))


# ---------------------------------------------------------------- commitments


def random_commitments(
    chance: random.Random, days: Sequence[date], months: Sequence[date]
) -> list[Commitment]:
    """Draw overlapping commitments, prepaid and in arrears, with few distinct ends so that ties occur."""
    invoices = [f"INV-{month_after(month):%Y-%m}-{number}" for month in months for number in (1, 2)]
    ends = [chance.choice(days) + chance.randrange(-3, 20) * DAY for _ in range(4)]
    commitments = []
    for _ in range(chance.choice((2, 3, 4, 5, 6, 8, 11, 14))):
        end = midnight(chance.choice(ends)) + chance.choice((0, 0, 0, 12)) * HOUR
        start = end - chance.choice((1, 10, 25, 25, 40, 40, 365)) * DAY + chance.choice((0, 0, 0, 12)) * HOUR
        payment = chance.choice(("prepaid", "prepaid", "prepaid", "in_arrears"))
        is_usage = payment == "in_arrears" and chance.random() < 0.6
        amount = random_amount(chance, chance.choice((200, 5000) if is_usage else (3, 30, 100, 400)))
        opened = opening = None
        first = max((start + DAY - timedelta(seconds=1)).date(), days[0] - 5 * DAY)
        span = (end - midnight(first)).days
        if span > 0 and (chance.random() < 0.2 or start.date() < days[0] - 50 * DAY):
            opened = first + chance.randrange(span) * DAY
            opening = amount * chance.choice((0 if opened < days[20] else 1, 3, 5, 10)) / 10
        commitments.append(
            Commitment(
                id=f"{chance.randrange(16**8):08x}",
                category="Usage" if is_usage else "Spend",
                payment=payment,
                amount=amount,
                start=start,
                end=end,
                unit=chance.choice(("Megapixels", "Seconds", "Units", "USD")) if is_usage else "USD",
                pattern=chance.choice(PATTERNS),
                invoice_id=chance.choice((None, *invoices[:3])) if payment == "prepaid" else None,
                opening=opening,
                opened=opened,
            )
        )
        if payment == "prepaid" and chance.random() < 0.15:
            # the same credits, bought twice
            commitments.append(replace(commitments[-1], id=f"{chance.randrange(16**8):08x}"))
    chance.shuffle(commitments)
    return commitments[:14]


def random_amount(chance: random.Random, scale: int) -> Decimal:
    """Draw an amount from 0 to scale with 0 to 6 decimals."""
    decimals = chance.choice((0, 2, 2, 3, 6))
    return Decimal(chance.randrange(1, scale * 10**decimals)).scaleb(-decimals)


# ---------------------------------------------------------------- days of events and estimates


def land_day(chance: random.Random, account: Account, day: date) -> None:
    """Land events of a day, its serverless usage, an estimate of it, some of them, or none."""
    complete = chance.random() < 0.97
    if account.apps and chance.random() < 0.7:
        usage = random_usage(chance, account, day)
        land(account, SERVERLESS, f"{day}", usage, complete and chance.random() < 0.97)
    for team in account.teams:
        if chance.random() < 0.75:
            events = random_events(chance, account, day, team)
            land(account, EVENTS, f"{day}", events, complete and chance.random() < 0.97, team)
    # an organization may have landed without teams before
    if chance.random() < (0.1 if account.teams else 0.75):
        land(account, EVENTS, f"{day}", random_events(chance, account, day), complete)
    if chance.random() < 0.4:
        land(account, ESTIMATE, f"{day}", random_estimate(chance, account, day), complete)


def random_events(chance: random.Random, account: Account, day: date, team: str | None = None) -> list[Event]:
    """Draw the events of a day, with repeats, late events and missing meters. Some state their team."""
    if chance.random() < 0.1:
        return []
    events = [random_event(chance, day) for _ in range(chance.randrange(1, 7))]
    if chance.random() < 0.3:
        events.append(random_event(chance, day + chance.choice((-1, -1, -2, 1)) * DAY))
    earlier = [row for load in account.loads if load.feed == EVENTS for row in load.rows]
    for original in chance.sample(earlier[-20:], min(2, len(earlier))) + chance.sample(events, 1):
        change = chance.random()
        if change < 0.3:
            events.append(original)
        elif change < 0.5 and original.is_metered:
            # the same cost without all or part of its meter
            units, price = original.output_units, original.unit_price
            units, price = chance.choice(((None, None), (units, None), (None, price)))
            events.append(replace(original, output_units=units, unit_price=price, percent_discount=None))
        elif change < 0.6 and original.is_metered:
            events.append(replace(original, cost_nano_usd=original.cost_nano_usd - 7, percent_discount=None))
        elif change < 0.7 and original.percent_discount is not None and original.is_metered:
            events.append(replace(original, percent_discount=original.percent_discount + 5))
        elif change < 0.8 and original.auth_method and original.is_metered:
            # as an older load has it
            older = replace(original, auth_method=None, api_key_id=None, login_username=None)
            events.append(older)
        elif change < 0.9 and original.is_metered:
            # the same request on another meter
            events.append(replace(original, output_units=original.output_units + 1))
    chance.shuffle(events)
    return [replace(event, team=chance.choice((None, event.team or team))) for event in events]


def random_event(chance: random.Random, day: date) -> Event:
    """Draw an event. About one in four lacks a part of its meter."""
    endpoint = chance.choice(ENDPOINTS)
    price = Decimal(chance.choice(PRICES[endpoint]))
    units = Decimal(chance.randrange(1, 9000)).scaleb(-chance.choice((0, 2, 3))) / chance.choice((1, 4))
    if chance.random() < 0.03:
        units = -units
    discount = chance.choice((None, None, Decimal(0), Decimal(10), Decimal("12.5")))
    before_discount = min(price * units, Decimal(40))
    cost = before_discount * (1 - (discount or Decimal(0)) / 100)
    meter = chance.choice(("whole",) * 8 + ("units", "price", "none"))
    return Event(
        request_id=f"r{chance.randrange(16**10):010x}",
        endpoint_id=endpoint,
        timestamp=midnight(day) + chance.randrange(86_400) * timedelta(seconds=1),
        output_units=units if meter in ("whole", "units") else None,
        unit_price=price if meter in ("whole", "price") else None,
        percent_discount=discount,
        cost_nano_usd=(cost * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN) + chance.choice((0, 0, 0, 1)),
        cost_subtotal=round(before_discount, 9) if chance.random() < 0.5 else None,
        auth_method=chance.choice((None, "Key 1", "Key 2")),
        api_key_id=chance.choice((None, None, "k-1", "k-2")),
        login_username=chance.choice((None, None, None, "kim")),
    )


def random_usage(chance: random.Random, account: Account, day: date) -> list[AppUsage]:
    """Draw the serverless usage of a day, with surge, repeated rows, and apps without a name."""
    rows = []
    for _ in range(chance.randrange(6)):
        quantity = Decimal(chance.randrange(1, 90_000)).scaleb(-chance.choice((0, 0, 3)))
        price = Decimal(chance.choice(SECOND_PRICES))
        discount = chance.choice((None, None, Decimal(0), Decimal(10), Decimal("12.5")))
        cost = quantity * price * (1 - (discount or Decimal(0)) / 100)
        rows.append(
            AppUsage(
                day=day,
                app=chance.choice(account.apps),
                environment=chance.choice((None, "main", "dev")),
                machine_type=chance.choice(MACHINES),
                is_surge=chance.random() < 0.2,
                quantity=quantity,
                unit_price=price,
                percent_discount=discount,
                cost=round(cost, 12) + chance.choice((0, 0, 0, Decimal("1e-9"))),
            )
        )
    for row in chance.sample(rows, min(1, len(rows))):
        change = chance.random()
        if change < 0.2:
            rows.append(row)
        elif change < 0.4:
            rows.append(replace(row, quantity=row.quantity + 1))
        elif change < 0.5:
            rows.append(replace(row, cost=row.cost + 1))
    return rows


def random_estimate(chance: random.Random, account: Account, day: date) -> list[Record]:
    """Draw rows of a day: usage, credits, taxes, corrections, and rows of another or a longer period."""
    records = []
    for number in range(chance.choice((0, 1, 2, 3, 4))):
        name = f"{ESTIMATE} {day} {len(account.loads)} {number}"
        start = midnight(day)
        start, end = chance.choice(
            (
                (start, start + DAY),
                (start, start + DAY),
                (start, start + DAY),
                (start + 3 * HOUR, start + 4 * HOUR),
                (start + 23 * HOUR, start + 24 * HOUR),
                (start + 23 * HOUR, start + 25 * HOUR),
                (start + DAY, start + DAY + HOUR),
                (start - DAY, start),
                (start, start + 2 * DAY),
            )
        )
        kind = chance.choice(("Usage",) * 5 + ("Usage Correction", "Credit", "Tax", "Adjustment"))
        records.append(random_record(chance, account, name, kind, start, end, None, is_invoiced=False))
    return records


# ---------------------------------------------------------------- invoices


def land_invoice(chance: random.Random, account: Account, billing_month: date) -> None:
    """Land an invoice of one or two InvoiceIds, with usage in one style and rows of every other kind."""
    month = month_of(billing_month - DAY)
    name = f"{INVOICE} {billing_month:%Y-%m} {len(account.loads)}"
    ids = [f"INV-{billing_month:%Y-%m}-{number}" for number in (1, 2)][: chance.choice((1, 2))]
    if chance.random() < 0.1:
        # continues an InvoiceId of the month before
        ids = [f"INV-{month:%Y-%m}-1"]
    records = []

    def add(kind: str, start: datetime, end: datetime) -> None:
        number = len(records)
        invoice_id = chance.choice(ids)
        records.append(
            random_record(chance, account, f"{name} {number}", kind, start, end, invoice_id, is_invoiced=True)
        )

    style = chance.choice(("days", "days", "weeks", "months", "all", "none", "corrections"))
    for _ in range(chance.choice((1, 3, 8, 20)) if style != "none" else 0):
        kind = "Usage Correction" if style == "corrections" or chance.random() < 0.15 else "Usage"
        add(kind, *random_period(chance, month, style))
    for _ in range(chance.randrange(4)):
        kind = chance.choice(
            ("Credit", "Tax", "Adjustment", "Credit Correction", "Tax Correction", "Purchase Correction")
        )
        add(kind, *random_period(chance, month, "months"))
    start, end = midnight(month), midnight(billing_month)
    for invoice_id in ids:
        amounts = [c.amount for c in account.commitments if c.invoice_id == invoice_id]
        for amount in [*amounts, Decimal(9)]:
            billed = chance.choice((amount, amount, amount, -amount, None, random_amount(chance, 60)))
            if billed is not None:
                row = Record(
                    name=f"{name} purchase {len(records)}",
                    category="Purchase",
                    charge_class=chance.choice((None,) * 5 + ("Correction",)),
                    start=start,
                    end=end,
                    billed=billed,
                    effective=Decimal(0),
                    invoice_id=invoice_id,
                )
                records.append(row)
    chance.shuffle(records)
    land(account, INVOICE, f"{billing_month:%Y-%m}", records)


def random_period(chance: random.Random, month: date, style: str) -> tuple[datetime, datetime]:
    """Draw a charge period that starts in the month or, rarely, in an adjacent month."""
    start = midnight(month + chance.randrange((month_after(month) - month).days) * DAY)
    if chance.random() < 0.05:
        start += chance.choice((-30, 30)) * DAY
    lengths = {
        "days": ((0, 24),),
        "weeks": ((0, 7 * 24),),
        "corrections": ((0, 24),),
        "all": ((0, 24), (0, 48), (0, 168), (3, 7), (22, 26), (12, 42), (12, 84), (12, 36), (0, 30)),
    }
    if style == "months":
        return midnight(month_of(start.date())), midnight(month_after(start.date()))
    begins, ends = chance.choice(lengths[style])
    return start + begins * HOUR, start + ends * HOUR


def random_record(
    chance: random.Random,
    account: Account,
    name: str,
    kind: str,
    start: datetime,
    end: datetime,
    invoice_id: str | None,
    is_invoiced: bool,
) -> Record:
    """Draw a row of a FOCUS CSV. Only Usage has quantities. Invoices can bill more or less than the cost."""
    category, _, charge_class = kind.partition(" ")
    cost = random_amount(chance, 12)
    if category == "Credit" or (charge_class and chance.random() < 0.7) or chance.random() < 0.05:
        cost = -cost
    record = Record(name, category, charge_class or None, start, end, cost, cost, invoice_id=invoice_id)
    if category == "Tax":
        return replace(record, effective=Decimal(0))
    if category != "Usage":
        return replace(record, effective=chance.choice((None, cost)))
    names: tuple[str | None, ...] = chance.choice(
        (ENDPOINTS, ENDPOINTS, account.apps or ENDPOINTS, OTHER_NAMES)
    )
    used = chance.choice(names)
    resource, sku = chance.choice(((used, used), (used, None), (None, used), (None, None)))
    billed = chance.choice((cost,) * 9 + (cost / 2,))
    if is_invoiced:
        billed = chance.choice((cost, cost, Decimal(0), Decimal(0), cost / 2, cost * 2, -cost, -cost / 2))
    return replace(
        record,
        billed=billed,
        effective=None if chance.random() < 0.1 else cost,
        resource=resource,
        sku=sku,
        unit=chance.choice(("Megapixels", "Seconds", "Units", "USD") * 4 + (None,)),
        quantity=None if chance.random() < 0.03 else random_amount(chance, 40).copy_sign(cost),
        price=None if chance.random() < 0.05 else random_amount(chance, 2),
        contract_applied=THEIR_CONTRACT if chance.random() < 0.03 else None,
        resource_name=chance.choice(names) if chance.random() < 0.2 else None,
        service=chance.choice(SERVICES),
        **random_sub_account(chance, account),
    )


def random_sub_account(chance: random.Random, account: Account) -> dict[str, str]:
    """Draw the sub account of a row of an organization: a team by its name or username, or another one."""
    if not account.teams or chance.random() < 0.5:
        return {}
    names = [name for names in account.team_snapshots.values() for name in names.values()]
    name = chance.choice((*account.teams, *names, "Sales"))
    return {"sub_account_id": f"cus_{name}{chance.choice(('', '', '-2'))}", "sub_account_name": name}


# ---------------------------------------------------------------- writing


def write_account(landing: Path, account: Account) -> None:
    """Write new loads, and delete the partitions that the account lost."""
    kept = set()
    for load in account.loads:
        folder = landing / folder_of(account, load)
        kept.add(folder.parent)
        if folder.exists():
            continue
        if load.feed == EVENTS:
            write_events(landing, account.alias, load.partition, event_pages(load), load.load_id, load.team)
        elif load.feed == SERVERLESS:
            pages = [page_of_usage(load)]
            write_serverless_usage(landing, account.alias, load.partition, pages, load.load_id)
        else:
            body = report_body(load.rows)
            write_report(
                landing, account.alias, load.feed, load.partition, body, len(load.rows), load.load_id
            )
        if not load.complete:
            manifest = folder / "manifest.json"
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"complete": False}))
    for feed in ("billing_events", "serverless_usage"):
        for partition in (landing / feed / f"account={account.alias}").rglob("date=*"):
            if partition not in kept:
                shutil.rmtree(partition)
    if not (landing / "catalogue" / f"account={account.alias}").exists():
        write_snapshots(landing, account)


def folder_of(account: Account, load: Load) -> Path:
    feed, key = {
        EVENTS: ("billing_events", "date"),
        SERVERLESS: ("serverless_usage", "date"),
        ESTIMATE: ("focus_reports", "date"),
        INVOICE: ("focus_reports", "billing_month"),
    }[load.feed]
    source = () if load.feed in (EVENTS, SERVERLESS) else (f"source={load.feed}",)
    if load.team:
        source = (f"team={load.team}",)
    partition = f"{key}={load.partition}"
    return Path(feed, f"account={account.alias}", *source, partition, f"load={load.load_id}")


def event_pages(load: Load) -> list[tuple[bytes, int]]:
    """Write the events as one page or two."""
    texts = [event_text(row) for row in load.rows]
    half = len(texts) // 2
    return [page(*texts[:half]), page(*texts[half:])] if len(texts) > 3 else [page(*texts)]


def page_of_usage(load: Load) -> tuple[bytes, int]:
    """Write serverless usage as one page with a bucket of its day."""
    rows = [
        usage(
            app=json.dumps(row.app),
            environment=json.dumps(row.environment),
            machine_type=json.dumps(row.machine_type),
            quantity=f"{row.quantity:f}",
            unit_price=f"{row.unit_price:f}",
            percent_discount="null" if row.percent_discount is None else f"{row.percent_discount:f}",
            cost_subtotal=None,
            cost_discount=None,
            cost_total=f"{row.cost:f}",
            is_surge=json.dumps(row.is_surge),
        )
        for row in load.rows
    ]
    return usage_page(**{f"d{load.partition.replace('-', '_')}": rows})


def event_text(row: Event) -> str:
    """Write an event as JSON. Every other event spells its numbers and times differently."""
    other = row.cost_nano_usd % 2 == 1

    def number(value: Decimal | None) -> str:
        if value is None:
            return "null"
        text = f"{value:f}"
        return f"{text}0" if other and "." in text else text

    zone = "+00:00" if other else "Z"
    optional = {} if row.cost_subtotal is None else {"cost_subtotal": number(row.cost_subtotal)}
    if row.team:
        optional["username"] = json.dumps(row.team)
    if row.auth_method is not None or other:
        optional["auth_method"] = json.dumps(row.auth_method)
    if row.api_key_id or row.login_username:
        structured = {
            "detail": row.auth_method,
            "api_key_id": row.api_key_id,
            "login_username": row.login_username,
        }
        optional["auth_method_structured"] = json.dumps(structured)
    return event(
        row.request_id,
        endpoint_id=json.dumps(row.endpoint_id),
        timestamp=f'"{row.timestamp:%Y-%m-%dT%H:%M:%S}{zone}"',
        output_units=number(row.output_units),
        unit_price=number(row.unit_price),
        percent_discount=number(row.percent_discount),
        cost_estimate_nano_usd=f"{row.cost_nano_usd:f}",
        **optional,
    )


def report_body(records: Sequence[Record]) -> bytes:
    """Write a FOCUS CSV with only these columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in records:
        values = (
            row.name,
            row.category,
            row.charge_class,
            f"{row.start:%Y-%m-%dT%H:%M:%SZ}",
            f"{row.end:%Y-%m-%dT%H:%M:%SZ}",
            *(value if value is None else f"{value:f}" for value in (row.billed, row.effective)),
            row.resource,
            row.sku,
            row.unit,
            *(value if value is None else f"{value:f}" for value in (row.quantity, row.price)),
            row.invoice_id,
            row.contract_applied,
            row.resource_name,
            row.service,
            row.sub_account_id,
            row.sub_account_name,
        )
        writer.writerow(values)
    return text.getvalue().encode()


def write_seeds(seeds: Path, accounts: Sequence[Account]) -> None:
    """Add accounts and owners to the seeds, and replace fal_contract_commitments with their commitments."""
    with (seeds / "fal_accounts.csv").open("a") as file:
        file.writelines(f"{account.alias},{account.alias},,\n" for account in accounts)
    write_owners(seeds, accounts)
    path = seeds / "fal_contract_commitments.csv"
    header = path.read_text().splitlines()[0].split(",")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        for account in accounts:
            writer.writerows(seed_row(account, commitment) for commitment in account.commitments)


def seed_row(account: Account, c: Commitment) -> dict[str, object]:
    is_spend = c.category == "Spend"
    return {
        "contract_id": f"contract of {c.id}",
        "contract_commitment_id": c.id,
        "contract_commitment_type": "Prepaid credits" if c.payment == "prepaid" else "Commitment",
        "contract_commitment_category": c.category,
        "contract_commitment_cost": c.amount if is_spend else None,
        "contract_commitment_quantity": None if is_spend else c.amount,
        "contract_commitment_unit": None if is_spend else c.unit,
        "billing_currency": "USD",
        "contract_commitment_period_start": instant(c.start),
        "contract_commitment_period_end": instant(c.end),
        "contract_period_start": "2020-01-01",
        "contract_period_end": "2030-01-01",
        "account": account.alias,
        "payment": c.payment,
        "endpoint_pattern": c.pattern,
        "invoice_id": c.invoice_id,
        "opening_balance": c.opening,
        "opening_balance_date": c.opened,
    }


def instant(value: datetime) -> str:
    """Write a time at midnight as a date, any other as a date-time."""
    assert value.tzinfo == UTC
    return f"{value:%Y-%m-%d}" if value == midnight(value.date()) else f"{value:%Y-%m-%dT%H:%M:%SZ}"
