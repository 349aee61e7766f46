"""An incremental build keeps built parts, and its marts equal those of a full build."""

import random
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.conftest import NO_TESTS, Warehouse
from tests.end_to_end.landing_zone import event, page, write_events, write_report

pytestmark = pytest.mark.long

Dbt = Callable[..., Warehouse]

ADD = """
    update intermediate.int_billing_event_usage__priced set cost_usd = cost_usd {} where charge_date = '{}'
"""
EVENTS = "+int_billing_event_usage__priced"
INVOICE = """\
BilledCost,EffectiveCost,ListCost,ContractedCost,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,\
ResourceId,SkuId,PricingQuantity,PricingUnit,ListUnitPrice,ContractedUnitPrice,BillingCurrency
0.0054,0.0054,0.006,0.0054,Usage,2026-01-29T00:00:00Z,2026-02-01T00:00:00Z,\
fal-ai/flux/dev,fal-ai/flux/dev,6,Images,0.001,0.0009,USD
"""
BUILD = ("build", *NO_TESTS)
FIRST_DAY = date(2026, 1, 1)


def differences(one: Warehouse, other: Warehouse) -> list[str]:
    """Tables whose rows, counted with repeats, differ between two warehouses."""
    query = (
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('staging', 'intermediate', 'conformance', 'focus', 'focus_1_4', 'finops')"
        " order by all"
    )
    names = [name for (name,) in one.rows(query)]
    assert names == [name for (name,) in other.rows(query)]
    assert "focus.cost_and_usage" in names
    return [name for name in names if bag(one, name) != bag(other, name)]


def bag(warehouse: Warehouse, table: str) -> list[tuple[str, ...]]:
    """All rows of a table as sorted text."""
    rows = warehouse.rows(f"from {table}")
    return sorted(tuple(map(str, row)) for row in rows)


def rebuilt(dbt: Dbt, warehouse: Warehouse, landing: Path, *arguments: str) -> Warehouse:
    """Rebuild everything in a copy of a warehouse."""
    copy = warehouse.path.with_name("rebuilt.duckdb")
    shutil.copy(warehouse.path, copy)
    return dbt(copy, *BUILD, "--full-refresh", *arguments, FAL_LANDING_DIR=landing)


def at(day: str, request_id: str, **fields: str) -> str:
    """An event at noon."""
    return event(request_id, timestamp=f'"{day}T12:00:00Z"', **fields)


def test_a_build_replaces_days_that_are_landed_again_late_gone_or_empty_and_opens_no_others(
    tmp_path: Path, dbt: Dbt
) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "warehouse.duckdb"

    def build() -> list[tuple[str, Decimal]]:
        built = dbt(warehouse, "run", "--select", EVENTS, FAL_LANDING_DIR=landing)
        return built.rows(
            "select strftime(charge_date, '%d'), sum(cost_usd) * 1000000000"
            " from intermediate.int_billing_event_usage__priced group by all order by all"
        )

    first = write_events(landing, "acme", "2026-01-01", [page(at("2026-01-01", "a"), at("2026-01-01", "b"))])
    second = write_events(landing, "acme", "2026-01-02", [page(at("2026-01-02", "c"))])
    third = write_events(landing, "acme", "2026-01-03", [page(at("2026-01-03", "d"))])
    assert build() == [("01", 3600000), ("02", 1800000), ("03", 1800000)]

    # a day with another cost, and a new partition with a late event and a repeat of an early one
    write_events(
        landing, "acme", "2026-01-02", [page(at("2026-01-02", "c", cost_estimate_nano_usd="7"))], "2"
    )
    fourth = write_events(
        landing, "acme", "2026-01-04", [page(at("2026-01-01", "late"), at("2026-01-01", "a"))]
    )
    # built loads are not opened again: make them unreadable
    for load in (first, third):
        (load / "page-00001.json.gz").write_bytes(b"")
    assert build() == [("01", 5400000), ("02", 7), ("03", 1800000)]

    # without a change, no page is opened
    (fourth / "page-00001.json.gz").write_bytes(b"")
    assert build() == [("01", 5400000), ("02", 7), ("03", 1800000)]

    # an event's first partition is gone, so its repeat counts; another partition became empty
    shutil.rmtree(first.parent)
    write_events(landing, "acme", "2026-01-03", [page()], "2")
    assert build() == [("01", 3600000), ("02", 7)]

    # the latest load is gone, so the previous load counts again
    shutil.rmtree(second.parent / "load=2")
    assert build() == [("01", 3600000), ("02", 1800000)]

    # an empty landing zone
    shutil.rmtree(landing)
    landing.mkdir()
    assert build() == []


