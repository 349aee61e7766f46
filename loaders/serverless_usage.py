"""Serverless usage: landing a UTC day of what the account's own apps used."""

from datetime import date

from loaders import clock
from loaders.api import FalApi
from loaders.landing import LandingZone, Manifest, Partition
from loaders.pages import Listing
from loaders.walk import walk

USAGE = Listing("/serverless/usage", "time_series", nested="results")


def locate_day(account: str, day: date) -> Partition:
    """Return the partition of one UTC day."""
    return Partition("serverless_usage", account, day.isoformat())


def land_day(api: FalApi, zone: LandingZone, account: str, day: date) -> Manifest:
    """Fetch the usage of one UTC day and land it as a new load."""
    partition = locate_day(account, day)
    start, end = partition.window
    request = {
        "start": clock.format_seconds(start),
        "end": clock.format_seconds(end),
        "timezone": "UTC",
        "timeframe": "day",
        "expand": "time_series",
    }
    with zone.start_load(partition, request) as load:
        return load.publish(agreed=walk(api, USAGE, load))
