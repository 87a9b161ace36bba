"""Sessions: of SSM, which the views follow, and those of STS and the console, by which people and services come in."""

from random import Random

from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits, session_of, uuid_text
from loglake_assets.sources.cloudtrail.samples.identities import (
    assumed_role,
    credentials,
    iam_user,
    identity_center_role,
)
from loglake_assets.sources.cloudtrail.samples.trail import PEOPLE, ROLES, SERVICES, Json

SHELL = "SSM-SessionManagerRunShell"
_PARAMETERS = {
    "AWS-StartPortForwardingSession": {"portNumber": ["5432"], "localPortNumber": ["15432"]},
    "AWS-StartSSHSession": {"portNumber": ["22"]},
    "AWS-StartInteractiveCommand": {"command": ["top"]},
}
_CHAINS = 5
_TURN = 25
_DOCUMENTS = {  # of 25 sessions of a day, which asks for what: 8 % forward a port or speak SSH, and nothing is logged
    1: "AWS-StartPortForwardingSession",
    4: "AWS-StartSSHSession",
    7: "AWS-StartInteractiveCommand",
}


def document_of(ordinal: int) -> str:
    """The document that the session of that number on its day asks for."""
    return _DOCUMENTS.get(ordinal % _TURN, SHELL)


def start_session(draft: Draft) -> None:
    person, session_id = session_of(draft.seed, draft.index)
    rng = draft.rng
    draft.record["userIdentity"] = _opener(draft, person)
    request: Json = {"target": f"i-0{hex_digits(rng, 16)}", "documentName": draft.document, "reason": "CHG-1"}
    for optional in ("documentName", "reason"):
        if rng.random() < 0.5 and request[optional] not in _PARAMETERS:
            del request[optional]
    if draft.document in _PARAMETERS:
        request["parameters"] = _PARAMETERS[draft.document]
    stream = f"wss://ssmmessages.{draft.region}.amazonaws.com/v1/data-channel/{session_id}?role=publish_subscribe"
    response = {"sessionId": session_id, "tokenValue": "Value hidden due to security reasons.", "streamUrl": stream}
    draft.call("ssm", "StartSession", False, request, response)


def _opener(draft: Draft, person: str) -> Json:
    """Who opened the session; who ends it is the same, so this hangs on the session and not on the event."""
    dice = Random(f"{draft.seed}:opener:{draft.session}").random()
    if dice < 0.45:
        return iam_user(draft, person)
    if dice < 0.85:
        return assumed_role(draft, "Administrator", person, person)
    return identity_center_role(draft, person)


def denied_session_start(draft: Draft) -> None:
    start_session(draft)
    draft.deny("ssm:StartSession")


def terminate_session(draft: Draft) -> None:
    person, session_id = session_of(draft.seed, draft.session)
    draft.record["userIdentity"] = _opener(draft, person)
    draft.call("ssm", "TerminateSession", False, {"sessionId": session_id}, {"sessionId": session_id})


def athena_session(draft: Draft) -> None:
    request = {"workGroup": "example", "engineConfiguration": {"maxConcurrentDpus": 20}}
    draft.call("athena", "StartSession", False, request, {"sessionId": uuid_text(draft.rng), "state": "IDLE"})


def assume_role(draft: Draft) -> None:
    person, role = draft.rng.choice(PEOPLE), draft.rng.choice(ROLES)
    arn = f"arn:aws:iam::{draft.account}:role/{role}"
    if draft.index % _CHAINS == 0:  # a role taken with a role
        draft.record["userIdentity"] = assumed_role(draft, ROLES[0], f"chain-{person}", person)
    else:
        draft.record["userIdentity"] = iam_user(draft, person)
    request = {"roleArn": arn, "roleSessionName": person, "sourceIdentity": person, "durationSeconds": 3600}
    response = credentials(draft, role, person) | {"sourceIdentity": person}
    draft.call("sts", "AssumeRole", True, request, response)
    draft.record["resources"] = [{"accountId": draft.account, "type": "AWS::IAM::Role", "ARN": arn}]


def assume_role_saml(draft: Draft) -> None:
    person, role = draft.rng.choice(PEOPLE), "AWSReservedSSO_Example_0123456789abcdef"
    provider = f"arn:aws:iam::{draft.account}:saml-provider/example"
    draft.record["userIdentity"] = {
        "type": "SAMLUser",
        "principalId": f"EXAMPLE=:{person}",
        "userName": person,
        "identityProvider": "EXAMPLE=",
    }
    request = {
        "sAMLAssertionID": f"_{uuid_text(draft.rng)}",
        "roleSessionName": person,
        "roleArn": f"arn:aws:iam::{draft.account}:role/aws-reserved/sso.amazonaws.com/{role}",
        "principalArn": provider,
        "durationSeconds": 3600,
    }
    response = credentials(draft, role, person) | {"issuer": "https://portal.example.com/saml", "subject": person}
    draft.call("sts", "AssumeRoleWithSAML", True, request, response)


def by_service(draft: Draft) -> None:
    host = f"{draft.rng.choice(SERVICES)}.amazonaws.com"
    role = f"AWSServiceRoleFor{host.split('.')[0].title()}"
    request = {"roleArn": f"arn:aws:iam::{draft.account}:role/aws-service-role/{host}/{role}", "roleSessionName": "svc"}
    draft.record.update(userIdentity={"type": "AWSService", "invokedBy": host}, sourceIPAddress=host, userAgent=host)
    draft.record.pop("tlsDetails", None)
    draft.call("sts", "AssumeRole", True, request, credentials(draft, role, "svc"))


def console_login(draft: Draft) -> None:
    person, failed = draft.rng.choice(PEOPLE), draft.rng.random() < 0.2
    used = draft.rng.random() < 0.8
    draft.record["userIdentity"] = {k: v for k, v in iam_user(draft, person).items() if k != "accessKeyId"}
    draft.call("signin", "ConsoleLogin", False, None, {"ConsoleLogin": "Failure" if failed else "Success"})
    extra = {"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": "Yes" if used else "No"}
    if used:
        extra["MFAIdentifier"] = f"arn:aws:iam::{draft.account}:mfa/{person}"
    draft.record.update(eventType="AwsConsoleSignIn", awsRegion="us-east-1", additionalEventData=extra)
    if failed:
        draft.record["errorMessage"] = "Failed authentication"
