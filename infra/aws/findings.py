"""What a look at a deployed lake finds, and how what AWS does not answer is told from what is not there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from infra.aws.aws_errors import code, is_absent, is_denied, permission
from infra.aws.deploy import Clients
from infra.aws.stacks import Stack
from infra.aws.template import Resource, resources
from loglake_assets.sources import LogSource
from resources.settings import LakeSettings, loglake

_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """What a look found: `is_well`, what it was of, a sentence, and a command or step that mends it, or nothing.

    `thing` begins the sentence where other findings may say the same of other things.
    """

    is_well: bool
    subject: str
    sentence: str
    remedy: str = ""
    thing: str = ""


@dataclass(frozen=True)
class Deployment:
    """A lake as its file describes it: names, stacks with their parameters, and its logs."""

    settings: LakeSettings
    clients: Clients
    stacks: Sequence[Stack]
    sources: Sequence[LogSource]

    @cached_property
    def template_resources(self) -> dict[str, dict[str, Resource]]:
        """What the templates have with these parameters, by stack and logical id, read once for all looks."""
        where = self.settings.account, self.settings.region
        return {stack.name: resources(stack.template, stack.parameters, *where) for stack in self.stacks}

    @cached_property
    def person(self) -> str:
        """The ARN of whoever looks, as AWS knows them."""
        try:
            return str(self.clients("sts").get_caller_identity()["Arn"])
        except (ClientError, BotoCoreError):
            return "whoever these credentials are of"

    def resources(self, kind: str) -> Iterator[tuple[str, Resource]]:
        """(stack name, resource) of everything declared of a type."""
        for name, found in self.template_resources.items():
            yield from ((name, one) for one in found.values() if one.type == kind)


def bad(subject: str, sentence: str, remedy: str = "") -> Finding:
    """A finding that something is wrong."""
    return Finding(False, subject, sentence, remedy)


def needs_deployment(subject: str, sentence: str) -> Finding:
    """A finding that deploying the lake again mends."""
    return bad(subject, sentence, loglake("deploy"))


def look_at(lake: Deployment, subject: str, thing: str, found: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of one thing; where AWS does not answer, that takes the place of what would have followed.

    So that what one role may not see hides nothing else, and is never called absent.
    """
    try:
        yield from found
    except (ClientError, BotoCoreError) as error:
        yield _access_finding(lake, subject, thing, error)


def merge(found: Sequence[Finding]) -> list[Finding]:
    """Findings that say the same of several things as one, which names the first of them."""
    things: dict[Finding, list[str]] = {}
    for one in found:
        things.setdefault(replace(one, thing=""), []).append(one.thing)
    return [replace(one, sentence=f"{_names(named)}{one.sentence}") for one, named in things.items()]


def _names(things: Sequence[str]) -> str:
    if not things[0]:
        return ""
    more = f" and {len(things) - _SHOWN} more" if len(things) > _SHOWN else ""
    return f"{', '.join(things[:_SHOWN])}{more}: "


def _access_finding(lake: Deployment, subject: str, thing: str, error: ClientError | BotoCoreError) -> Finding:
    if isinstance(error, ClientError) and is_denied(error):
        action = permission(error)
        sentence = f"AWS denies {action} to {lake.person} ({code(error)}), so it may be there or not"
        remedy = f"allow {action} to {lake.person}, or look with --profile as somebody who may"
    elif is_absent(error):
        sentence, remedy = f"is not there ({code(error)})", loglake("deploy")
    elif isinstance(error, CredentialRetrievalError | NoCredentialsError | PartialCredentialsError):
        sentence, remedy = f"could not be looked at: {error}", "give credentials: --profile, or AWS's variables"
    else:
        sentence = f"could not be looked at, AWS answered {code(error)}: {error}"
        remedy = "look again in a minute, and if it says the same, do what it says"
    return Finding(False, subject, sentence, remedy, thing)
