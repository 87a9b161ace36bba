"""The objects of a plan: the bytes of each delivery, made while iterating."""

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import date
from random import Random

from loglake_assets.sources.cloudtrail.samples.deliveries import Delivery
from loglake_assets.sources.cloudtrail.samples.digests import DigestChain
from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import stamp, uuid_text
from loglake_assets.sources.cloudtrail.samples.kinds import record_text
from loglake_assets.sources.cloudtrail.samples.model_calls import InvokedModel, invoked_models
from loglake_assets.sources.cloudtrail.samples.plan import Faults, Plan
from loglake_assets.sources.cloudtrail.samples.session_starts import StartedSession, started_sessions
from loglake_assets.sources.cloudtrail.samples.sessions import SHELL
from loglake_assets.sources.cloudtrail.samples.trail import DIGEST_GROUP, GROUPS
from loglake_assets.sources.cloudtrail.samples.truth import ground_truth
from loglake_assets.sources.sample_deliveries import GroundTruth, SampleObject


class CloudTrailSamples:
    """Deliveries of a trail for some days. Bodies are made while iterating: 50,000 events take a few seconds."""

    def __init__(self, first_day: date, days: int, events: int, seed: int, faults: Faults) -> None:
        self._seed = seed
        self._plan = Plan(first_day, days, events, seed, faults)

    def objects(self) -> Iterator[SampleObject]:
        """Every object in the order of delivery."""
        digests = DigestChain(GROUPS[DIGEST_GROUP])
        for delivery in self._plan.deliveries:
            key = delivery.key
            if delivery.kind == "digest":
                content, signature = digests.close(key, delivery.time)
                metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
                yield SampleObject(key, _body("digest", content), "digest", metadata)
                continue
            content = self._content(delivery)
            if delivery.group == DIGEST_GROUP:
                digests.add(key, content, [self._plan.times[i] for i in delivery.events])
            yield SampleObject(key, _body(delivery.kind, content), delivery.kind)

    def late_objects(self) -> Iterator[SampleObject]:
        """Events of the first day under the prefix of the fourth; no object unless `very_late` asks for them."""
        for delivery in self._plan.late_deliveries:
            yield SampleObject(delivery.key, _body("log", self._content(delivery)), "log")

    def ground_truth(self) -> GroundTruth:
        """What a correct lake must find in `objects()`; counted in the plan, so no body is made."""
        return ground_truth(self._plan)

    def started_sessions(self) -> list[StartedSession]:
        """The StartSession events of `objects()`, for samples of other logs of the same sessions."""
        return started_sessions(self._plan, self._record)

    def invoked_models(self) -> list[InvokedModel]:
        """The Bedrock runtime events of `objects()`, for samples of the log of the same invocations."""
        return invoked_models(self._plan, self._record)

    def _content(self, delivery: Delivery) -> bytes:
        match delivery.kind:
            case "zero_byte" | "folder_marker":
                return b""
            case "other_log":
                return b'{"fileVersion":"1.0","configurationItems":[]}'
            case "insight":
                return _insight(delivery)
        records = ",".join(self._record(index) for index in delivery.events)
        return f'{{"Records":[{records}]}}'.encode()

    def _record(self, index: int) -> str:
        plan = self._plan
        rng = Random(self._seed * 1_000_003 + index)
        session, document = plan.sessions.get(index, index), plan.documents.get(index, SHELL)
        draft = Draft(rng, self._seed, index, plan.groups[index], plan.times[index], session, document)
        return record_text(plan.kinds[index], draft)


def _insight(delivery: Delivery) -> bytes:
    details = {"state": "Start", "eventSource": "ssm.amazonaws.com", "eventName": "StartSession"}
    record = {
        "eventVersion": "1.08",
        "eventTime": stamp(delivery.time),
        "eventType": "AwsCloudTrailInsight",
        "eventID": uuid_text(Random(delivery.unique)),
        "insightDetails": details | {"insightType": "ApiCallRateInsight"},
        "eventCategory": "Insight",
    }
    return json.dumps({"Records": [record]}, separators=(",", ":")).encode()


def _body(kind: str, content: bytes) -> bytes:
    if kind in ("plain_json", "zero_byte", "folder_marker"):
        return content
    body = gzip.compress(content, compresslevel=6, mtime=0)
    if kind == "corrupt":
        return _damage(body)
    return body[: len(body) * 2 // 3] if kind == "truncated" else body


def _damage(body: bytes) -> bytes:
    """Sixteen bytes of the deflate stream inverted, at the first place past the middle where inflating then fails."""
    for at in range(len(body) // 2, len(body) - 32):
        damaged = body[:at] + bytes(b ^ 0xFF for b in body[at : at + 16]) + body[at + 16 :]
        try:
            zlib.decompressobj(31).decompress(damaged)
        except zlib.error:
            return damaged
    raise ValueError("no place found where damage is noticed: the object is too small")
