"""What AWS's errors say: that a thing is not there, or that who asks may not see it, and by which permission."""

import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from botocore.exceptions import ClientError

P = ParamSpec("P")
T = TypeVar("T")

_ABSENT = frozenset(
    {
        *("404", "NoSuchBucket", "NoSuchKey", "NotFound", "NoSuchBucketPolicy"),
        *("ServerSideEncryptionConfigurationNotFoundError", "ObjectLockConfigurationNotFoundError"),
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        *("EntityNotFoundException", "ResourceNotFoundException", "TrailNotFoundException"),
    }
)
_ABSENT_BY_MESSAGE = {"ValidationError": "does not exist", "InvalidRequestException": "is not found"}
"""CloudFormation and Athena say by their message alone that a stack or a workgroup is not there."""
_DENIED = frozenset(
    {
        *("403", "AccessDenied", "AccessDeniedException", "Forbidden", "AllAccessDisabled"),
        *("AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"),
    }
)
_ACTIONS = {
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "GetBucketPolicy": "s3:GetBucketPolicy",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
}
"""S3 answers HEAD without a message, and others at times with no more than "Access Denied"."""


def code(error: Exception) -> str:
    """The error's code as AWS spells it, or the name of what kept the question from reaching AWS."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def is_absent(error: Exception) -> bool:
    """Whether AWS says that what was asked for is not there."""
    if not isinstance(error, ClientError):
        return False
    words = _ABSENT_BY_MESSAGE.get(code(error))
    return code(error) in _ABSENT or bool(words and words in _message(error))


def is_denied(error: Exception) -> bool:
    """Whether AWS says that whoever asked may not: nothing is known of what was asked for."""
    return code(error) in _DENIED


def permission(error: ClientError) -> str:
    """The IAM action that was lacking, such as `glue:GetTable`; the operation's name where AWS does not name it."""
    named = re.search(r"not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z]+)", _message(error))
    return named[1] if named else _ACTIONS.get(error.operation_name, error.operation_name)


def answer(ask: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """What AWS answers, or None where it says that there is none. Every other error is raised."""
    try:
        return ask(*arguments, **named)
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))
