"""Builds and channels: small documents that say which manifests belong together and which build a channel points to.

Their JSON form is canonical (sorted keys, no spaces, integers only), because its digest is what metadata names. Reading
checks every field; unknown fields are kept out of the model and tolerated, so that later versions can add some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chunkstore.errors import Corrupt, LadingError, NotFound, Refused
from chunkstore.ids import hex_to_digest
from manifest.names import check_name, check_version

MAX_INLINE_NOTES = 1024
"""Bytes of release notes that a build's document holds itself; longer ones are an object of their own."""

FULL_ROLLOUT = 10_000
"""A rollout to every player, in basis points."""

_NUMBER = re.compile(r"#[0-9]{1,16}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DepotRef:
    """One depot of a build. The sizes bound every allocation that reading the manifest makes."""

    manifest: str
    payload_size: int
    files: int
    chunks: int
    installed_size: int
    platform: str = "any"
    language: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """One immutable version of a game. `published_at` is in seconds since the epoch.

    Whoever has seen this build on a channel accepts that the channel goes back as far as `rollback_to`. Nobody installs
    a build that was `withdrawn`.

    `notes` is text of up to `MAX_INLINE_NOTES` bytes; longer notes are the object that `notes_id` names.
    """

    number: int
    version: str
    depots: Mapping[str, DepotRef]
    published_at: int
    notes: str = ""
    notes_id: str = ""
    critical: bool = False
    rollback_to: int = 0
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A named moving pointer to a build. `rollout` is in basis points; outside it the target is `previous`."""

    name: str
    build: int
    sequence: int
    previous: int = 0
    rollout: int = FULL_ROLLOUT
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class GameState:
    """What is live of a game at one version of its metadata: its channels and its newest builds, or all of them.

    `metadata` is what was verified, by role; `tag` names the timestamp that it was read by.
    """

    game: str
    scope: str
    version: int = 0
    builds: Mapping[int, Build] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    registry: str = ""
    tag: str | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def build(self, number: int) -> Build:
        """The build of this number. Raises `BuildMissing`."""
        if number not in self.builds:
            raise BuildMissing(f"{self.game} has no build #{number}", where=self.game)
        return self.builds[number]

    def channel(self, name: str) -> Channel:
        """The channel of this name. Raises `ChannelMissing`."""
        if name not in self.channels:
            known = ", ".join(sorted(self.channels)) or "none yet"
            raise ChannelMissing(
                f"{self.game} has no channel {name}", where=self.game, next=f"Channels of this game: {known}."
            )
        return self.channels[name]

    def select(self, selector: str) -> Build:
        """The build that `#N`, `@channel` or a version label names; of equal labels the newest.

        Raises `BuildMissing`, `ChannelMissing`.
        """
        if _NUMBER.fullmatch(selector):
            return self.build(int(selector[1:]))
        if selector.startswith("@"):
            return self.build(self.channel(selector[1:]).build)
        labelled = [number for number, build in self.builds.items() if build.version == selector]
        if not labelled:
            hint = f"There is a channel of this name: write @{selector} for it." if selector in self.channels else ""
            raise BuildMissing(
                f"{self.game} has no build with the version {selector!r:.80}", where=self.game, next=hint
            )
        return self.builds[max(labelled)]

    def newest_manifests(self, depot: str) -> list[tuple[int, str]]:
        """The distinct manifests of a depot with the number of the latest build that has each, newest first."""
        latest: dict[str, int] = {}
        for number in sorted(self.builds, reverse=True):
            ref = self.builds[number].depots.get(depot)
            if ref:
                latest.setdefault(ref.manifest, number)
        return [(number, manifest) for manifest, number in latest.items()]


def canonical_json(value: Any) -> bytes:
    """`value` as the one JSON text that stands for it here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse_json(data: bytes, what: str, where: str = "") -> dict[str, Any]:
    """A JSON object in UTF-8, without duplicate keys or numbers that are not integers. Raises `BadDocument`."""
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_number, parse_float=_refuse_number)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"the {what} is not a valid document: {error}", where=where) from error
    if not isinstance(value, dict):
        raise BadDocument(f"the {what} is not a JSON object", where=where)
    return value


def build_to_json(build: Build) -> dict[str, Any]:
    """The document's JSON form."""
    return {
        "number": build.number,
        "version": build.version,
        "published_at": build.published_at,
        "notes": build.notes,
        "notes_id": build.notes_id,
        "critical": build.critical,
        "rollback_to": build.rollback_to,
        "withdrawn": build.withdrawn,
        "depots": {
            name: {
                "manifest": ref.manifest,
                "payload_size": ref.payload_size,
                "files": ref.files,
                "chunks": ref.chunks,
                "installed_size": ref.installed_size,
                "platform": ref.platform,
                "language": ref.language,
                "optional": ref.optional,
            }
            for name, ref in build.depots.items()
        },
    }


