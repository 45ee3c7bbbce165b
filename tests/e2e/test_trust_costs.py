"""What trust costs a player of a game with 200 builds of 3 depots, from a plain web host: requests and bytes of `tuf/`.

The bounds are what was measured, rounded up a little; the promises are 5, 4 and 1 requests, and 16 KB an update.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from manifest.keys import metadata_key
from manifest.trust.pins import RegistryPin, RootPin
from manifest.trust.roles import ROOT
from manifest.trust.rotation import KeyChange, rotate
from manifest.trust.vouching import vouch
from tests.kit.command import Finished, lading
from tests.kit.game import noise
from tests.kit.nginx import Nginx
from tests.kit.rig import GAME, Rig
from tests.kit.seasons import BUILDS, publish_next, season

PROMISED_BYTES = 16_000
VERIFIERS = {"tuf", "securesystemslib", "cryptography"}
PROGRAM = """
import sys
from tests.kit.command import lading
assert lading(*sys.argv[1:]).exit == 0
print(*{name.partition(".")[0] for name in sys.modules})
"""
HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry with its long history, for tests to copy."""
    return season(tmp_path_factory.mktemp("season") / "made").folder


@pytest.fixture
def rig(made: Path, isolated: Path, tmp_path: Path) -> Rig:
    """A registry to go on with. Its keys are not where the player's command line looks."""
    return season(tmp_path / "season", made)


@pytest.fixture
def server(rig: Rig, nginx: Callable[[Path], Nginx]) -> Nginx:
    """The registry as a plain web host serves it."""
    return nginx(rig.folder / "store")


@pytest.fixture
def game(tmp_path: Path) -> Path:
    """Where the player installs to."""
    return tmp_path / "game"


def install(game: Path, server: Nginx, trust: str, *words: str) -> Finished:
    return lading("install", GAME, "--into", str(game), "--store", server.url, "--trust", trust, "--json", *words)


def assert_spent(server: Nginx, *, requests: int, size: int) -> None:
    """As many requests that belong to trust were made, and no more bytes came."""
    asked = [request for request in server.requests() if request.path.startswith("/tuf/")]
    assert len(asked) == requests, asked
    assert sum(request.body_bytes for request in asked) <= size, asked


def pin(rig: Rig) -> str:
    return str(RootPin.of(rig.store.get(metadata_key(GAME, ROOT, 1), limit=1 << 16).data, 1))


def rotate_root(rig: Rig) -> None:
    """New root keys, with all that follows from them."""
    registry = rig.registry()
    rotate(registry.pen, registry.whole(GAME), "root", KeyChange())


def vouch_for(rig: Rig) -> str:
    """A voucher for the game, in the store; the pin of the registry that gave it."""
    registry = rig.registry()
    pen = registry.pen
    key = pen.keyring.make_registry_key()
    vouch(pen, registry.whole(GAME))
    return str(RegistryPin(hashlib.sha256(key.public).hexdigest()))


def test_a_first_contact_by_pin(rig: Rig, server: Nginx, game: Path) -> None:
    """The timestamp, the root that was pinned, a look for the next one, the bundle."""
    assert install(game, server, pin(rig)).document["result"]["to"] == BUILDS
    assert_spent(server, requests=4, size=6_000)


def test_a_first_contact_on_first_use(server: Nginx, game: Path) -> None:
    assert install(game, server, "first-use").document["result"]["to"] == BUILDS
    assert_spent(server, requests=4, size=6_000)


def test_a_first_contact_by_voucher(rig: Rig, server: Nginx, game: Path) -> None:
    """One request more: the voucher."""
    assert install(game, server, vouch_for(rig)).document["result"]["to"] == BUILDS
    assert_spent(server, requests=5, size=6_500)


@pytest.mark.parametrize("rotations", [1, 3])
def test_each_new_root_is_a_request(rig: Rig, server: Nginx, game: Path, rotations: int) -> None:
    first = pin(rig)
    for _ in range(rotations):
        rotate_root(rig)
    assert install(game, server, first).document["result"]["to"] == BUILDS
    assert_spent(server, requests=4 + rotations, size=6_000 + rotations * 1_500)


def test_a_build_that_lies_in_a_bin_is_a_request(rig: Rig, server: Nginx, game: Path) -> None:
    assert install(game, server, pin(rig), "--build", "2").document["result"]["to"] == 2
    assert_spent(server, requests=5, size=20_000)


def test_an_update(rig: Rig, server: Nginx, game: Path) -> None:
    """The timestamp, a look for the next root, the bundle."""
    install(game, server, pin(rig))
    server.forget()
    publish_next(rig, "data", "next")
    assert lading("update", str(game), "--json").document["result"]["to"] == BUILDS + 1
    assert_spent(server, requests=3, size=5_000)


def test_an_update_after_the_root_and_all_builds_changed(rig: Rig, server: Nginx, game: Path) -> None:
    """As much as one update can need: another root, and builds whose notes are as long as documents hold."""
    install(game, server, pin(rig))
    server.forget()
    rotate_root(rig)
    registry = rig.registry()
    state = registry.whole(GAME)
    notes = {number: replace(state.builds[number], notes=noise(512, number).hex()) for number in state.builds}
    registry.commit(state, replace(state, builds=notes), lambda: None)
    publish_next(rig, "data", "next")
    assert lading("update", str(game), "--json").document["result"]["to"] == BUILDS + 1
    assert_spent(server, requests=4, size=PROMISED_BYTES)


def test_nothing_new_is_one_request(rig: Rig, server: Nginx, game: Path) -> None:
    install(game, server, pin(rig))
    server.forget()
    assert lading("update", str(game), "--exit-code").exit == 3
    (asked,) = server.requests()
    assert asked.path == f"/tuf/{GAME}/timestamp.json"
    assert asked.body_bytes <= 700


@pytest.mark.parametrize("words", [["--help"], ["status", "game"], ["update", "game"]], ids=" ".join)
def test_no_signature_is_no_import(
    rig: Rig, server: Nginx, game: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """What verifies signatures takes longer to load than most commands to run."""
    install(game, server, pin(rig))
    monkeypatch.chdir(game.parent)
    assert imported_by(*words) & VERIFIERS == set()
    if words[0] == "update":
        publish_next(rig, "data", "next")
        assert imported_by(*words) >= VERIFIERS


def imported_by(*words: str) -> set[str]:
    """What a process of its own has imported when it ends, by the names of libraries."""
    command = [sys.executable, "-c", PROGRAM, *words]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())
