"""Deliveries of an invented trail, with the oddities that real ones carry and the truth about each. Local use only.

In the order of reading: the trail; records (one event to its JSON text: drafts, identities, envelope, calls, sessions,
oddities, kinds); the plan (which event lies in which object, numbers only); the objects made from it; the truth. A
record is a function of seed and event number, so a copy is byte-identical without being kept. Nothing here is copied
from a real trail; accounts, names and keys are AWS's documentation examples or visibly fake.
"""

from datetime import date

from loglake_assets.sources.cloudtrail.samples.objects import CloudTrailSamples
from loglake_assets.sources.cloudtrail.samples.plan import MIN_EVENTS, Faults
from loglake_assets.sources.cloudtrail.samples.signer import public_keys

__all__ = ["generate", "public_keys"]


def generate(first_day: date, days: int, events: int, seed: int, **faults: int) -> CloudTrailSamples:
    """Samples for `days` from `first_day`, with `events` distinct events and the faults named in `Faults`.

    Raises ValueError where the numbers leave no room for what the samples promise to hold.
    """
    if days < 1 or events < MIN_EVENTS * days:
        raise ValueError(f"{events} events in {days} days: at least one day and {MIN_EVENTS} events a day are needed")
    if unknown := faults.keys() - Faults.__dataclass_fields__.keys():
        raise ValueError(
            f"There are no faults {sorted(unknown)}; those there are: {', '.join(Faults.__dataclass_fields__)}"
        )
    return CloudTrailSamples(first_day, days, events, seed, Faults(**faults))
