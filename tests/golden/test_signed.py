"""The signed metadata of the golden game: made, read and refused as ever, by the program and by a stranger to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chunkstore.errors import LadingError
from chunkstore.stores.memory import MemoryStore
from manifest.documents import GameState
from manifest.keys import game_prefix
from manifest.trust.bundle import decode_bundle
from manifest.trust.contact import Contact
from manifest.trust.keyplan import KeyPlan
from manifest.trust.pins import FirstUse, Pin, parse_pin
from manifest.trust.rotation import KeyChange, rotate
from publisher.candidates import decode_candidate
from tests.golden import signed
from tests.golden.independent_trust import Broken, Game, bin_of, read_voucher, verify
from tests.golden.remake import TUF
from tests.kit.clock import FakeClock
from tests.kit.signed import games_of
from tests.kit.signedgame import GAME as TOY
from tests.kit.signedgame import SignedGame

NOW = signed.BEGIN + 1_000
FILES = {path.relative_to(TUF).as_posix(): path.read_bytes() for path in sorted(TUF.rglob("*")) if path.is_file()}
BUNDLE = FILES.pop("bundle")
SNAPSHOT = "16.snapshot.json"
PIN = "sha256:" + hashlib.sha256(FILES["1.root.json"]).hexdigest()
REGISTRY_PIN = "registry:sha256:" + hashlib.sha256(signed.pem_of(signed.REGISTRY_SEED)[0]).hexdigest()
Files = Mapping[str, bytes]


def independently(files: Files, pin: str = PIN, now: float = NOW, game: str = signed.GAME) -> Game:
    """What the independent reader makes of the files below a game's folder."""
    return verify(lambda name, limit: files.get(name), game, pin, now)


def test_every_byte_is_made_as_ever() -> None:
    """Ed25519 signs equal bytes equally: keys, moments and the form of what is signed are all pinned."""
    made = signed.files()
    assert {name for name in FILES if made.get(name) != FILES[name]} == set()
    assert made.keys() == FILES.keys()


@pytest.mark.parametrize("pin", ["first-use", PIN, f"{PIN}@1", REGISTRY_PIN])
@pytest.mark.parametrize("bundled", [True, False])
def test_the_program_reads_it_as_ever(tmp_path: Path, pin: str, bundled: bool) -> None:
    """From the first root on, whatever the trust begins with."""
    files = {**FILES, SNAPSHOT.replace("snapshot.json", "bundle"): BUNDLE} if bundled else FILES
    state = state_of(files, tmp_path, parse_pin(pin))
    assert state.builds == {number: signed.build(number) for number in range(1, signed.BUILDS + 1)}
    assert state.channels == signed.channels()
    assert (state.registry, state.scope) == (signed.REGISTRY_ID, signed.SCOPE)


def state_of(files: Files, folder: Path, pin: Pin) -> GameState:
    clock = FakeClock(NOW)
    store = MemoryStore(clock)
    for name, data in files.items():
        store.put(game_prefix(signed.GAME) + name, data)
    return games_of(store, folder, clock, Contact(pin)).whole(signed.GAME)


def test_a_stranger_reads_the_same(tmp_path: Path) -> None:
    found, state = independently(FILES), state_of(FILES, tmp_path, FirstUse())
    assert (found.root, found.newest, found.scope, found.registry) == (2, 12, state.scope, state.registry)
    assert {number: document["notes"] for number, document in found.builds.items()} == {
        number: build.notes for number, build in state.builds.items()
    }
    assert {name: document["build"] for name, document in found.channels.items()} == {"legacy": 2, "stable": 12}
    assert [number for number, document in found.builds.items() if document["withdrawn"]] == [9]


def test_bins_are_met() -> None:
    """Or the tests of this file would say less than they seem to."""
    bins = {name: json.loads(data)["signed"]["targets"] for name, data in FILES.items() if name.startswith("1.old-")}
    assert len(bins) > 1
    assert all(f"1.{bin_of(path)}.json" == name for name in bins for path in bins[name])
    assert not {path for paths in bins.values() for path in paths} >= {
        f"game/builds/{number}" for number in range(1, 13)
    }


def test_the_bundle_of_an_old_encoder_is_read() -> None:
    files = decode_bundle(BUNDLE)
    assert files == {name: FILES[name] for name in files}
    assert [name.split(".")[1] for name in files] == ["snapshot", "targets", "builds", "channels"]


def test_the_candidate_is_read_as_ever() -> None:
    assert decode_candidate(FILES["candidates/13"], "candidate") == signed.candidate()


def test_the_voucher_names_the_newest_root_and_the_lowest_build() -> None:
    said = read_voucher(FILES["voucher"], signed.GAME, REGISTRY_PIN, NOW)
    pin = "sha256:" + hashlib.sha256(FILES["2.root.json"]).hexdigest() + "@2"
    assert (said["root"], said["min_build"], said["registry"]) == (pin, 2, signed.REGISTRY_ID)
    assert independently(FILES, pin).builds == independently(FILES).builds


def test_what_waits_has_one_good_signature() -> None:
    """The keys of builds are two of two: whoever signs next adds to these bytes."""
    waiting = [json.loads(data) for name, data in FILES.items() if name.startswith("signing/")]
    assert waiting
    assert {len(document["signatures"]) for document in waiting} == {1}


