"""Events that make days of an account unusual: the launch of a model, a batch, and a leaked key.

They have random generators of their own, so the other events of a world do not depend on them.
"""

from datetime import date, timedelta

from tests.fal_server.catalogue import LAUNCHED, METER_OF
from tests.fal_server.events import Event, draw_requests
from tests.fal_server.switches import Switches

# how long before the last day of a world: long enough that the days are settled when the world ends
LAUNCH_AGE = timedelta(days=27)
BATCH_AGE = timedelta(days=15)
LEAK_AGE = timedelta(days=6)

LAUNCH_LABEL = "prod key"
BATCH_LABEL, BATCH_METER = None, METER_OF["fal-ai/kling-video/v2/master/text-to-video"]
LEAKED_LABEL, LEAK_METER = "Key 1", METER_OF["fal-ai/veo3"]


def draw_episodes(seed: str, day: date, switches: Switches, last_day: date, usual: int) -> list[Event]:
    """Draw what the switches add to a day with `usual` other events. Equal arguments give equal events."""
    age = last_day - day
    drawn: list[Event] = []
    if switches.launch and age <= LAUNCH_AGE:
        drawn += draw_requests(f"{seed}|launch", day, usual // 2, LAUNCHED, LAUNCH_LABEL)
    if switches.batch_run and age == BATCH_AGE:
        drawn += draw_requests(f"{seed}|batch", day, 2 * usual, BATCH_METER, BATCH_LABEL)
    if switches.leaked_key and age == LEAK_AGE:
        drawn += draw_requests(f"{seed}|leak", day, 5 * usual, LEAK_METER, LEAKED_LABEL)
    return drawn
