"""How commands reach a server that wants a token and encrypts."""

from __future__ import annotations

from pathlib import Path

import pytest

from emberline.engine.cli.connection import connect
from emberline.engine.errors import ConfigError

HEADER = (("authorization", "Bearer secret-0123456789abcdef"),)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file comes first; line breaks around the token do not count; without both there is none."""
    file = tmp_path / "token"
    file.write_text("secret-0123456789abcdef\n")
    with connect("127.0.0.1:1", None, None) as client:
        assert client._connection.metadata == ()
    monkeypatch.setenv("EMBERLINE_TOKEN", "other")
    with connect("127.0.0.1:1", None, file) as client:
        assert client._connection.metadata == HEADER
    monkeypatch.setenv("EMBERLINE_TOKEN", "secret-0123456789abcdef")
    with connect("127.0.0.1:1", None, None) as client:
        assert client._connection.metadata == HEADER


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """A missing file of the token or of the authorities, and a token that is more than one word."""
    with pytest.raises(ConfigError, match=r"--token-file .*missing cannot be read"):
        connect("127.0.0.1:1", None, tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"tls: .*missing cannot be read"):
        connect("127.0.0.1:1", tmp_path / "missing", None)
    file = tmp_path / "token"
    file.write_text("two words")
    with pytest.raises(ConfigError, match="the token has spaces"):
        connect("127.0.0.1:1", None, file)
