"""Times, ids and session names as CloudTrail writes them, each a function of the dice or of seed and event number."""

from datetime import UTC, datetime
from random import Random

from loglake_assets.sources.cloudtrail.samples.trail import PEOPLE


def stamp(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def uuid_text(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def hex_digits(rng: Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def event_id(seed: int, index: int) -> str:
    return uuid_text(Random(f"{seed}:eventID:{index}"))


def session_of(seed: int, started_by: int) -> tuple[str, str]:
    """(person, session id) of the session event `started_by` opens; `<name>-<id>`, in both real forms of the id."""
    rng = Random(f"{seed}:session:{started_by}")
    person = rng.choice(PEOPLE)
    if rng.random() < 0.5:
        return person, f"{person}-0{hex_digits(rng, 16)}"
    return person, f"{person}-{''.join(rng.choices('abcdefghijklmnopqrstuvwxyz0123456789', k=26))}"
