"""The objects of a plan: the bytes of each delivery, made while iterating."""

import gzip
import zlib
from collections.abc import Iterator
from datetime import date

from loglake_assets.sources.bedrock.samples.deliveries import Delivery
from loglake_assets.sources.bedrock.samples.plan import Faults, Plan
from loglake_assets.sources.bedrock.samples.records import body_text, record_text
from loglake_assets.sources.bedrock.samples.truth import ground_truth
from loglake_assets.sources.cloudtrail.samples.model_calls import InvokedModel
from loglake_assets.sources.sample_deliveries import GroundTruth, SampleObject


class BedrockSamples:
    """Deliveries of invocation logging for some days. Bodies are made while iterating: 5,000 records take seconds."""

    def __init__(
        self, first_day: date, days: int, events: int, seed: int, faults: Faults, invoked: list[InvokedModel]
    ) -> None:
        self._seed = seed
        self._plan = Plan(first_day, days, events, seed, faults, invoked)

    def objects(self) -> Iterator[SampleObject]:
        """Every object in the order of delivery."""
        for delivery in self._plan.deliveries:
            yield SampleObject(delivery.key, self._body(delivery), delivery.kind)

    def late_objects(self) -> Iterator[SampleObject]:
        """Records of the first day under the prefix of the fourth; no object unless `very_late` asks for them."""
        for delivery in self._plan.late_deliveries:
            yield SampleObject(delivery.key, self._body(delivery), delivery.kind)

    def ground_truth(self) -> GroundTruth:
        """What a correct lake must find in `objects()`; counted in the plan, so no body is made."""
        return ground_truth(self._plan, self._seed)

    def _body(self, delivery: Delivery) -> bytes:
        match delivery.kind:
            case "zero_byte" | "folder_marker" | "permission_check":
                return b""
            case "unknown_key":
                return b"Put here by hand.\n"
            case "body":
                [index] = delivery.invocations
                invocation = self._plan.invocations[index]
                return _gzip(body_text(self._seed, index, invocation, delivery.part).encode())
        lines = [record_text(self._seed, index, self._plan.invocations[index]) for index in delivery.invocations]
        if delivery.kind == "not_json":
            middle = len(lines) // 2
            lines[middle] = lines[middle][: len(lines[middle]) * 2 // 3]
        end = "\n" if len(lines) % 3 else ""  # nobody may rely on a last line that ends
        return _ENDS.get(delivery.kind, bytes)(_gzip(("\n".join(lines) + end).encode()))


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def _truncate(body: bytes) -> bytes:
    return body[: len(body) * 2 // 3]


def _corrupt(body: bytes) -> bytes:
    """One byte inverted: the first in the last third where inflating then fails."""
    for at in range(len(body) * 2 // 3, len(body)):
        damaged = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        try:
            zlib.decompressobj(31).decompress(damaged)
        except zlib.error:
            return damaged
    raise AssertionError("the checksum lies in the last third, so there is such a byte")


_ENDS = {"truncated": _truncate, "corrupt": _corrupt}
