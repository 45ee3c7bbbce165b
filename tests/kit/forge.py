"""A game's metadata in somebody else's hands: read from a store, changed, signed by whom one likes, and put back.

Works on plain documents and raw signatures, and so can write what python-tuf's objects refuse to hold. What is served
stays consistent as far as the forger's keys reach: versions, hashes, snapshot, bundle, timestamp.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Signer

from chunkstore.store import KeyMissing, ObjectStore
from manifest.keys import bundle_key, metadata_key, timestamp_key
from manifest.trust.bundle import encode_bundle
from manifest.trust.keyring import Keyring
from manifest.trust.roles import BUILDS, CHANNELS, KEYS_OF, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, kind_of
from manifest.trust.signers import signer_of

Document = dict[str, Any]
_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Hand:
    """Somebody who can sign: a public key in hexadecimal, and what makes its signatures, in hexadecimal too."""

    public: str
    seal: Callable[[bytes], str]

    @staticmethod
    def stranger(seed: int = 0) -> Hand:
        """Somebody whom no metadata names."""
        private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        return Hand(private.public_key().public_bytes_raw().hex(), lambda data: private.sign(data).hex())

    @property
    def keyid(self) -> str:
        """The id under which metadata lists the key."""
        return hashlib.sha256(payload(self.listed)).hexdigest()

    @property
    def listed(self) -> Document:
        """The key as metadata lists it."""
        return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": self.public}}

    def sign(self, signed: Document) -> Document:
        """This hand's signature of a signed part."""
        return {"keyid": self.keyid, "sig": self.seal(payload(signed))}


def hands(keyring: Keyring, game: str, kind: str) -> list[Hand]:
    """Who holds the keys of one kind of a game."""
    held = [key for key in keyring.keys(game) if key.role == kind]
    return [Hand(key.public.hex(), _sealing(signer_of(keyring, key))) for key in held]


def _sealing(signer: Signer) -> Callable[[bytes], str]:
    return lambda data: str(signer.sign(data).signature)


def payload(signed: Document) -> bytes:
    """The bytes that signatures of a signed part cover; of one that has no such form its JSON."""
    try:
        return str(encode_canonical(signed)).encode()
    except (FormatError, TypeError, UnicodeEncodeError):
        return json.dumps(signed).encode()


