"""What a trail of CloudTrail says of its deliveries; ministack's trails deliver nothing and say nothing.

As on AWS an error is the code that S3 answers to the trail: the bucket is not there, or its policy does not let
cloudtrail.amazonaws.com write there for the trail's account. A delivery is tried when the status is asked for; no file
is written.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudtrail, s3

Response = tuple[int, dict[str, str], bytes]
_SERVICE = "cloudtrail.amazonaws.com"


def with_deliveries(original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """GetTrailStatus with LatestDeliveryError and LatestDeliveryTime, and those of digests where the trail has them."""

    def get_trail_status(body: dict[str, Any]) -> Response:
        code, headers, content = original(body)
        if code != 200:
            return code, headers, content
        _, _, trail = cloudtrail._find_visible_trail(body["Name"].strip())
        status = json.loads(content)
        if status["IsLogging"]:
            status |= _deliveries(trail)
        return code, headers, json.dumps(status).encode()

    return get_trail_status


def _deliveries(trail: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ["Delivery", "DigestDelivery"] if trail["LogFileValidationEnabled"] else ["Delivery"]
    refusal = _refusal(trail)
    said = ("Error", refusal) if refusal else ("Time", int(time.time()))
    return {f"Latest{kind}{said[0]}": said[1] for kind in kinds}


def _refusal(trail: Mapping[str, Any]) -> str:
    """The code with which S3 refuses an object of the trail, or nothing."""
    bucket, account = trail["S3BucketName"], get_account_id()
    if not s3._buckets.contains_scoped(account, None, bucket):
        return "NoSuchBucket"
    key = "/".join(filter(None, (trail.get("S3KeyPrefix"), "AWSLogs", account, "CloudTrail", "any")))
    asked = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="s3:PutObject",
        resource_arn=f"arn:aws:s3:::{bucket}/{key}",
        region=get_region(),
        secure_transport=True,
        service_context={
            "aws:sourcearn": trail["TrailARN"],
            "aws:sourceaccount": account,
            "aws:sourceorgid": iam_evaluator._principal_org_id(account),
            "s3:x-amz-acl": "bucket-owner-full-control",
        },
    )
    policy = s3._bucket_policies.get_scoped(account, None, bucket)
    decided = iam_evaluator.evaluate_resource_policy(policy, asked, service=_SERVICE)
    return "" if decided.decision == "Allow" else "AccessDenied"
