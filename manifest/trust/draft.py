"""The next metadata of a game, as it will be signed: objects of python-tuf, made from what was verified.

Pure: nothing is signed or written here. Which roles a change touches is found by comparing documents, so that a role
whose content stays keeps its version and its signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from manifest.documents import GameState, build_to_json, canonical_json, channel_to_json
from manifest.trust.roles import (
    BIN_BITS,
    BIN_PREFIX,
    BINS,
    BUILDS,
    CHANNELS,
    KEYS_OF,
    LADING,
    LIFETIMES,
    NEWEST_BUILDS,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Binding,
    build_path,
    channel_path,
    kind_of,
    newest_path,
)
from manifest.trust.state import bin_of

_FORM = JSONSerializer(compact=True)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one kind, and how many of them have to sign."""

    keys: tuple[Key, ...]
    threshold: int

    @property
    def ids(self) -> list[str]:
        """The ids of the keys, in order."""
        return [key.keyid for key in self.keys]

    def is_same(self, other: KeySet) -> bool:
        """Whether the same signatures are enough for both."""
        return {*self.ids} == {*other.ids} and self.threshold == other.threshold

    def joined(self, other: KeySet) -> KeySet:
        """The keys of both; what either set signed is signed by them."""
        keys = {key.keyid: key for key in (*self.keys, *other.keys)}
        return KeySet(tuple(keys.values()), min(self.threshold, other.threshold))


