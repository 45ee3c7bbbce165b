"""Verifies the signed metadata of a game by `docs/format.md` alone: no line of the program, nor of python-tuf.

It begins with nothing but a pin, believes what enough keys have signed, and gives back builds and channels. It keeps no
memory, so that what the page says of marks is not its matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KIBIBYTE = 1024
LIMITS = {
    "root": 64 * KIBIBYTE,
    "targets": 64 * KIBIBYTE,
    "builds": 4096 * KIBIBYTE,
    "channels": 256 * KIBIBYTE,
    "snapshot": 32 * KIBIBYTE,
    "timestamp": 8 * KIBIBYTE,
}
BINS = [f"old-{digit}" for digit in "0123456789abcdef"]
MAX_ROOTS = 256

PRIME = 2**255 - 19
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
WEAK = {0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH}

Read = Callable[[str, int], bytes | None]
"""The object of this name below `tuf/<game>/`, of at most so many bytes; None if there is none."""


class Broken(Exception):
    """Something that the page tells readers to refuse."""


def expect(true: bool, what: str) -> None:
    if not true:
        raise Broken(what)


@dataclass
class Game:
    """What was verified of a game. Documents are as they were signed."""

    name: str
    registry: str
    scope: str = ""
    root: int = 0
    newest: int = 0
    builds: dict[int, Any] = field(default_factory=dict)
    channels: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def verify(read: Read, game: str, pin: str, now: float) -> Game:
    """The game whose first root has this pin, `sha256:HEX@VERSION`, as of `now`."""
    digest, _, number = pin.removeprefix("sha256:").partition("@")
    version = int(number or 1)
    data = taken(read, f"{version}.root.json", LIMITS["root"])
    expect(hashlib.sha256(data).hexdigest() == digest, "the root is not the one that was pinned")
    root = open_file(data, "root", game, "")
    expect(root["signed"]["version"] == version, "the root has another version")
    found = Game(game, root["signed"]["x-lading"]["registry"])
    check_quorum(root, root["signed"]["keys"], root["signed"]["roles"]["root"])
    root = walk_roots(read, found, root)
    check_expiry(root, now)
    found.root = root["signed"]["version"]
    keys, roles = root["signed"]["keys"], root["signed"]["roles"]

    timestamp = open_file(taken(read, "timestamp.json", LIMITS["timestamp"]), "timestamp", game, found.registry)
    check_quorum(timestamp, keys, roles["timestamp"])
    check_expiry(timestamp, now)
    snapshot = read_listed(read, found, "snapshot", timestamp)
    check_quorum(snapshot, keys, roles["snapshot"])
    check_expiry(snapshot, now)
    targets = read_listed(read, found, "targets", snapshot)
    check_quorum(targets, keys, roles["targets"])
    check_expiry(targets, now)
    read_documents(read, found, snapshot, targets, now)
    found.scope = targets["signed"]["x-lading"]["scope"]
    found.metadata |= {"root": root, "timestamp": timestamp, "snapshot": snapshot, "targets": targets}
    return found


def walk_roots(read: Read, found: Game, root: Any) -> Any:
    """The last of the roots that follow one another, each signed as the one before demands, and as it says itself."""
    last = root["signed"]["version"] + MAX_ROOTS
    while (data := read(f"{root['signed']['version'] + 1}.root.json", LIMITS["root"])) is not None:
        number = root["signed"]["version"] + 1
        expect(number <= last, "too many roots follow one another")
        after = open_file(data, "root", found.name, found.registry)
        for judge in (root, after):
            check_quorum(after, judge["signed"]["keys"], judge["signed"]["roles"]["root"])
        expect(after["signed"]["version"] == number, "a root has another version than its name")
        root = after
    return root


def read_documents(read: Read, found: Game, snapshot: Any, targets: Any, now: float) -> None:
    delegations = targets["signed"]["delegations"]
    rows = {row["name"]: row for row in delegations["roles"]}
    opened = {}
    for role in ("builds", "channels"):
        expect(rows[role]["paths"] == [f"{found.name}/{role}/*"] and rows[role]["terminating"], "another delegation")
        opened[role] = read_listed(read, found, role, snapshot)
        check_quorum(opened[role], delegations["keys"], rows[role])
        check_expiry(opened[role], now)
    expect(sorted(rows) == ["builds", "channels"] and targets["signed"]["targets"] == {}, "another delegation")

    builds = opened["builds"]["signed"]["delegations"]
    quorum = builds["succinct_roles"]
    expect((quorum["bit_length"], quorum["name_prefix"]) == (4, "old"), "other bins")
    for role in BINS:
        if f"{role}.json" in snapshot["signed"]["meta"]:
            opened[role] = read_listed(read, found, role, snapshot)
            check_quorum(opened[role], builds["keys"], quorum)
            check_expiry(opened[role], now)
    found.metadata |= opened
    for role in (*BINS, "builds", "channels"):
        if role in opened:
            take_documents(found, role, opened[role]["signed"]["targets"])


def take_documents(found: Game, role: str, targets: Mapping[str, Any]) -> None:
    """What a role says; of a build that lies in a bin and in `builds` the latter counts."""
    expect(role != "builds" or f"{found.name}/builds/newest" in targets, "nothing says which build is the newest")
    for path, target in targets.items():
        game, kind, name = path.split("/")
        expect(
            game == found.name and kind == ("channels" if role == "channels" else "builds"), "a path of another role"
        )
        if kind == "channels":
            found.channels[name] = target["custom"]
        elif name == "newest":
            found.newest = target["custom"]["number"]
        elif role == "builds" or role == bin_of(path):
            expect(target["custom"]["number"] == int(name), "a build with another number")
            found.builds[int(name)] = target["custom"]


def bin_of(path: str) -> str:
    return "old-" + hashlib.sha256(path.encode()).hexdigest()[0]


def read_listed(read: Read, found: Game, role: str, lister: Any) -> Any:
    """The file of a role that timestamp or snapshot name: of that version, length and digest."""
    listed = lister["signed"]["meta"][f"{role}.json"]
    limit = LIMITS["builds" if role in BINS else role]
    expect(listed["length"] <= limit, "a file is longer than any may be")
    data = taken(read, f"{listed['version']}.{role}.json", listed["length"])
    expect(len(data) == listed["length"], "a file has another length")
    expect(hashlib.sha256(data).hexdigest() == listed["hashes"]["sha256"], "a file has another digest")
    document = open_file(data, role, found.name, found.registry)
    expect(document["signed"]["version"] == listed["version"], "a file has another version than its name")
    return document


def taken(read: Read, name: str, limit: int) -> bytes:
    data = read(name, limit)
    if data is None:
        raise Broken(f"{name} is missing")
    expect(len(data) <= limit, "a file is too long")
    return data


def open_file(data: bytes, role: str, game: str, registry: str) -> Any:
    """A metadata file of this role and game, its signatures not looked at."""
    document = parse(data)
    signed = document["signed"]
    words = signed["x-lading"]
    expect(words["format"] == 1, "metadata of another format")
    expect(words["game"] == game and registry in ("", words["registry"]), "metadata of something else")
    kind = role if role in ("root", "timestamp", "snapshot") else "targets"
    expect(signed["_type"] == kind and signed["spec_version"].startswith("1."), "metadata of another kind")
    return document


def check_quorum(document: Any, keys: Mapping[str, Any], quorum: Any) -> None:
    """Whether enough of the keys that have a say signed the document, each counted once."""
    ids, threshold = quorum["keyids"], quorum["threshold"]
    expect(type(threshold) is int and 1 <= threshold <= len(set(ids)) == len(ids), "nobody can sign that")
    expect(set(ids) <= keys.keys(), "a key that has a say is not listed")
    signed = canonical(document["signed"])
    signatures = {row["keyid"]: row["sig"] for row in document["signatures"]}
    expect(len(signatures) == len(document["signatures"]), "a key signed twice")
    good = [keyid for keyid in ids if keyid in signatures and is_signed(keys[keyid], keyid, signatures[keyid], signed)]
    expect(len(good) >= threshold, "too few of the keys that have a say signed")


def is_signed(key: Any, keyid: str, signature: str, message: bytes) -> bool:
    public = bytes.fromhex(key["keyval"]["public"])
    expect(key == {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}, "another key")
    expect(hashlib.sha256(canonical(key)).hexdigest() == keyid, "a key under another id")
    y = int.from_bytes(public, "little") % 2**255
    expect(y < PRIME and y not in WEAK, "a key that signs for everybody")
    return verifies(public, signature, message)


def verifies(public: bytes, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_expiry(document: Any, now: float) -> None:
    expires = datetime.strptime(document["signed"]["expires"], "%Y-%m-%dT%H:%M:%S%z")
    expect(now < expires.timestamp(), "metadata has expired")


def read_voucher(data: bytes, game: str, pin: str, now: float) -> Any:
    """What the registry with this pin, `registry:sha256:HEX`, says of a game."""
    expect(len(data) <= 4 * KIBIBYTE, "the voucher is too long")
    voucher = parse(data)
    public = bytes.fromhex(voucher["key"])
    expect(pin == "registry:sha256:" + hashlib.sha256(public).hexdigest(), "the key of another registry")
    message = b"lading voucher 1\n" + plain(voucher["signed"])
    expect(verifies(public, voucher["signature"], message), "the voucher is not signed")
    expect(voucher["signed"]["game"] == game and now < voucher["signed"]["expires"], "the voucher does not hold")
    return voucher["signed"]


def parse(data: bytes) -> Any:
    """JSON in UTF-8 without duplicate keys, and with no number that is not an integer."""

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        expect(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise Broken(f"{text} is not an integer")

    return json.loads(data.decode(), object_pairs_hook=unique, parse_float=refuse, parse_constant=refuse)


def canonical(value: Any) -> bytes:
    """What signatures cover: characters of texts stand for themselves, but for two."""
    if isinstance(value, dict):
        return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in sorted(value)) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    if isinstance(value, str):
        return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    return json.dumps(value).encode()


def plain(value: Any) -> bytes:
    """The one form of documents."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
