"""The games of a bare store, as plain unsigned documents: the one room that signed metadata takes over.

`tuf/<game>/timestamp.json` points to a state document (all builds and channels) by its BLAKE3; replacing it by
compare-and-set is the moment of truth of every change. Numbers of builds are claimed by put-if-absent, so gaps are
normal. Nothing outside this file knows these keys or their form.
"""

from __future__ import annotations

from dataclasses import replace

from chunkstore.errors import Refused
from chunkstore.ids import digest_of, hex_to_digest
from chunkstore.store import KeyMissing, ObjectReader, ObjectStore
from manifest.documents import (
    BadDocument,
    Build,
    Channel,
    GameMissing,
    GameState,
    believed,
    build_from_json,
    build_to_json,
    canonical_json,
    channel_from_json,
    channel_to_json,
    found_at,
    natural,
    parse_json,
)
from manifest.keys import claim_key, state_key, timestamp_key
from manifest.names import check_name

MAX_TIMESTAMP = 4 * 1024
MAX_STATE = 64 * 1024 * 1024
_PREFIX = "tuf/"


def list_games(store: ObjectStore) -> list[str]:
    """The names of all games, sorted. Needs a store that can list."""
    keys = [entry.key for entry in store.list(_PREFIX)]
    return sorted(name for key in keys if key == timestamp_key(name := key.split("/")[1]))


def read_game(store: ObjectReader, game: str) -> GameState:
    """The present state of a game: two requests. Raises `GameMissing`, `BadDocument`."""
    check_name(game, "game")
    try:
        pointer = store.get(timestamp_key(game), limit=MAX_TIMESTAMP)
    except KeyMissing as error:
        raise GameMissing(f"there is no game {game}", where=store.url) from error
    with found_at(f"{store.url}/{timestamp_key(game)}"):
        digest, size, version = _timestamp_from_json(pointer.data)
    key = state_key(game, digest.hex())
    data = store.get(key, limit=size).data
    with found_at(f"{store.url}/{key}"):
        if len(data) != size or digest_of(data) != digest:
            raise BadDocument("the state is not the one that the timestamp names")
        state = _state_from_json(game, data)
        if state.version != version:
            raise BadDocument("timestamp and state disagree about their version")
    return replace(state, tag=pointer.etag)


def write_game(store: ObjectStore, state: GameState) -> GameState:
    """Makes `state`, one version further, the present one.

    Raises `Conflict` if the game moved since `state` was read, and `TooManyBuilds`.
    """
    state = replace(state, version=state.version + 1)
    data = canonical_json(
        {
            "game": state.game,
            "scope": state.scope,
            "version": state.version,
            "builds": [build_to_json(state.builds[number]) for number in sorted(state.builds)],
            "channels": {name: channel_to_json(channel) for name, channel in state.channels.items()},
        }
    )
    if len(data) > MAX_STATE:
        raise TooManyBuilds(f"{state.game} would have {len(state.builds)} builds", where=state.game)
    digest = digest_of(data).hex()
    store.put(state_key(state.game, digest), data)
    pointer = canonical_json({"version": state.version, "state": digest, "size": len(data)})
    return replace(state, tag=store.replace(timestamp_key(state.game), pointer, match=state.tag))


def claim_number(store: ObjectStore, state: GameState) -> int:
    """A build number above all live ones that nobody else will use."""
    number = max(state.builds, default=0) + 1
    while not store.put(claim_key(state.game, number), b"{}"):
        number += 1
    return number


def _timestamp_from_json(data: bytes) -> tuple[bytes, int, int]:
    """Digest, size and version of the state document."""
    value = parse_json(data, "timestamp")
    size = natural(value, "size")
    if not 0 < size <= MAX_STATE:
        raise BadDocument(f"a state document of {size} bytes is outside the limits")
    return believed(hex_to_digest, value.get("state"), "state digest"), size, natural(value, "version")


def _state_from_json(game: str, data: bytes) -> GameState:
    value = parse_json(data, "state document")
    builds, channels, scope = value.get("builds"), value.get("channels"), value.get("scope")
    if value.get("game") != game or not isinstance(scope, str):
        raise BadDocument("the state document belongs to another game or is incomplete")
    if not isinstance(builds, list) or not isinstance(channels, dict):
        raise BadDocument("the state document lists no builds or channels")
    state = GameState(
        game=game,
        scope=believed(check_name, scope, "scope"),
        version=natural(value, "version"),
        builds=_builds_by_number(builds),
        channels={name: channel_from_json(name, body) for name, body in channels.items()},
    )
    for channel in state.channels.values():
        _check_channel(state, channel)
    return state


def _builds_by_number(rows: list[object]) -> dict[int, Build]:
    builds = [build_from_json(row) for row in rows if isinstance(row, dict)]
    by_number = {build.number: build for build in builds}
    if len(by_number) != len(rows):
        raise BadDocument("the state document lists a build twice or not properly")
    return by_number


def _check_channel(state: GameState, channel: Channel) -> None:
    if channel.build not in state.builds or (channel.previous and channel.previous not in state.builds):
        raise BadDocument(f"channel {channel.name} points to a build that does not exist")


class TooManyBuilds(Refused):
    """The document that lists a game's builds would become longer than any reader takes."""

    code = "too-many-builds"
    default_cause = "All builds of a game are listed in one document of at most 64 MiB."
    default_next = "Retire builds that nobody needs, then publish again."
