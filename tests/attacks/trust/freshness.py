"""Attacks with what is old, and with time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from chunkstore.store import Fetched, ObjectReader, Stat
from manifest.keys import game_prefix, metadata_key, timestamp_key
from manifest.trust.roles import BUILDS, CHANNELS, LADING, SNAPSHOT, TARGETS, TIMESTAMP, build_path
from manifest.trust.state import bin_of
from tests.attacks.trust.scene import DAY, INSTALLED, NEWEST, Scene
from tests.attacks.trust.table import ALL_KEYS, CLOCK, DISK, EVERY_ROLE, NOTHING, ONLINE, RIGHT_BUILD, attack
from tests.kit.clock import FakeClock
from tests.kit.forge import Forge, overwrite
from tests.kit.rig import GAME

_TIMESTAMP = timestamp_key(GAME)
_FOREVER = 2**53 - 2
"""The highest version but one that a reader takes."""


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@attack(
    "A18",
    "an older pointer than was seen",
    holds=NOTHING,
    answer="metadata-rollback",
    whole_state=False,
    emptied_state=True,
)
def older_pointer(scene: Scene, emptied: bool) -> None:
    if emptied:  # what python-tuf keeps is lost, the marks are not
        shutil.rmtree(scene.trust / "metadata")
        (scene.trust / "metadata").mkdir()
    overwrite(scene.store, _TIMESTAMP, scene.older)
    scene.newcomer = INSTALLED - 1


@attack("A19", "another pointer of the version that was seen", holds=ONLINE, answer="metadata-mixed")
def same_version(scene: Scene) -> None:
    forge = scene.forge()
    forge.signed(TIMESTAMP)["version"] -= 2
    forge.serve_timestamp()
    scene.newcomer = NEWEST


@attack(
    "A20",
    "a newer pointer to an older build, or to none",
    holds=ONLINE,
    answer="rollback-refused or build-missing",
    older=INSTALLED - 2,  # one build back is what publishers allow unless they say otherwise
    oldest=1,
    none=2**40,
)
def to_an_older_build(scene: Scene, build: int) -> None:
    forge = scene.forge()
    forge.target(CHANNELS, "channels/stable")["build"] = build
    forge.serve([CHANNELS])
    scene.answer = "rollback-refused" if build < NEWEST else "build-missing"
    scene.newcomer = build if build < NEWEST else None


@attack("A21", "the same pointer served past its expiry", holds=NOTHING, answer="metadata-expired")
def past_expiry(scene: Scene) -> None:
    held_back = scene.good[_TIMESTAMP]
    scene.clock.advance(300 * DAY)
    scene.publish()
    scene.clock.advance(101 * DAY)
    overwrite(scene.store, _TIMESTAMP, held_back)


@attack(
    "A22",
    "metadata of any role that has expired",
    holds=ALL_KEYS,
    answer="metadata-expired",
    **EVERY_ROLE,
)
def expired(scene: Scene, role: str) -> None:
    forge = scene.forge()
    forge.signed(role)["expires"] = _date(scene.clock.now() - 1)
    forge.serve([role] if role not in (TIMESTAMP, SNAPSHOT) else [])


@attack("A23", "expired metadata and a clock that was set back", holds=ONLINE, answer="metadata-expired")
def clock_set_back(scene: Scene) -> None:
    forge = scene.forge()
    now = scene.clock.now()
    forge.signed(TIMESTAMP)["expires"] = _date(now - DAY)
    forge.signed(TIMESTAMP)[LADING]["at"] = int(now - 8 * DAY)
    forge.serve()
    scene.clock.advance(-30 * DAY)
    scene.newcomer = NEWEST

    def mend() -> None:
        scene.clock.advance(30 * DAY)
        scene.restore()
        scene.rotate("online")

    scene.mend = mend


class _Dated:
    """A store that says what time it is, as web hosts do."""

    def __init__(self, store: ObjectReader, now: float) -> None:
        self._store, self._now = store, now
        self.url, self.get, self.get_range, self.close = store.url, store.get, store.get_range, store.close

    def stat(self, key: str) -> Stat:
        found = self._store.stat(key)
        return Stat(found.size, found.etag, found.modified, self._now)


@attack(
    "A24",
    "a clock in 2040",
    holds=CLOCK,
    answer="clock-wrong or metadata-expired",
    store_tells_the_time=True,
    nobody_tells_the_time=False,
)
def clock_in_2040(scene: Scene, told: bool) -> None:
    scene.answer = "clock-wrong" if told else "metadata-expired"
    if told:
        scene.served = _Dated(scene.store, scene.clock.now())
    scene.clock.advance(16 * 365 * DAY)
    scene.mend = lambda: scene.clock.advance(-16 * 365 * DAY)


def _timestamp_forever(forge: Forge) -> None:
    forge.signed(TIMESTAMP)["version"] = _FOREVER
    forge.serve()


def _snapshot_forever(forge: Forge) -> None:
    forge.signed(SNAPSHOT)["version"] = _FOREVER
    forge.serve()


def _signed_in_2100(forge: Forge) -> None:
    forge.signed(TIMESTAMP)[LADING]["at"] = 4_102_444_800
    forge.signed(TIMESTAMP)["expires"] = "2101-01-01T00:00:00Z"
    forge.serve()


def _poisoned(poison: Callable[[Forge], None]) -> Callable[[Scene], None]:
    """What is valid but for its versions is seen once; then what is good looks old, until the keys are changed."""

    def attempt(scene: Scene) -> None:
        forge = scene.forge()
        forge.target(CHANNELS, "channels/stable")["build"] = INSTALLED
        forge.write(CHANNELS)
        poison(forge)
        assert not scene.player.update().changed
        scene.restore()
        scene.answer = "metadata-rollback"
        scene.newcomer = NEWEST

    return attempt


def _beyond(where: Callable[[Forge], dict[str, int]]) -> Callable[[Scene], None]:
    def attempt(scene: Scene) -> None:
        forge = scene.forge()
        scene.answer = "bad-metadata"
        where(forge)["version"] = 2**63 - 2
        if where(forge) is forge.signed(TIMESTAMP)["meta"]["snapshot.json"]:
            forge.serve_timestamp()
        else:
            forge.serve()

    return attempt


@attack(
    "A25",
    "versions fast-forwarded to the end, and the way back by new keys",
    holds=ONLINE,
    answer="metadata-rollback or bad-metadata",
    timestamp=_poisoned(_timestamp_forever),
    snapshot=_poisoned(_snapshot_forever),
    moment_of_signing=_poisoned(_signed_in_2100),
    timestamp_beyond=_beyond(lambda forge: forge.signed(TIMESTAMP)),
    snapshot_beyond=_beyond(lambda forge: forge.signed(SNAPSHOT)),
    listed_snapshot_beyond=_beyond(lambda forge: forge.signed(TIMESTAMP)["meta"]["snapshot.json"]),
    listed_builds_beyond=_beyond(lambda forge: forge.signed(SNAPSHOT)["meta"]["builds.json"]),
)
def fast_forward(scene: Scene, attempt: Callable[[Scene], None]) -> None:
    attempt(scene)


@attack(
    "A26",
    "the pointer of one state with the metadata of another",
    holds=NOTHING,
    answer="metadata-mixed",
    snapshot=SNAPSHOT,
    builds=BUILDS,
    channels=CHANNELS,
)
def mixed(scene: Scene, role: str) -> None:
    forge = scene.forge()
    forge.replace(role, scene.good[metadata_key(GAME, role, forge.signed(role)["version"] - 1)])


def _role(role: str) -> Callable[[Scene], None]:
    def vanish(scene: Scene) -> None:
        scene.answer = "bad-metadata"
        forge = scene.forge()
        del forge.signed(SNAPSHOT)["meta"][f"{role}.json"]
        forge.serve()

    return vanish


def _bin(scene: Scene) -> None:
    _role(bin_of(build_path(GAME, 1)))(scene)
    scene.newcomer = NEWEST


def _pointer(scene: Scene) -> None:
    scene.answer = "game-missing"
    scene.store.delete(_TIMESTAMP)


def _game(scene: Scene) -> None:
    scene.answer = "game-missing"
    for key in scene.good:
        if key.startswith(game_prefix(GAME)):
            scene.store.delete(key)


@attack(
    "A27",
    "a role or a whole game vanishes",
    holds=ONLINE,
    answer="bad-metadata or game-missing",
    builds=_role(BUILDS),
    channels=_role(CHANNELS),
    bin=_bin,
    game=_game,
    pointer=_pointer,
)
def vanished(scene: Scene, vanish: Callable[[Scene], None]) -> None:
    vanish(scene)


class _Slow:
    """A store from which every range takes more than a year."""

    def __init__(self, store: ObjectReader, clock: FakeClock) -> None:
        self._store, self._clock = store, clock
        self.url, self.stat, self.close = store.url, store.stat, store.close

    def get(self, key: str, *, limit: int) -> Fetched:
        return self._store.get(key, limit=limit)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self._clock.advance(500 * DAY)
        return self._store.get_range(key, offset, length)


@attack("A28", "an expiry that passes during a long download", holds=CLOCK, answer=RIGHT_BUILD)
def long_download(scene: Scene) -> None:
    scene.served = _Slow(scene.store, scene.clock)
    scene.newcomer = "metadata-expired"  # when the first download is over
    began = scene.clock.now()

    def mend() -> None:
        assert scene.clock.now() > began + 400 * DAY
        scene.clock.advance(began - scene.clock.now())
        scene.served = scene.store

    scene.mend = mend


@attack(
    "A29",
    "what the player's machine keeps of trust truncated to nothing",
    holds=DISK,
    answer=f"{RIGHT_BUILD} or trust-damaged",
    about="about.json",
    marks="seen.json",
    root="root.json",
    roots="metadata/root_history/1.root.json",
    **{role: f"metadata/{role}.json" for role in (TIMESTAMP, SNAPSHOT, TARGETS, BUILDS, CHANNELS)},
)
def truncated_state(scene: Scene, name: str) -> None:
    (scene.trust / name).write_bytes(b"")
    scene.answer = "trust-damaged" if name == "root.json" else RIGHT_BUILD
    scene.newcomer = NEWEST

    def mend() -> None:
        if name == "root.json":  # as the error says
            shutil.rmtree(scene.trust)

    scene.mend = mend
