"""Trails that deliver to a bucket, and what they report of their own deliveries.

Seen are the trails of the client's Region and those of all Regions, as they fare in that Region. A trail of another
account is looked at there: docs/runbooks/silence.md.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any

from loglake_assets.sources.delivery import Delivery
from resources.settings import loglake

_ERRORS = {"LatestDeliveryError": "log files", "LatestDigestDeliveryError": "digests"}


def deliverers(client_of: Callable[[str], Any], bucket: str) -> list[Mapping[str, Any]]:
    """The trails of the account that deliver to a bucket, as CloudTrail describes them."""
    found = client_of("cloudtrail").describe_trails()["trailList"]
    return [one for one in found if one.get("S3BucketName") == bucket]


def title(trail: Mapping[str, Any]) -> str:
    """What a trail is called in a sentence."""
    return f"the trail {trail['Name']}"


def deliveries(client_of: Callable[[str], Any], trail: Mapping[str, Any]) -> Iterator[Delivery]:
    """What is wrong with a trail, and when it last delivered."""
    # By its ARN: a name is not enough for a trail of another Region or of the organization.
    status, name = client_of("cloudtrail").get_trail_status(Name=trail["TrailARN"]), trail["Name"]
    if not status["IsLogging"]:
        yield Delivery(
            False,
            f"the trail {name} is switched off{_moment(', since', status.get('StopLoggingTime'))}",
            f"aws cloudtrail start-logging --name {name}",
        )
    for member, what in _ERRORS.items():
        if error := status.get(member):
            told = f"the trail {name} cannot deliver {what} to {trail['S3BucketName']}: CloudTrail says {error}"
            yield Delivery(False, told, _remedy(error))
    if not trail.get("LogFileValidationEnabled"):
        yield Delivery(
            False,
            f"the trail {name} writes no digests, so nothing proves that none of its files was removed",
            f"aws cloudtrail update-trail --name {name} --enable-log-file-validation",
        )
    last = _moment(", last at", status.get("LatestDeliveryTime"))
    yield Delivery(True, f"{name} delivers to {trail['S3BucketName']}{last}")


def _moment(words: str, moment: Any) -> str:
    return f"{words} {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


def _remedy(error: str) -> str:
    """By CloudTrail's word, which is S3's error code: the bucket itself, its key, or its policy."""
    if "NoSuchBucket" in error:
        return loglake("deploy")
    if "kms" in error.lower():
        return "the policy of the bucket's key: cloudtrail.amazonaws.com needs kms:GenerateDataKey and kms:Decrypt"
    return (
        "DeliveryServices, and DeliveryAccounts or DeliveryOrgIds, of the bucket's stack in the lake's file say who "
        f"may deliver; then {loglake('deploy')}"
    )
