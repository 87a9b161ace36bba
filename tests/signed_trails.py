"""A trail with digests, signed by a key of its own: what is delivered, to be put where and tampered with as asked."""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGINAL = "example-original-bucket"
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Signer:
    """A key pair and the fingerprint that digests name it by."""

    private: rsa.RSAPrivateKey
    fingerprint: str

    @property
    def der(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)

    @property
    def file_of_keys(self) -> dict[str, str]:
        return {self.fingerprint: base64.b64encode(self.der).decode()}


@functools.cache
def signer(fingerprint: str = "0123456789abcdef0123456789abcdef") -> Signer:
    return Signer(rsa.generate_private_key(65537, 2048), fingerprint)


def moment(text: str) -> datetime:
    """Of a day in this trail's month: `10 23:20`."""
    return datetime.strptime(f"2015-03-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@dataclass
class Trail:
    """Objects by key as delivered, body and metadata; digests in a chain as long as `digest` is called."""

    lead: str = ""
    account: str = "111122223333"
    region: str = "eu-west-1"
    by: Signer = field(default_factory=signer)
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    previous: Mapping[str, str | None] | None = None
    named: list[dict[str, str]] = field(default_factory=list)

    def file_key(self, at: datetime, unique: str = "EXAMPLE") -> str:
        name = f"{self.account}_CloudTrail_{self.region}_{at:%Y%m%dT%H%MZ}_{unique}.json.gz"
        return f"{self.lead}AWSLogs/{self.account}/CloudTrail/{self.region}/{at:%Y/%m/%d}/{name}"

    def digest_key(self, end: datetime, suffix: str = "") -> str:
        folder = f"{self.lead}AWSLogs/{self.account}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}"
        name = f"{self.account}_CloudTrail-Digest_{self.region}_example-trail_us-east-1_{end:%Y%m%dT%H%M%SZ}"
        return f"{folder}/{name}{suffix}.json.gz"

    def file(self, at: datetime, unique: str = "EXAMPLE") -> str:
        """Deliver a file that the next digest names."""
        key, content = self.file_key(at, unique), json.dumps({"Records": [{"eventID": f"{at} {unique}"}]}).encode()
        self.objects[key] = (gzip.compress(content, mtime=0), {})
        entry = {"s3Bucket": ORIGINAL, "s3Object": key, "hashValue": hashlib.sha256(content).hexdigest()}
        self.named.append({**entry, "hashAlgorithm": "SHA-256"})
        return key

    def digest(self, end: datetime, suffix: str = "", **changes: Any) -> str:
        """Deliver the digest of the hour that ends at `end`, with fields changed before it is signed."""
        key, before = self.digest_key(end, suffix), self.previous or {}
        document = {
            "awsAccountId": self.account,
            "digestStartTime": f"{end - HOUR:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": ORIGINAL,
            "digestS3Object": key,
            "previousDigestS3Bucket": ORIGINAL if before else None,
            "previousDigestS3Object": before.get("key"),
            "previousDigestHashValue": before.get("sha256"),
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": before.get("signature"),
            "digestPublicKeyFingerprint": self.by.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "logFiles": self.named,
            **changes,
        }
        content = json.dumps(document).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        told = document["previousDigestSignature"] or "null"
        text = f"{document['digestEndTime']}\n{ORIGINAL}/{document['digestS3Object']}\n{sha256}\n{told}"
        signature = self.by.private.sign(text.encode(), padding.PKCS1v15(), SHA256()).hex()
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        self.objects[key] = (gzip.compress(content, mtime=0), metadata)
        self.previous, self.named = {"key": key, "sha256": sha256, "signature": signature}, []
        return key

    def hours(self, first_end: datetime, last_end: datetime) -> "Trail":
        """A file and a digest for every hour of a range of ends."""
        end = first_end
        while end <= last_end:
            self.file(end - timedelta(minutes=40))
            self.digest(end)
            end += HOUR
        return self

    def append(self, key: str, more: bytes) -> None:
        self.objects[key] = (self.objects[key][0] + more, self.objects[key][1])

    def edit(self, key: str, old: bytes, new: bytes) -> None:
        """Change an object's content, its metadata staying as they are."""
        content = gzip.decompress(self.objects[key][0])
        assert old in content
        self.objects[key] = (gzip.compress(content.replace(old, new), mtime=0), self.objects[key][1])

    def swap(self, one: str, other: str) -> None:
        self.objects[one], self.objects[other] = self.objects[other], self.objects[one]

    def put(self, s3: Any, bucket: str, move: tuple[str, str] = ("", "")) -> None:
        """Put every object, its key's first part replaced as `move` says."""
        for key, (body, metadata) in self.objects.items():
            s3.put_object(Bucket=bucket, Key=move[1] + key.removeprefix(move[0]), Body=body, Metadata=metadata)
