"""Signed by right and still hostile: documents that say nonsense are damage at their place, and lead nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import HostMisconfigured, ObjectTooLarge
from manifest.documents import BadDocument, BuildMissing, GameState
from manifest.keys import timestamp_key
from manifest.trust.refusals import BadMetadata
from manifest.trust.roles import BINS, BUILDS, CHANNELS, LADING, LIMITS, TARGETS, TIMESTAMP
from manifest.trust.state import bin_of
from tests.kit.forge import Document, Forge, overwrite
from tests.kit.signedgame import GAME, SignedGame, said

MANY = 30


@pytest.fixture
def place(tmp_path: Path) -> SignedGame:
    """Two builds, the second of them on `stable`."""
    return SignedGame.made(tmp_path, builds=2)


def forge_of(place: SignedGame) -> Forge:
    return Forge(place.store, place.pen.keyring, GAME)


def readings(place: SignedGame) -> list[Callable[[], GameState]]:
    """The game as a new machine sees it, and as that of the publisher does."""
    return [lambda: place.read("stranger"), place.whole]


def in_build(**other: Any) -> Callable[[Forge], object]:
    return lambda forge: forge.target(BUILDS, "builds/2").update(other)


def in_channel(**other: Any) -> Callable[[Forge], object]:
    return lambda forge: forge.target(CHANNELS, "channels/stable").update(other)


def targets(forge: Forge, role: str) -> Document:
    found: Document = forge.signed(role)["targets"]
    return found


def moved(role: str, path: str, to: str) -> Callable[[Forge], object]:
    """A document that is signed at another path of its role."""

    def change(forge: Forge) -> None:
        targets(forge, role)[f"toy/{to}"] = targets(forge, role).pop(f"toy/{path}")

    return change


def without_document(role: str, path: str, document: Any = None) -> Callable[[Forge], object]:
    return lambda forge: targets(forge, role)[f"toy/{path}"].update(custom=document)


HOSTILE: dict[str, tuple[str, Callable[[Forge], object]]] = {
    "a build without a number": (BUILDS, in_build(number=0)),
    "a build of another number": (BUILDS, in_build(number=1)),
    "a number that is true": (BUILDS, in_build(number=True)),
    "a number that is a text": (BUILDS, in_build(number="2")),
    "a number beyond all numbers": (BUILDS, in_build(published_at=1 << 60)),
    "no version": (BUILDS, in_build(version=None)),
    "depots that are a list": (BUILDS, in_build(depots=[])),
    "a depot that is a path": (BUILDS, in_build(depots={"../x": {}})),
    "a build at the place of another": (BUILDS, moved(BUILDS, "builds/2", "builds/3")),
    "a build at no number": (BUILDS, moved(BUILDS, "builds/2", "builds/02")),
    "a build that is nothing": (BUILDS, without_document(BUILDS, "builds/2")),
    "a channel that is nothing": (CHANNELS, without_document(CHANNELS, "channels/stable")),
    "a channel that is empty": (CHANNELS, without_document(CHANNELS, "channels/stable", {})),
    "a channel of another name": (CHANNELS, moved(CHANNELS, "channels/stable", "channels/St able")),
    "a channel in a folder": (CHANNELS, moved(CHANNELS, "channels/stable", "channels/../stable!")),
    "a rollout above 100 %": (CHANNELS, in_channel(rollout=10_001)),
    "a build that is negative": (CHANNELS, in_channel(build=-1)),
}


@pytest.mark.parametrize(("role", "change"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_document_is_damage_at_its_place(
    place: SignedGame, role: str, change: Callable[[Forge], object]
) -> None:
    """Signed by right, and still nothing that is believed."""
    forge = forge_of(place)
    change(forge)
    forge.serve([role])
    for read in readings(place):
        with pytest.raises(BadDocument) as caught:
            read()
        assert caught.value.where == f"tuf/toy/{role}"


def test_the_documents_that_the_hostile_ones_differ_from_are_fine(place: SignedGame) -> None:
    before = place.whole()
    forge_of(place).serve([BUILDS, CHANNELS])
    found = place.read("stranger")
    assert said(found) == said(before)
    assert found.version == before.version + 1


@pytest.mark.parametrize("scope", [None, "../../x", 7, "two words"])
def test_a_scope_that_is_none_is_damage_at_its_place(place: SignedGame, scope: Any) -> None:
    forge = forge_of(place)
    forge.signed(TARGETS)[LADING]["scope"] = scope
    forge.serve([TARGETS])
    with pytest.raises(BadMetadata) as caught:
        place.read("stranger")
    assert caught.value.where == "tuf/toy/targets"


def test_a_build_outside_of_its_bin_is_none(tmp_path: Path) -> None:
    """The updater would not look for it there, so whoever lists the bins does not find it either."""
    place = SignedGame.made(tmp_path, builds=MANY)
    forge = forge_of(place)
    path = "toy/builds/1"
    mine = bin_of(path)
    other = next(name for name in BINS if name in forge.documents and name != mine)
    targets(forge, other)[path] = targets(forge, mine).pop(path)
    forge.serve([mine, other])
    assert set(place.read("stranger").builds) == set(range(2, MANY + 1))
    with pytest.raises(BuildMissing):
        place.registry.build(place.registry.game(GAME), 1)


def test_a_channel_to_a_build_that_is_not_there(place: SignedGame) -> None:
    """Whoever holds the online key can sign that; it leads nowhere, and is named."""
    forge = forge_of(place)
    in_channel(build=3)(forge)
    forge.serve([CHANNELS])
    registry = place.registry
    state = registry.game(GAME)
    with pytest.raises(BuildMissing, match="#3"):
        registry.build(state, state.channel("stable").build)
    with pytest.raises(BuildMissing, match="#3"):
        place.read("stranger").select("@stable")


TIMESTAMPS: dict[str, tuple[bytes, type[LadingError]]] = {
    "nothing": (b"", BadMetadata),
    "a list": (b"[]", BadMetadata),
    "nothing signed": (b'{"signed":7,"signatures":[]}', BadMetadata),
    "cut short": (b'{"signed":{"version":2', BadMetadata),
    "a page": (b"<!doctype html><title>404</title>", HostMisconfigured),
    "endless": (bytes(LIMITS[TIMESTAMP] + 1), ObjectTooLarge),
}


@pytest.mark.parametrize(("data", "error"), TIMESTAMPS.values(), ids=TIMESTAMPS)
def test_a_timestamp_that_is_none_is_damage_at_its_place(
    place: SignedGame, data: bytes, error: type[LadingError]
) -> None:
    overwrite(place.store, timestamp_key(GAME), data)
    for read in readings(place):
        with pytest.raises(error) as caught:
            read()
        assert caught.value.where in ("memory:/tuf/toy/timestamp.json", "tuf/toy/timestamp.json")