def build_from_json(value: Mapping[str, Any]) -> Build:
    """A build from its JSON form. Raises `BadDocument`."""
    depots = take(value, "depots", dict)
    build = Build(
        number=natural(value, "number"),
        version=believed(check_version, take(value, "version", str)),
        depots={believed(check_name, name, "depot"): depot_from_json(depots[name]) for name in depots},
        published_at=natural(value, "published_at"),
        notes=take(value, "notes", str),
        notes_id=take(value, "notes_id", str),
        critical=take(value, "critical", bool),
        rollback_to=natural(value, "rollback_to"),
        withdrawn=take(value, "withdrawn", bool),
    )
    if build.number < 1 or not build.depots:
        raise BadDocument("a build has no number or no depot")
    if build.notes_id:
        believed(hex_to_digest, build.notes_id, "notes id")
    return build


def channel_to_json(channel: Channel) -> dict[str, Any]:
    """The document's JSON form; the name is the key it is listed under."""
    return {
        "build": channel.build,
        "sequence": channel.sequence,
        "previous": channel.previous,
        "rollout": channel.rollout,
        "minimum": channel.minimum,
    }


def channel_from_json(name: str, value: Mapping[str, Any]) -> Channel:
    """A channel from its JSON form. Raises `BadDocument`."""
    if not isinstance(value, dict):
        raise BadDocument(f"channel {name!r:.80} is not an object")
    fields = {key: natural(value, key) for key in _CHANNEL_FIELDS}
    channel = Channel(believed(check_name, name, "channel"), **fields)
    if channel.rollout > FULL_ROLLOUT:
        raise BadDocument(f"the rollout of channel {name} is above 100 %")
    return channel


_CHANNEL_FIELDS = ("build", "sequence", "previous", "rollout", "minimum")


def depot_from_json(value: Any) -> DepotRef:
    """A depot's reference from its JSON form. Raises `BadDocument`."""
    if not isinstance(value, dict):
        raise BadDocument("a depot of the build is not an object")
    manifest = take(value, "manifest", str)
    believed(hex_to_digest, manifest, "manifest id")
    return DepotRef(
        manifest=manifest,
        payload_size=natural(value, "payload_size"),
        files=natural(value, "files"),
        chunks=natural(value, "chunks"),
        installed_size=natural(value, "installed_size"),
        platform=take(value, "platform", str),
        language=take(value, "language", str),
        optional=take(value, "optional", bool),
    )


@contextmanager
def found_at(where: str) -> Iterator[None]:
    """Whatever is wrong with what is read here says where it lies."""
    try:
        yield
    except LadingError as error:
        error.where = error.where or where
        raise


def believed(check: Callable[..., _T], *args: Any) -> _T:
    """What `check` makes of something that was read: what is refused to a person who types it is damage here."""
    try:
        return check(*args)
    except Refused as error:
        raise BadDocument(error.message) from error


def take(value: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    """A field of a document, if it is of this type; a text has to be one in Unicode. Raises `BadDocument`."""
    found: Any = value.get(key)
    if type(found) is not kind:
        raise BadDocument(f"the field {key!r} is missing or not of type {kind.__name__}")
    if kind is str and _SURROGATE.search(found):
        raise BadDocument(f"the field {key!r} is not Unicode text")
    return found


def natural(value: Mapping[str, Any], key: str) -> int:
    """A number of a document that is 0 or more and exact in every JSON reader. Raises `BadDocument`."""
    number: int = take(value, key, int)
    if not 0 <= number < 1 << 53:
        raise BadDocument(f"the field {key!r} is out of range")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _refuse_number(text: str) -> Any:
    raise ValueError(f"{text} is not an integer")


class BadDocument(Corrupt):
    """A document of a game breaks its format."""

    code = "bad-document"
    default_cause = "The document is damaged, was edited by hand, or something else answers under its name."
    default_next = "Run `lading store check STORE`."


class GameMissing(NotFound):
    """The store has no such game."""

    code = "game-missing"
    default_cause = "The name is misspelt, or the game was never published to this store."
    default_next = "Run `lading game list --store STORE`."


class BuildMissing(NotFound):
    """The game has no such build."""

    code = "build-missing"
    default_cause = "It was never published, or was retired."
    default_next = "Run `lading build list GAME --store STORE`."


class ChannelMissing(NotFound):
    """The game has no such channel."""

    code = "channel-missing"
    default_cause = "Nothing was published to this channel yet, or the name is misspelt."
    default_next = "Run `lading channel list GAME --store STORE`."


class DepotMissing(NotFound):
    """The build has no such depot."""

    code = "depot-missing"
    default_cause = "The name is misspelt, or the depot is not part of this build."
    default_next = "Run `lading build show GAME@SEL --store STORE`: it lists the depots of a build."
