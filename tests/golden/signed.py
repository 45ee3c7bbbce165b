"""The golden game: signed by keys that everybody knows, at moments that never change, so that its bytes never change.

The seeds are those of RFC 8032, section 7. Two keys of the root and two of builds have to sign; the key that signs
online is changed once, so that there are two roots; so many builds are made that some lie in bins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from chunkstore.ids import digest_of
from chunkstore.stores.memory import MemoryStore
from manifest.documents import Build, Channel, DepotRef, GameState
from manifest.keys import candidate_key, game_prefix
from manifest.trust.creation import create
from manifest.trust.keyfile import REGISTRY, words_of
from manifest.trust.keyplan import KeyPlan
from manifest.trust.keyring import Keyring
from manifest.trust.refusals import SignaturesMissing
from manifest.trust.rotation import KeyChange, rotate
from manifest.trust.signers import public_key_of
from manifest.trust.writing import Pen, commit
from publisher.candidates import Candidate, Release, encode_candidate
from tests.kit.clock import FakeClock

GAME = "game"
SCOPE = "shared"
REGISTRY_ID = bytes(range(32)).hex()
BEGIN = 1_750_000_000.0
BUILDS = 12
SEEDS = {
    "root": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    ),
    "builds": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
    ),
    "online": ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",),
}
NEXT_ONLINE = "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6"
REGISTRY_SEED = "ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560"


def pem_of(seed: str) -> tuple[bytes, str]:
    """The public half of a key, and the private one as key files have it."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.public_key().public_bytes_raw(), pem.decode()


def hold(keyring: Keyring, role: str, seed: str) -> bytes:
    """Puts a key into the keyring; its public half."""
    public, pem = pem_of(seed)
    keyring.add([{**words_of("" if role == REGISTRY else GAME, role, public), "pem": pem}])
    return public


def resign(data: bytes, seeds: Sequence[str], **changed: Any) -> bytes:
    """A metadata file with other values in its signed part, signed by these keys."""
    metadata: Metadata[Any] = Metadata.from_dict({"signatures": [], "signed": json.loads(data)["signed"] | changed})
    for seed in seeds:
        public, pem = pem_of(seed)
        metadata.sign(CryptoSigner(load_pem_private_key(pem.encode(), None), public_key_of(public)), append=True)
    return metadata.to_bytes()


def build(number: int) -> Build:
    """Builds with everything that a document can say, and with texts that are awkward to sign."""
    ref = DepotRef(digest_of(b"manifest %d" % number).hex(), 1000 + number, 3, number, 10 * number)
    depots = {"main": replace(ref, platform="linux"), "voices": replace(ref, language="de", optional=True)}
    notes = {11: 'Первая "строка"\n\tи \\ вторая'}.get(number, "")
    long_notes = digest_of(b"long notes").hex() if number == 10 else ""
    return Build(
        number=number,
        version=f"1.{number}",
        depots=depots if number % 2 else {"main": ref},
        published_at=int(BEGIN) + number,
        notes=notes,
        notes_id=long_notes,
        critical=number == 11,
        rollback_to=max(0, number - 2),
        withdrawn=number == 9,
    )


def channels() -> dict[str, Channel]:
    """Where the channels of the golden game point in the end. What `legacy` names stays among the newest builds."""
    return {
        "stable": Channel("stable", 12, 7, previous=11, rollout=2500, minimum=3),
        "legacy": Channel("legacy", 2, 1),
    }


def live(store: MemoryStore, folder: Path) -> GameState:
    """Lives the life of the game in a store; the state at its end. Keys lie in `folder`."""
    clock, keyring = FakeClock(BEGIN), Keyring(folder / "keys")
    pen = Pen(store, keyring, clock)
    for role, seeds in SEEDS.items():
        for seed in seeds:
            hold(keyring, role, seed)
    state = create(pen, REGISTRY_ID, GAME, SCOPE, KeyPlan(2, 2, 2, 2))
    for number in range(1, BUILDS + 1):
        clock.advance(1)
        pointer = {"stable": Channel("stable", number, number)}
        state = commit(pen, state, replace(state, builds={**state.builds, number: build(number)}, channels=pointer))
    state = commit(pen, state, replace(state, channels=channels()))
    hold(keyring, REGISTRY, REGISTRY_SEED)
    [old] = (key.keyid for key in keyring.keys(GAME) if key.role == "online")
    clock.advance(1)
    state = rotate(pen, state, "online", KeyChange(add=(hold(keyring, "online", NEXT_ONLINE),), drop=(old,)))
    leave_partials(store, state, folder, clock)
    store.put(candidate_key(GAME, 13), encode_candidate(candidate()))
    return state


def leave_partials(store: MemoryStore, state: GameState, folder: Path, clock: FakeClock) -> None:
    """Signs a 13th build with one of the two keys that have to."""
    keyring = Keyring(folder / "keys of one holder")
    for role, seed in (("builds", SEEDS["builds"][0]), ("online", NEXT_ONLINE)):
        hold(keyring, role, seed)
    try:
        commit(Pen(store, keyring, clock), state, replace(state, builds={**state.builds, 13: build(13)}))
    except SignaturesMissing:
        return
    raise AssertionError("one key was enough")


def candidate() -> Candidate:
    """What waits for its signatures."""
    release = Release(version="1.13", channel="beta", notes="short", parent=12)
    return Candidate("main", build(13).depots["main"], release, int(BEGIN) + 13)


def objects() -> tuple[GameState, dict[str, bytes]]:
    """The state in the end, and all that lies below `tuf/game/` then, by name."""
    store = MemoryStore(FakeClock(BEGIN))
    with TemporaryDirectory() as folder:
        state = live(store, Path(folder))
    keys = [entry.key for entry in store.list(game_prefix(GAME))]
    return state, {key.removeprefix(game_prefix(GAME)): store.get(key, limit=1 << 20).data for key in keys}


def files() -> dict[str, bytes]:
    """What is live in the end, with all roots and what waits for signatures; without the bundle."""
    state, there = objects()
    wanted = [r"timestamp\.json", r"\d+\.root\.json", "voucher", "candidates/13", "signing/.*"]
    return {
        name: data
        for name, data in there.items()
        if data in state.metadata.values() or any(re.fullmatch(form, name) for form in wanted)
    }


def bundle() -> bytes:
    """The bundle that is live in the end."""
    bundles = {int(name.partition(".")[0]): data for name, data in objects()[1].items() if name.endswith(".bundle")}
    return bundles[max(bundles)]
