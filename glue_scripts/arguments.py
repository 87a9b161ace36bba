"""The job's arguments, as Glue passes them. Unknown ones are Glue's own and are left alone."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from loglake_assets.lake.storage.reach import Reach
from loglake_assets.sources import COMPRESSIONS, DEFAULT_COMPRESSION, load_source
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.model import ENGINES, SPARK


class WindowError(ValueError):
    """What is asked for cannot be built; the message says the bound and what to ask for instead."""


@dataclass(frozen=True)
class JobArguments:
    """What one run builds, and the bounds beyond which it refuses. Days are UTC, both ends included."""

    source: str
    first_day: date
    last_day: date
    run_id: str
    database: str
    readready_bucket: str
    look_ahead: int = 1
    max_days: int = 31
    max_files: int = 2_000_000
    max_bytes: int = 2 << 40
    compression: str = DEFAULT_COMPRESSION
    code_version: str = "unknown"
    region: str | None = None
    engine: str = SPARK
    local_max_bytes: int = 1 << 30

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first_day + timedelta(days=n) for n in range((self.last_day - self.first_day).days + 1))

    @property
    def reach(self) -> Reach:
        """Which delivery prefixes are read for a day: ahead as asked for, behind as the source declares."""
        return Reach(self.look_ahead, load_source(self.source).look_behind_days)

    @property
    def prefix_days(self) -> tuple[date, date]:
        """The first and the last delivery day of which objects are read."""
        delivered = self.reach.prefix_days(self.days)
        return delivered[0], delivered[-1]


def parse_arguments(argv: Sequence[str], today: date) -> JobArguments:
    """The run that `argv` asks for: days as yyyymmdd, or relative to `today` as the original's days_begin/days_end.

    Raises WindowError for days or a compression that cannot be; a retry cannot help until they are changed.
    """
    known, _ = _parser().parse_known_args(argv)
    first, last = _window(known, today)
    arguments = JobArguments(
        source=known.source,
        first_day=first,
        last_day=last,
        run_id=known.run_id,
        database=known.database,
        readready_bucket=known.readready_bucket,
        look_ahead=known.look_ahead,
        max_days=known.max_days,
        max_files=known.max_files,
        max_bytes=known.max_bytes,
        compression=known.compression,
        code_version=known.code_version,
        region=known.region,
        engine=known.engine,
        local_max_bytes=known.local_max_bytes,
    )
    _check_bounds(arguments)
    _refuse_unknown_compression(arguments.compression)
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("source", "run_id", "database", "readready_bucket"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--first_day", help="yyyymmdd")
    parser.add_argument("--last_day", help="yyyymmdd")
    parser.add_argument("--days_begin", type=int, help="days before today, as an alternative to --first_day")
    parser.add_argument("--days_end", type=int, help="days before today, as an alternative to --last_day")
    parser.add_argument("--look_ahead", type=int, default=1)
    parser.add_argument("--max_days", type=int, default=31)
    parser.add_argument("--max_files", type=int, default=2_000_000)
    parser.add_argument("--max_bytes", type=int, default=2 << 40)
    parser.add_argument("--compression", default=DEFAULT_COMPRESSION, help=f"of ORC: {' or '.join(COMPRESSIONS)}")
    parser.add_argument("--code_version", default="unknown")
    parser.add_argument("--region", help="AWS Region of the lake; without it, the environment's")
    parser.add_argument("--engine", choices=ENGINES, default=SPARK)
    parser.add_argument(
        "--local_max_bytes", type=int, default=1 << 30, help="gzip beyond which --engine local leaves it to Spark"
    )
    return parser


def _window(known: argparse.Namespace, today: date) -> tuple[date, date]:
    if known.first_day and known.last_day:
        try:
            return day_from_number(known.first_day), day_from_number(known.last_day)
        except ValueError as error:
            raise WindowError(f"The window {known.first_day} to {known.last_day} is not a window: {error}.") from error
    if known.days_begin is not None and known.days_end is not None:
        return today - timedelta(days=known.days_begin), today - timedelta(days=known.days_end)
    raise WindowError("Name the window by --first_day and --last_day (yyyymmdd), or by --days_begin and --days_end.")


def _check_bounds(arguments: JobArguments) -> None:
    count = (arguments.last_day - arguments.first_day).days + 1
    if count < 1:
        raise WindowError(f"The window ends ({arguments.last_day}) before it begins ({arguments.first_day}).")
    if count > arguments.max_days:
        raise WindowError(
            f"The window {arguments.first_day} to {arguments.last_day} has {count} days; one run builds at most "
            f"{arguments.max_days}. Nothing was read. Ask for fewer days, or run several windows."
        )


def _refuse_unknown_compression(name: str) -> None:
    if name not in COMPRESSIONS:
        raise WindowError(f"--compression is {name!r}; accepted: {', '.join(COMPRESSIONS)}. Nothing was read.")
