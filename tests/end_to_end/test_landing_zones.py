"""Unusual landing zones: empty, partly unreadable, with superseded loads or varying CSVs."""

import os
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.conftest import Warehouse, load
from tests.end_to_end.landing_zone import event, page, write_events, write_report
from tests.fal_server import FalServer, World
from tests.fal_server.reports import CsvStyle

Build = Callable[[Path], Warehouse]

COST_AND_USAGE = """
    AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName AllocatedTags
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency
    BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory
    ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart
    CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity
    CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit
    ContractApplied ContractedCost ContractedUnitPrice EffectiveCost HostProviderName InvoiceId
    InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency
    PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice
    PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName
    ResourceType ServiceCategory ServiceName ServiceProviderName ServiceSubcategory SkuId SkuMeter
    SkuPriceDetails SkuPriceId SubAccountId SubAccountName SubAccountType Tags
""".split()

CONTRACT_COMMITMENT = """
    BillingCurrency ContractCommitmentCategory ContractCommitmentCost ContractCommitmentDescription
    ContractCommitmentId ContractCommitmentPeriodEnd ContractCommitmentPeriodStart
    ContractCommitmentQuantity ContractCommitmentType ContractCommitmentUnit ContractId ContractPeriodEnd
    ContractPeriodStart
""".split()


def focus_type(column: str) -> str:
    """Type of a FOCUS column in the warehouse, derived from its name."""
    if re.search(r"Period(Start|End)$", column):
        return "TIMESTAMP"
    if column.endswith("Quantity"):
        return "DECIMAL(38,9)"
    if column.endswith(("Cost", "UnitPrice")):
        return "DECIMAL(38,18)"
    return "VARCHAR"


STYLES = {
    "plain": CsvStyle(),
    "shuffled": CsvStyle(shuffle=True),
    "missing": CsvStyle(drop=("Tags", "PublisherName", "ServiceSubcategory")),
    "additional": CsvStyle(extra={"x_Region": "eu", "NewColumn": 'a "b", c'}),
    # an earlier version replaced an absent cell by this text
    "text-of-absence": CsvStyle(extra={"x_Region": r"\N~absent~"}),
    "byte-order-mark": CsvStyle(bom=True),
    "carriage-returns": CsvStyle(crlf=True),
    "line-breaks": CsvStyle(quoted_breaks=True),
    "everything": CsvStyle(shuffle=True, extra={"x_Region": "eu"}, bom=True, crlf=True, quoted_breaks=True),
}