def compact(document: Document) -> bytes:
    """A document as the product writes it."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def overwrite(store: ObjectStore, key: str, data: bytes) -> None:
    """Puts an object in the place of whatever is there."""
    try:
        match = store.stat(key).etag
    except KeyMissing:
        match = None
    store.replace(key, data, match=match)


class Forge:
    """The present metadata of a game. `signed` is the signed part of each role, for the test to change.

    `keys` are the hands that sign a role by right, by kind: whether the forger has them is the test's business.
    """

    def __init__(self, store: ObjectStore, keyring: Keyring, game: str) -> None:
        self.store = store
        self.game = game
        self.keys = {kind: hands(keyring, game, kind) for kind in ("root", "builds", "online")}
        self.documents: dict[str, Document] = {}
        self.documents[TIMESTAMP] = self._read(timestamp_key(game))
        version = self.signed(TIMESTAMP)["meta"]["snapshot.json"]["version"]
        self.documents[SNAPSHOT] = self._read(metadata_key(game, SNAPSHOT, version))
        for name, listed in self.signed(SNAPSHOT)["meta"].items():
            role = name.removesuffix(".json")
            self.documents[role] = self._read(metadata_key(game, role, listed["version"]))
        self.documents[ROOT] = self._read(metadata_key(game, ROOT, self._newest_root()))

    def signed(self, role: str) -> Document:
        """The signed part of a role, to be changed."""
        part: Document = self.documents[role]["signed"]
        return part

    def target(self, role: str, path: str) -> Document:
        """The document at a target path below the game, to be changed."""
        document: Document = self.signed(role)["targets"][f"{self.game}/{path}"]["custom"]
        return document

    def key(self, role: str) -> str:
        """Where the role's file lies, by the version that it says."""
        return (
            timestamp_key(self.game)
            if role == TIMESTAMP
            else f"tuf/{self.game}/{self.signed(role)['version']}.{role}.json"
        )

    def rightful(self, role: str) -> list[Hand]:
        """Who signs a role by right."""
        return self.keys[KEYS_OF[kind_of(role)]]

    def sign(self, role: str, by: Sequence[Hand] | None = None) -> bytes:
        """The file of a role, signed by these hands, or by right."""
        document = self.documents[role]
        document["signatures"] = [hand.sign(document["signed"]) for hand in (self.rightful(role) if by is None else by)]
        return compact(document)

    def replace(self, role: str, data: bytes) -> None:
        """Serves other bytes in the place of a role's present file, in the bundle as well: what any host can do."""
        overwrite(self.store, self.key(role), data)
        if role not in (ROOT, TIMESTAMP):
            self._write_bundle({role: data})

    def write(self, role: str, by: Sequence[Hand] | None = None, *, next_version: bool = True) -> None:
        """Serves a changed role under its next version and names it in the snapshot; `serve` makes it live."""
        if next_version:
            self.signed(role)["version"] += 1
        self.list(role, self.sign(role, by))

    def list(self, role: str, data: bytes) -> None:
        """Serves these bytes as the role's file of the version that it says, and names them in the snapshot."""
        overwrite(self.store, self.key(role), data)
        self.signed(SNAPSHOT)["meta"][f"{role}.json"] = meta(self.signed(role)["version"], data)

    def serve(self, roles: Iterable[str] = (), by: Sequence[Hand] | None = None) -> None:
        """Makes everything live, as whoever holds the online key can; before, writes these roles, signed by `by`."""
        for role in roles:
            self.write(role, by)
        self.signed(SNAPSHOT)["version"] += 1
        data = self.sign(SNAPSHOT)
        overwrite(self.store, self.key(SNAPSHOT), data)
        self._write_bundle({})
        self.signed(TIMESTAMP)["meta"]["snapshot.json"] = meta(self.signed(SNAPSHOT)["version"], data)
        self.serve_timestamp()

    def serve_timestamp(self, by: Sequence[Hand] | None = None) -> None:
        """Signs the timestamp as it is now, with its next version, and serves it."""
        self.signed(TIMESTAMP)["version"] += 1
        overwrite(self.store, timestamp_key(self.game), self.sign(TIMESTAMP, by))

    def next_root(self) -> Document:
        """Begins the root after the present one; its signed part, to be changed. `serve_root` serves it."""
        self.documents[ROOT] = deepcopy(self.documents[ROOT])
        root = self.signed(ROOT)
        root["version"] += 1
        return root

    def serve_root(self, by: Sequence[Hand] | None = None) -> None:
        """Signs the root as it is now, and serves it under its version."""
        overwrite(self.store, self.key(ROOT), self.sign(ROOT, by))

    def let_sign(self, role: str, hand: Hand) -> None:
        """Puts a key in the place of all that sign a role of the root, in the root as it is now."""
        root = self.signed(ROOT)
        root["keys"][hand.keyid] = hand.listed
        root["roles"][role] = {"keyids": [hand.keyid], "threshold": 1}

    def _write_bundle(self, instead: dict[str, bytes]) -> None:
        files = {}
        for role in (SNAPSHOT, TARGETS, BUILDS, CHANNELS):
            data = instead.get(role) or self.store.get(self.key(role), limit=_LIMIT).data
            files[self.key(role).rpartition("/")[2]] = data
        overwrite(self.store, bundle_key(self.game, self.signed(SNAPSHOT)["version"]), encode_bundle(files))

    def _read(self, key: str) -> Document:
        document: Document = json.loads(self.store.get(key, limit=_LIMIT).data)
        return document

    def _newest_root(self) -> int:
        for version in count(2):
            try:
                self.store.stat(metadata_key(self.game, ROOT, version))
            except KeyMissing:
                return version - 1
        raise AssertionError


def meta(version: Any, data: bytes) -> Document:
    """What snapshot and timestamp say of a file."""
    return {"version": version, "length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
