"""The public keys that digests are validated with: from ListPublicKeys, or from a file that was kept of it.

CloudTrail has key pairs of each Region, and a digest is signed with one of its own: each Region is asked once, when a
digest of it is first looked at. With a file nothing is asked, so that evidence can be judged where no AWS is.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from loglake_assets.sources.digest_report import PublicKeys, PublicKeysError

ClientOf = Callable[[str, str], Any]
"""From an AWS service's name and a Region to a boto3 client."""


def trusted_keys(file: Path | None, client_of: ClientOf, since: datetime, until: datetime) -> PublicKeys:
    """Keys of a file, or where none is named, those that CloudTrail lists as in use from `since` to `until`.

    Raises PublicKeysError, at once for a bad file, on first use where the file holds no key or CloudTrail does not
    answer: a lake without digests needs no key.
    """
    return keys_of_file(file) if file else ListedKeys(client_of, since, until)


@dataclass(frozen=True)
class GivenKeys:
    """Keys of a file by fingerprint, whatever the Region: a fingerprint is of one key."""

    keys: Mapping[str, bytes]
    file: Path

    def key(self, fingerprint: str, region: str) -> bytes | None:
        if not self.keys:
            raise PublicKeysError(
                f"The file of public keys {self.file} holds no key, and there are digests to validate. Samples bring "
                "theirs with them when they are loaded; for your own logs save what `aws cloudtrail list-public-keys` "
                "prints, and name that file with KEYS or LOGLAKE_DIGEST_KEYS."
            )
        return self.keys.get(fingerprint)


def keys_of_file(file: Path) -> GivenKeys:
    """Keys of JSON: `{"<fingerprint>": "<base64 DER>"}`, or ListPublicKeys' own answer. Raises PublicKeysError."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return GivenKeys(_keys(document), file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PublicKeysError(
            f"The file of public keys {file} cannot be used ({type(error).__name__}). Expected is JSON, either "
            '{"<fingerprint>": "<base64 of the DER>"} or what `aws cloudtrail list-public-keys` prints.'
        ) from error


def _keys(document: Mapping[str, Any]) -> dict[str, bytes]:
    if "PublicKeyList" in document:
        listed = {key["Fingerprint"]: key["Value"] for key in document["PublicKeyList"]}
    else:
        listed = dict(document)
    return {fingerprint: _der(value) for fingerprint, value in listed.items()}


def _der(value: str | bytes) -> bytes:
    """The DER of a value: boto3 gives bytes, the command line and files base64 of them."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


@dataclass(frozen=True)
class ListedKeys:
    """Keys as CloudTrail lists them, each Region asked once."""

    client_of: ClientOf
    since: datetime
    until: datetime
    _by_region: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def key(self, fingerprint: str, region: str) -> bytes | None:
        if region not in self._by_region:
            self._by_region[region] = self._list(region)
        return self._by_region[region].get(fingerprint)

    def _list(self, region: str) -> dict[str, bytes]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self.client_of("cloudtrail", region)
            pages = client.get_paginator("list_public_keys").paginate(StartTime=self.since, EndTime=self.until)
            return {key["Fingerprint"]: _der(key["Value"]) for page in pages for key in page["PublicKeyList"]}
        except (ClientError, BotoCoreError) as error:
            said = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise PublicKeysError(
                f"CloudTrail did not list its public keys of {region} ({said}), so no digest of that Region can be "
                "validated. Allow cloudtrail:ListPublicKeys, or name a file of keys with LOGLAKE_DIGEST_KEYS."
            ) from error