def land_styles(landing: Path) -> None:
    """Land one invoice and one estimate in every style, each style as its own account."""
    for alias, style in STYLES.items():
        world = World(seed=5, accounts={"acme": "k"}, first_day=date(2026, 1, 1), days=36, events_per_day=20)
        world.csv_style = style
        with FalServer(world) as server:
            settings = {
                "FAL_API_URL": server.url,
                "FAL_KEY": "k",
                "FAL_ACCOUNT": alias,
                "FAL_LANDING_DIR": landing,
            }
            load("focus-report", "--source", "invoice", "--charge-month", "2026-01", **settings)
            load(
                "focus-report",
                "--source",
                "estimate",
                "--start",
                "2026-02-01",
                "--end",
                "2026-02-03",
                **settings,
            )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, dbt_build: Build) -> Warehouse:
    """A landing zone with good and bad data, and accounts with reports in every style."""
    landing = tmp_path_factory.mktemp("odd") / "it's a landing zone"
    land_styles(landing)
    write_events(
        landing,
        "acme",
        "2026-01-05",
        [
            page(
                event("good"),
                event(None),
                event("no time", timestamp='"soon"'),
                event("a word", output_units='"two"'),
                "null",
                '"not an event"',
                event(
                    "digits",
                    output_units="1",
                    unit_price="0.123456789012345678",
                    cost_estimate_nano_usd="123456789.012345678",
                ),
                event("seconds", output_units="5.041666666666667", cost_estimate_nano_usd="1"),
                event("late", timestamp='"2026-01-04T23:59:59.999Z"'),
            ),
            (b'{"billing_events": [{"request_id": "cut', 3),
            (b"<html><body>502 Bad Gateway</body></html>", 0),
            (b'{"error": {"type": "server_error"}}', 0),
            page(),
        ],
    )
    # a superseded load, its successor, and a folder that is not a load, because it has no manifest
    write_events(
        landing, "acme", "2026-01-06", [page(event("old", timestamp='"2026-01-06T00:00:00Z"'))], "20260107T0"
    )
    write_events(
        landing, "acme", "2026-01-06", [page(event("new", timestamp='"2026-01-06T00:00:00Z"'))], "20260108T0"
    )
    crashed = write_events(landing, "acme", "2026-01-06", [page(event("crashed"))], "20260109T0")
    (crashed / "manifest.json").unlink()
    write_events(landing, "acme", "2026-01-07", [page()])
    # pretty-printed, and with an unpaired surrogate
    readable, rows = page(
        event("pretty", timestamp='"2026-01-08T00:00:00Z"', unit_price="0.0010000000000000000")
    )
    write_events(
        landing,
        "acme",
        "2026-01-08",
        [
            (readable.replace(b"{", b"{\r\n  ").replace(b", ", b",\n\t"), rows),
            page(
                event("half", timestamp='"2026-01-08T00:00:00Z"', auth_method='"Key \\ud83d"'),
                event("beside", timestamp='"2026-01-08T00:00:00Z"', auth_method='"Key \\\\ud83d"'),
                event("pair", timestamp='"2026-01-08T00:00:00Z"', auth_method='"Key \\ud83d\\ude00"'),
            ),
        ],
    )
    header = "BilledCost,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,InvoiceId"
    write_report(
        landing,
        "studio",
        "invoice",
        "2026-02",
        "\n".join(
            [
                header,
                "1.5,Usage,2026-01-01,2026-01-02,INV-1",
                "2.5,Usage",
                "2.5,Usage,2026-01-01,2026-01-02,INV-1,surplus",
                "free,Usage,2026-01-01,2026-01-02,INV-1",
                ",Usage,2026-01-01,2026-01-02,INV-1",
                "3,Refund,2026-01-01,2026-01-02,INV-1",
                "",
            ]
        ).encode(),
        6,
    )
    write_report(
        landing,
        "studio",
        "invoice",
        "2026-03",
        (header + ",BilledCost\n1,Usage,2026-02-01,2026-02-02,INV-2,1\n").encode(),
        1,
    )
    wide = ",".join(f"x_{number}" for number in range(300))
    write_report(
        landing,
        "studio",
        "invoice",
        "2026-04",
        f"{header},{wide}\n1,Usage,2026-03-01,2026-03-02,INV-3,{wide}\n".encode(),
        1,
    )
    # column names in other spellings, spaces around values, columns without a name
    write_report(
        landing,
        "spelled",
        "invoice",
        "2026-02",
        b"Billed Cost , charge_category,CHARGEPERIODSTART,Charge Period End,,\n"
        b" 1.25 , usage ,2026-01-01 00:00:00+00, 2026-01-02,,\n",
        1,
    )
    write_report(
        landing,
        "studio",
        "estimate",
        "2026-03-01",
        (header + "\n1,Usage,2026-03-02,2026-03-03,\n").encode(),
        1,
    )
    return dbt_build(landing)