@pytest.mark.parametrize("plan", [KeyPlan(), KeyPlan(3, 2, 2, 2)], ids=["one key", "some of several"])
def test_a_stranger_follows_every_change_of_keys(tmp_path: Path, plan: KeyPlan) -> None:
    """From the first root on: all keys of all kinds were changed, roots more than once."""
    game = SignedGame.made(tmp_path / "game", plan)
    first = game.objects()[f"tuf/{TOY}/1.root.json"]
    pin = "sha256:" + hashlib.sha256(first).hexdigest()
    for kind in ("root", "builds", "online", "root"):
        rotate(game.pen, game.whole(), kind, KeyChange())
        game.publish()
        files = {key.removeprefix(f"tuf/{TOY}/"): data for key, data in game.objects().items()}
        state, found = game.whole(), independently(files, pin, game.clock.now(), TOY)
        assert sorted(found.builds) == sorted(state.builds)
        assert found.channels["stable"]["build"] == found.newest == max(state.builds)
    assert found.root >= 4


def edited(name: str, *changes: tuple[bytes, bytes]) -> bytes:
    """A file in which some bytes are others, each found once."""
    data = FILES[name]
    for old, new in changes:
        assert data.count(old) == 1, old
        data = data.replace(old, new)
    return data


def signatures(name: str, wanted: Callable[[list[Any]], list[Any]]) -> bytes:
    """A file with other signatures."""
    document = json.loads(FILES[name])
    return json.dumps({**document, "signatures": wanted(document["signatures"])}).encode()


def signed_part(name: str) -> Any:
    return json.loads(FILES[name])["signed"]


ROOT_KEYS, ONLINE, OLD_ONLINE = signed.SEEDS["root"], (signed.NEXT_ONLINE,), signed.SEEDS["online"]
WORDS = signed_part("timestamp.json")["x-lading"]
LISTED = signed_part("timestamp.json")["meta"]["snapshot.json"]
AGED = {"version": LISTED["version"] - 1}
STAMP = "timestamp.json"

Change = Mapping[str, bytes | None]
TAMPERED: dict[str, tuple[Change, str, str]] = {
    "another first root": ({"1.root.json": FILES["2.root.json"]}, "pinned", "root-mismatch"),
    "a root by one of two keys": (
        {"2.root.json": signatures("2.root.json", lambda rows: rows[:1])},
        "too few",
        "bad-signature",
    ),
    "a root by one key twice": (
        {"2.root.json": signatures("2.root.json", lambda rows: rows[:1] * 2)},
        "twice",
        "bad-metadata",
    ),
    "a root that skips a number": (
        {"3.root.json": signed.resign(FILES["2.root.json"], ROOT_KEYS, version=4)},
        "version",
        "metadata-mixed",
    ),
    "a root by others": (
        {"3.root.json": signed.resign(FILES["2.root.json"], ONLINE, version=3)},
        "too few",
        "bad-signature",
    ),
    "the second root left out": ({"2.root.json": None}, "too few", "bad-signature"),
    "a timestamp by nobody": ({STAMP: signatures(STAMP, lambda rows: [])}, "too few", "bad-signature"),
    "a timestamp by the key before": ({STAMP: signed.resign(FILES[STAMP], OLD_ONLINE)}, "too few", "bad-signature"),
    "a timestamp of another game": (
        {STAMP: signed.resign(FILES[STAMP], ONLINE, **{"x-lading": WORDS | {"game": "other"}})},
        "something else",
        "other-games-metadata",
    ),
    "a timestamp of another registry": (
        {STAMP: signed.resign(FILES[STAMP], ONLINE, **{"x-lading": WORDS | {"registry": "0" * 64}})},
        "something else",
        "other-registry",
    ),
    "a newer format": (
        {STAMP: signed.resign(FILES[STAMP], ONLINE, **{"x-lading": WORDS | {"format": 2}})},
        "format",
        "newer-metadata",
    ),
    "an expired timestamp": (
        {STAMP: signed.resign(FILES[STAMP], ONLINE, expires="2025-06-15T00:00:00Z")},
        "expired",
        "metadata-expired",
    ),
    "a snapshot under another number": (
        {
            STAMP: signed.resign(FILES[STAMP], ONLINE, meta={"snapshot.json": LISTED | AGED}),
            f"{AGED['version']}.snapshot.json": FILES[SNAPSHOT],
        },
        "another version",
        "metadata-mixed",
    ),
    "a longer snapshot": ({SNAPSHOT: FILES[SNAPSHOT] + b" "}, "too long", "object-too-large"),
    "a snapshot of as many bytes": (
        {SNAPSHOT: edited(SNAPSHOT, (b'"spec_version":"1.0.31"', b'"spec_version":"1.0.32"'))},
        "digest",
        "metadata-mixed",
    ),
    "a bin for another": ({"1.old-0.json": FILES["1.old-7.json"]}, "digest", "metadata-mixed"),
    "no builds": ({"13.builds.json": None}, "missing", "metadata-missing"),
    "a key that occurs twice": (
        {STAMP: edited(STAMP, (b'"_type"', b'"_type":"root","_type"'))},
        "twice",
        "bad-metadata",
    ),
    "a number that is no integer": ({STAMP: edited(STAMP, (b'"at":', b'"at":1.0,"was":'))}, "integer", "bad-metadata"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_it_is_refused_by_both(tmp_path: Path, what: str) -> None:
    changed, reason, code = TAMPERED[what]
    files = {name: data for name, data in {**FILES, **changed}.items() if data is not None}
    with pytest.raises(Broken, match=reason):
        independently(files)
    with pytest.raises(LadingError) as caught:
        state_of(files, tmp_path, parse_pin(PIN))
    assert caught.value.code == code


def test_a_stranger_looks_at_the_clock() -> None:
    expires = min(signed_part(name)["expires"] for name in FILES if "." in name and not name.startswith("signing/"))
    moment = datetime.strptime(expires, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert independently(FILES, now=moment - 1).newest == signed.BUILDS
    with pytest.raises(Broken, match="expired"):
        independently(FILES, now=moment)
