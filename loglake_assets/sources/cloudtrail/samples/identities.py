"""Who made a call: the forms of `userIdentity`, and the credentials that STS answers with."""

from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import stamp
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, PEOPLE, ROLES, Json


def iam_user(draft: Draft, person: str) -> Json:
    number = PEOPLE.index(person)
    return {
        "type": "IAMUser",
        "principalId": f"AIDAEXAMPLE{number:09d}",
        "arn": f"arn:aws:iam::{draft.account}:user/{person}",
        "accountId": draft.account,
        "accessKeyId": f"AKIAEXAMPLE{number:09d}",
        "userName": person,
    }


def assumed_role(draft: Draft, role: str, session: str, source_identity: str | None = None) -> Json:
    context = _session_context(draft, role, source_identity)
    if session.startswith("i-"):
        context["ec2RoleDelivery"] = "2.0"
    return {
        "type": "AssumedRole",
        "principalId": f"{_role_id(role)}:{session}",
        "arn": f"arn:aws:sts::{draft.account}:assumed-role/{role}/{session}",
        "accountId": draft.account,
        "accessKeyId": _session_key(draft),
        "sessionContext": context,
    }


def identity_center_role(draft: Draft, person: str) -> Json:
    """A permission set's role, taken on behalf of a person whom Identity Center knows."""
    role = "AWSReservedSSO_Example_0123456789abcdef"
    return assumed_role(draft, role, person) | {"onBehalfOf": on_behalf_of(PEOPLE.index(person))}


def on_behalf_of(number: int) -> Json:
    """The person of that number in the invented identity store."""
    return {
        "userId": f"00000000-0000-4000-a000-{number:012d}",
        "identityStoreArn": f"arn:aws:identitystore::{ACCOUNTS[0][1]}:identitystore/d-0example00",
    }


def _session_context(draft: Draft, role: str, source_identity: str | None) -> Json:
    issuer = {
        "type": "Role",
        "principalId": _role_id(role),
        "arn": f"arn:aws:iam::{draft.account}:role/{role}",
        "accountId": draft.account,
        "userName": role,
    }
    attributes = {
        "creationDate": stamp(draft.time - draft.rng.randrange(3600)),
        "mfaAuthenticated": draft.rng.choice(("true", "false")),
    }
    context: Json = {"sessionIssuer": issuer, "attributes": attributes}
    return context | {"sourceIdentity": source_identity} if source_identity else context


def _role_id(role: str) -> str:
    return f"AROAEXAMPLE{len(role):09d}"


def _session_key(draft: Draft) -> str:
    return f"ASIAEXAMPLE{draft.rng.getrandbits(36):09X}"


def somebody(draft: Draft) -> Json:
    rng = draft.rng
    dice = rng.random()
    if dice < 0.25:
        return iam_user(draft, rng.choice(PEOPLE))
    if dice < 0.6:
        person = rng.choice(PEOPLE)
        return assumed_role(draft, rng.choice(ROLES), person, person if dice < 0.5 else None)
    if dice < 0.97:
        return assumed_role(draft, rng.choice(ROLES), f"i-0{rng.getrandbits(8):016x}")
    if dice < 0.99:
        return {"type": "AWSAccount", "principalId": "AIDAEXAMPLEOTHER00001", "accountId": "555555555555"}
    root = f"arn:aws:iam::{draft.account}:root"
    return {"type": "Root", "principalId": draft.account, "arn": root, "accountId": draft.account}


def credentials(draft: Draft, role: str, session: str) -> Json:
    key = _session_key(draft)
    arn = f"arn:aws:sts::{draft.account}:assumed-role/{role}/{session}"
    return {
        "credentials": {"accessKeyId": key, "sessionToken": "EXAMPLETOKEN", "expiration": "Nov 1, 2026, 12:00:00 PM"},
        "assumedRoleUser": {"assumedRoleId": f"{_role_id(role)}:{session}", "arn": arn},
    }