def test_rows_that_cannot_be_charged_are_quarantined_with_file_text_and_reason(odd: Warehouse) -> None:
    reasons = odd.rows(
        "select landed_file, event_number, quarantine_reason, raw_event"
        " from staging.stg_fal__billing_events_quarantine order by all"
    )
    unreadable = "the page is not a JSON document with a list of billing_events"
    assert [row[:3] for row in reasons] == [
        ("page-00001.json.gz", 2, "request_id is missing"),
        ("page-00001.json.gz", 3, "timestamp is not an ISO 8601 time"),
        ("page-00001.json.gz", 4, "output_units is not a number"),
        ("page-00001.json.gz", 5, "request_id is missing"),
        ("page-00001.json.gz", 6, "request_id is missing"),
        ("page-00002.json.gz", 1, unreadable),
        ("page-00003.json.gz", 1, unreadable),
        ("page-00004.json.gz", 1, unreadable),
    ]
    assert '"soon"' in reasons[1][3] and '"no time"' in reasons[1][3]
    assert "server_error" in reasons[-1][3]
    assert "502 Bad Gateway" in reasons[-2][3]
    assert odd.rows(
        "select record_number, quarantine_reason, raw_record from staging.stg_fal__focus_invoices_quarantine"
        " where billing_month = '2026-02-01' order by all"
    ) == [
        (2, "too few fields", '["2.5","Usage"]'),
        (3, "too many fields", '["2.5","Usage","2026-01-01","2026-01-02","INV-1","surplus"]'),
        (4, "BilledCost is not a number, or too large", '["free","Usage","2026-01-01","2026-01-02","INV-1"]'),
        (5, "BilledCost is missing", '["","Usage","2026-01-01","2026-01-02","INV-1"]'),
        (6, "ChargeCategory is none of FOCUS's", '["3","Refund","2026-01-01","2026-01-02","INV-1"]'),
    ]
    assert (
        odd.value(
            "select quarantine_reason from staging.stg_fal__focus_invoices_quarantine"
            " where billing_month = '2026-03-01'"
        )
        == "the header names a column twice"
    )
    assert (
        odd.value(
            "select quarantine_reason from staging.stg_fal__focus_invoices_quarantine"
            " where billing_month = '2026-04-01'"
        )
        == "more than 300 fields"
    )


def test_columns_are_found_in_any_spelling(odd: Warehouse) -> None:
    assert odd.rows(
        "select BilledCost, ChargeCategory, cast(ChargePeriodStart as date), cast(ChargePeriodEnd as date)"
        " from focus.cost_and_usage where x_Account = 'spelled'"
    ) == [(Decimal("1.25"), "Usage", date(2026, 1, 1), date(2026, 1, 2))]


def test_a_build_warns_of_quarantined_rows_with_their_number(odd: Warehouse) -> None:
    warned = {name: int(count) for count, name in re.findall(r"WARN (\d+) (\w+)", odd.output)}
    assert warned["is_empty_stg_fal__billing_events_quarantine_"] == 8
    assert warned["is_empty_stg_fal__focus_invoices_quarantine_"] == 7
    assert warned["warn_events_are_within_their_day"] == 1
    assert warned["warn_meters_fit"] == 1
    assert warned["warn_pages_are_readable"] == 1
    assert warned["warn_estimates_are_within_their_day"] == 1


def test_usable_rows_are_charged_to_the_last_digit(odd: Warehouse) -> None:
    assert odd.rows(
        "select cast(ChargePeriodStart as date), PricingUnit, ListUnitPrice, EffectiveCost"
        " from focus.cost_and_usage"
        " where x_ChargeSource = 'billing_events' order by all"
    ) == [
        (date(2026, 1, 4), "Megapixels", Decimal("0.001"), Decimal("0.0018")),
        (date(2026, 1, 5), "Megapixels", Decimal("0.001"), Decimal("0.0018")),
        (date(2026, 1, 5), "Megapixels", Decimal("0.123456789012345678"), Decimal("0.123456789012345678")),
        (date(2026, 1, 5), "USD", Decimal(1), Decimal("0.000000001")),
        (date(2026, 1, 6), "Megapixels", Decimal("0.001"), Decimal("0.0018")),
        *4 * [(date(2026, 1, 8), "Megapixels", Decimal("0.001"), Decimal("0.0018"))],
    ]
    assert odd.rows(
        "select InvoiceId, BilledCost from focus.cost_and_usage"
        " where x_ChargeSource = 'invoice' and x_Account = 'studio'"
    ) == [("INV-1", Decimal("1.5"))]


def test_the_format_of_a_page_does_not_change_its_values(odd: Warehouse) -> None:
    assert odd.rows(
        "select request_id, unit_price_usd, auth_method from staging.stg_fal__billing_events"
        " where landed_date = '2026-01-08' order by all"
    ) == [
        ("beside", Decimal("0.001"), "Key \\ud83d"),
        ("half", Decimal("0.001"), "Key \ufffd"),
        ("pair", Decimal("0.001"), "Key \U0001f600"),
        ("pretty", Decimal("0.001"), None),
    ]


