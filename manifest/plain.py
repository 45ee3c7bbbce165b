"""The games of a bare store, as plain unsigned documents: the one room that signed metadata takes over.

`tuf/<game>/timestamp.json` points to a state document (all builds and channels) by its BLAKE3; replacing it by
compare-and-set is the moment of truth of every change. Numbers of builds are claimed by put-if-absent, so gaps are
normal. Nothing outside this file knows these keys or their form.
"""

from __future__ import annotations

from dataclasses import replace

from chunkstore.errors import Corrupt, LocalProblem, Refused
from chunkstore.ids import digest_of, hex_to_digest
from chunkstore.store import KeyMissing, NotListable, ObjectReader, ObjectStore
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
from manifest.keys import claim_key, state_key, states_prefix, timestamp_key
from manifest.names import check_name

MAX_TIMESTAMP = 4 * 1024
MAX_STATE = 64 * 1024 * 1024
_PREFIX = "tuf/"


def list_games(store: ObjectStore) -> list[str]:
    """The names of all games, sorted; one whose pointer is lost is a game, too. Needs a store that can list."""
    keys = {entry.key for entry in store.list(_PREFIX)}
    names = {key.split("/")[1] for key in keys if key.count("/") > 1}
    return sorted(name for name in names if timestamp_key(name) in keys or _had_pointer(store, name))


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


def find_game(store: ObjectStore, game: str) -> GameState:
    """As `read_game`, where the store can be looked through if there is no pointer. Raises `PointerLost`, too."""
    try:
        return read_game(store, game)
    except GameMissing:
        if not _had_pointer(store, game):
            raise
    try:
        return read_game(store, game)  # it may have been made in between
    except GameMissing as error:
        where = f"{store.url}/{timestamp_key(game)}"
        raise PointerLost(f"the pointer to the present state of {game} is lost", where=where) from error


def _had_pointer(store: ObjectStore, game: str) -> bool:
    """Whether a later state than the first was ever written: it takes a pointer to get there.

    A first state without a pointer is what a killed first publish leaves.
    """
    try:
        return any(_version_at(store, entry.key) > 1 for entry in store.list(states_prefix(game)))
    except NotListable:
        return False


def _version_at(store: ObjectStore, key: str) -> int:
    """The version of the state at `key`; 0 if it cannot be read, for then it proves nothing."""
    try:
        return natural(parse_json(store.get(key, limit=MAX_STATE).data, "state document"), "version")
    except (Corrupt, KeyMissing):
        return 0


def write_game(store: ObjectStore, state: GameState) -> GameState:
    """Makes `state`, one version further, the present one.

    Raises `Conflict` if the game moved since `state` was read, `TooManyBuilds` and `UnreadableState`.
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
    try:
        _state_from_json(state.game, data)
    except BadDocument as error:
        raise UnreadableState(f"the new state could not be read again: {error.message}", where=state.game) from error
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


class PointerLost(Corrupt):
    """A game has states, but nothing says any more which of them is the present one."""

    code = "pointer-lost"
    default_cause = "The game's timestamp.json was deleted, or was left out when the store was copied."
    default_next = "Copy tuf/GAME/timestamp.json from another copy of the store; nothing was changed."


class UnreadableState(LocalProblem):
    """The documents of a game would hold what every reader refuses; they were not written."""

    code = "unreadable-state"
    default_cause = "The clock of this machine is set to before 1970, or a number is larger than documents can hold."
    default_next = "Set the clock, then run the command again; nothing was changed."


class TooManyBuilds(Refused):
    """The document that lists a game's builds would become longer than any reader takes."""

    code = "too-many-builds"
    default_cause = "All builds of a game are listed in one document of at most 64 MiB."
    default_next = "Retire builds that nobody needs, then publish again."
