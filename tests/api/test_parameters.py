"""Query parameters."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies

from api.errors import ApiError
from api.parameters import (
    ListParameters,
    check_no_parameters,
    parse_date_time,
    parse_list_parameters,
    parse_schema_version,
)
from api.queries import COST_AND_USAGE


def parse(query: bytes) -> ListParameters:
    """Parse the parameters of cost and usage."""
    return parse_list_parameters(query, COST_AND_USAGE.filters)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01t00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00+05:30", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2025-12-31T23:00:00-01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        # a zone as written by %z of strftime
        ("2026-01-01T00:00:00.000000+0000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00.000000500+0530", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
        ("2026-01-01T00:00:00-00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.5Z", datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)),
        # between two microseconds: the later one
        ("2026-01-01T00:00:00.0000001Z", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
        ("2026-01-01T00:00:00.99999900Z", datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)),
        ("2025-12-31T23:59:59.999999000001Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        # outside the calendar of Python
        ("0000-02-29T00:00:00Z", datetime.min.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:60Z", datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_date_times_follow_rfc_3339(text: str, time: datetime) -> None:
    assert parse_date_time("billingPeriodStart", text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "0000-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+05",
        "2026-01-01T00:00:00+05:3",
        "2026-01-01T00:00:00+05300",
        "2026-01-01T00:00:00+2400",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Z\n",
        "٢026-01-01T00:00:00Z",
        "1767225600",
    ],
)
def test_the_error_for_an_invalid_date_time_shows_a_valid_one(text: str) -> None:
    with pytest.raises(ApiError, match="billingPeriodEnd must be a date-time by RFC 3339 with its zone"):
        parse_date_time("billingPeriodEnd", text)


def test_the_error_for_a_space_in_an_offset_names_the_unescaped_plus() -> None:
    with pytest.raises(ApiError, match="'\\+' must be written %2B in an address"):
        parse(b"billingPeriodStart=2026-01-01T00:00:00+00:00")
    assert parse(b"billingPeriodStart=2026-01-01T00:00:00%2B00:00")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"x=1", "unknown parameter 'x': use billingPeriodStart, "),
        (b"Region=eu", "unknown parameter 'Region'"),
        (b"=", "unknown parameter ''"),
        (b"region=a&region=a", "region is repeated: send it once"),
        (b"pageSize=0", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=10001", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=1.0", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=-1", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=1_0", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=%D9%A1", "pageSize must be a whole number from 1 to 10000"),
        (b"pageSize=" + b"9" * 5000, "pageSize must be a whole number from 1 to 10000"),
        (b"chargeCategory=usage", "chargeCategory must be one of Usage, Purchase, Tax, Credit, Adjustment"),
        (b"chargeCategory=", "chargeCategory must be one of Usage, Purchase, Tax, Credit, Adjustment"),
        (b"region=%FF", "the parameters are not UTF-8, percent-encoded"),
        (b"region=\xff", "the parameters are not UTF-8, percent-encoded"),
        (b"region=" + b"a" * 8192, "the parameters are longer than 8192 bytes"),
    ],
)
def test_the_error_for_an_invalid_parameter_lists_what_is_allowed(query: bytes, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(query)
    assert (refused.value.status, refused.value.code) == (400, "invalid_parameter")
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("query", "version"), [(b"", "1.3"), (b"focusVersion=1.3", "1.3"), (b"focusVersion=1.4", "1.4")]
)
def test_the_schema_is_that_of_focus_1_3_by_default(query: bytes, version: str) -> None:
    assert parse_schema_version(query) == version


@pytest.mark.parametrize("value", [b"", b"1.2", b"1.4.0", b"14"])
def test_the_error_for_another_focus_version_lists_those_that_exist(value: bytes) -> None:
    with pytest.raises(ApiError, match=r"^focusVersion must be one of 1\.3, 1\.4$"):
        parse_schema_version(b"focusVersion=" + value)


def test_an_operation_without_parameters_refuses_any() -> None:
    with pytest.raises(ApiError, match="unknown parameter 'x': this operation has no parameters"):
        check_no_parameters(b"x=1")


@given(strategies.binary(max_size=200))
def test_any_bytes_are_parameters_or_a_400(query: bytes) -> None:
    try:
        assert set(parse(query).filters) <= set(COST_AND_USAGE.filters)
    except ApiError as error:
        assert error.status == 400
