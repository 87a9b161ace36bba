"""Which digest names one raw object, and whether content and signature agree: the evidence for a single file."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from loglake_assets.sources.cloudtrail.digests.accounts import candidate_keys
from loglake_assets.sources.cloudtrail.digests.digest_judge import JudgedDigest, judge
from loglake_assets.sources.cloudtrail.digests.digest_store import StoredDigest, stored_content, stored_day
from loglake_assets.sources.cloudtrail.digests.documents import NamedFile
from loglake_assets.sources.cloudtrail.digests.places import log_day, log_group
from loglake_assets.sources.digest_report import DigestVouch, PublicKeys
from loglake_assets.sources.model import LogSource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def find_vouching_digest(
    s3: "S3Client", source: LogSource, bucket: str, key: str, public_keys: PublicKeys
) -> DigestVouch | None:
    """What the digest that names a stored object says of it; None where it is no log file or no digest names it.

    Of several that name it, one with a valid signature is preferred.
    """
    group, day = log_group(key), log_day(key)
    if group is None or day is None:
        return None
    stored: list[StoredDigest] = []
    for asked in (day, day + timedelta(days=1)):
        stored += stored_day(s3, bucket, group, asked, with_logs=False).digests
    naming = list(_digests_of_key(judge(stored, public_keys), key))
    if not naming:
        return None
    digest, named = max(naming, key=lambda pair: pair[0].is_proved)
    return _vouch(s3, bucket, key, digest, named)


def _digests_of_key(digests: Sequence[JudgedDigest], key: str) -> Iterator[tuple[JudgedDigest, NamedFile]]:
    for digest in digests:
        for named in digest.stored.digest.files if digest.stored.digest else ():
            if key in candidate_keys(digest, named):
                yield digest, named


def _vouch(s3: "S3Client", bucket: str, key: str, digest: JudgedDigest, named: NamedFile) -> DigestVouch:
    _, found = stored_content(s3, bucket, (key,))
    fault = found.kind or ("changed_file" if found.sha256 != named.sha256 else digest.kind)
    return DigestVouch(
        bucket,
        key,
        digest.stored.place.key,
        is_same_content=found.sha256 == named.sha256,
        is_signature_valid=digest.is_proved,
        fingerprint=digest.stored.digest.fingerprint if digest.stored.digest else "",
        fault=fault,
    )