def test_only_the_latest_load_counts_and_a_folder_without_manifest_is_ignored(odd: Warehouse) -> None:
    assert odd.rows(
        "select request_id from staging.stg_fal__billing_events"
        " where landed_date in ('2026-01-06', '2026-01-07')"
    ) == [("new",)]


@pytest.mark.parametrize("alias", [alias for alias in STYLES if alias != "plain"])
def test_the_format_of_a_csv_does_not_change_its_rows(odd: Warehouse, alias: str) -> None:
    differs = ["x_Account", "x_ChargeId", "x_ProviderColumns", "x_Repairs"]
    differs += {"missing": ["Tags", "PublisherName", "ServiceSubcategory"]}.get(alias, [])
    differs += ["ChargeDescription"] if alias in ("line-breaks", "everything") else []
    columns = ", ".join(
        column for column in [*COST_AND_USAGE, "x_ChargeSource", "x_ChargeStatus"] if column not in differs
    )
    query = f"select {columns} from focus.cost_and_usage where x_Account = '{{}}' order by all"
    rows = odd.rows(query.format(alias))
    assert len(rows) > 100
    assert rows == odd.rows(query.format("plain"))


def test_extra_columns_are_kept_and_missing_columns_are_filled_in_and_listed(odd: Warehouse) -> None:
    assert odd.rows(
        "select distinct json_extract_string(x_ProviderColumns, '$.x_Region'),"
        " json_extract_string(x_ProviderColumns, '$.NewColumn')"
        " from focus.cost_and_usage where x_Account = 'additional'"
    ) == [("eu", 'a "b", c')]
    assert odd.rows(
        "select distinct ServiceSubcategory, contains(x_Repairs, '\"ServiceSubcategory\"'),"
        " contains(x_Repairs, '\"PublisherName\"')"
        " from focus.cost_and_usage where x_Account = 'missing'"
    ) == [("Generative AI", True, True)]


def test_a_line_break_within_quotes_is_part_of_the_text(odd: Warehouse) -> None:
    broken = odd.value(
        "select count(*) from focus.cost_and_usage"
        " where x_Account = 'line-breaks' and contains(ChargeDescription, chr(10))"
    )
    assert broken > 0


def test_an_account_missing_from_the_seed_has_its_alias_as_id_and_warns(odd: Warehouse) -> None:
    accounts = [*STYLES, "spelled"]
    assert re.search(rf"WARN {len(accounts)} warn_accounts_are_in_the_seed", odd.output)


