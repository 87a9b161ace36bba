"""The fields that every record of its version has, in the order real files use."""

from random import Random

from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import event_id, stamp, uuid_text
from loglake_assets.sources.cloudtrail.samples.identities import somebody
from loglake_assets.sources.cloudtrail.samples.trail import AGENTS, Json

_VERSIONS = ("1.05", "1.06", "1.07", "1.08", "1.08", "1.08", "1.09", "1.10", "1.11", "1.11")


def envelope(draft: Draft) -> None:
    """Write the fields into the draft; those of the call itself stay empty."""
    version = draft.rng.choice(_VERSIONS)
    draft.record.update(_fields_of_all_versions(draft, version))
    if version >= "1.07":
        draft.record.update(managementEvent=True, eventCategory="Management")
    if version >= "1.08":
        draft.record["tlsDetails"] = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"}
    _add_occasional_fields(draft, version)


def _fields_of_all_versions(draft: Draft, version: str) -> Json:
    return {
        "eventVersion": version,
        "userIdentity": somebody(draft),
        "eventTime": stamp(draft.time),
        "eventSource": "",
        "eventName": "",
        "awsRegion": draft.region,
        "sourceIPAddress": _address(draft.rng),
        "userAgent": draft.rng.choice(AGENTS),
        "requestParameters": None,
        "responseElements": None,
        "requestID": uuid_text(draft.rng),
        "eventID": event_id(draft.seed, draft.index),
        "readOnly": True,
        "eventType": "AwsApiCall",
        "recipientAccountId": draft.account,
    }


def _address(rng: Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113', '10.0.7'))}.{rng.randrange(1, 255)}"


def _add_occasional_fields(draft: Draft, version: str) -> None:
    rng, record = draft.rng, draft.record
    if rng.random() < 0.15:
        record["vpcEndpointId"] = f"vpce-0{rng.getrandbits(6):016x}"
        if version >= "1.11":
            record["vpcEndpointAccountId"] = draft.account
    if rng.random() < 0.05:
        record["sessionCredentialFromConsole"] = "true"
