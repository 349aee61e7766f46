"""Page tokens: sealed, and for one query alone."""

import base64
from pathlib import Path

import pytest

from api.errors import ApiError
from api.paging import Position, digest, kept_secret, sealed, unsealed

SECRET = b"s" * 32
POSITION = Position("publication", digest("query"), 12, 345, "2026-01-01T00:00:00Z", True)


def test_a_token_says_where_a_walk_is() -> None:
    assert unsealed(sealed(POSITION, SECRET), digest("query"), SECRET) == POSITION


def test_a_token_can_be_read_by_nobody_else() -> None:
    tokens = {sealed(POSITION, SECRET) for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        assert b"publication" not in base64.urlsafe_b64decode(token + "==")


def test_no_other_spelling_of_a_token_is_one() -> None:
    token = sealed(POSITION, SECRET)
    spellings = {
        token[:place] + other + token[place + 1 :] for place in range(len(token)) for other in "AB-="
    }
    spellings |= {token[:-1], token + "=", token + "\n", " " + token, token + "A", token.swapcase()}
    for spelling in spellings - {token}:
        with pytest.raises(ApiError) as refused:
            unsealed(spelling, digest("query"), SECRET)
        assert refused.value.code == "invalid_page_token"


def test_a_token_is_for_its_query_and_this_server_alone() -> None:
    token = sealed(POSITION, SECRET)
    for query, secret in ((digest("other"), SECRET), (digest("query"), b"t" * 32)):
        with pytest.raises(ApiError):
            unsealed(token, query, secret)


def test_a_digest_tells_what_was_asked_apart() -> None:
    asked = [
        ("a", {"x": "1"}),
        ("a", {"x": "2"}),
        ("a", {}),
        ("a", None),
        ("a", {"x": "1"}, ()),
        ("b", {"x": "1"}),
    ]
    assert len({digest(*one) for one in asked}) == len(asked)
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})


def test_the_secret_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "exports" / ".secret"
    secret = kept_secret(file)
    assert (len(secret), kept_secret(file), file.stat().st_mode & 0o777) == (32, secret, 0o600)
    file.write_bytes(b"")
    assert len(kept_secret(file)) == 32
