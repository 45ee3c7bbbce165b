"""Metadata that is properly signed and says anything at all: a named error or an honest game, never anything else.

Whoever holds every key may write what they like. They can do harm to their own game; they cannot bring a reader to a
traceback, to half a tree, or to believe what is of another form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from manifest.keys import timestamp_key
from manifest.trust.pins import RegistryPin
from manifest.trust.roles import BUILDS, CHANNELS, LADING, LIMITS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, build_path
from manifest.trust.state import bin_of
from manifest.trust.voucher import BadVoucher, read_voucher
from tests.attacks.trust.scene import INSTALLED, Scene, tree
from tests.kit.forge import Document, compact, meta, overwrite
from tests.kit.rig import GAME

ROLES = (ROOT, TIMESTAMP, SNAPSHOT, TARGETS, BUILDS, CHANNELS, bin_of(build_path(GAME, 1)))

HOSTILE: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 2**31, 2**53, 2**63, 2**70, 10**2000, 0.5, float("nan"), float("inf")),
    *("", "1", "x", "../evil", "..%2Fevil", "a\0b", "\ud800", "x" * 5000, "2026-01-01T00:00:00Z"),
    *("sha256", "root", "targets", "builds", "old-0", f"{GAME}/builds/1", f"{GAME}/builds/1.", f"{GAME}/channels/*"),
    *([], [[]], [None], ["x", "x"], {}, {"": ""}, {"1": 1}, {"keyval": {"public": []}}, {"name": "builds"}),
]
"""What may stand where something else is expected."""

surgery = st.tuples(
    st.sampled_from(["replace", "delete", "add", "rename"]), st.integers(0, 1 << 30), st.sampled_from(HOSTILE)
)


def places(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: the object or list, and the key or number in it."""
    for key in part if isinstance(part, dict) else range(len(part) if isinstance(part, list) else 0):
        yield part, key
        yield from places(part[key])


def operate(signed: Document, how: str, at: int, value: Any) -> None:
    """Does something to one place of a signed part."""
    everywhere = list(places(signed))
    holder, key = everywhere[at % len(everywhere)]
    match how, holder:
        case "delete", _:
            del holder[key]
        case "add", dict():
            holder[str(value)[:100]] = holder[key]
        case "add", list():
            holder.append(value)
        case "rename", dict():
            holder[str(value)[:100]] = holder.pop(key)
        case _:
            holder[key] = value


def serve(scene: Scene, role: str, how: str, at: int, value: Any) -> None:
    """Makes a role of which one place was operated on live, signed by all who sign by right."""
    forge = scene.forge()
    if role == ROOT:
        forge.next_root()
    else:
        forge.signed(role)["version"] += 1
    key, version = forge.key(role), forge.signed(role)["version"]
    operate(forge.signed(role), how, at, value)
    data = forge.sign(role)
    overwrite(scene.store, key, data)
    if role in (ROOT, TIMESTAMP):
        return
    if role != SNAPSHOT:
        forge.signed(SNAPSHOT)["meta"][f"{role}.json"] = meta(version, data)
        forge.signed(SNAPSHOT)["version"] += 1
        key, version, data = forge.key(SNAPSHOT), forge.signed(SNAPSHOT)["version"], forge.sign(SNAPSHOT)
        overwrite(scene.store, key, data)
    forge.signed(TIMESTAMP)["meta"]["snapshot.json"] = meta(version, data)
    forge.serve_timestamp()


@settings(max_examples=100)
@given(st.sampled_from(ROLES), surgery)
def test_whatever_is_signed(shared: Scene, role: str, change: tuple[str, int, Any]) -> None:
    serve(shared, role, *change)
    try:
        with shared.copy_of("installed") as player:
            try:
                number = player.install().build.number
            except LadingError:
                number = INSTALLED
            assert player.tree() == tree(number)
            with suppress(LadingError):
                player.reader().whole(GAME)
    finally:
        shared.restore()


@pytest.mark.parametrize("name", ["game", "registry", "format", "at", "more"])
def test_depth_around_what_a_parser_takes(shared: Scene, name: str) -> None:
    """What can still be parsed may be too deep for whatever looks at it next."""
    document = shared.forge().documents[TIMESTAMP]
    document["signed"][LADING][name] = "@"
    for depth in range(800, 1000, 7):
        nested = compact(document).replace(b'"@"', b"[" * depth + b"]" * depth)
        overwrite(shared.store, timestamp_key(GAME), nested)
        with shared.copy_of("installed") as player, pytest.raises(LadingError):
            player.install()
    shared.restore()


def test_a_deep_voucher() -> None:
    """Anybody may write one that names a registry's key: what is signed is looked at only then."""
    public = bytes(32)
    for depth in range(600, 1000, 3):
        deep = b'{"key":"%s","signature":"%s","signed":{"root":%s%s}}'
        data = deep % (public.hex().encode(), b"00" * 64, b"[" * depth, b"]" * depth)
        with pytest.raises(BadVoucher):
            read_voucher(data, GAME, RegistryPin(hashlib.sha256(public).hexdigest()), 0, "here")


@pytest.mark.parametrize("role", ROLES)
def test_more_than_a_role_is_allowed(shared: Scene, role: str) -> None:
    """However it is named, signed and bundled."""
    forge = shared.forge()
    if role == ROOT:
        forge.next_root()["more"] = "x" * LIMITS[ROOT]
        forge.serve_root()
    else:
        forge.signed(role)["more"] = "x" * LIMITS.get(role, LIMITS[BUILDS])
        forge.serve([role] if role not in (SNAPSHOT, TIMESTAMP) else [])
    if role == bin_of(build_path(GAME, 1)):
        forge.target(CHANNELS, "channels/stable")["build"] = 1
        forge.serve([CHANNELS])
    try:
        with shared.copy_of("newcomer") as player, pytest.raises(LadingError) as caught:
            player.install()
        assert caught.value.code == "object-too-large"
    finally:
        shared.restore()
