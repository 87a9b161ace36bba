"""Deliveries of Bedrock's model invocation log, conversations of agents among them, with the truth. Local use only.

In the order of reading: the invented world (agents, models, tools); conversations (which calls a model asks for, and
what they result in); bodies (both in the shapes of each operation); records; the plan (which invocation happens when,
and in which object its record lies, numbers only); the objects made from it; the truth, and in it each tool call. A
record is a function of seed and number, so a copy is byte-identical without being kept. Nothing here is copied from a
real log.
"""

from datetime import date

from loglake_assets.sources.bedrock.samples.objects import BedrockSamples
from loglake_assets.sources.bedrock.samples.plan import MIN_EVENTS, Faults
from loglake_assets.sources.cloudtrail.samples import generate as generate_cloudtrail


def generate(first_day: date, days: int, events: int, seed: int, **faults: int) -> BedrockSamples:
    """Samples for `days` from `first_day`, with the faults named in `Faults`.

    `events` counts those of CloudTrail's samples with the same four arguments and its usual faults. Each of their
    Bedrock events has its record here; others, such as all of the named agents, have none there. Together they are a
    tenth of `events`, but at least 100 and at least 60, and 4 a day, more than CloudTrail knows. Raises ValueError
    where the numbers leave no room for what the samples promise to hold.
    """
    if days < 1 or events < MIN_EVENTS * days:
        raise ValueError(f"{events} events in {days} days: at least one day and {MIN_EVENTS} events a day are needed")
    if unknown := faults.keys() - Faults.__dataclass_fields__.keys():
        raise ValueError(
            f"There are no faults {sorted(unknown)}; those there are: {', '.join(Faults.__dataclass_fields__)}"
        )
    invoked = generate_cloudtrail(first_day, days, events, seed).invoked_models()
    return BedrockSamples(first_day, days, events, seed, Faults(**faults), invoked)
