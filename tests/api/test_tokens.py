"""Tokens in a file or a variable."""

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from api.errors import ServingError, SettingsError
from api.tokens import Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """Return the tokens of a file that does not exist yet."""
    return Tokens(tmp_path / "made" / "api_tokens.json")


def test_a_token_is_found_and_only_its_hash_is_stored(tokens: Tokens) -> None:
    token = tokens.create("platform", frozenset({"acme", "studio"}))
    caller = tokens.find(token)
    assert caller is not None
    assert (caller.name, caller.billing_accounts) == ("platform", {"acme", "studio"})
    content = tokens.file.read_text()
    assert token not in content
    assert sha256(token.encode()).hexdigest() in content
    assert tokens.file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tokens.file.parent.iterdir()] == ["api_tokens.json"]


def test_an_invalid_token_is_not_found(tokens: Tokens) -> None:
    assert tokens.find("x") is None
    token = tokens.create("platform", frozenset())
    for other in (
        "",
        "x",
        token[:-1],
        token + "x",
        token.swapcase(),
        sha256(token.encode()).hexdigest(),
        "ü\udc80",
    ):
        assert tokens.find(other) is None


def test_a_token_without_accounts_has_no_limit(tokens: Tokens) -> None:
    caller = tokens.find(tokens.create("platform", frozenset()))
    assert caller and caller.billing_accounts is None


def test_a_change_of_the_file_takes_effect_at_once(tokens: Tokens) -> None:
    first = tokens.create("first", frozenset())
    assert tokens.find(first)
    second = Tokens(tokens.file).create("second", frozenset())
    assert tokens.find(first) and tokens.find(second)
    lines = tokens.file.read_text().replace(",\n", "\n").splitlines()
    tokens.file.write_text("\n".join(line for line in lines if '"first"' not in line))
    assert tokens.find(first) is None
    assert tokens.find(second)
    tokens.file.unlink()
    assert tokens.find(second) is None


def test_tokens_created_at_the_same_time_are_all_stored(tokens: Tokens) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(Tokens(tokens.file).create(f"t{n}", frozenset())))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert all(tokens.find(token) for token in made)


def test_a_revoked_token_is_not_found(tokens: Tokens) -> None:
    first, second = (tokens.create(name, frozenset({"acme"})) for name in ("first", "second"))
    revoked = tokens.revoke("first")
    assert revoked.owner.startswith(revoked.owner_prefix)
    assert tokens.find(first) is None
    other = tokens.find(second)
    assert other and not other.owner.startswith(revoked.owner_prefix)
    with pytest.raises(ServingError, match="has no token called first"):
        tokens.revoke("first")
    with pytest.raises(SettingsError, match="FOCUS_API_TOKENS is set"):
        Tokens(tokens.file, "[]").revoke("second")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_refuses_every_token(tokens: Tokens, mode: int) -> None:
    token = tokens.create("platform", frozenset())
    tokens.file.chmod(mode)
    with pytest.raises(ServingError, match="can be written by others: chmod 600"):
        tokens.find(token)
    tokens.file.chmod(0o644)
    assert tokens.find(token)


def test_a_name_cannot_be_used_twice(tokens: Tokens) -> None:
    tokens.create("platform", frozenset())
    before = tokens.file.read_bytes()
    with pytest.raises(ServingError, match="has a token called platform already: choose another name"):
        tokens.create("platform", frozenset())
    assert tokens.file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\n", "ü", "a" * 64])
def test_a_name_with_other_characters_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(SettingsError, match="a token cannot be called"):
        tokens.create(name, frozenset())


def test_the_variable_replaces_the_file(tokens: Tokens) -> None:
    token = tokens.create("platform", frozenset())
    other = Tokens(tokens.file, '[{"name": "x", "sha256": "' + sha256(b"secret").hexdigest() + '"}]')
    assert other.find(token) is None
    assert other.find("secret")
    with pytest.raises(SettingsError, match="FOCUS_API_TOKENS is set"):
        other.create("y", frozenset())


HASH = "0" * 64


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        "\xff",
        '[{"name": "x"}]',
        f'[{{"name": 1, "sha256": "{HASH}"}}]',
        f'[{{"name": "x", "sha256": "{HASH[1:]}"}}]',
        '[{"name": "x", "sha256": "ü"}]',
        f'[{{"name": "x", "sha256": "{HASH}"}}, {{"name": "x", "sha256": "{HASH}"}}]',
        f'[{{"name": "x", "sha256": "{HASH}"}}, {{"name": "y", "sha256": "{HASH}"}}]',
        f'[{{"name": "x", "sha256": "{HASH}", "billing_account": ["acme"]}}]',
    ],
)
def test_an_invalid_file_refuses_every_token(tokens: Tokens, content: str) -> None:
    token = tokens.create("platform", frozenset())
    assert tokens.find(token)
    tokens.file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ServingError, match="does not contain valid tokens"):
        tokens.find(token)
