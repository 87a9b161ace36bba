"""The views that every source's views begin with, in the SQL of either engine."""

from glue_scripts.arguments import JobArguments
from loglake_assets.sources.placement import day_number


def given_views(arguments: JobArguments) -> tuple[tuple[str, str], ...]:
    """(view name, SELECT text): the window's bounds as a literal row, and the decoded records with their run."""
    first, last = arguments.first_day, arguments.last_day
    bounds = (
        f"SELECT DATE '{first}' AS floor_as_date, DATE '{last}' AS ceiling_as_date, "
        f"{day_number(first)} AS floor_as_int, {day_number(last)} AS ceiling_as_int"
    )
    records = f"SELECT *, '{arguments.run_id}' AS f_run FROM decoded_as_view WHERE kind = 'record'"
    return ("mybounds_as_view", bounds), ("records_as_view", records)