class Draft:
    """All roles of one game. `changed` are those to be signed anew, `also` is who has to sign a role besides.

    With `restarts` versions that a thief of keys brought to their end begin anew, for these keys are about to go.
    """

    def __init__(self, binding: Binding, roles: dict[str, Metadata[Any]]) -> None:
        self.binding = binding
        self.roles = roles
        self.changed: set[str] = set()
        self.also: dict[str, KeySet] = {}
        self.restarts = False

    @staticmethod
    def of(state: GameState) -> Draft:
        """What is live now."""
        return Draft(
            Binding(state.registry, state.game),
            {role: Metadata.from_bytes(data) for role, data in state.metadata.items()},
        )

    @staticmethod
    def new(binding: Binding, scope: str, kinds: Mapping[str, KeySet]) -> Draft:
        """A game without builds and channels. `kinds` are its keys by kind."""
        root = Root(version=1, consistent_snapshot=True, unrecognized_fields=binding.words())
        for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP):
            for key in kinds[KEYS_OF[role]].keys:
                root.add_key(key, role)
            root.roles[role].threshold = kinds[KEYS_OF[role]].threshold
        targets = Targets(unrecognized_fields=binding.words(scope=scope))
        draft = Draft(
            binding,
            {
                ROOT: Metadata(root),
                TARGETS: Metadata(targets),
                BUILDS: Metadata(Targets(unrecognized_fields=binding.words())),
                CHANNELS: Metadata(Targets(unrecognized_fields=binding.words())),
                SNAPSHOT: Metadata(Snapshot(meta={}, unrecognized_fields=binding.words())),
                TIMESTAMP: Metadata(Timestamp(unrecognized_fields=binding.words(at=0))),
            },
        )
        draft.delegate(BUILDS, kinds[KEYS_OF[BUILDS]])
        draft.delegate(CHANNELS, kinds[KEYS_OF[CHANNELS]])
        draft.changed |= {TARGETS, BUILDS, CHANNELS}
        draft.place(GameState(binding.game, scope), GameState(binding.game, scope))
        return draft

    def delegate(self, role: str, to: KeySet) -> None:
        """Lets these keys sign `builds`, with all bins, or `channels`; all that they sign is signed anew."""
        targets = self.roles[TARGETS].signed
        before = targets.delegations.roles if targets.delegations else {}
        kept = {role: self.keys_of(role) for role in before}
        kept[role] = to
        roles = {
            name: DelegatedRole(name, keys.ids, keys.threshold, True, paths=[f"{self.binding.game}/{name}/*"])
            for name, keys in kept.items()
        }
        every = {key.keyid: key for keys in kept.values() for key in keys.keys}
        targets.delegations = Delegations(every, roles)
        self.changed |= {TARGETS, role}
        if role == BUILDS:
            self.roles[BUILDS].signed.delegations = Delegations(
                {key.keyid: key for key in to.keys},
                succinct_roles=SuccinctRoles(to.ids, to.threshold, BIN_BITS, BIN_PREFIX),
            )
            self.changed.update(name for name in BINS if name in self.roles)

    def name_in_root(self, keys: Mapping[str, KeySet]) -> None:
        """Lets these keys, by role, sign what the root names the keys of."""
        root = self.roles[ROOT].signed
        for role, to in keys.items():
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            for key in to.keys:
                root.add_key(key, role)
            root.roles[role].threshold = to.threshold

    def keys_of(self, role: str) -> KeySet:
        """Who may sign a role, as it is delegated in this draft."""
        delegator = self.roles[TARGETS if kind_of(role) in (BUILDS, CHANNELS) else ROOT].signed
        found = delegator.get_delegated_role(kind_of(role))
        return KeySet(tuple(delegator.get_key(keyid) for keyid in found.keyids), found.threshold)

    def quorums(self, role: str) -> list[KeySet]:
        """Who has to sign a role: each of these sets of keys, which are more than one only while keys change.

        Snapshot and timestamp are signed by the keys of channels, too: where those are others, they are the keys that
        the next root is about to name, and whoever changes the game meanwhile must not undo that.
        """
        sets = [self.keys_of(role)]
        if role in (SNAPSHOT, TIMESTAMP):
            sets.append(self.keys_of(CHANNELS))
        return [*sets, self.also[role]] if role in self.also else sets

    def place(self, before: GameState, after: GameState) -> None:
        """Puts the documents of `after`, which is whole, into their roles."""
        game = self.binding.game
        if after.channels != before.channels:
            self._fill(CHANNELS, {channel_path(game, c.name): channel_to_json(c) for c in after.channels.values()})
        documents = {number: build_to_json(build) for number, build in after.builds.items()}
        newest = max(documents, default=0)
        if after.builds != before.builds or newest_path(game) not in self.roles[BUILDS].signed.targets:
            here = {*sorted(documents)[-NEWEST_BUILDS:], *_named(after)} & documents.keys()
            content: dict[str, Any] = {build_path(game, number): documents[number] for number in sorted(here)}
            self._fill(BUILDS, {newest_path(game): {"number": newest}, **content})
            self._archive({build_path(game, number): documents[number] for number in documents}, keep=content)

    def _archive(self, documents: Mapping[str, Any], keep: Mapping[str, Any]) -> None:
        """Builds that left `builds` lie in their bin for ever; one that came back stays there, too."""
        for name in BINS:
            there = self.roles[name].signed.targets if name in self.roles else {}
            mine = {
                path: document
                for path, document in documents.items()
                if bin_of(path) == name and (path in there or path not in keep)
            }
            if mine:
                if name not in self.roles:
                    self.roles[name] = Metadata(Targets(unrecognized_fields=self.binding.words()))
                    self.changed.add(name)
                self._fill(name, mine)

    def _fill(self, role: str, documents: Mapping[str, Any]) -> None:
        targets = {path: _target(path, document) for path, document in documents.items()}
        if targets != self.roles[role].signed.targets:
            self.roles[role].signed.targets = targets
            self.changed.add(role)

    def date(self, role: str, version: int, now: float, lifetime: int | None = None) -> None:
        """Gives a role its next version and date."""
        signed = self.roles[role].signed
        signed.version = version
        lives = LIFETIMES[kind_of(role)] if lifetime is None else lifetime
        signed.expires = datetime.fromtimestamp(int(now) + lives, UTC)
        if role == TIMESTAMP:
            signed.unrecognized_fields[LADING] = {**signed.unrecognized_fields[LADING], "at": int(now)}

    def list_in_snapshot(self, role: str, data: bytes) -> None:
        """Makes the snapshot name this version of a role."""
        self.roles[SNAPSHOT].signed.meta[f"{role}.json"] = _meta(self.roles[role].signed.version, data)

    def point_timestamp(self, data: bytes) -> None:
        """Makes the timestamp name this snapshot."""
        self.roles[TIMESTAMP].signed.snapshot_meta = _meta(self.roles[SNAPSHOT].signed.version, data)

    def encode(self, role: str) -> bytes:
        """The file of a role, with the signatures that it has."""
        return self.roles[role].to_bytes(_FORM)


def _named(state: GameState) -> Iterable[int]:
    """The builds that channels name."""
    return {number for channel in state.channels.values() for number in (channel.build, channel.previous)}


def _target(path: str, document: Any) -> TargetFile:
    """A target without a file: its document says all, and the digest is that of the document."""
    data = canonical_json(document)
    return TargetFile(len(data), {"sha256": hashlib.sha256(data).hexdigest()}, path, {"custom": document})


def _meta(version: int, data: bytes) -> MetaFile:
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})
