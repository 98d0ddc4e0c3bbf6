"""Signatures: a bundle is served only if the owner of a key made it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from emberline.engine.bundle import Bundle, BundleFiles
from emberline.engine.bundle.signature import sign
from emberline.engine.cli.program import program
from emberline.engine.config import EngineConfig
from emberline.engine.errors import BundleCorrupt, ConfigError
from emberline.engine.loading import load
from emberline.engine.packing import pack


def _keys(folder: Path, name: str, private: Ed25519PrivateKey | Ed448PrivateKey) -> tuple[Path, Path]:
    """Write a pair of keys; returns the files of the private and of the public one."""
    files = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    files[0].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return files


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """The private and the public key of a bundle's maker."""
    return _keys(tmp_path, "maker", Ed25519PrivateKey.generate())


@pytest.fixture
def bundle(make_tiny_bundle: Callable[[], Path]) -> Path:
    """A bundle that the test may spoil."""
    return make_tiny_bundle()


def test_a_signed_bundle_is_opened(bundle: Path, keys: tuple[Path, Path]) -> None:
    """The owner of the key made it."""
    sign(BundleFiles(bundle), keys[0])
    Bundle.open(bundle, keys[1])


def test_an_unsigned_bundle_is_refused_at_the_start(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """The setting of the server reaches the check, before anything of the bundle is read or written."""
    config = EngineConfig(bundle=bundle, require_signature=keys[1], catalogue=tmp_path / "live.sqlite")
    with pytest.raises(BundleCorrupt, match="is not signed"):
        load(config)
    assert not (tmp_path / "live.sqlite").exists()


def test_a_changed_manifest_is_refused(bundle: Path, keys: tuple[Path, Path]) -> None:
    """Whoever can write to the folder can make a consistent manifest, and cannot sign it."""
    sign(BundleFiles(bundle), keys[0])
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["temperature"] = 0.25
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    Bundle.open(bundle)
    with pytest.raises(BundleCorrupt, match="is not the signature"):
        Bundle.open(bundle, keys[1])


def test_another_makers_signature_is_refused(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """It is valid, and not by the key that is required."""
    other, _ = _keys(tmp_path, "other", Ed25519PrivateKey.generate())
    sign(BundleFiles(bundle), other)
    with pytest.raises(BundleCorrupt, match=r"is not the signature .* by .*maker\.pub\.pem"):
        Bundle.open(bundle, keys[1])


@pytest.mark.parametrize("content", [b"", b"AAAA", b"\xff\xfe", b"=" * 88])
def test_a_damaged_signature_is_refused(bundle: Path, keys: tuple[Path, Path], content: bytes) -> None:
    """Whatever the file holds, it is not a signature."""
    (bundle / "manifest.sig").write_bytes(content)
    with pytest.raises(BundleCorrupt, match="is not the signature"):
        Bundle.open(bundle, keys[1])


def test_a_key_that_cannot_be_read_is_named(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """A missing file, a private key in place of the public one, and a key of another algorithm."""
    sign(BundleFiles(bundle), keys[0])
    _, other = _keys(tmp_path, "other", Ed448PrivateKey.generate())
    for key in (tmp_path / "missing.pem", keys[0], other):
        with pytest.raises(ConfigError, match=f"{key.name} is not a public Ed25519 key"):
            Bundle.open(bundle, key)
    with pytest.raises(ConfigError, match="is not a private Ed25519 key"):
        sign(BundleFiles(bundle), keys[1])


def test_the_commands_sign_and_verify(bundle: Path, keys: tuple[Path, Path]) -> None:
    """`emberline sign` writes what `emberline verify --require-signature` wants, and signs no damaged bundle."""
    run = CliRunner().invoke
    arguments = ["verify", str(bundle), "--require-signature", str(keys[1])]
    refused = run(program("verify"), arguments)
    assert isinstance(refused.exception, BundleCorrupt)
    assert run(program("sign"), ["sign", str(bundle), "--key", str(keys[0])]).exit_code == 0
    verified = run(program("verify"), arguments)
    assert verified.exit_code == 1  # the signature is right; int8 has failed its gate
    assert "as exported" in verified.output
    (bundle / "match.onnx").write_bytes(b"")
    damaged = run(program("sign"), ["sign", str(bundle), "--key", str(keys[0])])
    assert isinstance(damaged.exception, BundleCorrupt)


def test_a_packed_bundle_is_signed_in_its_file(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """The signature becomes an entry; a pack without one is refused where one is required."""
    packed = tmp_path / "shop.ember"
    pack(bundle, packed, "fp32")
    with pytest.raises(BundleCorrupt, match="is not signed"):
        Bundle.open(packed, keys[1])
    for _ in range(2):  # a second signature replaces the first
        sign(BundleFiles(packed), keys[0])
    assert Bundle.open(packed, keys[1]).files.packed
