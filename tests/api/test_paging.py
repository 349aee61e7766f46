"""Page tokens: encrypted, and valid for one query only."""

import base64
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from api.errors import ApiError
from api.paging import Position, hash_query, load_key, seal, unseal

KEY = Fernet(Fernet.generate_key())
POSITION = Position("publication", hash_query("query"), 12, 345, "2026-01-01T00:00:00Z", True)


def test_a_token_contains_the_position_of_a_walk() -> None:
    assert unseal(seal(POSITION, KEY), hash_query("query"), KEY) == POSITION


def test_a_token_cannot_be_read_and_fits_into_an_address() -> None:
    tokens = {seal(POSITION, KEY) for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        assert b"publication" not in base64.urlsafe_b64decode(token + "==")
        assert token.replace("-", "").replace("_", "").isalnum() and len(token) < 400


def test_the_length_of_a_token_does_not_show_a_record_number() -> None:
    numbers = [int("9" * digits) for digits in range(1, 20)]
    tokens = [
        seal(msgspec.structs.replace(POSITION, last=number), KEY) for number in (-1, 0, *numbers, 2**63 - 1)
    ]
    assert len({len(token) for token in tokens}) == 1
    assert unseal(tokens[-1], hash_query("query"), KEY).last == 2**63 - 1


def test_no_other_spelling_of_a_token_is_accepted() -> None:
    for cost in (1, 12, 123):  # lengths with and without unused bits in the last character
        token = seal(Position("p" * cost, hash_query("query"), 12, 345), KEY)
        spellings = {
            token[:place] + other + token[place + 1 :] for place in range(len(token)) for other in "AB-="
        }
        spellings |= {token[:-1] + other for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
        spellings |= {token[:-1], token + "=", token + "\n", " " + token, token + "A", token.swapcase()}
        for spelling in spellings - {token}:
            with pytest.raises(ApiError) as refused:
                unseal(spelling, hash_query("query"), KEY)
            assert refused.value.code == "invalid_page_token"


def test_a_token_is_only_for_its_query_and_its_server() -> None:
    token = seal(POSITION, KEY)
    for query, key in ((hash_query("other"), KEY), (hash_query("query"), Fernet(Fernet.generate_key()))):
        with pytest.raises(ApiError) as refused:
            unseal(token, query, key)
        assert refused.value.code == "invalid_page_token"


def test_a_token_with_the_content_of_another_version_is_refused() -> None:
    for content in (b"[]", b"{}", b"no JSON"):
        with pytest.raises(ApiError) as refused:
            unseal(KEY.encrypt(content).decode().rstrip("="), hash_query("query"), KEY)
        assert refused.value.code == "invalid_page_token"


def test_different_queries_have_different_hashes() -> None:
    queries = [
        ("a", {"x": "1"}),
        ("a", {"x": "2"}),
        ("a", {}),
        ("a", None),
        ("a", {"x": "1"}, ()),
        ("b", {"x": "1"}),
    ]
    assert len({hash_query(*query) for query in queries}) == len(queries)
    assert hash_query({"x": 1, "y": 2}) == hash_query({"y": 2, "x": 1})


def test_the_key_is_created_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "exports" / ".secret"
    token = seal(POSITION, load_key(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert unseal(token, hash_query("query"), load_key(file)) == POSITION


@pytest.mark.parametrize("content", [b"", b"s" * 31, b"s" * 32, b"\xff" * 44, b"s" * 64])
def test_a_file_without_a_key_is_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / ".secret"
    file.write_bytes(content)
    token = seal(POSITION, load_key(file))
    assert unseal(token, hash_query("query"), load_key(file)) == POSITION
    assert [entry.name for entry in tmp_path.iterdir()] == [".secret"]
