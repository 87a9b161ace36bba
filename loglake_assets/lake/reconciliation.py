"""Three ways a day is known, compared: objects in S3, partitions in the catalog, and what the day's build read.

Every object of a delivery day gets one verdict, and every verdict its own remedy. This is the cheap mode of checking:
it lists and reads manifests, and opens no object; coverage.py is the full mode, which counts events again.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from loglake_assets.lake.commits import ROLLBACK
from loglake_assets.lake.late import unread_late_objects
from loglake_assets.lake.layout import bucket_and_prefix, check_key
from loglake_assets.lake.listed import entries
from loglake_assets.lake.listing import RawObject, raw_objects
from loglake_assets.lake.manifests import Manifest, ManifestMissingError, ManifestObject, read_manifest
from loglake_assets.lake.reconciling import registered_values
from loglake_assets.lake.serving import Placing, Served, served_days
from loglake_assets.lake.verdicts import DayReconciliation, Judged, Verdict
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.rules import Rules

CHECK = "reconciliation"
_GONE_WHILE_READING = "gone_while_reading"


@dataclass(frozen=True)
class Reconciler:
    """Compares days of one source of one lake. Clients are passed in."""

    s3: Any
    glue: Any
    source: LogSource
    rules: Rules
    database: str
    raw_bucket: str
    readready_bucket: str

    def days(self, days: Collection[date], first_open: date) -> list[DayReconciliation]:
        """Every day of `days` that has an object, a commit or a partition; days from `first_open` on are not due."""
        landed = self._landed(days)  # before the commits: what a build made meanwhile then holds all that is listed
        table = self.source.readready.name
        served = served_days(self.s3, self.glue, self.database, self.readready_bucket, table, days)
        known = [d for d in sorted(set(days)) if d in landed or d in served]
        manifests = {d: self._manifest(served.get(d)) for d in known}
        registered = registered_values(self.glue, self.database, self.source, list(days)) if known else set()
        listing = {o.name: o.etag for objects in landed.values() for o in objects}
        return [
            self._day(d, landed.get(d, []), registered, served.get(d), manifests[d], listing, d < first_open)
            for d in known
        ]

    def _landed(self, days: Collection[date]) -> dict[date, list[RawObject]]:
        """Objects by delivery day, a day further than asked: what a build read ahead lies there."""
        wanted = {day + timedelta(days=n) for day in days for n in (0, 1)}
        landed: dict[date, list[RawObject]] = defaultdict(list)
        for found in raw_objects(self.s3, self.source, self.raw_bucket, wanted):
            landed[found.placement.day].append(found)
        return landed

    def _manifest(self, served: Served | None) -> Manifest | None:
        if served is None or served.run_id is None:
            return None
        try:
            return read_manifest(self.s3, self.readready_bucket, served.table, served.day, served.run_id)
        except ManifestMissingError:
            return None

    def _day(
        self,
        day: date,
        objects: list[RawObject],
        registered: Collection[tuple[str, ...]],
        served: Served | None,
        manifest: Manifest | None,
        listing: Mapping[tuple[str, str], str],
        is_due: bool,
    ) -> DayReconciliation:
        read = {o.name: o for o in manifest.objects} if manifest else None
        judged = [self._judge(o, registered, read, is_due) for o in objects]
        if manifest:
            judged += self._changed_elsewhere(day, manifest, listing)
            judged += [
                Judged(Verdict.LATE, o.bucket, o.key)
                for o in unread_late_objects(self.s3, self.readready_bucket, manifest)
            ]
            judged += self._short(manifest)
        return DayReconciliation(
            source=self.source.name,
            day=day,
            placing=served.placing if served else Placing.NOT_COMMITTED,
            commit_seq=served.commit_seq if served else 0,
            partition_seq=served.partition_seq if served else 0,
            run_id=served.run_id if served else None,
            is_rolled_back=bool(served and served.commit and served.commit.reason == ROLLBACK),
            judged=tuple(judged),
            rules=manifest.excluded_by if manifest else {},
            listed_count=len(objects),
            checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _judge(
        self,
        found: RawObject,
        registered: Collection[tuple[str, ...]],
        read: Mapping[tuple[str, str], ManifestObject] | None,
        is_due: bool,
    ) -> Judged:
        verdict, detail = self._verdict(found, registered, read, is_due)
        return Judged(verdict, found.bucket, found.key, detail)

    def _verdict(
        self,
        found: RawObject,
        registered: Collection[tuple[str, ...]],
        read: Mapping[tuple[str, str], ManifestObject] | None,
        is_due: bool,
    ) -> tuple[Verdict, str]:
        if found.placement.values not in registered:
            keys = tuple(c.name for c in self.source.raw.partition_keys)
            rule = self.rules.denied_by(found.key, keys, found.placement)
            return (Verdict.EXCLUDED, rule) if rule else (Verdict.UNREGISTERED, found.placement.location)
        if read is None:
            return (Verdict.UNBUILT if is_due else Verdict.OPEN), ""
        entry = read.get(found.name)
        if entry is None or entry.reason == _GONE_WHILE_READING:
            return Verdict.UNBUILT, "arrived since the day was built"
        if entry.etag != found.etag:
            return Verdict.OLDER_VERSION, f"read as {entry.etag}, now {found.etag}"
        return (Verdict.QUARANTINED, entry.reason) if entry.reason else (Verdict.BUILT, "")

    def _changed_elsewhere(
        self, day: date, manifest: Manifest, listing: Mapping[tuple[str, str], str]
    ) -> Iterator[Judged]:
        """What the build read and is no longer there; and what it read under later prefixes and has changed since."""
        for entry in manifest.objects:
            if entry.reason == _GONE_WHILE_READING:
                continue
            own = entry.prefix_day == day_number(day)
            if not own and not entry.days.get(day_number(day)):
                continue  # read ahead, and held nothing of this day
            etag = listing.get(entry.name) or self._etag(entry)
            if etag is None:
                yield Judged(Verdict.GONE, entry.bucket, entry.key, f"read as {entry.etag}")
            elif etag != entry.etag and not own:
                yield Judged(Verdict.OLDER_VERSION, entry.bucket, entry.key, f"read as {entry.etag}, now {etag}")

    def _etag(self, entry: ManifestObject) -> str | None:
        """Of an object outside the listed days, such as one of the late ledger; None when it is gone."""
        from botocore.exceptions import ClientError

        try:
            return str(self.s3.head_object(Bucket=entry.bucket, Key=entry.key)["ETag"]).strip('"')
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise

    def _short(self, manifest: Manifest) -> Iterator[Judged]:
        bucket, prefix = bucket_and_prefix(manifest.location)
        stored = {e["Key"]: e["Size"] for e in entries(self.s3, bucket, prefix) if not e["Key"].endswith("/")}
        for entry in manifest.files:
            size = stored.pop(entry["key"], None)
            if size != entry["bytes"]:
                was = "absent" if size is None else f"{size} bytes"
                yield Judged(Verdict.SHORT, bucket, entry["key"], f"{was}, written as {entry['bytes']} bytes")
        for key in stored:
            yield Judged(Verdict.SHORT, bucket, key, "not written by the day's run")


def put_reconciliation(s3: Any, bucket: str, table: str, found: DayReconciliation) -> str:
    """Keep the day's result with every name in it; returns its key."""
    key = check_key(table, day_number(found.day), CHECK)
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(found.document(), sort_keys=True).encode())
    return key
