"""Trails of CloudTrail that deliver to the lake, and what they report of their own deliveries."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.aws.findings import Deployment, Finding, bad, look_at
from resources.settings import loglake

_ERRORS = {"LatestDeliveryError": "log files", "LatestDigestDeliveryError": "digests"}


def examine_trails(lake: Deployment) -> Iterator[Finding]:
    """What is wrong with each trail of the account that delivers to a raw bucket of the lake.

    Seen are the trails of the lake's Region and those of all Regions; CloudTrail says how they fare by Region, here by
    what the lake's Region sees. A trail of another account is looked at there: docs/runbooks/silence.md.
    """
    buckets = {lake.settings.raw_bucket(source.name): source.name for source in lake.sources}
    found = lake.clients("cloudtrail").describe_trails()["trailList"]
    for trail in (one for one in found if one.get("S3BucketName") in buckets):
        yield from look_at(lake, "trails", f"the trail {trail['Name']}", _trail(lake, trail))


def _trail(lake: Deployment, trail: Mapping[str, Any]) -> Iterator[Finding]:
    # By its ARN: a name is not enough for a trail of another Region or of the organization.
    status, name = lake.clients("cloudtrail").get_trail_status(Name=trail["TrailARN"]), trail["Name"]
    if not status["IsLogging"]:
        stopped = f" since {status['StopLoggingTime']:%Y-%m-%d %H:%M} UTC" if status.get("StopLoggingTime") else ""
        yield bad("trails", f"the trail {name} is switched off{stopped}", f"aws cloudtrail start-logging --name {name}")
    for member, what in _ERRORS.items():
        if error := status.get(member):
            yield bad(
                "trails",
                f"the trail {name} cannot deliver {what} to {trail['S3BucketName']}: CloudTrail says {error}",
                _remedy(error),
            )
    if not trail.get("LogFileValidationEnabled"):
        yield bad(
            "trails",
            f"the trail {name} writes no digests, so nothing proves that none of its files was removed",
            f"aws cloudtrail update-trail --name {name} --enable-log-file-validation",
        )
    last = f", last at {status['LatestDeliveryTime']:%Y-%m-%d %H:%M} UTC" if status.get("LatestDeliveryTime") else ""
    yield Finding(True, "trails", f"{name} delivers to {trail['S3BucketName']}{last}")


def _remedy(error: str) -> str:
    """By CloudTrail's word, which is S3's error code: the bucket's policy, its key, or the bucket itself."""
    if "NoSuchBucket" in error:
        return loglake("deploy")
    if "Kms" in error or "KMS" in error:
        return "the policy of the bucket's key: cloudtrail.amazonaws.com needs kms:GenerateDataKey and kms:Decrypt"
    return (
        "DeliveryServices, and DeliveryAccounts or DeliveryOrgId, of the bucket's stack in the lake's file say who may "
        f"deliver; then {loglake('deploy')}"
    )
