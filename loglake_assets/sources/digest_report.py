"""What is found when a log vouches for itself: words that validation of digests answers in. Standard library only.

Some logs are delivered with signed digests that name every delivered file and its hash. How such a digest looks, the
source's `digests` module knows; what is said about it here is the same for every log: keys, kinds, counts and hashes,
never content.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from loglake_assets.sources.words import floor_pct

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "missing_file": "a digest names it and nothing is stored there",
        "changed_file": "its content is not what was delivered",
        "swapped_file": "it holds what was delivered under another key",
        "truncated_file": "its gzip ends too soon",
        "trailing_gzip_member": "a second gzip member follows what was delivered",
        "trailing_bytes": "bytes follow what was delivered",
        "unvouched_file": "no digest of its hour names it: it was not delivered, it was put there",
        "missing_digest": "the digest of this hour is not there, so what was delivered then is unknown",
        "invalid_signature": "its signature is not that of the key it names",
        "signature_lost": "its signature was lost in copying, and no later digest repeats it",
        "unknown_public_key": "the key that it says signed it is not among the trusted ones",
        "changed_digest": "its content is not what the next digest says it was",
        "broken_chain": "it names another predecessor than the digest before it",
        "swapped_digest": "it says that it belongs under another key",
        "unreadable_digest": "it is no digest that can be read",
    }
)
"""Every kind of finding, and what it says of the object that it names."""


@dataclass(frozen=True, order=True)
class DigestFinding:
    """One thing that is not as the log's own digests say. `day` is the delivery day, yyyymmdd."""

    day: int
    kind: str
    bucket: str
    key: str
    detail: str = ""

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def sentence(self) -> str:
        """For the person on call. Keys are as stored: escape it on a terminal."""
        return f"{self.kind}: {self.name}: {self.detail or KINDS[self.kind]}"


@dataclass(frozen=True)
class DigestReport:
    """One delivery day of a log, validated by its own digests.

    A file counts as matching when its content has the hash that a digest with a valid signature names. `undecided` are
    stored files that no digest names, of hours that no valid digest covers. `unproved` gives the number of stored files
    by group (what the log keeps digests for, such as an account and Region) where the day has files and no digest at
    all: nothing is wrong there that could be seen, and nothing is proved.
    """

    source: str
    day: int
    chains: int = 0
    digests_expected: int = 0
    digests_found: int = 0
    digests_valid: int = 0
    backfills_found: int = 0
    backfills_valid: int = 0
    files_named: int = 0
    files_matching: int = 0
    files_unvouched: int = 0
    files_undecided: int = 0
    findings: tuple[DigestFinding, ...] = ()
    unproved: Mapping[str, int] = field(default_factory=dict)
    object_count: int = 0
    bytes_read: int = 0

    @property
    def pct(self) -> float | None:
        """Percentage of expected digests, and of files that digests vouch for, that are valid; None without digests.

        It says nothing of files that no digest speaks of: `proved_pct` does.
        """
        wanted = self.digests_expected + self.backfills_found + self.files_named + self.files_unvouched
        proved = self.digests_valid + self.backfills_valid + self.files_matching
        return floor_pct(proved, wanted)

    @property
    def files(self) -> int:
        """All files of the day: those that digests name, stored or not, and those that are stored and none names."""
        return self.files_named + self.files_unvouched + self.files_undecided + sum(self.unproved.values())

    @property
    def proved_pct(self) -> float | None:
        """Percentage of all files that a valid digest proves, rounded down; None where there is no file."""
        return floor_pct(self.files_matching, self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by kind."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        return {**asdict(self), "unproved": dict(self.unproved), "counts": self.counts} | {
            "valid_pct": self.pct,
            "files": self.files,
            "files_proved_pct": self.proved_pct,
        }


@dataclass(frozen=True)
class DigestVouch:
    """What the digest that names a raw object says of it."""

    bucket: str
    key: str
    digest_key: str
    is_same_content: bool
    is_signature_valid: bool
    fingerprint: str
    """Of the public key that the digest says signed it."""
    fault: str = ""
    """Kind of finding, where content or signature do not agree."""


class PublicKeys(Protocol):
    """The keys that are trusted to have signed digests."""

    def key(self, fingerprint: str, region: str) -> bytes | None:
        """The key of a fingerprint as DER, or None where it is not among those of the Region."""


class PublicKeysError(RuntimeError):
    """There are no keys to validate with; the message says what was tried, what came back and what to do."""
