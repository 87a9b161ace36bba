"""Whether stored objects are locked as the configuration says: S3 Object Lock of a bucket and of named objects in it.

Locks are read from S3 one object at a time. Which objects are looked at is chosen elsewhere; whether an object is still
there, or hidden under a delete marker that no lock prevents, is not asked here.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from loglake_assets.s3.objects import GONE
from loglake_assets.sources.words import floor_pct

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_LOCK = "none"
LOCK_MODES = (NO_LOCK, "GOVERNANCE", "COMPLIANCE")  # each stricter than the one before

UNLOCKED = "unlocked"
WEAKER_MODE = "weaker_mode"
SHORTER_RETENTION = "shorter_retention"
BUCKET_NOT_VERSIONED = "bucket_not_versioned"
BUCKET_WITHOUT_LOCK = "bucket_without_lock"
BEYOND = "locked_beyond_configuration"

_TOLERANCE = timedelta(minutes=1)  # S3 counts from an upload's end or its beginning, and tells whole seconds


class LockUnreadableError(RuntimeError):
    """A lock cannot be read, so nothing is known of it; the message says which, why, and what to do."""


@dataclass(frozen=True)
class LockTerms:
    """What is promised: a mode, and for how many days from its last modification an object has it."""

    mode: str = NO_LOCK
    days: int = 0

    def __bool__(self) -> bool:
        return self.mode != NO_LOCK

    def __str__(self) -> str:
        return f"{self.mode} for {self.days} days" if self else NO_LOCK


@dataclass(frozen=True)
class BucketLock:
    """What a bucket has: `versioning` as S3 says it, and the lock that it gives new objects by default, in words."""

    versioning: str
    enabled: bool
    default: str

    def __str__(self) -> str:
        lock = f"Object Lock, by default {self.default}" if self.enabled else "no Object Lock"
        return f"{lock}; versioning {self.versioning}"


@dataclass(frozen=True)
class ObjectLock:
    """The lock of an object's current version. `mode` is `none` without a retention."""

    key: str
    version_id: str
    last_modified: datetime
    mode: str
    retain_until: datetime | None
    legal_hold: bool

    def faults(self, terms: LockTerms) -> list[str]:
        """In what it is less than promised. A legal hold promises no time, so it makes up for nothing."""
        if not terms:
            return []
        if self.mode == NO_LOCK or self.retain_until is None:
            return [UNLOCKED]
        weaker = LOCK_MODES.index(self.mode) < LOCK_MODES.index(terms.mode)
        shorter = self.retain_until < self._promise(terms) - _TOLERANCE
        return [WEAKER_MODE] * weaker + [SHORTER_RETENTION] * shorter

    def is_beyond(self, terms: LockTerms) -> bool:
        """Whether it is locked more strictly or longer than promised, without being less in anything."""
        if self.mode == NO_LOCK or self.retain_until is None or self.faults(terms):
            return False
        return self.mode != terms.mode or self.retain_until > self._promise(terms) + _TOLERANCE

    def _promise(self, terms: LockTerms) -> datetime:
        return self.last_modified + timedelta(days=terms.days)


