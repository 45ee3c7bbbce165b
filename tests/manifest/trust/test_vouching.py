"""The registry vouches for a game: at every instant its voucher leads a newcomer to what is live, and not far below."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from chunkstore.cancel import Cancel
from chunkstore.opening import open_store
from chunkstore.store import KeyMissing, ObjectTooLarge
from manifest.documents import Channel, GameState
from manifest.keys import metadata_key, voucher_key
from manifest.trust.contact import Contact, TrustNeeded
from manifest.trust.pins import RegistryPin, RootPin
from manifest.trust.reading import RollbackRefused
from manifest.trust.renewal import renew
from manifest.trust.roles import DAY, ROOT
from manifest.trust.rotation import KeyChange, begin_anew, rotate
from manifest.trust.voucher import MAX_VOUCHER, BadVoucher, Voucher, encode_voucher, read_voucher
from manifest.trust.vouching import lowest_build, vouch
from tests.kit.forge import overwrite
from tests.kit.meddled import MeddledStore
from tests.kit.signed import reader_of
from tests.kit.signedgame import GAME, REGISTRY, SignedGame, build, said
from tests.kit.webhost import web_host

LIFE = 400 * DAY


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> SignedGame:
    """Ten builds, the last on `stable`, vouched for."""
    return SignedGame.made(tmp_path_factory.mktemp("base") / "game", vouched=True)


@pytest.fixture
def game(base: SignedGame, tmp_path: Path) -> SignedGame:
    return base.copy(tmp_path / "game")


def registry_pin(game: SignedGame) -> RegistryPin:
    key = game.pen.keyring.registry_key()
    assert key is not None
    return RegistryPin(hashlib.sha256(key.public).hexdigest())


def voucher(game: SignedGame) -> Voucher:
    data = game.store.get(voucher_key(GAME), limit=MAX_VOUCHER).data
    return read_voucher(data, GAME, registry_pin(game), game.clock.now(), "")


def newcomer(game: SignedGame, name: str) -> GameState:
    """The game as somebody comes to know it who knows the registry alone, and may follow any channel."""
    contact = Contact(registry_pin(game))
    reader = reader_of(game.store, game.folder / name, game.clock, contact)
    state = reader.whole(GAME)
    for channel in state.channels.values():
        reader.admit(state, channel.name, channel.build, 0)
    return state


def root_pin(game: SignedGame, version: int) -> RootPin:
    return RootPin.of(game.store.get(metadata_key(GAME, ROOT, version), limit=1 << 16).data, version)


def test_a_game_is_vouched_for_from_its_making_on(tmp_path: Path) -> None:
    game = SignedGame.made(tmp_path / "game", builds=0, vouched=True)
    assert voucher(game) == Voucher(REGISTRY.hex(), GAME, root_pin(game, 1), 0, int(game.clock.now()) + LIFE)


def test_a_newcomer_believes_what_the_registry_vouches_for(game: SignedGame) -> None:
    assert said(newcomer(game, "new")) == said(game.whole())
    game.store.delete(voucher_key(GAME))
    game.publish()
    assert newcomer(game, "new").channel("stable").build == 11
    game.store.delete(voucher_key(GAME))
    with pytest.raises(TrustNeeded):
        newcomer(game, "newer")


@pytest.mark.parametrize("rotations", [0, 3])
def test_a_newcomer_asks_a_web_host_five_times(game: SignedGame, tmp_path: Path, rotations: int) -> None:
    """Roots that came before the voucher's cost nothing."""
    for _ in range(rotations):
        rotate(game.pen, game.registry.newest(GAME), "root", KeyChange())
    for key, data in game.objects().items():
        (path := tmp_path / "host" / key).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with web_host(tmp_path / "host") as host:
        store = open_store(host.url, clock=game.clock, jitter=lambda: 0.0, cancel=Cancel(), limit=None)
        reader = reader_of(store, tmp_path / "new", game.clock, Contact(registry_pin(game)))
        assert reader.game(GAME).channels == game.whole().channels
        store.close()
    assert len(host.requests) == 5


def test_without_the_key_of_the_registry_there_is_no_voucher(tmp_path: Path) -> None:
    game = SignedGame.made(tmp_path / "game")
    with pytest.raises(KeyMissing):
        game.store.stat(voucher_key(GAME))


LOWEST: list[tuple[list[Channel], int]] = [
    ([], 0),
    ([Channel("stable", 7, 1)], 7),
    ([Channel("stable", 7, 1, previous=3)], 7),
    ([Channel("stable", 7, 1, previous=3, rollout=9999)], 3),
    ([Channel("stable", 7, 1), Channel("beta", 9, 1), Channel("old", 2, 1)], 2),
]


