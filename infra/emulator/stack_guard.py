"""What stands before the emulator: nothing reaches it but requests that are signed with this stack's credentials.

ministack takes every request, of any web page too, and answers with `Access-Control-Allow-Origin: *`. Here a request of
a web page or for another host name is refused, the rest must carry a valid AWS Signature Version 4 (in its headers or,
presigned, in its URL) of the stack's access key or of a session or key that the emulator itself issued, and no CORS
header is ever sent. With --auth, ministack's policies decide after this about what the key may do.
"""

import functools
import hashlib
import hmac
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator, responses, sigv4

from infra.emulator.browser_guard import (
    App,
    Headers,
    Message,
    Receive,
    Send,
    header_values,
    host_refusal,
    origin_refusal,
    own_hosts,
    send_refusal,
    send_sentence,
)
from infra.emulator.processes import HEALTH_PATH

CLOCK_SKEW = timedelta(minutes=15)
LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600
ALGORITHM = "AWS4-HMAC-SHA256"
WHERE = "A client of this stack takes its credentials from stack.json in the lake's home, as every command does."
_STRIPPED = (b"access-control-", b"timing-allow-origin")
_DATE = "%Y%m%dT%H%M%SZ"
_CODES = {
    "unsigned": ("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    "malformed": ("AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException"),
    "unknown": ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"),
    "token": ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException"),
    "expired": ("ExpiredToken", "ExpiredToken", "ExpiredTokenException"),
    "late": ("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"),
    "mismatch": ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
}
"""AWS's codes for each failure: those of S3, of the query protocol, and of JSON."""


class SignatureError(Exception):
    """A request that is not signed as it must be: a key of _CODES, and a sentence for whoever sent it."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(message)
        self.failure, self.message = failure, message


class StackGuard:
    """An ASGI application before the emulator's. Its health path answers without credentials, and says nothing."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = own_hosts(port)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = host_refusal(scope["headers"], self._hosts) or origin_refusal(scope["headers"])
        if scope["type"] != "http":
            refusal = "The local stack serves no WebSocket."
        if refusal:
            await send_sentence(scope, send, 403, refusal)
        elif scope["path"] == HEALTH_PATH and scope["method"] == "GET":
            await send_sentence(scope, send, 200, "ok")
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            request = SignedRequest(scope)
            body = None if request.payload_hash else await _whole_body(receive)
            request.verify(body)
        except SignatureError as error:
            await _refuse(scope, send, error)
        except ConnectionAbortedError:
            return
        else:
            await self._app(scope, receive if body is None else _body_again(body, receive), _without_cors(send))


class SignedRequest:
    """The signature of a request, and whether it is that of credentials which this stack knows."""

    def __init__(self, scope: Message) -> None:
        self._method = str(scope["method"])
        self._path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        self._query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        self._headers = _header_map(scope["headers"])
        self._presigned = _is_presigned(scope["headers"], self._query)
        parse = sigv4.parse_query_signature if self._presigned else sigv4.parse_header_signature
        signature = parse(self._query if self._presigned else self._headers)
        if isinstance(signature, tuple):
            raise SignatureError("malformed", f"{signature[1]} Sign the request again with an AWS client.")
        self._signature = signature

    @property
    def payload_hash(self) -> str:
        """What the client says of the body and signs, so that the body need not be read here; empty where it must."""
        if self._presigned and self._signature.service == "s3":
            return str(sigv4.UNSIGNED_PAYLOAD)
        return self._headers.get("x-amz-content-sha256", "")

    def verify(self, body: bytes | None) -> None:
        """Raise SignatureError unless the request is signed with credentials of this stack, and lately."""
        self._check_time()
        signed, secret = self._signature, self._secret()
        hashed = self.payload_hash or hashlib.sha256(body or b"").hexdigest()
        headers = {**self._headers, "x-amz-content-sha256": hashed}
        _, text = sigv4.header_signing_documents(
            signed, self._method, self._path, self._query, headers, b"", presigned=self._presigned
        )
        key = _signing_key(secret, signed.date_stamp, signed.region, signed.service)
        computed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        matches = hmac.compare_digest(computed.encode(), signed.signature.encode())
        if not matches or "host" not in signed.signed_headers.split(";"):
            raise SignatureError(
                "mismatch",
                "The request is not signed with the secret that belongs to its access key id, or it was changed on the "
                f"way. {WHERE}",
            )

    def _check_time(self) -> None:
        try:
            when = datetime.strptime(self._signature.amz_date, _DATE).replace(tzinfo=UTC)
            seconds = int((self._query.get("X-Amz-Expires") or ["0"])[0]) if self._presigned else 0
        except ValueError:
            raise SignatureError("malformed", "The date of the signature is not one. Sign the request again.") from None
        now = datetime.now(UTC)
        lasts = timedelta(seconds=min(seconds, LONGEST_PRESIGNED_SECONDS)) or CLOCK_SKEW
        if self._signature.date_stamp != self._signature.amz_date[:8] or not when - CLOCK_SKEW <= now <= when + lasts:
            signed = f"The request was signed for {when:%Y-%m-%d %H:%M:%S} UTC, and it is {now:%Y-%m-%d %H:%M:%S}."
            raise SignatureError("late", f"{signed} Sign it again.")

    def _secret(self) -> str:
        """The secret of the access key id: the stack's, or that of a session or a key which the emulator issued."""
        key = self._signature.access_key_id
        if iam_evaluator.is_root_access_key(key) and key != os.environ["AWS_ACCESS_KEY_ID"]:
            raise _unknown_key()  # "test" and account numbers, which ministack takes for the account's own
        given = self._query.get("X-Amz-Security-Token", [""])[0] or self._headers.get("x-amz-security-token", "")
        try:
            account = _account_of(key)
        except iam_evaluator.AmbiguousAccessKeyError:
            raise _unknown_key() from None
        found = iam_evaluator.resolve_credential(key, account, given)
        if isinstance(found, iam_evaluator.ResolvedCredential):
            return str(found.secret_access_key)
        if found.code == "ExpiredTokenException":
            raise SignatureError("expired", "The session has expired. Assume the role again and repeat the request.")
        if found.code == "InvalidToken":
            raise SignatureError("token", "The session token is not that of the access key id. Assume the role again.")
        raise _unknown_key()


def _unknown_key() -> SignatureError:
    return SignatureError("unknown", f"The access key id is not one of this stack. {WHERE}")


def _account_of(key: str) -> str:
    found = responses._account_from_sts_session(key) or iam_evaluator.find_iam_access_key_account(key)
    return str(found or os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000"))


_signing_key = functools.lru_cache(maxsize=256)(sigv4.derive_signing_key)


def _is_presigned(headers: Headers, query: dict[str, list[str]]) -> bool:
    """Whether the signature is in the URL. Raises SignatureError where there is none, or more than one."""
    authorizations = header_values(headers, "authorization")
    in_url = [name for name in query if name.lower() in {"x-amz-signature", "x-amz-credential", "awsaccesskeyid"}]
    if not authorizations and not in_url:
        raise SignatureError("unsigned", f"The request is not signed, and this stack answers signed ones only. {WHERE}")
    algorithms = [text.partition(" ")[0] for text in authorizations] or query.get("X-Amz-Algorithm", [])
    repeated = any(len(values) > 1 for name, values in query.items() if name.lower().startswith("x-amz-"))
    if (authorizations and in_url) or algorithms != [ALGORITHM] or (in_url and repeated):
        raise SignatureError(
            "malformed",
            f"The request must carry one signature, of {ALGORITHM} (boto3 presigns so with signature_version s3v4).",
        )
    return not authorizations


def _header_map(headers: Headers) -> dict[str, str]:
    """Headers as ministack reads them: one value a name, those of a repeated name with a comma between."""
    headers_by_name: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), sigv4.decode_header_value(value)
        headers_by_name[key] = f"{headers_by_name[key]}, {text}" if key in headers_by_name else text
    return headers_by_name


async def _whole_body(receive: Receive) -> bytes:
    """The body of a request that is signed with its hash. Raises ConnectionAbortedError when its client goes."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionAbortedError
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _body_again(body: bytes, receive: Receive) -> Receive:
    """`receive` for an application to which the body, read already, is given once more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _without_cors(send: Send) -> Send:
    async def send_without_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(_STRIPPED)]
            message = {**message, "headers": kept}
        await send(message)

    return send_without_cors


async def _refuse(scope: Message, send: Send, error: SignatureError) -> None:
    """The refusal as the client's protocol has it, so that boto3 raises a ClientError with code and sentence."""
    headers = _header_map(scope["headers"])
    of_s3, of_query, of_json = _CODES[error.failure]
    service = next(iter(headers.get("authorization", "").split("/")[3:4]), "s3")
    if "x-amz-target" in headers or "json" in headers.get("content-type", "") or service == "lambda":
        document = json.dumps({"__type": of_json, "message": error.message})
        content_type = "application/json"
    elif "form-urlencoded" in headers.get("content-type", ""):
        said = f"<Type>Sender</Type><Code>{of_query}</Code><Message>{escape(error.message)}</Message>"
        document = f"<ErrorResponse><Error>{said}</Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        content_type = "text/xml"
    else:
        document = f"<Error><Code>{of_s3}</Code><Message>{escape(error.message)}</Message></Error>"
        content_type = "application/xml"
    await send_refusal(scope, send, 403, content_type, document.encode())
