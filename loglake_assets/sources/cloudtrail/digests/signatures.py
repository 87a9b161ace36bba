"""Whether a digest was signed by the key that it names: RSA PKCS#1 v1.5 over SHA-256."""

import functools
from typing import Any

from loglake_assets.sources.cloudtrail.digests.documents import Digest
from loglake_assets.sources.digest_report import PublicKeysError


def signed_text(digest: Digest, sha256: str) -> bytes:
    """What is signed of a digest; `sha256` is of its inflated bytes. Bucket and key are the original ones."""
    before = "null" if digest.previous_signature is None else digest.previous_signature
    return f"{digest.end_text}\n{digest.bucket}/{digest.key}\n{sha256}\n{before}".encode()


def is_signed_by(der: bytes, signature: str | None, text: bytes) -> bool:
    """Whether a signature in hexadecimal is that of a public key (PKCS#1 DER). Raises PublicKeysError for a bad key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        _rsa_key(der).verify(bytes.fromhex(signature or ""), text, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


@functools.lru_cache(maxsize=256)
def _rsa_key(der: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError) as error:
        raise PublicKeysError(_BAD_KEY) from error
    if not isinstance(key, RSAPublicKey):
        raise PublicKeysError(_BAD_KEY)
    return key


_BAD_KEY = (
    "A public key to validate digests with is no RSA key in DER. Trying again does not help: give the keys as "
    "ListPublicKeys answers them, the value being base64 of PKCS#1 DER."
)
