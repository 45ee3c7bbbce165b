"""A backup brings back what it was made of, whole or not at all, and only to who knows the passphrase."""

from __future__ import annotations

import base64
import hashlib
import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from manifest.documents import canonical_json
from manifest.trust import backup as room
from manifest.trust.backup import MAX_SCRYPT_MEMORY, BadBackup, NothingToBackUp, backup, restore
from manifest.trust.keyring import KeyExists, Keyring, PassphraseWrong, keyid_of
from manifest.trust.signers import signer_of

PASSPHRASE = "верная лошадь".encode()
PIN = f"sha256:{'ab' * 32}@1"
CHEAP = {"n": 2, "r": 1, "p": 1}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is in the backup, and says nothing of how it is read."""
    monkeypatch.setattr(room, "_COST", CHEAP)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """Keys of two games, one of them with a passphrase and one reached by a command."""
    keyring = Keyring(tmp_path / "here")
    keyring.make_registry_key()
    for game in ("ember", "frost"):
        keyring.new(game, "root", b"its own")
        keyring.new(game, "online")
        keyring.save_pin(game, PIN)
    keyring.add_command("frost", "builds", ["sign"], bytes(32))
    return keyring


@pytest.fixture
def elsewhere(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "elsewhere", lambda: b"its own")


def files(keyring: Keyring) -> dict[str, bytes]:
    found = [path for path in keyring.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(keyring.folder).as_posix(): path.read_bytes() for path in found}


def refusal(kind: type[LadingError], keyring: Keyring, data: bytes, passphrase: bytes = PASSPHRASE) -> LadingError:
    """The error that a restore ends with; the keyring is as before."""
    before = files(keyring)
    with pytest.raises(kind) as caught:
        restore(keyring, data, passphrase)
    assert files(keyring) == before
    return caught.value


def sealed(contents: bytes, passphrase: bytes = PASSPHRASE, **words: Any) -> bytes:
    """A backup by the page: of anything, with any words in the open."""
    header: dict[str, Any] = {"kind": "lading key backup", "format": 1, **CHEAP, "salt": "00" * 16, "nonce": "11" * 12}
    header |= words
    key = Scrypt(salt=bytes(16), length=32, **CHEAP).derive(passphrase)
    box = AESGCM(key).encrypt(b"\x11" * 12, contents, canonical_json(header))
    return signed({**header, "sealed": base64.b64encode(box).decode()})


def signed(document: dict[str, Any]) -> bytes:
    """A document with the digest that belongs to it."""
    words = {name: word for name, word in document.items() if name != "sha256"}
    return canonical_json({**words, "sha256": hashlib.sha256(canonical_json(words)).hexdigest()})


PRIVATE = Ed25519PrivateKey.from_private_bytes(b"frost" + bytes(27))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
DOCUMENT = {
    "format": 1,
    "game": "frost",
    "role": "root",
    "keyid": keyid_of(PUBLIC),
    "public": PUBLIC.hex(),
    "pem": PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
}
CONTENTS = {"keys": [DOCUMENT], "pins": {"frost": PIN}}
DATA = sealed(canonical_json(CONTENTS))


def test_keys_and_pins_come_back(keyring: Keyring, elsewhere: Keyring) -> None:
    data = backup(keyring, ["ember", "frost"], PASSPHRASE)
    restored = restore(elsewhere, data, PASSPHRASE)
    assert files(elsewhere) == {name: text for name, text in files(keyring).items() if "builds" not in name}
    assert restored == [*elsewhere.keys("ember"), *elsewhere.keys("frost"), elsewhere.registry_key()]
    assert [key.encrypted for key in restored] == [False, True, False, True, False]
    for key in restored:
        assert signer_of(elsewhere, key).public_key.keyid == key.keyid


def test_only_the_games_that_were_asked_for_are_in_it(keyring: Keyring, elsewhere: Keyring) -> None:
    restore(elsewhere, backup(keyring, ["frost"], PASSPHRASE), PASSPHRASE)
    assert elsewhere.games() == ["frost"]
    assert elsewhere.pin("ember") is None
    assert elsewhere.registry_key() is not None


def test_nothing_of_a_key_can_be_read_in_it(keyring: Keyring) -> None:
    data = backup(keyring, ["frost"], PASSPHRASE)
    inside = base64.b64decode(json.loads(data)["sealed"])
    for words in (keyring.document(key) for key in keyring.keys("frost") if not key.command):
        for word in (words["public"], words["keyid"], words["pem"].splitlines()[1], "frost", "PRIVATE"):
            assert word.encode() not in data
            assert word.encode() not in inside


def test_no_two_backups_are_alike(keyring: Keyring) -> None:
    one, two = (json.loads(backup(keyring, ["frost"], PASSPHRASE)) for _ in range(2))
    assert not {one[name] for name in ("salt", "nonce", "sealed")} & {two[name] for name in ("salt", "nonce", "sealed")}


def test_a_backup_is_the_same_for_the_same_randomness(keyring: Keyring) -> None:
    """The page's form is the program's: an outside program can open a backup, and make one."""
    ours = backup(
        keyring, ["frost"], PASSPHRASE, random_bytes=lambda size: bytes(size) if size == 16 else b"\x11" * size
    )
    header = json.loads(ours)
    key = Scrypt(salt=bytes(16), length=32, **CHEAP).derive(PASSPHRASE)
    box, bound = base64.b64decode(header.pop("sealed")), {name: header[name] for name in header if name != "sha256"}
    contents = AESGCM(key).decrypt(b"\x11" * 12, box, canonical_json(bound))
    assert sealed(contents) == ours


def test_the_cost_of_a_guess_is_what_a_person_can_wait_for(
    keyring: Keyring, elsewhere: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 MiB for each passphrase that is tried, as OWASP asks of scrypt."""
    monkeypatch.undo()
    data = backup(keyring, ["frost"], PASSPHRASE)
    assert {name: json.loads(data)[name] for name in CHEAP} == {"n": 1 << 17, "r": 8, "p": 1}
    assert len(restore(elsewhere, data, PASSPHRASE)) == 3


