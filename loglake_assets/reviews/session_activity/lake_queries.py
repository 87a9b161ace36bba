"""The facts of a window of days, asked of the lake through Athena. What is asked stands in `queries/*.sql`."""

import importlib.resources
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from loglake_assets.lake.lake import Lake
from loglake_assets.reviews.inputs import read_inputs
from loglake_assets.reviews.session_activity import REVIEW
from loglake_assets.reviews.session_activity.facts import Facts, Keystrokes, group_facts
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number, days_between
from loglake_assets.sources.words import tally
from resources.athena import Answer

Progress = Callable[[str], None]


def read_facts(lake: Lake, days: Sequence[date], progress: Progress = lambda text: None) -> Facts:
    """All that the sessions of `days` need: four queries over the days, their look-back and their look-ahead.

    Raises AthenaError.
    """
    first, last = min(days) - timedelta(days=REVIEW.look_back_days), max(days) + timedelta(days=REVIEW.look_ahead_days)
    window = days_between(first, last)
    trail, typed = (read_inputs(lake, load_source(name), window) for name in REVIEW.sources)
    bounds = {
        "first_day": day_number(first),
        "last_day": day_number(last),
        "first_session_day": day_number(min(days)),
        "last_session_day": day_number(max(days)),
    }
    starts, ends, keystrokes, calls = (
        _ask(lake, name, bounds, progress) for name in ("starts", "ends", "keystrokes", "calls")
    )
    return Facts(
        starts=starts.rows,
        ends={row["f_sessionid"]: row["ended"] for row in ends.rows},
        keystrokes={
            session: [Keystrokes.of(row) for row in rows]
            for session, rows in group_facts(keystrokes.rows, "f_sessionid").items()
        },
        calls=group_facts(calls.rows, "of_session"),
        trail=trail,
        typed=typed,
    )


_ROWS_OF = {
    "starts": ("session start", "session starts"),
    "ends": ("session end", "session ends"),
    "keystrokes": ("event of keystrokes", "events of keystrokes"),
    "calls": ("API call around a session", "API calls around sessions"),
}
"""What the rows of each query are, for people."""


def _ask(lake: Lake, name: str, bounds: dict[str, int], progress: Progress) -> Answer:
    answer = lake.athena.ask(query_text(name).format(**bounds))
    found = tally(len(answer.texts), *_ROWS_OF[name])
    progress(f"{REVIEW.title}: {found} read, {tally(answer.bytes_scanned, 'byte')} scanned")
    return answer


def query_text(name: str) -> str:
    """One of the queries, with {first_day} and the like where its days go."""
    folder = importlib.resources.files("loglake_assets.reviews.session_activity") / "queries"
    return (folder / f"{name}.sql").read_text(encoding="utf-8")
