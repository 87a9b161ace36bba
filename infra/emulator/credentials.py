"""The credentials of a local stack: random for each start, known to its clients by stack.json, which is private.

Lambdas and Glue jobs get a session of their role, as on AWS. Its secret is derived from the stack's own: ministack
derives it from names alone, so that whoever knows a function's name could sign as it.
"""

import hashlib
import hmac
import os
import secrets
import string
from typing import Any

ACCESS_KEY_ALPHABET = string.ascii_uppercase + "234567"


def new_credentials() -> tuple[str, str]:
    """An access key id and a secret access key in the shape of AWS's, from the operating system's random numbers."""
    return "AKIA" + "".join(secrets.choice(ACCESS_KEY_ALPHABET) for _ in range(16)), secrets.token_urlsafe(30)


def role_credentials(account: str, role_arn: str, service: str, session: str) -> dict[str, str]:
    """Environment variables with the credentials of a role's session, which the emulator knows from now on.

    `service` and `session` name whose session it is: the same ones get the same credentials while the stack runs.
    """
    from ministack.services import sts

    key = "ASIA" + _derive("key", account, role_arn, service, session)[:16].upper()
    secret = _derive("secret", account, role_arn, service, session)
    token = _derive("token", account, role_arn, service, session)
    role, name = role_arn.rsplit("/", 1)[-1], session[:64]
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "UserId": f"{role}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def function_credentials(config: dict[str, Any]) -> dict[str, str]:
    """What a Lambda's process gets; stands in for ministack's `execution_credentials`."""
    arn = str(config["FunctionArn"])
    return role_credentials(arn.split(":")[4], str(config.get("Role", "")), "lambda", arn.split(":", 6)[6])


def _derive(kind: str, *names: str) -> str:
    message = "\0".join((kind, *names)).encode()
    return hmac.new(os.environ["AWS_SECRET_ACCESS_KEY"].encode(), message, hashlib.sha256).hexdigest()
