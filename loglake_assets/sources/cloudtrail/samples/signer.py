"""The key pair of the invented trail, and its signatures. Standard library only.

The pair is made anew from a number in each process (0.2 to 0.6 s), so that no private key lies anywhere and the same
samples are the same bytes. Whoever has this file can sign with it: trust its public key for samples and nothing else.
"""

import base64
import functools
import hashlib
import math
from dataclasses import dataclass
from random import Random

_SEED = "the invented trail"
_BITS, _EXPONENT = 2048, 65_537
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DER of DigestInfo up to the hash (RFC 8017)
_SMALL_PRIMES = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2)))
_ROUNDS = 20  # of Miller and Rabin: an error of 4**-20 at most


@dataclass(frozen=True)
class KeyPair:
    """An RSA key pair of two primes, with what the Chinese remainder theorem needs."""

    p: int
    q: int

    @property
    def modulus(self) -> int:
        return self.p * self.q

    @functools.cached_property
    def _exponent(self) -> int:
        return pow(_EXPONENT, -1, math.lcm(self.p - 1, self.q - 1))

    @functools.lru_cache(maxsize=4096)  # noqa: B019  # a pair lives as long as its process
    def signature(self, text: bytes) -> str:
        """RSA PKCS#1 v1.5 over SHA-256, in hexadecimal."""
        size = _BITS // 8
        told = _SHA256_PREFIX + hashlib.sha256(text).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(told) - 3) + b"\x00" + told
        return self._raise_number(int.from_bytes(padded)).to_bytes(size).hex()

    @functools.cached_property
    def _inverse(self) -> int:
        return pow(self.q, -1, self.p)

    def _raise_number(self, number: int) -> int:
        of_p = pow(number, self._exponent % (self.p - 1), self.p)
        of_q = pow(number, self._exponent % (self.q - 1), self.q)
        return of_q + self.q * ((of_p - of_q) * self._inverse % self.p)

    @property
    def public_der(self) -> bytes:
        """PKCS#1: the sequence of modulus and exponent."""
        return _der(0x30, _der_integer(self.modulus) + _der_integer(_EXPONENT))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.public_der).hexdigest()[:32]


@functools.cache
def trail_key() -> KeyPair:
    """The pair that signs the invented trail's digests."""
    rng = Random(_SEED)
    return KeyPair(_prime(rng), _prime(rng))


def public_keys() -> dict[str, str]:
    """The trail's public key as a file of keys holds it: base64 of the DER by fingerprint."""
    pair = trail_key()
    return {pair.fingerprint: base64.b64encode(pair.public_der).decode()}


def _prime(rng: Random) -> int:
    """A prime of half the bits, its two highest set, so that the product has all of them."""
    bits = _BITS // 2
    while True:
        candidate = rng.getrandbits(bits) | 3 << (bits - 2) | 1
        sieved = candidate % _EXPONENT != 1 and all(candidate % small for small in _SMALL_PRIMES)
        if sieved and _is_probably_prime(candidate, rng):
            return candidate


def _is_probably_prime(candidate: int, rng: Random) -> bool:
    twos = ((candidate - 1) & -(candidate - 1)).bit_length() - 1
    odd = (candidate - 1) >> twos
    return all(_passes(candidate, rng.randrange(2, candidate - 1), odd, twos) for _ in range(_ROUNDS))


def _passes(candidate: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, candidate)
    for _ in range(twos):
        if power in (1, candidate - 1):
            return True
        power = power * power % candidate
        if power == 1:
            return False
    return False


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    spelled = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(spelled)]) + spelled + content


def _der_integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1))
