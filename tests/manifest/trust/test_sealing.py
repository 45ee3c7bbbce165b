"""What is sealed opens with its passphrase where it belongs, damage is named, and no document makes us work hard."""

from __future__ import annotations

import base64
import json
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf import scrypt
from hypothesis import example, given
from hypothesis import strategies as st

from manifest.documents import BadDocument, canonical_json
from manifest.trust.sealing import MAX_SCRYPT_MEMORY, PassphraseWrong, check_sealed, seal, unseal
from tests.kit.keyfiles import CHEAP, PASSPHRASE, sealed, with_digest

CONTEXT = b'{"kind":"letter"}'
DATA = b"what nobody is to read"


SEALED = sealed(DATA, CONTEXT)
TEXT = canonical_json(SEALED)


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40), st.binary(max_size=100))
def test_what_is_sealed_comes_back_through_json(data: bytes, passphrase: bytes, context: bytes) -> None:
    document = seal(data, passphrase, context, bytes)
    assert document == sealed(data, context, passphrase)
    assert unseal(json.loads(json.dumps(document)), passphrase, context) == data


def test_salt_and_nonce_are_as_random_as_the_source() -> None:
    numbers = count(1)

    def source(size: int) -> bytes:
        return bytes([next(numbers)]) * size

    one, two = (seal(DATA, PASSPHRASE, CONTEXT, source) for _ in range(2))
    assert {one[name] for name in ("salt", "nonce")} == {"01" * 16, "02" * 12}
    assert not {one[name] for name in ("salt", "nonce", "ciphertext")} & set(map(str, two.values()))


def test_the_cost_of_a_guess_is_what_a_person_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 MiB for each passphrase that is tried, as OWASP asks of scrypt."""
    monkeypatch.undo()
    document = seal(DATA, PASSPHRASE, CONTEXT, bytes)
    assert {name: document[name] for name in CHEAP} == {"n": 1 << 17, "r": 8, "p": 1}
    assert unseal(document, PASSPHRASE, CONTEXT) == DATA


@pytest.mark.parametrize("given", [b"wrong", PASSPHRASE + b" ", PASSPHRASE[:-1]])
def test_a_wrong_passphrase_opens_nothing(given: bytes) -> None:
    with pytest.raises(PassphraseWrong):
        unseal(SEALED, given, CONTEXT)


def test_an_empty_passphrase_is_misuse() -> None:
    with pytest.raises(ValueError, match="passphrase"):
        seal(DATA, b"", CONTEXT, bytes)
    with pytest.raises(ValueError, match="passphrase"):
        unseal(SEALED, b"", CONTEXT)


def test_it_opens_nowhere_else() -> None:
    """Damage at first sight, and with a digest made for it not to be opened either."""
    with pytest.raises(BadDocument, match="belongs elsewhere"):
        unseal(SEALED, PASSPHRASE, CONTEXT + b" ")
    with pytest.raises(PassphraseWrong):
        unseal(with_digest(SEALED, CONTEXT + b" "), PASSPHRASE, CONTEXT + b" ")


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
@example(TEXT.index(b'="') - 1, 1)
def test_any_changed_byte_is_named(place: int, change: int) -> None:
    """It is never taken for a wrong passphrase."""
    text = bytearray(TEXT)
    text[place] ^= change
    try:
        document = json.loads(text)
    except ValueError:
        return
    with pytest.raises(BadDocument):
        unseal(document, PASSPHRASE, CONTEXT)


@pytest.mark.parametrize("word", [word for word in SEALED if word != "sha256"])
def test_no_word_can_be_changed_by_who_knows_how(word: str) -> None:
    """With a digest that belongs to it, it still opens only as it was sealed."""
    changes = {
        "n": 4,
        "r": 2,
        "p": 2,
        "salt": "01" * 16,
        "nonce": "10" * 12,
        "ciphertext": base64.b64encode(b"x" + base64.b64decode(SEALED["ciphertext"])[1:]).decode(),
    }
    with pytest.raises(PassphraseWrong):
        unseal(with_digest({**SEALED, word: changes[word]}, CONTEXT), PASSPHRASE, CONTEXT)


HOSTILE: dict[str, dict[str, Any]] = {
    "64 GiB": {"n": 1 << 26, "r": 8, "p": 1},
    "one step too much": {"n": MAX_SCRYPT_MEMORY >> 9, "r": 8, "p": 1},
    "a million passes": {"n": 2, "r": 1, "p": 1 << 22},
    "wide blocks": {"n": 2, "r": 1 << 30, "p": 1},
    "more steps than blocks of this size take": {"n": 1 << 16, "r": 1},
    "no power of two": {"n": 3},
    "one": {"n": 1},
    "nothing": {"n": 0},
    "no blocks": {"r": 0},
    "no passes": {"p": 0},
    "less than nothing": {"n": -2},
    "twice less than nothing": {"r": -1, "p": -1},
    "a truth": {"n": True},
    "words": {"n": "2"},
    "no cost": {"n": None},
    "a short salt": {"salt": "00"},
    "a salt in capitals": {"salt": "AB" * 16},
    "no salt": {"salt": None},
    "a nonce of nothing": {"nonce": ""},
    "a list for a nonce": {"nonce": []},
    "nothing sealed": {"ciphertext": None},
    "not base64": {"ciphertext": "***"},
    "base64 that is cut short": {"ciphertext": SEALED["ciphertext"][:-3]},
    "no Unicode": {"ciphertext": "\ud800"},
    "a word too many": {"more": 1},
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_what_a_hostile_document_demands_is_looked_at_before_it_is_done(
    monkeypatch: pytest.MonkeyPatch, words: dict[str, Any]
) -> None:
    monkeypatch.setattr(scrypt, "Scrypt", None)
    document = {**SEALED, **words}
    with pytest.raises(BadDocument):
        unseal(document if "\ud800" in words.values() else with_digest(document, CONTEXT), PASSPHRASE, CONTEXT)


@pytest.mark.parametrize("missing", SEALED)
def test_every_word_is_needed(missing: str) -> None:
    document = {name: word for name, word in SEALED.items() if name != missing}
    with pytest.raises(BadDocument):
        check_sealed(document if missing == "sha256" else with_digest(document, CONTEXT), CONTEXT)


@pytest.mark.parametrize("document", [None, [], "", 1, {}])
def test_what_is_nothing_sealed_is_named(document: Any) -> None:
    with pytest.raises(BadDocument):
        check_sealed(document, CONTEXT)


@pytest.mark.parametrize("cost", [{"n": 1 << 17, "r": 32, "p": 1}, {"n": 1 << 15, "r": 1, "p": 1}])
def test_more_than_we_ask_may_be_asked(cost: dict[str, int]) -> None:
    """A later version may ask for more without another form; the bound itself is allowed."""
    assert cost["n"] * cost["r"] * 128 <= MAX_SCRYPT_MEMORY
    check_sealed(with_digest({**SEALED, **cost}, CONTEXT), CONTEXT)
