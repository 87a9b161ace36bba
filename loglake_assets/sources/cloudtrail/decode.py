"""One CloudTrail record from its bytes to typed fields, losing nothing. Needs msgspec, so the Glue job only imports it.

Every field is taken as raw JSON first and typed second: one path is an int in one record and a string in the next, and
a value that does not fit its column must end in `otherfields`, not in an error. Nested blocks stay the delivered bytes.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from loglake_assets.sources.record import DecodedRecord, NotThisLogError, RecordError
from loglake_assets.sources.repetition import KEY_TWICE, says_a_key_twice

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DOCUMENT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RECORDS = msgspec.json.Decoder(list[msgspec.Raw] | None)
_DELIVERY = msgspec.json.Decoder(msgspec.defstruct("_Delivery", [("Records", list[msgspec.Raw])]))
_STRING = msgspec.json.Decoder(str)

TEXT = {  # JSON key: column
    "eventID": "eventid",
    "eventSource": "eventsource",
    "eventName": "eventname",
    "eventVersion": "eventversion",
    "eventType": "eventtype",
    "eventCategory": "eventcategory",
    "apiVersion": "apiversion",
    "awsRegion": "awsregion",
    "recipientAccountId": "recipientaccountid",
    "sourceIPAddress": "sourceipaddress",
    "userAgent": "useragent",
    "errorCode": "errorcode",
    "errorMessage": "errormessage",
    "requestID": "requestid",
    "sharedEventID": "sharedeventid",
    "vpcEndpointId": "vpcendpointid",
    "vpcEndpointAccountId": "vpcendpointaccountid",
    "sessionCredentialFromConsole": "sessioncredentialfromconsole",
}
BOOLEAN = {"managementEvent": "managementevent", "readOnly": "readonly"}
JSON = {
    "userIdentity": "useridentity",
    "requestParameters": "requestparameters",
    "responseElements": "responseelements",
    "additionalEventData": "additionaleventdata",
    "serviceEventDetails": "serviceeventdetails",
    "edgeDeviceDetails": "edgedevicedetails",
    "insightDetails": "insightdetails",
    "resources": "resources",
    "tlsDetails": "tlsdetails",
    "addendum": "addendum",
}
NESTED = {  # (block column, path inside it): column. The block itself is kept whole beside it.
    ("useridentity", ("type",)): "useridentity_type",
    ("useridentity", ("principalId",)): "useridentity_principalid",
    ("useridentity", ("arn",)): "useridentity_arn",
    ("useridentity", ("accountId",)): "useridentity_accountid",
    ("useridentity", ("accessKeyId",)): "useridentity_accesskeyid",
    ("useridentity", ("userName",)): "useridentity_username",
    ("useridentity", ("invokedBy",)): "useridentity_invokedby",
    ("useridentity", ("identityProvider",)): "useridentity_identityprovider",
    ("useridentity", ("credentialId",)): "useridentity_credentialid",
    ("useridentity", ("sessionContext", "sourceIdentity")): "useridentity_sourceidentity",
    ("useridentity", ("sessionContext", "ec2RoleDelivery")): "useridentity_ec2roledelivery",
    ("useridentity", ("sessionContext", "assumedRoot")): "useridentity_assumedroot",
    ("useridentity", ("sessionContext", "attributes", "creationDate")): "useridentity_sessioncreationdate",
    ("useridentity", ("sessionContext", "attributes", "mfaAuthenticated")): "useridentity_mfaauthenticated",
    (
        "useridentity",
        ("sessionContext", "webIdFederationData", "federatedProvider"),
    ): "useridentity_federatedprovider",
    ("useridentity", ("sessionContext", "sessionIssuer", "type")): "useridentity_issuertype",
    ("useridentity", ("sessionContext", "sessionIssuer", "principalId")): "useridentity_issuerprincipalid",
    ("useridentity", ("sessionContext", "sessionIssuer", "arn")): "useridentity_issuerarn",
    ("useridentity", ("sessionContext", "sessionIssuer", "accountId")): "useridentity_issueraccountid",
    ("useridentity", ("sessionContext", "sessionIssuer", "userName")): "useridentity_issuerusername",
    ("useridentity", ("onBehalfOf", "userId")): "useridentity_onbehalfof_userid",
    ("useridentity", ("onBehalfOf", "identityStoreArn")): "useridentity_onbehalfof_identitystorearn",
    ("useridentity", ("inScopeOf", "sourceArn")): "useridentity_inscopeof_sourcearn",
    ("useridentity", ("inScopeOf", "sourceAccount")): "useridentity_inscopeof_sourceaccount",
    ("useridentity", ("inScopeOf", "issuerType")): "useridentity_inscopeof_issuertype",
    ("useridentity", ("inScopeOf", "credentialsIssuedTo")): "useridentity_inscopeof_credentialsissuedto",
    ("useridentity", ("invokedByDelegate", "accountId")): "useridentity_invokedbydelegate_accountid",
    ("addendum", ("reason",)): "addendum_reason",
    ("addendum", ("originalEventID",)): "addendum_originaleventid",
}

FIELDS: tuple[tuple[str, str], ...] = (
    ("eventkey", "string"),
    ("eventtime", "timestamp"),
    *((column, "string") for column in TEXT.values()),
    *((column, "boolean") for column in BOOLEAN.values()),
    *((column, "string") for column in JSON.values()),
    *((column, "string") for column in NESTED.values()),
    ("otherfields", "string"),
)
"""(name, Hive type) of what `decode` yields, in this order: the columns of the view `records_as_view`."""


KNOWN_KEYS = frozenset(("eventTime", *TEXT, *BOOLEAN, *JSON))
"""Top-level keys that have a column. One of them in `otherfields` has a value that fits none."""


def _tree() -> dict[str, Any]:
    root: dict[str, Any] = {}
    for (block, path), column in NESTED.items():
        node = root.setdefault(block, {})
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = column
    return root


_TREE = _tree()
_KEYS_OF_TREE = {key: _TREE[column] for key, column in JSON.items() if column in _TREE}
_AROUND_RECORDS = len(b'{"Records":[]}')


def split(document: bytes) -> list[msgspec.Raw]:
    """The records of one object's content, each as its delivered bytes. `{"Records": null}` holds none.

    Raises NotThisLogError with the reason when the content is no CloudTrail delivery.
    """
    try:
        records: list[msgspec.Raw] = _DELIVERY.decode(document).Records  # type: ignore[attr-defined]  # one pass
    except (msgspec.DecodeError, RecursionError):
        return _split_odd(document)
    size = sum(len(memoryview(raw)) for raw in records) + max(len(records) - 1, 0)
    return records if size + _AROUND_RECORDS == len(document) else _split_odd(document)  # else there is more than these


def _split_odd(document: bytes) -> list[msgspec.Raw]:
    try:
        body = _DOCUMENT.decode(document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotThisLogError("not_json") from error
    if says_a_key_twice(document, body):
        raise NotThisLogError(KEY_TWICE)
    if "Records" not in body:
        raise NotThisLogError("no_records")
    if any(bytes(value)[:1] in (b"[", b"{") for name, value in body.items() if name != "Records"):
        raise NotThisLogError("more_than_records")
    try:
        return _RECORDS.decode(body["Records"]) or []
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotThisLogError("records_not_a_list") from error


def decode(raw: msgspec.Raw) -> DecodedRecord:
    """One record as fields in the order of FIELDS. Raises RecordError with the reason it cannot be a row."""
    try:
        record = _OBJECT.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError("record_not_an_object") from error
    if says_a_key_twice(raw, record):
        raise RecordError(KEY_TWICE)
    _drop_known_nulls(record)
    eventtime = _event_time(record)
    fields: dict[str, Any] = {"eventtime": eventtime}
    for key, column in TEXT.items():
        _take_text(record, key, column, fields)
    for key, column in BOOLEAN.items():
        _take_boolean(record, key, column, fields)
    for key, column in JSON.items():
        _take_json(record, key, column, fields)
    digest = hashlib.sha256(raw).hexdigest()
    fields["eventkey"] = fields.get("eventid") or f"sha256:{digest}"
    if record:
        fields["otherfields"] = msgspec.json.encode(record).decode()
    return DecodedRecord(fields, eventtime, digest)


def repeats(raw: msgspec.Raw) -> bool:
    """Whether a record says a key twice, itself or in a block of which columns are made. Raises DecodeError."""
    return says_a_key_twice(raw, _OBJECT.decode(raw), _KEYS_OF_TREE)


def _drop_known_nulls(record: dict[str, msgspec.Raw]) -> None:
    """A null under a known key says what an absent key says: the column is null, and otherfields stays for the rest."""
    for key in [key for key, raw in record.items() if len(memoryview(raw)) == 4 and key in KNOWN_KEYS]:
        if bytes(record[key]) == b"null":
            del record[key]


def _event_time(record: dict[str, msgspec.Raw]) -> datetime:
    raw = record.get("eventTime")
    if raw is None or bytes(raw) == b'""':
        raise RecordError("eventtime_missing")
    try:
        text = _STRING.decode(raw)
        spelled = datetime.fromisoformat(text)
        moment = spelled.astimezone(UTC)
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise RecordError("eventtime_unreadable") from error
    if spelled.tzinfo is None:
        raise RecordError("eventtime_unreadable")
    if text == f"{moment:%Y-%m-%dT%H:%M:%S}Z":
        del record["eventTime"]  # an odd spelling stays in otherfields
    return moment


def _take_text(record: dict[str, msgspec.Raw], key: str, column: str, fields: dict[str, Any]) -> None:
    raw = record.get(key)
    if raw is not None and (text := _text(raw)) is not None:
        fields[column] = text
        del record[key]


def _text(raw: msgspec.Raw) -> str | None:
    """The string that raw JSON spells, or None when it is anything else."""
    try:
        return _STRING.decode(raw)
    except msgspec.DecodeError:
        return None


def _take_boolean(record: dict[str, msgspec.Raw], key: str, column: str, fields: dict[str, Any]) -> None:
    value = _BOOLEANS.get(bytes(record[key])) if key in record else None
    if value is not None:
        fields[column] = value
        del record[key]


_BOOLEANS = {b"true": True, b"false": False}


def _take_json(record: dict[str, msgspec.Raw], key: str, column: str, fields: dict[str, Any]) -> None:
    raw = record.get(key)
    if raw is None:
        return
    fields[column] = bytes(raw).decode()
    del record[key]
    if column in _TREE:
        _flatten(raw, _TREE[column], fields)


def _flatten(raw: msgspec.Raw, tree: Mapping[str, Any], fields: dict[str, Any]) -> None:
    """Scalars of a block into their columns. The block is kept whole, so what does not fit is not lost.

    Raises RecordError where the block says a key twice: its column would hold one value and hide the other.
    """
    try:
        block = _OBJECT.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return
    if says_a_key_twice(raw, block):
        raise RecordError(KEY_TWICE)
    for key, target in tree.items():
        if (value := block.get(key)) is None:
            continue
        if isinstance(target, dict):
            _flatten(value, target, fields)
        elif (text := _text(value)) is not None:
            fields[target] = text
        elif bytes(value) != b"null":
            fields[target] = bytes(value).decode()
