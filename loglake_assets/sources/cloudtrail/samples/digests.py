"""The chain of digests that CloudTrail delivers beside the logs of one account and Region."""

import hashlib
import json

from loglake_assets.sources.cloudtrail.samples.identifiers import stamp
from loglake_assets.sources.cloudtrail.samples.signer import trail_key
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, BUCKET, Json


class DigestChain:
    """Hourly digests of one account and Region, each with hash and signature of the one before."""

    def __init__(self, group: tuple[int, str]) -> None:
        self._account = ACCOUNTS[group[0]][1]
        self._files: list[Json] = []
        self._times: list[int] = []
        self._previous: tuple[str | None, str | None, str | None] = (None, None, None)

    def add(self, key: str, content: bytes, times: list[int]) -> None:
        times = sorted(filter(None, times))
        self._times += times
        self._files.append(
            {
                "s3Bucket": BUCKET,
                "s3Object": key,
                "hashValue": hashlib.sha256(content).hexdigest(),
                "hashAlgorithm": "SHA-256",
                "newestEventTime": stamp(times[-1]),
                "oldestEventTime": stamp(times[0]),
            }
        )

    def close(self, key: str, end: int) -> tuple[bytes, str]:
        """The digest of the hour that ends at `end`, also when nothing was delivered in it, and its signature."""
        previous_key, previous_hash, previous_signature = self._previous
        digest = {
            "awsAccountId": self._account,
            "digestStartTime": stamp(end - 3600),
            "digestEndTime": stamp(end),
            "digestS3Bucket": BUCKET,
            "digestS3Object": key,
            "newestEventTime": stamp(max(self._times)) if self._times else None,
            "oldestEventTime": stamp(min(self._times)) if self._times else None,
            "previousDigestS3Bucket": BUCKET if previous_key else None,
            "previousDigestS3Object": previous_key,
            "previousDigestHashValue": previous_hash,
            "previousDigestHashAlgorithm": "SHA-256" if previous_key else None,
            "previousDigestSignature": previous_signature,
            "digestPublicKeyFingerprint": trail_key().fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "logFiles": self._files,
        }
        content = json.dumps(digest, separators=(",", ":")).encode()
        told = hashlib.sha256(content).hexdigest()
        text = f"{stamp(end)}\n{BUCKET}/{key}\n{told}\n{previous_signature or 'null'}"
        signature = trail_key().signature(text.encode())
        self._previous = (key, told, signature)
        self._files, self._times = [], []
        return content, signature
