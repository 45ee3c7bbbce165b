"""The registry over a bare store, which needs no service: a folder, a bucket, any web host.

Which key holds what, and in which order things are written so that a crash on any line leaves garbage and never a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from chunkstore.clock import Clock
from chunkstore.compression import compress, decompress_within
from chunkstore.errors import Corrupt
from chunkstore.ids import digest_of
from chunkstore.packs import PackIndex, read_index
from chunkstore.store import Buffer, Conflict, KeyMissing, NotListable, ObjectReader, ObjectStore, ObjectTooLarge
from manifest.documents import Build, GameMissing, GameState, found_at
from manifest.heads import MAX_HEAD, BadHead, Head, decode_head, encode_head
from manifest.keys import (
    GAMES,
    candidate_key,
    candidates_prefix,
    diff_key,
    head_key,
    manifest_key,
    members_prefix,
    note_key,
    pack_key,
    packs_prefix,
    placement_key,
    timestamp_key,
)
from manifest.payload import MAX_PAYLOAD
from manifest.registry import MAX_CANDIDATE, MAX_NOTES
from manifest.store_document import StoreDocument, read_store_document
from manifest.trust.reading import SignedGames
from manifest.trust.refusals import PointerLost

if TYPE_CHECKING:
    from manifest.trust.keyplan import KeyPlan
    from manifest.trust.keyring import Keyring
    from manifest.trust.pins import RootPin
    from manifest.trust.writing import Pen

_HEAD_TRIES = 20


class BareReader:
    """A registry read straight from an object store: a folder, a bucket, any web host. `games` does the verifying."""

    def __init__(self, store: ObjectReader, games: SignedGames) -> None:
        self._reader = store
        self._games = games
        self._document: StoreDocument | None = None

    @property
    def url(self) -> str:
        return self._reader.url

    @property
    def registry_id(self) -> str:
        return self._store_document().registry

    @property
    def static(self) -> bool:
        """Whether the store was made for being signed by its publisher alone."""
        return self._store_document().static

    def _store_document(self) -> StoreDocument:
        if self._document is None:
            self._document = read_store_document(self._reader)
        return self._document

    def game(self, game: str) -> GameState:
        return self._games.game(game)

    def whole(self, game: str) -> GameState:
        return self._games.whole(game)

    def build(self, state: GameState, number: int) -> Build:
        return self._games.build(state, number)

    def admit(self, state: GameState, channel: str, number: int, installed: int) -> None:
        self._games.admit(state, channel, number, installed)

    def pin(self, game: str) -> RootPin:
        return self._games.pin(game)

    def head(self, scope: str, manifest: str) -> Head:
        key = head_key(scope, manifest)
        with found_at(key):
            return decode_head(self._reader.get(key, limit=MAX_HEAD).data)

    def manifest(self, scope: str, manifest: str, size: int) -> bytes:
        return self._payload(manifest_key(scope, manifest), manifest, size)

    def placement(self, scope: str, placement: str, size: int) -> bytes:
        return self._payload(placement_key(scope, placement), placement, size)

    def diff(self, scope: str, diff: str, size: int) -> bytes:
        return self._payload(diff_key(scope, diff), diff, size)

    def notes(self, scope: str, notes: str) -> str:
        key = note_key(scope, notes)
        data = self._reader.get(key, limit=MAX_NOTES).data
        if digest_of(data).hex() != notes:
            raise WrongPayload("the bytes are not the ones that were asked for", where=key)
        return data.decode(errors="replace")

    def pack_range(self, scope: str, pack: str, offset: int, length: int) -> bytes:
        return self._reader.get_range(pack_key(scope, pack), offset, length)

    def _payload(self, key: str, name: str, size: int) -> bytes:
        """The container at `key`, opened. Its own size is bounded by zstd's worst case for `size` bytes."""
        if size > MAX_PAYLOAD:
            raise WrongPayload(f"a payload of {size} bytes is larger than any can be", where=key)
        with found_at(key):
            payload = decompress_within(self._reader.get(key, limit=size + (size >> 8) + 512).data, limit=size)
        if len(payload) != size or digest_of(payload).hex() != name:
            raise WrongPayload("the bytes are not the ones that were asked for", where=key)
        return payload


