"""Signatures of bundles: Ed25519 over the bytes of the manifest, which lists the SHA-256 of all other files.

A SHA-256 detects damage. A signature proves who made the bundle: an attacker who can write to the folder can write a
new manifest, but cannot sign it.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from emberline.engine.errors import BundleCorrupt, BundleError, ConfigError, MissingExtra

from .files import BundleFiles

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def sign(files: BundleFiles, key: Path) -> Path:
    """Sign a bundle, and replace its earlier signature.

    Args:
        files: those of the bundle.
        key: file with the private key, Ed25519 in PEM without a password.

    Returns:
        The path of the signature, which of a packed bundle is an entry.

    Raises:
        BundleError: the folder has no manifest.
        ConfigError: the key cannot be read.
        MissingExtra: `cryptography` is not installed.
    """
    signature = _private_key(key).sign(_manifest(files))
    files.write(files.layout.signature, base64.b64encode(signature) + b"\n")
    return files.layout.signature


def check_signature(files: BundleFiles, key: Path) -> None:
    """Check that a bundle was signed by the owner of a key.

    Args:
        files: those of the bundle.
        key: a file with the public key: Ed25519, PEM.

    Raises:
        BundleError: the folder has no manifest.
        BundleCorrupt: the signature is missing, or is not that of this manifest by this key.
        ConfigError: the key cannot be read.
        MissingExtra: `cryptography` is not installed.
    """
    layout = files.layout
    public, manifest = _public_key(key), _manifest(files)
    from cryptography.exceptions import InvalidSignature

    if not files.has(layout.signature):
        raise BundleCorrupt(f"{layout.root} is not signed, and a signature is required; sign it with `emberline sign`")
    try:
        public.verify(base64.b64decode(files.file(layout.signature).read_bytes(), validate=False), manifest)
    except (OSError, InvalidSignature, binascii.Error) as error:
        raise BundleCorrupt(
            f"{layout.signature} is not the signature of {layout.manifest} by {key} ({error or 'it does not match'}); "
            "take the bundle from its maker again, or sign it with `emberline sign`"
        ) from error


def _manifest(files: BundleFiles) -> bytes:
    try:
        return files.file(files.layout.manifest).read_bytes()
    except (OSError, BundleCorrupt) as error:
        raise BundleError(f"{files.layout.root} is not a bundle: {error}; make one with `emberline export`") from error


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingExtra("a signature", "sign", "cryptography") from error
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, "private", error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unreadable(path, "private", "it has another algorithm")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise MissingExtra("a signature", "sign", "cryptography") from error
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, "public", error) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _unreadable(path, "public", "it has another algorithm")
    return key


def _unreadable(path: Path, kind: str, why: object) -> ConfigError:
    return ConfigError(
        f"{path} is not a {kind} Ed25519 key in PEM ({why}); make one with `openssl genpkey -algorithm ed25519`, and "
        "its public key with `openssl pkey -pubout`"
    )