@dataclass(frozen=True)
class LockResult:
    """A bucket and a sample of its objects against the terms; `vanished_count` of them were listed and then gone."""

    bucket: str
    terms: LockTerms
    bucket_lock: BucketLock
    sampled: tuple[ObjectLock, ...] = ()
    vanished_count: int = 0

    @property
    def bucket_faults(self) -> list[str]:
        if not self.terms:
            return []
        unversioned = self.bucket_lock.versioning != "Enabled"
        return [BUCKET_NOT_VERSIONED] * unversioned + [BUCKET_WITHOUT_LOCK] * (not self.bucket_lock.enabled)

    @property
    def faulty(self) -> dict[str, list[str]]:
        """What is wrong with each object that is less than promised, by key."""
        return {o.key: found for o in self.sampled if (found := o.faults(self.terms))}

    @property
    def beyond(self) -> list[str]:
        """Keys of objects locked more strictly or longer than promised."""
        return [o.key for o in self.sampled if o.is_beyond(self.terms)]

    @property
    def verdict_counts(self) -> dict[str, int]:
        """Objects by verdict. One in the wrong mode and for too short counts in both."""
        counts = Counter(fault for faults in self.faulty.values() for fault in faults)
        return dict(counts + Counter({BEYOND: len(self.beyond)}))

    @property
    def legal_hold_count(self) -> int:
        return sum(o.legal_hold for o in self.sampled)

    @property
    def conforming_pct(self) -> float | None:
        """Percentage of the sample that is locked as promised; None where nothing was promised or sampled."""
        return floor_pct(len(self.sampled) - len(self.faulty), len(self.sampled)) if self.terms else None

    @property
    def is_conforming(self) -> bool:
        return not self.bucket_faults and not self.faulty


def lock_result(
    s3: "S3Client", bucket: str, bucket_lock: BucketLock, terms: LockTerms, sampled_keys: Iterable[str]
) -> LockResult:
    """The locks of objects against the terms. Raises LockUnreadableError."""
    found = [object_lock(s3, bucket, key, bucket_lock) for key in sampled_keys]
    locks = tuple(lock for lock in found if lock)
    return LockResult(bucket, terms, bucket_lock, locks, len(found) - len(locks))


def bucket_lock(s3: "S3Client", bucket: str) -> BucketLock:
    """What a bucket has now. Raises LockUnreadableError."""
    versioning = str(_ask(s3.get_bucket_versioning, Bucket=bucket).get("Status", "never enabled"))
    configuration = _ask(
        s3.get_object_lock_configuration, Bucket=bucket, none={"ObjectLockConfigurationNotFoundError"}
    ).get("ObjectLockConfiguration", {})
    retention = configuration.get("Rule", {}).get("DefaultRetention", {})
    return BucketLock(versioning, configuration.get("ObjectLockEnabled") == "Enabled", _in_words(retention))


def object_lock(s3: "S3Client", bucket: str, key: str, of_bucket: BucketLock) -> ObjectLock | None:
    """The lock of an object's current version; None when it is gone. Raises LockUnreadableError."""
    head = _ask(s3.head_object, Bucket=bucket, Key=key, none=GONE)
    if not head:
        return None
    mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
    if mode is None and of_bucket.enabled:
        # HeadObject keeps a lock to itself where the caller may not see it; this call says so instead.
        version = {"VersionId": head["VersionId"]} if "VersionId" in head else {}
        absent = {"NoSuchObjectLockConfiguration", *GONE}
        retention = _ask(s3.get_object_retention, Bucket=bucket, Key=key, none=absent, **version).get("Retention", {})
        mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
    held = head.get("ObjectLockLegalHoldStatus") == "ON"
    return ObjectLock(key, head.get("VersionId", "null"), head["LastModified"], mode or NO_LOCK, until, held)


def _in_words(retention: dict[str, Any]) -> str:
    if not retention:
        return NO_LOCK
    days, years = retention.get("Days"), retention.get("Years")
    return f"{retention['Mode']} for {f'{days} days' if days else f'{years} years'}"


def _ask(call: Any, none: Iterable[str] = (), **asked: str) -> dict[str, Any]:
    """The answer of S3; empty when the error is one of `none`. Raises LockUnreadableError."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = call(**asked)
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) in none:
            return {}
        raise LockUnreadableError(
            f"S3 answered {code} to {error.operation_name} of s3://{asked['Bucket']}/{asked.get('Key', '')}, so its "
            "lock is not known. Where access was denied, a retry cannot help: deploy the jobs stack, whose policy lets "
            "the orchestrator read locks; of another account's bucket its owner must allow it too, as docs/deploy.md "
            "says. Otherwise run the check again."
        ) from error
    return answer
