"""What happens on the trail every day: each function makes of an ordinary record the record of one kind of event."""

from collections.abc import Callable
from random import Random
from typing import Any

from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits, uuid_text
from loglake_assets.sources.cloudtrail.samples.identities import on_behalf_of
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, HOSTILE, ROLES, Json


def _one_instance(rng: Random) -> Json:
    return {"instancesSet": {"items": [{"instanceId": f"i-0{hex_digits(rng, 16)}"}]}}


_CALLS: tuple[tuple[str, str, bool, Callable[[Random], Any]], ...] = (
    ("ec2", "DescribeInstances", True, lambda r: {"instancesSet": {}, "filterSet": {}}),
    ("ec2", "DescribeVolumes", True, lambda r: {"volumeSet": {"items": [{"volumeId": f"vol-0{hex_digits(r, 16)}"}]}}),
    ("ec2", "DescribeInstances", True, _one_instance),
    ("ec2", "StartInstances", False, _one_instance),
    ("s3", "ListBuckets", True, lambda r: {"Host": "s3.amazonaws.com"}),
    ("s3", "GetBucketLocation", True, lambda r: {"bucketName": f"example-bucket-{r.randrange(9)}", "location": ""}),
    ("s3", "PutBucketPolicy", False, lambda r: {"bucketName": "example-bucket", "bucketPolicy": {"Statement": []}}),
    ("iam", "GetUser", True, lambda r: None),
    ("iam", "ListRoles", True, lambda r: {"maxItems": 100}),
    (
        "iam",
        "AttachRolePolicy",
        False,
        lambda r: {"roleName": r.choice(ROLES), "policyArn": "arn:aws:iam::aws:policy/"},
    ),
    ("kms", "Decrypt", True, lambda r: {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    ("kms", "DescribeKey", True, lambda r: {"keyId": f"alias/example-{r.randrange(9)}"}),
    ("glue", "GetPartitions", True, lambda r: {"databaseName": "example", "tableName": f"t{r.randrange(50)}"}),
    ("glue", "StartJobRun", False, lambda r: {"jobName": "example-job", "numberOfWorkers": 10}),
    ("lambda", "ListFunctions20150331", True, lambda r: {"maxItems": 50}),
    ("lambda", "UpdateFunctionCode20150331v2", False, lambda r: {"functionName": "example", "dryRun": False}),
    ("sts", "GetCallerIdentity", True, lambda r: None),
    ("ssm", "DescribeInstanceInformation", True, lambda r: {"filters": [], "maxResults": r.choice((10, 50))}),
)
GRAVE_CALLS: tuple[tuple[str, str, Json], ...] = (  # what security looks for, each once in a row of so many events
    ("cloudtrail", "StopLogging", {"name": "example-trail"}),
    ("cloudtrail", "DeleteTrail", {"name": "example-trail"}),
    ("iam", "CreateAccessKey", {"userName": "ci-deploy"}),
    ("iam", "CreateUser", {"userName": "example-user"}),
    ("iam", "DeactivateMFADevice", {"userName": "alice", "serialNumber": "arn:aws:iam::111122223333:mfa/alice"}),
    ("s3", "DeleteBucketPublicAccessBlock", {"bucketName": "example-bucket", "publicAccessBlock": ""}),
    (
        "ec2",
        "AuthorizeSecurityGroupIngress",
        {
            "groupId": "sg-0example",
            "ipPermissions": {
                "items": [{"ipProtocol": "tcp", "fromPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]
            },
        },
    ),
    ("kms", "ScheduleKeyDeletion", {"keyId": "alias/example-1", "pendingWindowInDays": 7}),
    ("guardduty", "DeleteDetector", {"detectorId": "0123456789abcdef0123456789abcdef"}),
    ("secretsmanager", "GetSecretValue", {"secretId": "example/database"}),
)
_DAY_SECONDS = 86_400
_GLOBAL = ("iam",)  # always us-east-1 in the record, whatever Region the key says


def call(draft: Draft) -> None:
    service, name, read_only, request = draft.rng.choice(_CALLS)
    if service in _GLOBAL:
        draft.record["awsRegion"] = "us-east-1"
    draft.call(service, name, read_only, request(draft.rng), None if read_only else {"_return": True})
    if draft.record["eventVersion"] == "1.05" and draft.rng.random() < 0.3:
        del draft.record["readOnly"]


def denied_call(draft: Draft) -> None:
    call(draft)
    record = draft.record
    draft.deny(f"{record['eventSource'].split('.')[0]}:{record['eventName']}", "Client.UnauthorizedOperation")


def grave_call(draft: Draft) -> None:
    """From an address that no other day has, as of somebody who was never there before."""
    service, name, request = GRAVE_CALLS[draft.index % len(GRAVE_CALLS)]
    if service in _GLOBAL:
        draft.record["awsRegion"] = "us-east-1"
    draft.record["sourceIPAddress"] = f"2001:db8::{draft.time // _DAY_SECONDS:x}"
    draft.call(service, name, name.startswith("Get"), request)


def object_read(draft: Draft) -> None:
    request = {"bucketName": "example-bucket", "key": f"reports/{draft.rng.randrange(999)} of 2026+é.csv"}
    draft.call("s3", "GetObject", True, request)
    arn = f"arn:aws:s3:::example-bucket/{request['key']}"
    draft.record.update(managementEvent=False, eventCategory="Data")
    draft.record["resources"] = [{"type": "AWS::S3::Object", "ARN": arn}]
    extra = {"bytesTransferredOut": draft.rng.randrange(1 << 20), "SignatureVersion": "SigV4"}
    draft.record["additionalEventData"] = extra


def bedrock(draft: Draft) -> None:
    name = draft.rng.choice(("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"))
    draft.call("bedrock", name, True, {"modelId": f"example.model-{draft.rng.randrange(4)}-v1:0"})
    draft.record["additionalEventData"] = {"inferenceRegion": draft.region}


def service_event(draft: Draft) -> None:
    identity = {"accountId": draft.account, "invokedBy": "AWS Internal"}
    draft.record.update(userIdentity=identity, sourceIPAddress="AWS Internal", userAgent="AWS Internal")
    draft.call("kms", "RotateKey", False, None)
    details = {"keyId": uuid_text(draft.rng), "rotationType": "AUTOMATIC"}
    draft.record.update(eventType="AwsServiceEvent", serviceEventDetails=details)


def identity_center(draft: Draft) -> None:
    draft.record["userIdentity"] = {
        "type": "IdentityCenterUser",
        "accountId": draft.account,
        "onBehalfOf": on_behalf_of(draft.rng.randrange(8)),
        "credentialId": uuid_text(draft.rng),
    }
    name, read_only = draft.rng.choice((("ListApplications", True), ("Federate", False), ("Authenticate", False)))
    draft.call("sso", name, read_only, None)
    draft.record["serviceEventDetails"] = {"role_name": "Example", "account_id": draft.account}


def hostile(draft: Draft) -> None:
    denied_call(draft)
    draft.record["userAgent"] = HOSTILE[draft.index % len(HOSTILE)]
    draft.record["errorMessage"] = HOSTILE[(draft.index + 3) % len(HOSTILE)]


def data_key_of_two_accounts(draft: Draft) -> None:
    """Two accounts' records of one action: numbers 2n and 2n+1."""
    key = f"arn:aws:kms:{draft.region}:{ACCOUNTS[0][1]}:key/{uuid_text(Random(draft.index // 2))}"
    draft.call("kms", "GenerateDataKey", True, {"keyId": key, "keySpec": "AES_256"})
    draft.record["sharedEventID"] = uuid_text(Random(f"{draft.seed}:shared:{draft.index // 2}"))
    draft.record["resources"] = [{"accountId": ACCOUNTS[0][1], "type": "AWS::KMS::Key", "ARN": key}]
