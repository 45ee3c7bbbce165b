"""A backup brings back what it was made of, whole or not at all, and only to who knows the passphrase."""

from __future__ import annotations

import base64
import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from manifest.documents import canonical_json
from manifest.trust.backup import BadBackup, NothingToBackUp, backup, restore
from manifest.trust.keyring import KeyExists, Keyring
from manifest.trust.sealing import PassphraseWrong, unseal
from manifest.trust.signers import signer_of
from tests.kit.keyfiles import PASSPHRASE, PLAIN, files, sealed

PIN = f"sha256:{'ab' * 32}@1"


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


def refused(kind: type[LadingError], keyring: Keyring, data: bytes, passphrase: bytes = PASSPHRASE) -> LadingError:
    """The error that a restore ends with; the keyring is as before."""
    before = files(keyring)
    with pytest.raises(kind) as caught:
        restore(keyring, data, passphrase)
    assert files(keyring) == before
    return caught.value


def boxed(contents: bytes, **words: Any) -> bytes:
    """A backup by the page: of anything, with any words in the open."""
    header = {"kind": "lading key backup", "format": 1, **words}
    return canonical_json({**header, "sealed": sealed(contents, canonical_json(header))})


CONTENTS = {"keys": [PLAIN], "pins": {"frost": PIN}}
DATA = boxed(canonical_json(CONTENTS))


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
    inside = base64.b64decode(json.loads(data)["sealed"]["ciphertext"])
    for key in keyring.keys("frost"):
        for word in (key.public.hex(), key.keyid, "frost", "PRIVATE"):
            assert word.encode() not in data
            assert word.encode() not in inside


def test_no_two_backups_are_alike(keyring: Keyring) -> None:
    one, two = (json.loads(backup(keyring, ["frost"], PASSPHRASE))["sealed"] for _ in range(2))
    assert not {one[name] for name in ("salt", "nonce", "ciphertext")} & {*map(str, two.values())}


def test_a_backup_is_the_same_for_the_same_randomness(keyring: Keyring) -> None:
    """The page's form is the program's: an outside program can open a backup, and make one."""
    ours = backup(keyring, ["frost"], PASSPHRASE, random_bytes=bytes)
    document = json.loads(ours)
    contents = unseal(document.pop("sealed"), PASSPHRASE, canonical_json(document))
    assert json.loads(contents)["pins"] == {"frost": PIN}
    assert boxed(contents) == ours


@pytest.mark.parametrize("given", [b"wrong", PASSPHRASE + b" ", PASSPHRASE[:-1]])
def test_a_wrong_passphrase_opens_nothing(keyring: Keyring, elsewhere: Keyring, given: bytes) -> None:
    refused(PassphraseWrong, elsewhere, backup(keyring, ["frost"], PASSPHRASE), given)


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
    refused(BadBackup, Keyring(tmp_path_factory.getbasetemp() / "never-made"), bytes(data))


@given(st.integers(0, len(DATA) - 1))
def test_a_truncated_backup_is_named(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    refused(BadBackup, Keyring(tmp_path_factory.getbasetemp() / "never-made"), DATA[:length])


CHANGES: dict[str, dict[str, Any]] = {
    "another kind": {"kind": "lading key backup 2"},
    "no kind": {"kind": None},
    "format 2": {"format": 2},
    "format 0": {"format": 0},
    "a text for a format": {"format": "1"},
    "nothing sealed": {"sealed": None},
    "a text for what is sealed": {"sealed": "***"},
    "64 GiB": {"sealed": {**json.loads(DATA)["sealed"], "n": 1 << 26, "r": 8}},
    "a word more": {"more": 1},
    "no Unicode": {"more": "\ud800"},
}


@pytest.mark.parametrize("words", CHANGES.values(), ids=CHANGES)
def test_no_word_in_the_open_can_be_changed(elsewhere: Keyring, words: dict[str, Any]) -> None:
    refused(BadBackup, elsewhere, json.dumps({**json.loads(DATA), **words}).encode())


def test_later_words_are_bound_and_bear_no_harm(elsewhere: Keyring) -> None:
    assert len(restore(elsewhere, boxed(canonical_json(CONTENTS), more=1), PASSPHRASE)) == 1


def test_what_else_a_passphrase_opens_is_no_backup(elsewhere: Keyring) -> None:
    """Neither as it is, nor with the words of a backup written over it."""
    letter = boxed(canonical_json(CONTENTS), kind="letter")
    refused(BadBackup, elsewhere, letter)
    refused(BadBackup, elsewhere, canonical_json({**json.loads(letter), "kind": "lading key backup"}))


def test_what_is_no_backup_is_named(elsewhere: Keyring) -> None:
    for data in (b"", b"{}", b"[]", b"\xff", json.dumps(PLAIN).encode(), b"[" * 100_000):
        refused(BadBackup, elsewhere, data)
    newer = refused(BadBackup, elsewhere, canonical_json({**json.loads(DATA), "format": 2}))
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
    "a key that climbs": canonical_json({**CONTENTS, "keys": [PLAIN, {**PLAIN, "game": "../x"}]}),
    "a key with another's id": canonical_json({**CONTENTS, "keys": [PLAIN, {**PLAIN, "keyid": "0" * 64}]}),
    "a newer key": canonical_json({**CONTENTS, "keys": [PLAIN, {**PLAIN, "format": 2}]}),
}


@pytest.mark.parametrize("contents", INSIDE.values(), ids=INSIDE)
def test_what_is_sealed_is_looked_at_before_it_is_written(elsewhere: Keyring, contents: bytes) -> None:
    error = refused(BadBackup, elsewhere, boxed(contents))
    told = [*map(str, (error, error.cause, error.next)), *traceback.format_exception(error)]
    secret = str(PLAIN["pem"]).splitlines()[1]
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
    assert refused(KeyExists, elsewhere, data).where == str(other.path)
    elsewhere.forget(other)
    elsewhere.save_pin("frost", f"sha256:{'cd' * 32}@1")
    refused(KeyExists, elsewhere, data)
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