def test_a_build_reads_the_loads_that_it_listed_despite_new_loads_and_a_prune(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    world = World({"acme": "key-acme"}, first_day=date(2026, 1, 1), days=2, events_per_day=20)
    with FalServer(world) as server:
        settings = {"FAL_API_URL": server.url, "FAL_KEY": "key-acme", "FAL_ACCOUNT": "acme"}
        day = ("billing-events", "--start", "2026-01-01", "--end", "2026-01-02")
        for _ in range(2):
            load(*day, **settings, FAL_LANDING_DIR=landing)
        for manifest in landing.rglob("manifest.json"):
            os.utime(manifest, (0, 0))  # landed days ago, so that a prune removes it
        dbt(warehouse, "run", "--select", "+stg_fal__billing_event_loads", FAL_LANDING_DIR=landing)
        load(*day, **settings, FAL_LANDING_DIR=landing)
    assert "removed 1 superseded load" in load("prune", FAL_LANDING_DIR=landing).output
    built = dbt(warehouse, "run", "--select", "base_fal__typed_billing_events", FAL_LANDING_DIR=landing)
    (listed,) = built.rows("select distinct load_id from staging.base_fal__typed_billing_events")
    assert built.rows("select count(*) from staging.base_fal__typed_billing_events") == [(20,)]
    newest = max(folder.name for folder in landing.rglob("load=*"))
    assert newest != f"load={listed[0]}"


def test_odd_provider_rows_are_findings_and_do_not_stop_the_publication(
    tmp_path: Path, dbt_build: Build, dbt: Callable[..., Warehouse]
) -> None:
    landing = tmp_path / "landing"
    write_events(
        landing, "acme", "2026-09-16", [page(event("not invoiced", timestamp='"2026-09-16T12:00:00Z"'))]
    )
    header = "InvoiceId,ChargeCategory,ChargeClass,EffectiveCost,BilledCost,ChargePeriodStart,ChargePeriodEnd"
    invoice = [
        # more is unbilled than the cost; the seed commits 375 and not 370; it has no commitment of 20
        "INV-acme-2026-10,Usage,,10,-5,2026-09-15T00:00:00Z,2026-09-16T00:00:00Z",
        "INV-acme-2026-10,Purchase,,0,370,2026-09-01T00:00:00Z,2027-09-01T00:00:00Z",
        "INV-acme-2026-10,Purchase,,0,20,2026-09-01T00:00:00Z,2027-09-01T00:00:00Z",
    ]
    estimate = [
        # without events and without ordinary usage
        ",Credit,,-1,-1,2026-10-20T00:00:00Z,2026-10-21T00:00:00Z",
        ",Usage,Correction,-0.5,-0.5,2026-10-20T00:00:00Z,2026-10-21T00:00:00Z",
    ]
    usage = [",Usage,,3,3,2026-10-21T00:00:00Z,2026-10-22T00:00:00Z"]
    write_events(
        landing, "acme", "2026-10-19", [page(event("open month", timestamp='"2026-10-19T12:00:00Z"'))]
    )
    partitions = (
        ("invoice", "2026-10", invoice),
        ("estimate", "2026-10-20", estimate),
        ("estimate", "2026-10-21", usage),
    )
    for source, partition, rows in partitions:
        write_report(landing, "acme", source, partition, "\n".join([header, *rows, ""]).encode(), len(rows))
    built = dbt_build(landing)
    assert "Published" in built.output
    assert built.rows(
        "select ChargeCategory, ChargeClass, EffectiveCost from focus.cost_and_usage"
        " where x_ChargeSource = 'estimate' order by all"
    ) == [
        ("Credit", None, Decimal(-1)),
        ("Usage", "Correction", Decimal("-0.5")),
        ("Usage", None, Decimal(3)),
    ]
    assert built.rows(
        "select commitment_date, applied_amount from finops.commitment_burn_down"
        " where contract_commitment_id = 'acme-credits-2026-09' and applied_amount <> 0 order by all"
    ) == [
        (date(2026, 9, 15), Decimal(10)),
        (date(2026, 10, 19), Decimal("0.0018")),
        (date(2026, 10, 20), Decimal("-0.5")),
        (date(2026, 10, 21), Decimal(3)),
    ]
    assert built.rows(
        "select days_not_invoiced, event_usage_not_invoiced_usd from finops.invoice_reconciliation"
        " where charge_month = '2026-09-01'"
    ) == [(1, Decimal("0.0018"))]
    for words in (
        "usage is billed below 0 or above its EffectiveCost",
        "acme-credits-2026-09: the amount of its purchase is not the committed 375",
        "the purchase matches no commitment",
        "days_not_invoiced 1 · first_day 2026-09-16",
    ):
        assert words in built.output
    assert "WARN 1 warn_closed_months_are_invoiced_whole" in built.output
    # a lost day of usage is an error
    with duckdb.connect(str(built.path)) as connection:
        connection.execute("delete from focus.cost_and_usage where ChargePeriodStart = '2026-10-21'")
        # two more credits have the invoice_id of an invoice with one purchase
        connection.execute(
            "insert into seeds.fal_contract_commitments"
            " select * exclude (n) replace ('twin ' || n as contract_commitment_id)"
            " from seeds.fal_contract_commitments, range(2) as twins (n)"
            " where contract_commitment_id = 'acme-credits-2026-09'"
        )
    with pytest.raises(AssertionError, match="FAIL 1 no_day_of_usage_is_lost"):
        dbt(built.path, "test", "--select", "no_day_of_usage_is_lost", FAL_LANDING_DIR=landing)
    models = ("int_commitments__terms", "int_commitments__purchases")
    dbt(built.path, "run", "--select", *models, FAL_LANDING_DIR=landing)
    found = dbt(
        built.path, "test", "--select", "warn_prepaid_agrees_with_invoices", FAL_LANDING_DIR=landing
    ).output
    assert "twin 1 names this invoice, which has no purchase left for it: correct the seed" in found