def test_a_build_reads_and_types_only_csvs_that_are_landed_again(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"

    def build_and_mark() -> list[tuple[str, str, str]]:
        """Build, list the rows, and mark those that are there now."""
        built = dbt(path, "run", "--select", "+base_fal__typed_focus_reports", FAL_LANDING_DIR=landing)
        rows = built.rows(
            "select landed_partition, cast(BilledCost as varchar), SkuId"
            " from staging.base_fal__typed_focus_reports order by all"
        )
        with duckdb.connect(str(path)) as connection:
            connection.execute("update staging.base_fal__typed_focus_reports set SkuId = 'kept'")
        return [(partition, cost.rstrip("0"), sku) for partition, cost, sku in rows]

    february = write_report(landing, "acme", "invoice", "2026-02", INVOICE.encode(), 1)
    march = write_report(landing, "acme", "invoice", "2026-03", INVOICE.encode(), 1)
    new = "fal-ai/flux/dev"
    assert build_and_mark() == [("2026-02", "0.0054", new), ("2026-03", "0.0054", new)]

    write_report(
        landing, "acme", "invoice", "2026-03", INVOICE.replace("0.0054,", "0.0053,", 1).encode(), 1, "2"
    )
    write_report(landing, "acme", "estimate", "2026-03-01", INVOICE.encode(), 1)
    # a built load is not opened again: make it unreadable
    (february / "report.csv.gz").write_bytes(b"")
    assert build_and_mark() == [
        ("2026-02", "0.0054", "kept"),
        ("2026-03", "0.0053", new),
        ("2026-03-01", "0.0054", new),
    ]

    # an invoice is gone, and so is the latest load of another, so the previous one counts again
    shutil.rmtree(february.parent)
    shutil.rmtree(march.parent / "load=2")
    assert build_and_mark() == [("2026-03", "0.0054", new), ("2026-03-01", "0.0054", "kept")]


def test_a_build_makes_the_costs_of_the_days_whose_charges_differ(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    costs, marts = "intermediate.int_costs__by_owner", ("finops.daily_cost", "finops.unit_costs")
    days = ("2026-01-30", "2026-01-31", "2026-02-01")

    def build_and_list_kept_days() -> list[str]:
        """Build, and list the days whose rows an earlier build made: those of one build have a mark."""
        built = dbt(path, *BUILD, "--select", "+unit_costs", FAL_LANDING_DIR=landing)
        query = f"select distinct strftime(charge_date, '%d') from {costs} where login = 'kept' order by all"
        kept = [day for (day,) in built.rows(query)]
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"update {costs} set login = 'kept'")
        return kept

    for day in days:
        write_events(landing, "acme", day, [page(at(day, "a"), at(day, "b"))])
    assert build_and_list_kept_days() == []

    # a day with another cost
    write_events(landing, "acme", days[0], [page(at(days[0], "a"))], "2")
    assert build_and_list_kept_days() == ["01", "31"]

    # The invoice of January has one row for three days. Without a difference, the first of them has no row.
    write_report(landing, "acme", "invoice", "2026-02", INVOICE.encode(), 1)
    assert build_and_list_kept_days() == ["01"]
    assert build_and_list_kept_days() == ["01", "30", "31"]

    # one day of a month that is compared as a whole
    write_events(landing, "acme", days[1], [page(at(days[1], "a"))], "2")
    assert build_and_list_kept_days() == ["01"]

    with duckdb.connect(str(path)) as connection:
        connection.execute(f"update {costs} set login = null")
    full = rebuilt(dbt, Warehouse(path, ""), landing, "--select", "+unit_costs")
    assert [mart for mart in marts if bag(Warehouse(path, ""), mart) != bag(full, mart)] == []


def test_a_build_checks_the_months_whose_charges_or_rules_changed(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    parts = ("conformance.conformance_of_charges", "conformance.conformance_of_elements")

    def change_and_list_kept_months(change: str) -> list[str]:
        """Change the warehouse and check it. List the months that were kept, which have a mark."""
        with duckdb.connect(str(path)) as connection:
            for table in parts:
                columns = "account, billing_month, month_version, rule_id"
                months = f"select distinct account, billing_month, month_version, 'kept' from {table}"
                connection.execute(f"insert into {table} ({columns}) {months}")
            connection.execute(change)
        built = dbt(path, "run", "--select", "conformance", FAL_LANDING_DIR=landing)
        query = "select strftime(billing_month, '%m') from {} where rule_id = 'kept' order by all"
        kept, others = ([month for (month,) in built.rows(query.format(table))] for table in parts)
        assert kept == others
        with duckdb.connect(str(path)) as connection:
            for table in parts:
                connection.execute(f"delete from {table} where rule_id = 'kept'")
        return kept

    for day in ("2026-01-30", "2026-02-01", "2026-03-01"):
        write_events(landing, "acme", day, [page(at(day, "a"))])
    built = dbt(path, *BUILD, "--select", "+conformance_report", FAL_LANDING_DIR=landing)
    rule = "where rule_id = 'CAU-ListCost-C-011-C'"
    product = f"select violations, rows_checked from focus.conformance_report {rule}"
    assert built.rows(product) == [(0, 3), (0, 3)]

    # charges of February change, and those of March are gone
    changed = """
        update focus.cost_and_usage set ListCost = -1, ContractApplied = '{"Elements":[{}]}'
        where BillingPeriodStart = '2026-02-01';
        delete from focus.cost_and_usage where BillingPeriodStart = '2026-03-01'
    """
    assert change_and_list_kept_months(changed) == ["01"]
    assert built.rows(product) == [(1, 2), (1, 2)]

    never = f"update seeds.focus_rules set applies_when = 'false' {rule}"
    assert change_and_list_kept_months(never) == []
    assert built.rows(product) == [(0, 0), (0, 0)]

    copy = path.with_name("rebuilt.duckdb")
    shutil.copy(path, copy)
    full = dbt(copy, "run", "--full-refresh", "--select", "conformance", FAL_LANDING_DIR=landing)
    tables = (*parts, "conformance.conformance_across_months", "focus.conformance_report")
    assert [table for table in tables if bag(Warehouse(path, ""), table) != bag(full, table)] == []


def change(chance: random.Random, landing: Path, load_id: str) -> None:
    """Land a day again with events of several days, land it empty, or remove it."""
    account, day = chance.choice(("acme", "Acme", "Studio")), FIRST_DAY + timedelta(days=chance.randrange(4))
    what = chance.choice(("land", "land", "land", "empty", "remove"))
    folder = landing / "billing_events" / f"account={account}" / f"date={day}"
    if what == "remove":
        shutil.rmtree(folder, ignore_errors=True)
        return
    events = [
        event(
            f"r{chance.randrange(12)}",
            timestamp=f'"{day - timedelta(days=chance.choice((0, 0, 1)))}T0{chance.randrange(3)}:00:00Z"',
            cost_estimate_nano_usd=str(chance.randrange(3)),
            auth_method=chance.choice(('"Key 1"', '"Key 2"', "null")),
        )
        for _ in range(chance.randrange(1, 20))
    ]
    unusable = ["null"] if chance.random() < 0.3 else []
    write_events(
        landing, account, str(day), [page(*events, *unusable) if what == "land" else page()], load_id
    )


def test_another_charge_grain_rebuilds_all_charges(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    two_hours = page(
        event("a", timestamp='"2026-01-05T01:00:00Z"'), event("b", timestamp='"2026-01-05T02:00:00Z"')
    )
    write_events(landing, "acme", "2026-01-05", [two_hours])
    query = "select count(*) from intermediate.int_billing_event_usage__priced"
    by_hour = ("--vars", "fal_charge_grain: hour")
    for grain, charges in (((), 1), (by_hour, 2), ((), 1)):
        built = dbt(path, "run", "--select", EVENTS, *grain, FAL_LANDING_DIR=landing)
        assert built.value(query) == charges


def test_a_table_of_another_version_with_other_columns_or_types_is_rebuilt(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    write_events(landing, "acme", "2026-01-05", [page(event())])
    select = ("run", "--select", EVENTS)
    dbt(path, *select, FAL_LANDING_DIR=landing)
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table intermediate.int_billing_event_usage__priced drop column event_count")
        connection.execute("alter table staging.stg_fal__billing_event_days add column other integer")
        connection.execute(
            "alter table staging.base_fal__typed_billing_events alter billed_at type timestamptz"
        )
    built = dbt(path, *select, FAL_LANDING_DIR=landing)
    assert built.value("select event_count from intermediate.int_billing_event_usage__priced") == 1
    assert "other" not in [name for name, *_ in built.rows("describe staging.stg_fal__billing_event_days")]
    assert (
        built.value("select distinct typeof(billed_at) from staging.base_fal__typed_billing_events")
        == "TIMESTAMP"
    )


def test_rows_of_a_failed_build_are_tested_until_they_pass(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    write_events(landing, "acme", "2026-01-01", [page(at("2026-01-01", "a"))])
    dbt(path, "build", FAL_LANDING_DIR=landing)
    write_events(landing, "acme", "2026-01-02", [page(at("2026-01-02", "b"))])
    dbt(path, "run", "--select", EVENTS, FAL_LANDING_DIR=landing)
    # put a wrong row where the next build has no reason to compute again
    with duckdb.connect(str(path)) as connection:
        connection.execute(ADD.format("+ 1", "2026-01-02"))
    # only tests of these models; the marts are not built
    only = ("--select", EVENTS, "--indirect-selection", "cautious")
    for _ in range(2):
        with pytest.raises(AssertionError, match="FAIL 1 event_charges_tie_to_events"):
            dbt(path, "build", *only, FAL_LANDING_DIR=landing)
    # a partial build that passes does not count as a passed build
    dbt(path, "build", "--select", EVENTS, "--exclude-resource-type", "test", FAL_LANDING_DIR=landing)
    with pytest.raises(AssertionError, match="FAIL 1 event_charges_tie_to_events"):
        dbt(path, "build", *only, FAL_LANDING_DIR=landing)
    with duckdb.connect(str(path)) as connection:
        connection.execute(ADD.format("- 1", "2026-01-02"))
        # after a passed build, only dbt test checks the day
        connection.execute(ADD.format("+ 1", "2026-01-01"))
    dbt(path, "build", *only, FAL_LANDING_DIR=landing)
    with pytest.raises(AssertionError, match="FAIL 1 event_charges_tie_to_events"):
        dbt(path, "test", "--select", "event_charges_tie_to_events", FAL_LANDING_DIR=landing)