@pytest.mark.parametrize("given", [b"wrong", PASSPHRASE + b" ", PASSPHRASE[:-1]])
def test_a_wrong_passphrase_opens_nothing(keyring: Keyring, elsewhere: Keyring, given: bytes) -> None:
    refusal(PassphraseWrong, elsewhere, backup(keyring, ["frost"], PASSPHRASE), given)


def test_an_empty_passphrase_is_misuse(keyring: Keyring, elsewhere: Keyring) -> None:
    with pytest.raises(ValueError, match="passphrase"):
        backup(keyring, ["frost"], b"")
    with pytest.raises(ValueError, match="passphrase"):
        restore(elsewhere, backup(keyring, ["frost"], PASSPHRASE), b"")


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
@example(len(DATA) - 1, ord("}") ^ ord(" "))
def test_any_changed_byte_is_named(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    """It is never taken for a wrong passphrase."""
    data = bytearray(DATA)
    data[place] ^= change
    refusal(BadBackup, Keyring(tmp_path_factory.getbasetemp() / "never-made"), bytes(data))


@given(st.integers(0, len(DATA) - 1))
def test_a_truncated_backup_is_named(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    refusal(BadBackup, Keyring(tmp_path_factory.getbasetemp() / "never-made"), DATA[:length])


@pytest.mark.parametrize("word", [word for word in json.loads(DATA) if word != "sha256"])
def test_no_word_in_the_open_can_be_changed_by_who_knows_how(elsewhere: Keyring, word: str) -> None:
    """With a digest that belongs to it, a backup still opens only as it was sealed."""
    document = json.loads(DATA)
    changes = {
        "kind": "lading key backup 2",
        "format": 2,
        "n": 4,
        "r": 2,
        "p": 2,
        "salt": "01" * 16,
        "nonce": "10" * 12,
        "sealed": base64.b64encode(b"x" + base64.b64decode(document["sealed"])[1:]).decode(),
    }
    error = refusal(LadingError, elsewhere, signed({**document, word: changes[word]}))
    assert type(error) is (BadBackup if word in ("kind", "format") else PassphraseWrong)
    assert type(refusal(LadingError, elsewhere, signed({**document, "more": 1}))) is PassphraseWrong


HOSTILE: dict[str, Any] = {
    "64 GiB": {"n": 1 << 26, "r": 8, "p": 1},
    "one step too much": {"n": MAX_SCRYPT_MEMORY >> 9, "r": 8, "p": 1},
    "a million passes": {"n": 2, "r": 1, "p": 1 << 22},
    "wide blocks": {"n": 2, "r": 1 << 30, "p": 1},
    "no power of two": {"n": 3},
    "one": {"n": 1},
    "nothing": {"n": 0},
    "no blocks": {"r": 0},
    "no passes": {"p": 0},
    "less than nothing": {"n": -2},
    "a truth": {"n": True},
    "words": {"n": "2"},
    "no cost": {"n": None},
    "a short salt": {"salt": "00"},
    "no salt": {"salt": None},
    "a nonce of nothing": {"nonce": ""},
    "a list for a nonce": {"nonce": []},
    "format 0.5": {"format": "1"},
    "nothing sealed": {"sealed": None},
    "not base64": {"sealed": "***"},
    "no Unicode": {"more": "\ud800"},
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_what_a_hostile_file_demands_is_looked_at_before_it_is_done(
    elsewhere: Keyring, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any]
) -> None:
    monkeypatch.setattr(room, "Scrypt", None)
    document = {**json.loads(DATA), **words}
    if "more" in words:
        refusal(BadBackup, elsewhere, json.dumps(document).encode())
    else:
        refusal(BadBackup, elsewhere, signed(document))


def test_what_is_no_backup_is_named(elsewhere: Keyring) -> None:
    for data in (b"", b"{}", b"[]", b"\xff", json.dumps(DOCUMENT).encode(), b"[" * 100_000):
        refusal(BadBackup, elsewhere, data)
    newer = refusal(BadBackup, elsewhere, signed({**json.loads(DATA), "format": 2}))
    assert "newer version" in newer.next


INSIDE: dict[str, bytes] = {
    "not JSON": b"\xff" + canonical_json(CONTENTS),
    "a list": b"[]",
    "no keys": canonical_json({"pins": {}}),
    "no pins": canonical_json({"keys": []}),
    "a word for keys": canonical_json({**CONTENTS, "keys": "keys"}),
    "a word for a key": canonical_json({**CONTENTS, "keys": ["key"]}),
    "a list for pins": canonical_json({**CONTENTS, "pins": []}),
    "a pin that is none": canonical_json({**CONTENTS, "pins": {"frost": 1}}),
    "a pin that climbs": canonical_json({**CONTENTS, "pins": {"..": PIN}}),
    "a key that climbs": canonical_json({**CONTENTS, "keys": [DOCUMENT, {**DOCUMENT, "game": "../x"}]}),
    "a key with another's id": canonical_json({**CONTENTS, "keys": [DOCUMENT, {**DOCUMENT, "keyid": "0" * 64}]}),
    "a newer key": canonical_json({**CONTENTS, "keys": [DOCUMENT, {**DOCUMENT, "format": 2}]}),
}


@pytest.mark.parametrize("contents", INSIDE.values(), ids=INSIDE)
def test_what_is_sealed_is_looked_at_before_it_is_written(elsewhere: Keyring, contents: bytes) -> None:
    error = refusal(BadBackup, elsewhere, sealed(contents))
    told = [*map(str, (error, error.cause, error.next)), *traceback.format_exception(error)]
    secret = str(DOCUMENT["pem"]).splitlines()[1]
    assert not [words for words in told if secret[16:36] in words or contents.hex() in words or repr(contents) in words]


def test_restoring_twice_is_restoring_once(keyring: Keyring, elsewhere: Keyring) -> None:
    data = backup(keyring, ["ember", "frost"], PASSPHRASE)
    once = restore(elsewhere, data, PASSPHRASE)
    elsewhere.forget(once[2])
    before = files(elsewhere)
    assert restore(elsewhere, data, PASSPHRASE) == once
    assert len(files(elsewhere)) == len(before) + 1
    assert restore(keyring, data, PASSPHRASE)


def test_a_restore_that_would_write_over_another_key_writes_nothing(keyring: Keyring, elsewhere: Keyring) -> None:
    data = backup(keyring, ["ember", "frost"], PASSPHRASE)
    other = elsewhere.make_registry_key()
    assert refusal(KeyExists, elsewhere, data).where == str(other.path)
    elsewhere.forget(other)
    elsewhere.save_pin("frost", f"sha256:{'cd' * 32}@1")
    refusal(KeyExists, elsewhere, data)
    elsewhere.save_pin("frost", PIN)
    assert len(restore(elsewhere, data, PASSPHRASE)) == 5


def test_a_backup_of_nothing_is_not_made(keyring: Keyring, elsewhere: Keyring) -> None:
    with pytest.raises(NothingToBackUp, match="misspelt"):
        backup(keyring, ["frost", "misspelt"], PASSPHRASE)
    with pytest.raises(NothingToBackUp):
        backup(elsewhere, [], PASSPHRASE)
    restore(elsewhere, backup(keyring, [], PASSPHRASE), PASSPHRASE)
    assert elsewhere.registry_key() == elsewhere.registry_key()
    assert list(files(elsewhere)) == ["_registry.json"]
