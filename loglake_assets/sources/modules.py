"""The modules of a source's folder as what they must be able to do, each loaded in one place.

Standard library only: what a module itself imports, such as msgspec, only those need who load it.
"""

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from loglake_assets.sources.counted_event import CountedEvent
from loglake_assets.sources.delivery import Delivery
from loglake_assets.sources.digest_report import DigestFinding, DigestReport, DigestVouch, PublicKeys
from loglake_assets.sources.model import LogSource
from loglake_assets.sources.record import DecodedRecord, PlainRecords

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@runtime_checkable
class Decoder(Protocol):
    """Cuts an object's content into records, and makes fields of each."""

    FIELDS: Sequence[tuple[str, str]]
    """(name, Hive type) of each field of a decoded record."""
    KNOWN_KEYS: Collection[str]
    """Top-level keys that have a column."""

    def split(self, content: bytes, /) -> list[Any]:
        """The records of one object, as bytes. Raises NotThisLogError."""

    def decode(self, record: Any, /) -> DecodedRecord:
        """One record as fields. Raises RecordError."""


@runtime_checkable
class QuickDecoder(Protocol):
    """Decodes plain records at less cost than the decoder, with the same fields."""

    def plain_records(self, raws: Sequence[Any], /) -> PlainRecords:
        """The columns of those records that are plain; of the others the decoder must be asked."""

    def repeats(self, content: bytes, /) -> bool:
        """Whether a record of an object may say a key twice."""

    def head_reader(self, columns: Sequence[str], /) -> Callable[[bytes], list[tuple[Any, ...]] | None]:
        """A function from an object's content to (time as spelled, *columns) of each record."""


@runtime_checkable
class EventCounter(Protocol):
    """Counts the events of an object by another path than the decoder's."""

    def events(self, text: str, /) -> Iterator[CountedEvent]:
        """Each record of an object's text. Raises NotCountableError."""


@runtime_checkable
class DigestValidation(Protocol):
    """Validates a log by the signed digests that are delivered with it."""

    def trusted_keys(
        self, file: Path | None, client_of: Callable[[str, str], Any], since: datetime, until: datetime, /
    ) -> PublicKeys:
        """Keys of a file, or those that the log's service lists. Raises PublicKeysError."""

    def validate(
        self,
        s3: "S3Client",
        source: LogSource,
        bucket: str,
        days: Collection[date],
        public_keys: PublicKeys,
        in_flight: int = 16,
        progress: Callable[[str], None] = ...,
    ) -> Iterator[DigestReport]:
        """The report of each delivery day, in order. Raises PublicKeysError."""

    def find_vouching_digest(
        self, s3: "S3Client", source: LogSource, bucket: str, key: str, public_keys: PublicKeys, /
    ) -> DigestVouch | None:
        """What the digest that names a stored object says of it; None where none does."""

    def finding_lines(self, findings: Iterable[DigestFinding], /) -> Iterator[str]:
        """A line for each finding, for people. Keys are as stored."""


@runtime_checkable
class Deliverer(Protocol):
    """Asks those who deliver a log how their deliveries fare. AWS's refusals are raised."""

    def deliverers(self, client_of: Callable[[str], Any], bucket: str, /) -> Iterable[Any]:
        """Those of the account that deliver to a bucket."""

    def title(self, one: Any, /) -> str:
        """What one of them is called in a sentence."""

    def deliveries(self, client_of: Callable[[str], Any], one: Any, /) -> Iterator[Delivery]:
        """What one of them says of its deliveries."""


def load_decoder(source: LogSource) -> Decoder:
    """The source's decoder. Imports what it imports."""
    return cast(Decoder, importlib.import_module(source.decoder))


def load_quick_decoder(source: LogSource) -> QuickDecoder | None:
    """The source's decoder of plain records, None where it has none."""
    return cast(QuickDecoder, importlib.import_module(source.quick_decoder)) if source.quick_decoder else None


def load_recount(source: LogSource) -> EventCounter:
    """What counts the source's events for the coverage check."""
    return cast(EventCounter, importlib.import_module(source.recount))


def load_digests(source: LogSource) -> DigestValidation:
    """What validates the source's digests. Raises LookupError where the log has none."""
    if source.digests is None:
        raise LookupError(f"{source.title} is delivered without digests, so nothing can be validated by them.")
    return cast(DigestValidation, importlib.import_module(source.digests))


def load_deliverer(source: LogSource) -> Deliverer | None:
    """What asks those who deliver the source, None where nothing knows how."""
    return cast(Deliverer, importlib.import_module(source.deliverer)) if source.deliverer else None


PROTOCOLS: Mapping[str, type] = {
    "decoder": Decoder,
    "quick_decoder": QuickDecoder,
    "recount": EventCounter,
    "digests": DigestValidation,
    "deliverer": Deliverer,
}
"""By the declaration's field that names the module."""
