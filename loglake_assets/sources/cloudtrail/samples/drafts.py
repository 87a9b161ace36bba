"""One record being written. What every record has is in envelope.py, what happened in it in calls.py and others."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, GROUPS, Json


@dataclass(slots=True)
class Draft:
    """One record being written: its dice, where and when it happens, and the fields so far."""

    rng: Random
    seed: int
    index: int
    group: int
    time: int
    session: int
    """Number of the event that started the session this event is about."""
    document: str
    """Name of the Session Manager document that this event, if it is a StartSession, asks for."""
    record: Json = field(default_factory=dict)

    @property
    def account(self) -> str:
        return ACCOUNTS[GROUPS[self.group][0]][1]

    @property
    def region(self) -> str:
        return GROUPS[self.group][1]

    def call(self, service: str, name: str, read_only: bool, request: Any, response: Any = None) -> None:
        self.record.update(
            eventSource=f"{service}.amazonaws.com",
            eventName=name,
            readOnly=read_only,
            requestParameters=request,
            responseElements=response,
        )
        if "tlsDetails" in self.record:
            host = f"{service}.{self.record['awsRegion']}.amazonaws.com"
            self.record["tlsDetails"]["clientProvidedHostHeader"] = host

    def deny(self, action: str, code: str = "AccessDenied") -> None:
        arn = self.record["userIdentity"].get("arn", "unknown")
        self.record.update(errorCode=code, requestParameters=None, responseElements=None)
        self.record["errorMessage"] = f"User: {arn} is not authorized to perform: {action} on this resource"
