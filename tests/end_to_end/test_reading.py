"""The fast and the slow way to read a page or an event give the same rows."""

import random
from collections.abc import Callable

import duckdb
import pytest

from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.landing_zone import event, page, write_events

# JSON values around every limit of plain events and of chargeable events
SHORT_NUMBERS = """
    0 1 7 10 99 100 99999 100000 0.5 1.25 0.50 0.000000001 0.0000000001 1e3 2.5E-3 1e-20 1e25 -1 -0.5
    9999999 10000000 99.999999999 99.9999999999 1e19 1e400 null true {} [1] "" "1" "0.50" "+1" "1." ".5"
    "1_000" "NaN" "1e5" "0x10" "00012" "1\\n" "\\u00001" "5\\u00203"
""".split()
LONG_NUMBERS = """
    5.041666666666667 0.1234567890123456789 0.10000000000000000001 12345678901234567 999999999999999999
    1000000000000000000 123456789.123456789 0.123456789012345678
""".split()
TIMES = """
    "2026-01-05T09:30:00Z" "2026-01-05T09:30:00.1Z" "2026-01-05T09:30:00.123456Z" "2026-01-05"
    "2026-01-05T09:30:00.1234567Z" "2026-01-05T24:00:00Z" "2026-01-05T23:59:60Z" "2026-01-05T09:30Z"
    "2026-01-05T23:59:59+02:00" "2024-02-29T00:00:00Z" "2026-02-29T00:00:00Z" "2026-02-30T00:00:00Z"
    "2026-04-31T00:00:00Z" "2026-13-01T00:00:00Z" "2026-00-10T00:00:00Z" "2026-01-00T00:00:00Z"
    "1999-12-31T23:59:59Z" "2100-01-01T00:00:00Z" "2026-12-31T23:59:59.999999Z" "2026-01-05T09:30:00Z\\n"
    "2026-01-05t09:30:00z" "2026-01-05T09:30:00Z\\u00207" "now" "" null 5
""".split()
SHIFTED: list[dict[str, str | None]] = [
    {"cost_estimate_nano_usd": "null", "output_units": '"5 3"'},
    {"timestamp": "null", "cost_estimate_nano_usd": '"2026-01-05T09:30:00Z 5"'},
    {"timestamp": '"2026-01-05T09:30:00Z 7"', "cost_estimate_nano_usd": "null"},
]
METHODS = (
    '{"detail": "Key 1", "api_key_id": "k1", "login_username": null}',
    '{"detail": "ana", "login_username": "ana", "unit_price": 12345678901234567890, "new": {"detail": 1}}',
    '{"api_key_id": "", "detail": "Key \\"1\\" \\ud83d\\ude00"}',
    '{"api_key_id": 7, "detail": {"x": 1}, "login_username": [true]}',
    *("{}", "[]", "null", "3", '"Key 1"', '[{"api_key_id": "k2"}]'),
)
LABELS = ('"Key 1"', '"auth_method_structured"', '""', "null", "1", "{}")
NUMBERS = ("output_units", "unit_price", "percent_discount", "cost_estimate_nano_usd", "cost_subtotal")


def odd_events(chance: random.Random, count: int, numbers: list[str]) -> list[str]:
    """Events with up to three unusual fields."""
    events = []
    for number in range(count):
        fields: dict[str, str | None] = {"cost_subtotal": chance.choice(("null", "0.002"))}
        if chance.random() < 0.7:
            fields |= {
                "auth_method_structured": chance.choice(METHODS),
                "auth_method": chance.choice((*LABELS, None)),
                "username": chance.choice((*LABELS, None)),
            }
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            name = chance.choice((*NUMBERS, "timestamp"))
            fields[name] = chance.choice(TIMES if name == "timestamp" else numbers)
        if chance.random() < 0.1:  # the texts of two fields in one, and null in the other
            fields |= chance.choice(SHIFTED)
        events.append(event(chance.choice((f"r{number}", f"r{number}", "", None)), **fields))
    return [*events, "null", "3", '"text"', "[]", "{}"]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Warehouse]) -> Warehouse:
    """Type the events of the same pages for accounts whose manifests have different flags."""
    folder = tmp_path_factory.mktemp("reading")
    chance = random.Random(7)
    short = [page(*odd_events(chance, 300, SHORT_NUMBERS)) for _ in range(3)]
    any_numbers = [page(*odd_events(chance, 300, SHORT_NUMBERS + LONG_NUMBERS)) for _ in range(3)]
    for account, said in (("silent", {}), ("line", {"one_line": True})):
        write_events(folder / "landing", account, "2026-01-05", short, **said)
        write_events(folder / "landing", account, "2026-01-06", any_numbers, **said)
    write_events(folder / "landing", "short", "2026-01-05", short, one_line=True, short_numbers=True)
    select = ("run", "--select", "+base_fal__typed_billing_events")
    return dbt(folder / "warehouse.duckdb", *select, FAL_LANDING_DIR=folder / "landing")


EVENTS = "from staging.base_fal__typed_billing_events where account = '{}' and landed_date <= '2026-01-{}'"


def test_the_flags_of_a_manifest_do_not_change_the_events_of_a_page(read: Warehouse) -> None:
    whole = "select * exclude (account, raw_event)"
    order = "order by landed_date, landed_file, event_number"
    rows = read.rows(f"{whole} {EVENTS.format('silent', '06')} {order}")
    assert len(rows) == 6 * 305
    assert read.rows(f"{whole} {EVENTS.format('line', '06')} {order}") == rows
    assert read.rows(f"{whole} {EVENTS.format('short', '05')} {order}") == rows[: 3 * 305]
    quarantined = "select count(*), count(raw_event)"
    reason = "quarantine_reason is not null"
    ((count, raw),) = read.rows(f"{quarantined} {EVENTS.format('line', '06')} and {reason}")
    assert 100 < count == raw < len(rows)
    known = "select count(api_key_id), count(login_username), count(auth_method), count(team_username)"
    (counts,) = read.rows(f"{known} {EVENTS.format('short', '05')} and quarantine_reason is null")
    assert min(counts) > 20


def test_the_fast_path_for_plain_events_gives_the_same_types(read: Warehouse) -> None:
    compiled = read.compiled("base_fal__typed_billing_events")
    plain, by_field = "unnest(are_plain) as is_plain", "false as is_plain"
    assert plain in compiled
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        relations = (f"({compiled})", f"({compiled.replace(plain, by_field)})")
        rows = [connection.execute(f"from {relation} order by all").fetchall() for relation in relations]
        assert rows[0] == rows[1]
        are_plain = compiled.replace(
            "select * from typed", "select is_plain, count(*) from judged group by 1"
        )
        counts = dict(connection.execute(are_plain).fetchall())
    assert min(counts[True], counts[False]) > 500
