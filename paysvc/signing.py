"""Ed25519: what was checked is signed, and anybody with the public key can verify it.

The key is PKCS#8 PEM and the public key SubjectPublicKeyInfo PEM, so that plain `openssl`
reads both. A key id is the first 16 hexadecimal digits of SHA-256 over the public key's DER.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from paysvc.domain.errors import BadSetting, SignatureInvalid
from paysvc.sealing import refuse_if_shared, write_secret


@dataclass(frozen=True, slots=True)
class Signer:
    """Holds a private key; `sign` is deterministic (RFC 8032)."""

    private_key: Ed25519PrivateKey

    def sign(self, content: bytes) -> bytes:
        """The 64-byte detached signature."""
        return self.private_key.sign(content)

    @property
    def public_pem(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        return key_id(self.public_pem)


def open_or_create_signer(path: Path) -> Signer:
    """The signer of this key file, made when there is none. Raises `BadSetting`."""
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        write_secret(path, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    refuse_if_shared(path)
    try:
        private_key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as failure:
        raise BadSetting("signing_key_unreadable", f"{path} does not hold an unencrypted PEM private key.") from failure
    if not isinstance(private_key, Ed25519PrivateKey):
        raise BadSetting("signing_key_unreadable", f"{path} does not hold an Ed25519 key.")
    return Signer(private_key)


def key_id(public_pem: bytes) -> str:
    """The id of a public key. Raises `SignatureInvalid` when it is not an Ed25519 key."""
    der = _public(public_pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def verify(public_pem: bytes, signature: bytes, content: bytes) -> None:
    """Raise `SignatureInvalid` unless `signature` is that key's over exactly these bytes."""
    try:
        _public(public_pem).verify(signature, content)
    except InvalidSignature:
        raise SignatureInvalid("signature_invalid", "The signature does not belong to these bytes.") from None


def _public(public_pem: bytes) -> Ed25519PublicKey:
    try:
        public_key = load_pem_public_key(public_pem)
    except ValueError:
        raise SignatureInvalid("public_key_unreadable", "The public key is not PEM.") from None
    if not isinstance(public_key, Ed25519PublicKey):
        raise SignatureInvalid("public_key_unreadable", "The public key is not an Ed25519 key.")
    return public_key
