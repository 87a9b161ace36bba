"""Whether each digest of a group can be believed, by itself: readable, in its place, signed by a trusted key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from loglake_assets.sources.cloudtrail.digests.digest_store import StoredDigest
from loglake_assets.sources.cloudtrail.digests.documents import Digest
from loglake_assets.sources.cloudtrail.digests.places import Relocation, digest_place, relocation
from loglake_assets.sources.cloudtrail.digests.signatures import is_signed_by, signed_text
from loglake_assets.sources.digest_report import PublicKeys

_LONGEST = timedelta(days=1)  # they are of an hour; one that was made up could speak of ten thousand years


@dataclass(frozen=True)
class JudgedDigest:
    """A stored digest and what is wrong with it (a kind of finding, or nothing).

    `is_proved` says that its content was signed by a trusted key, wherever it lies now.
    """

    stored: StoredDigest
    moved: Relocation | None
    kind: str = ""
    detail: str = ""
    is_proved: bool = False

    @property
    def is_valid(self) -> bool:
        return self.is_proved and not self.kind

    @property
    def can_link(self) -> bool:
        """Whether it may tell of its neighbours: one with a wrong signature may have been made up."""
        return self.moved is not None and (self.is_proved or self.kind in {"", "unknown_public_key", "signature_lost"})


def repeated_signatures(stored: Iterable[StoredDigest]) -> dict[str, str]:
    """Signatures by the original key of their digest, as the digests that follow repeat them."""
    digests = (s.digest for s in stored if s.digest)
    return {d.previous_key: d.previous_signature for d in digests if d.previous_key and d.previous_signature}


def judge(stored: Sequence[StoredDigest], keys: PublicKeys) -> list[JudgedDigest]:
    """Each digest of a group, judged; a signature that was lost in copying is taken from the digest that follows."""
    told = repeated_signatures(stored)
    return [_judge(s, s.digest, keys, told) for s in stored]


def _judge(stored: StoredDigest, digest: Digest | None, keys: PublicKeys, told: Mapping[str, str]) -> JudgedDigest:
    if digest is None:
        return JudgedDigest(stored, None, "unreadable_digest", f"it cannot be read: {stored.fault}")
    if not _is_of_its_time(stored, digest):
        return JudgedDigest(stored, None, "unreadable_digest", "its times are not those of its key")
    moved = relocation(stored.place.key, digest.key)
    kind, detail, is_proved = _signature(stored, digest, keys, told.get(digest.key))
    if moved is None:
        kind = "swapped_digest"
        detail = f"it was delivered as {digest.key}" if is_proved else "and no trusted key signed it"
    return JudgedDigest(stored, moved, kind, detail, is_proved)


def _is_of_its_time(stored: StoredDigest, digest: Digest) -> bool:
    """Whether it speaks of some hours that end when the key that it was delivered under says."""
    delivered = digest_place(digest.key)
    length = digest.end - digest.start
    return delivered is not None and delivered.end == digest.end and timedelta(0) < length <= _LONGEST


def _signature(stored: StoredDigest, digest: Digest, keys: PublicKeys, told: str | None) -> tuple[str, str, bool]:
    """(kind of finding, detail, whether the content is proved)."""
    der = find_trusted_key(stored, digest, keys)
    if der is None:
        return "unknown_public_key", f"no trusted key has the fingerprint {digest.fingerprint}", False
    text = signed_text(digest, stored.sha256)
    if stored.signature is not None and is_signed_by(der, stored.signature, text):
        return "", "", True
    if told is not None and is_signed_by(der, told, text):
        changed = "its metadata were changed and its content was not: the next digest repeats the true signature"
        return ("invalid_signature", changed, True) if stored.signature else ("", "", True)
    return ("invalid_signature" if stored.signature or told else "signature_lost"), "", False


def find_trusted_key(stored: StoredDigest, digest: Digest, keys: PublicKeys) -> bytes | None:
    """The key that a digest names, of its own Region or of its trail's home Region."""
    regions = dict.fromkeys((stored.place.group.region, stored.place.home_region))
    return next((der for region in regions if (der := keys.key(digest.fingerprint, region))), None)
