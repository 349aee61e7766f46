"""A local fal: its billing and usage API over real HTTP on loopback, with generated data.

It follows fal's public API reference, not the expectations of the loaders::

    world = World(seed=7, accounts={"acme": "key-acme"}, days=40)
    with FalServer(world) as server:
        ...  # point FAL_API_URL at server.url, FAL_KEY at "key-acme"
    assert mart_total == world.total_cost("acme")

Product lines, teams and more are switched on one by one::

    world = World(
        switches=Switches(serverless=True, compute=True, renamed_key=True),
        teams={"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]},
    )
    assert mart_total_of_serverless == world.cost("acme", "serverless")
"""

from tests.fal_server.events import Event, Oddities
from tests.fal_server.faults import FAULTS, Fault
from tests.fal_server.messages import Request
from tests.fal_server.reports import CsvStyle, Invoice
from tests.fal_server.server import FalServer
from tests.fal_server.switches import LINES, Switches, Team
from tests.fal_server.world import World

__all__ = [
    "FAULTS",
    "LINES",
    "CsvStyle",
    "Event",
    "FalServer",
    "Fault",
    "Invoice",
    "Oddities",
    "Request",
    "Switches",
    "Team",
    "World",
]