@pytest.mark.parametrize(("channels", "lowest"), LOWEST)
def test_the_lowest_build_that_somebody_gets(channels: list[Channel], lowest: int) -> None:
    assert lowest_build(GameState(GAME, GAME, channels={each.name: each for each in channels})) == lowest


def test_the_voucher_follows_the_channels_up_and_down(game: SignedGame) -> None:
    found = [voucher(game).min_build]
    for number, previous, rollout in ((8, 0, 10_000), (10, 8, 5000), (10, 8, 10_000)):
        game.commit(channels={"stable": Channel("stable", number, 2, previous=previous, rollout=rollout)})
        found.append(voucher(game).min_build)
    game.commit(channels={})
    assert [*found, voucher(game).min_build] == [10, 8, 8, 10, 0]


@pytest.mark.parametrize(("channel", "number", "lowest"), [("old", 3, 3), ("stable", 11, 11)])
def test_newcomers_at_every_instant_of_a_change(
    base: SignedGame, tmp_path: Path, channel: str, number: int, lowest: int
) -> None:
    """No channel is ever below what the voucher demands, whether that falls or rises."""
    for moment in count():
        game = base.copy(tmp_path / str(moment))
        met = MeddledStore(game.store, moment, partial(newcomer, game, "new"))
        registry = game.registry_on(met)
        state = registry.whole(GAME)
        after = replace(
            state,
            builds={**state.builds, number: build(number)},
            channels={**state.channels, channel: Channel(channel, number, 2)},
        )
        registry.commit(state, after, lambda: None)
        if met.left >= 0:
            break
        assert said(met.ended) in (said(state), said(after))
        assert said(newcomer(game, "newer")) == said(after)
        assert voucher(game).min_build == lowest
    assert moment > 4


def test_an_old_state_is_not_believed_at_a_first_contact(game: SignedGame) -> None:
    old = game.copy(game.folder.parent / "old")
    game.publish()
    overwrite(old.store, voucher_key(GAME), game.store.get(voucher_key(GAME), limit=MAX_VOUCHER).data)
    with pytest.raises(RollbackRefused):
        newcomer(old, "new")


@pytest.mark.parametrize("kind", ["root", "builds", "online"])
def test_after_a_rotation_the_newest_root_is_vouched_for(game: SignedGame, kind: str) -> None:
    rotate(game.pen, game.registry.newest(GAME), kind, KeyChange())
    assert voucher(game).root == root_pin(game, 1 if kind == "builds" else 2)
    assert said(newcomer(game, "new")) == said(game.whole())


def test_newcomers_are_led_to_the_roots_that_were_begun_anew(game: SignedGame) -> None:
    assert voucher(game).root == root_pin(game, 1)
    pin = begin_anew(game.pen, game.registry.newest(GAME))
    assert voucher(game).root == pin
    assert said(newcomer(game, "new")) == said(game.whole())


def test_a_voucher_is_renewed_with_the_timestamp_of_another_day(game: SignedGame) -> None:
    before = voucher(game)
    game.clock.advance(DAY - 1)
    renew(game.pen, game.registry.newest(GAME))
    assert voucher(game) == before
    game.clock.advance(2)
    renew(game.pen, game.registry.newest(GAME))
    assert voucher(game) == replace(before, expires=before.expires + DAY + 1)


def spoiled(game: SignedGame) -> bytes:
    return game.store.get(voucher_key(GAME), limit=MAX_VOUCHER).data.replace(b"toy", b"joy")


def of_another_key(game: SignedGame) -> bytes:
    return encode_voucher(voucher(game), bytes(32), bytes(64))


@pytest.mark.parametrize("bad", [spoiled, of_another_key, lambda game: b"", lambda game: b"x" * (MAX_VOUCHER + 1)])
def test_a_voucher_that_does_not_hold_is_replaced(game: SignedGame, bad: Callable[[SignedGame], bytes]) -> None:
    before = voucher(game)
    overwrite(game.store, voucher_key(GAME), bad(game))
    with pytest.raises((BadVoucher, ObjectTooLarge)):
        newcomer(game, "new")
    renew(game.pen, game.registry.newest(GAME))
    assert voucher(game) == before


def test_who_was_overtaken_leaves_the_voucher_alone(game: SignedGame) -> None:
    """Also if that happened between looking and writing."""
    behind = game.whole()
    game.publish()
    vouch(game.pen, behind)
    assert voucher(game).min_build == 11
    late = replace(game.pen, store=MeddledStore(game.store, 0, game.publish))
    game.clock.advance(2 * DAY)
    vouch(late, game.whole())
    assert voucher(game).min_build == 12
