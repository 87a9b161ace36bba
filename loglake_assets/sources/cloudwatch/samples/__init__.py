"""Deliveries of invented log groups through Firehose, Session Manager's among them, with the truth. Local use only.

In the order of reading: the log streams; messages (one event to its text: messages, terminal); the sessions, which are
the very ones that CloudTrail's samples of the same arguments start; the plan (which event lies in which object, numbers
only); the objects made from it; the truth, and in it what can be known of each session. A message is a function of seed
and event number, so a copy is byte-identical without being kept. Nothing here is copied from a real log.
"""

from datetime import date

from loglake_assets.sources.cloudtrail.samples import generate as generate_cloudtrail
from loglake_assets.sources.cloudwatch.samples.objects import CloudWatchSamples
from loglake_assets.sources.cloudwatch.samples.plan import MIN_EVENTS, Faults


def generate(first_day: date, days: int, events: int, seed: int, **faults: int) -> CloudWatchSamples:
    """Samples for `days` from `first_day`, with `events` distinct log events and the faults named in `Faults`.

    The sessions are those of CloudTrail's samples with the same four arguments and its usual faults. A session may go
    on after the last day. Raises ValueError where the numbers leave no room for what the samples promise to hold.
    """
    if days < 1 or events < MIN_EVENTS * days:
        raise ValueError(f"{events} events in {days} days: at least one day and {MIN_EVENTS} events a day are needed")
    if unknown := faults.keys() - Faults.__dataclass_fields__.keys():
        raise ValueError(
            f"There are no faults {sorted(unknown)}; those there are: {', '.join(Faults.__dataclass_fields__)}"
        )
    started = generate_cloudtrail(first_day, days, events, seed).started_sessions()
    return CloudWatchSamples(first_day, days, events, seed, Faults(**faults), started)