class BareRegistry(BareReader):
    """A registry over an object store that can be written to. `keyring` finds the keys of a registry id."""

    def __init__(self, store: ObjectStore, games: SignedGames, keyring: Callable[[str], Keyring], clock: Clock) -> None:
        super().__init__(store, games)
        self.store = store
        self._keyring = keyring
        self._clock = clock

    @cached_property
    def pen(self) -> Pen:
        """What signing and writing takes. It is one, so that no passphrase is asked for twice."""
        from manifest.trust.writing import Pen  # noqa: PLC0415 - python-tuf takes 60 ms

        return Pen(self.store, self._keyring(self.registry_id), self._clock)

    def game(self, game: str) -> GameState:
        return self._found(super().game, game)

    def whole(self, game: str) -> GameState:
        return self._found(super().whole, game)

    def _found(self, read: Callable[[str], GameState], game: str) -> GameState:
        """A game that is absent and has candidates is one whose pointer is lost, unless it was made in between."""
        try:
            return read(game)
        except GameMissing:
            if not self._has_candidates(game):
                raise
        try:
            return read(game)
        except GameMissing as error:
            where = f"{self.url}/{timestamp_key(game)}"
            raise PointerLost(f"the pointer to the present state of {game} is lost", where=where) from error

    def _has_candidates(self, game: str) -> bool:
        try:
            return bool(self.candidates(game))
        except NotListable:
            return False

    def newest(self, game: str) -> GameState:
        """As `whole`, for whoever changes keys: an interrupted change may have left a root that nothing followed."""
        return self._found(self._games.newest, game)

    def games(self) -> list[str]:
        keys = [entry.key.split("/") for entry in self.store.list(GAMES)]
        return sorted({key[1] for key in keys if key[2:] == ["timestamp.json"] or key[2:3] == ["candidates"]})

    def packs(self, scope: str) -> Mapping[str, int]:
        return {entry.key.rpartition("/")[2]: entry.size for entry in self.store.list(packs_prefix(scope))}

    def pack_index(self, scope: str, pack: str) -> PackIndex:
        return read_index(self.store, pack_key(scope, pack))

    def put_pack(self, scope: str, pack: str, data: Buffer) -> None:
        self.store.put(pack_key(scope, pack), data)

    def put_manifest(self, scope: str, payload: Buffer) -> str:
        return self._put_payload(manifest_key, scope, payload)

    def put_placement(self, scope: str, payload: Buffer) -> str:
        return self._put_payload(placement_key, scope, payload)

    def put_diff(self, scope: str, payload: Buffer) -> str:
        return self._put_payload(diff_key, scope, payload)

    def put_notes(self, scope: str, notes: str) -> str:
        data = notes.encode()
        if len(data) > MAX_NOTES:
            raise ValueError(f"release notes of {len(data)} bytes are longer than any reader takes")
        name = digest_of(data).hex()
        self._put_sound(note_key(scope, name), data, lambda: self.notes(scope, name))
        return name

    def change_head(self, scope: str, manifest: str, change: Callable[[Head | None], Head]) -> None:
        key = head_key(scope, manifest)
        for attempt in range(_HEAD_TRIES):
            before, match = self._present_head(key)
            after = change(before)
            if after == before:
                return
            try:
                self.store.replace(key, encode_head(after), match=match)
                return
            except Conflict:
                if attempt == _HEAD_TRIES - 1:
                    raise

    def _present_head(self, key: str) -> tuple[Head | None, str | None]:
        """The head at `key`, as far as it can be read, and the tag to replace it by."""
        try:
            present = self.store.get(key, limit=MAX_HEAD)
        except KeyMissing:
            return None, None
        except ObjectTooLarge:
            return None, self.store.stat(key).etag
        try:
            return decode_head(present.data), present.etag
        except BadHead:
            return None, present.etag

    def seal(self, game: str, number: int, candidate: bytes) -> bool:
        return self.store.put(candidate_key(game, number), candidate)

    def candidate(self, game: str, number: int) -> bytes:
        return self.store.get(candidate_key(game, number), limit=MAX_CANDIDATE).data

    def candidates(self, game: str) -> list[int]:
        names = (entry.key.rpartition("/")[2] for entry in self.store.list(candidates_prefix(game)))
        return sorted(int(name) for name in names if name.isdecimal())

    def neighbours(self, scope: str) -> list[str]:
        return sorted(entry.key.rpartition("/")[2] for entry in self.store.list(members_prefix(scope)))

    def require_keys(self, state: GameState) -> None:
        from manifest.trust.signatory import require_keys_of  # noqa: PLC0415

        require_keys_of(self.pen.keyring, state)

    def create(self, game: str, scope: str, plan: KeyPlan) -> GameState:
        from manifest.trust.creation import create  # noqa: PLC0415
        from manifest.trust.vouching import vouch  # noqa: PLC0415

        try:
            create(self.pen, self.registry_id, game, scope, plan)
        except Conflict:
            # Somebody with the same keys was faster: the game is there, and may have builds already.
            with suppress(GameMissing):
                return self.whole(game)
            raise
        state = self.whole(game)
        vouch(self.pen, state)
        return state

    def commit(self, before: GameState, after: GameState, signed: Callable[[], object]) -> GameState:
        from manifest.trust.vouching import lowest_build, vouch  # noqa: PLC0415
        from manifest.trust.writing import commit  # noqa: PLC0415

        pen = self.pen

        def ready() -> None:
            signed()
            if lowest_build(after) < lowest_build(before):  # nobody who comes in between is told to refuse what is live
                vouch(pen, before, min_build=lowest_build(after))

        state = commit(pen, before, after, signed=ready)
        vouch(pen, state)
        return state

    def _put_payload(self, key: Callable[[str, str], str], scope: str, payload: Buffer) -> str:
        name = digest_of(payload).hex()
        at = key(scope, name)
        self._put_sound(at, compress(payload), lambda: self._payload(at, name, len(payload)))
        return name

    def _put_sound(self, key: str, data: Buffer, read: Callable[[], object]) -> None:
        """Stores an object. What lies there already is read, so that publishing mends damage."""
        if not self.store.put(key, data):
            try:
                read()
            except Corrupt:
                self.store.replace(key, data, match=self.store.stat(key).etag)


class WrongPayload(Corrupt):
    """An object does not hold what its name promises."""

    code = "wrong-payload"
    default_cause = "The object is damaged or was swapped with another one."
    default_next = "Run `lading store check STORE`; publish the build again with --rescan."
