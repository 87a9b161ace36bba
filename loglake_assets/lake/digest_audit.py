"""A log's delivery days validated by its own digests: with which keys, and what of it is kept in the lake.

Only for sources that declare `digests`. What a digest is, the source's folder knows.
"""

import json
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.sources import LogSource
from loglake_assets.sources.digest_report import DigestReport, PublicKeys
from loglake_assets.sources.modules import load_digests

DIGESTS = "digests"
_KEYS_BEFORE = timedelta(days=2)  # a key may have begun to sign before the first hour that is looked at


def digest_keys(source: LogSource, lake: Lake, first: date, until: datetime, file: Path | None = None) -> PublicKeys:
    """The public keys that signed digests of the days from `first` to `until`: of a file, or asked for."""
    since = datetime.combine(first, time(), UTC) - _KEYS_BEFORE
    return load_digests(source).trusted_keys(file or lake.digest_keys_file, lake.client, since, until)


def validate_digests(
    source: LogSource,
    lake: Lake,
    days: Collection[date],
    now: datetime,
    progress: Callable[[str], None] = lambda text: None,
    file: Path | None = None,
) -> list[DigestReport]:
    """Reports of delivery days, in order, by the keys of a file or those asked for. Raises PublicKeysError.

    Keys are asked for up to `now`: a digest that was made up for later is signed with the key of that later time.
    """
    keys = digest_keys(source, lake, min(days), now, file)
    bucket = lake.settings.raw_bucket(source.name)
    return list(load_digests(source).validate(lake.s3, source, bucket, days, keys, progress=progress))


def report_document(report: DigestReport, now: datetime) -> bytes:
    """A day's report as it is kept, with every name."""
    return json.dumps(report.document() | {"checked_at": now.isoformat(timespec="seconds")}, sort_keys=True).encode()


def keep_reports(lake: Lake, source: LogSource, reports: Collection[DigestReport], now: datetime) -> None:
    """Keep each day's report in the readready bucket."""
    for report in reports:
        lake.s3.put_object(
            Bucket=lake.settings.readready_bucket,
            Key=check_key(source.raw.name, report.day, DIGESTS),
            Body=report_document(report, now),
        )
