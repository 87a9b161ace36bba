"""The log events of one session, asked for anew: what its packet was made from."""

from collections.abc import Mapping
from typing import Any

from loglake_assets.sources.calendar_days import day_number
from resources.athena import sql_literal

LOG_EVENTS = "from_cloudwatch_readready"


def log_events_of(row: Mapping[str, Any]) -> str:
    """The query for the log events of a row's session, on the days of the session."""
    last = (row["last_keystrokes"] or row["started"]).date()
    stream = sql_literal(row["sessionid"] or "")
    return (
        "SELECT eventid, eventtime, coalesce(session, message) AS session, coalesce(session_isplain, true) AS "
        "session_isplain, coalesce(session_linecount, CASE WHEN message IS NULL THEN 0 ELSE 1 END) AS "
        f"session_linecount FROM {LOG_EVENTS} WHERE logcalendarday BETWEEN "
        f"{day_number(row['started'].date())} AND {day_number(last)} AND logstream = {stream}"
    )
