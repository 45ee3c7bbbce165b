"""Attacks on roots, on the change of keys, and on who delegates what to whom."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from manifest.keys import metadata_key
from manifest.trust.pins import RootPin
from manifest.trust.roles import BUILDS, CHANNELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from tests.attacks.trust.scene import INSTALLED, OTHER, Scene
from tests.attacks.trust.table import ALL_KEYS, NOTHING, ONLINE, attack
from tests.kit.forge import Forge, Hand, meta, overwrite
from tests.kit.rig import GAME


@attack("A30", "the next root signed by the keys before it only", holds=ALL_KEYS, answer="bad-signature")
def by_old_keys(scene: Scene) -> None:
    forge = scene.forge()
    forge.next_root()
    forge.let_sign(ROOT, Hand.stranger())
    forge.serve_root(by=forge.keys["root"])


@attack("A31", "the next root signed by its own keys only", holds=NOTHING, answer="bad-signature")
def by_new_keys(scene: Scene) -> None:
    forge = scene.forge()
    forge.next_root()
    forge.let_sign(ROOT, Hand.stranger())
    forge.serve_root(by=[Hand.stranger()])


@attack("A32", "the root after the next offered as the next", holds=ALL_KEYS, answer="metadata-mixed")
def root_skipped(scene: Scene) -> None:
    forge = scene.forge()
    forge.next_root()["version"] += 1
    overwrite(scene.store, metadata_key(GAME, ROOT, 2), forge.sign(ROOT))


@attack("A33", "1,025 roots", holds=ALL_KEYS, answer="bad-metadata")
def endless_roots(scene: Scene) -> None:
    forge = scene.forge()
    for _ in range(1025):
        forge.next_root()
        forge.serve_root(by=forge.keys["root"][:2])

    def mend() -> None:
        """As the error says: by the pin of a later root."""
        last = scene.store.get(forge.key(ROOT), limit=1 << 20).data
        scene.pin = RootPin.of(last, forge.signed(ROOT)["version"])

    scene.mend = mend


def _still_signing(scene: Scene, revoked: list[Hand]) -> None:
    scene.answer = "bad-signature"
    scene.forge().serve([BUILDS], by=revoked)


def _named_by_older_targets(scene: Scene, revoked: list[Hand]) -> None:
    """What python-tuf kept was lost, as in a power cut; who has seen nothing yet cannot tell (see A18)."""
    scene.answer = "metadata-rollback"
    scene.newcomer = scene.newest
    forge = scene.forge()
    forge.target(CHANNELS, "channels/stable")["build"] = INSTALLED
    forge.serve([CHANNELS])
    assert not scene.player.update().changed
    scene.supersede()
    shutil.rmtree(scene.trust / "metadata")
    (scene.trust / "metadata").mkdir()
    forge = scene.forge()
    older = scene.good[metadata_key(GAME, TARGETS, 1)]
    forge.documents[TARGETS] = json.loads(older)
    forge.list(TARGETS, older)
    forge.serve([BUILDS], by=revoked)


@attack(
    "A34",
    "builds signed by a key that was revoked",
    holds=ONLINE,
    answer="bad-signature or metadata-rollback",
    still=_still_signing,
    older_targets=_named_by_older_targets,
)
def by_revoked_keys(scene: Scene, serve: Callable[[Scene, list[Hand]], None]) -> None:
    revoked = scene.forge().keys["builds"]
    scene.rotate("builds")
    serve(scene, revoked)


@attack("A35", "builds signed by the online key", holds=ONLINE, answer="bad-signature")
def by_the_online_key(scene: Scene) -> None:
    forge = scene.forge()
    forge.target(BUILDS, f"builds/{scene.newest}")["version"] = "evil"
    forge.serve([BUILDS], by=forge.keys["online"])


def _builds(scene: Scene) -> None:
    scene.forge().serve([BUILDS], by=scene.forge(OTHER).keys["builds"])


def _root(scene: Scene) -> None:
    forge = scene.forge()
    forge.next_root()
    forge.serve_root(by=scene.forge(OTHER).keys["root"])


@attack(
    "A36", "signed by the publisher of another game", holds=ONLINE, answer="bad-signature", builds=_builds, root=_root
)
def by_another_publisher(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)


def _delegate(role: str, to: str, paths: list[str]) -> Callable[[Forge], None]:
    """Lets a role delegate to one of that name, signed by the keys that sign the role itself."""

    def change(forge: Forge) -> None:
        hand = forge.rightful(role)[0]
        row = {"name": to, "keyids": [hand.keyid], "threshold": 1, "terminating": True, "paths": paths}
        delegations = forge.signed(role).setdefault("delegations", {"keys": {}, "roles": []})
        delegations["keys"][hand.keyid] = hand.listed
        delegations.setdefault("roles", []).insert(0, row)
        if role == BUILDS:
            delegations.pop("succinct_roles", None)
        if to not in forge.documents:
            forge.signed(SNAPSHOT)["meta"][f"{to}.json"] = meta(1, b"{}")
        forge.write(role)

    return change


def _other_case(forge: Forge) -> None:
    for row in forge.signed(TARGETS)["delegations"]["roles"]:
        row["paths"] = [path.upper() for path in row["paths"]]
    forge.write(TARGETS)


def _of_another_game(forge: Forge) -> None:
    for row in forge.signed(TARGETS)["delegations"]["roles"]:
        row["paths"] = [path.replace(GAME, OTHER) for path in row["paths"]]
    forge.write(TARGETS)


def _no_bins(forge: Forge) -> None:
    del forge.signed(BUILDS)["delegations"]
    forge.write(BUILDS)


def _own_targets(forge: Forge) -> None:
    newest = f"{GAME}/builds/newest"
    forge.signed(TARGETS)["targets"][newest] = forge.signed(BUILDS)["targets"][newest]
    forge.write(TARGETS)


@attack(
    "A37",
    "delegations in a circle, to nowhere, out of the folder, or by paths of another case or game",
    holds=ALL_KEYS,
    answer="bad-metadata",
    circle=_delegate(BUILDS, TARGETS, [f"{GAME}/builds/*"]),
    itself=_delegate(BUILDS, BUILDS, [f"{GAME}/builds/*"]),
    pointer_to_builds=_delegate(CHANNELS, BUILDS, [f"{GAME}/channels/*"]),
    pointer_to_root=_delegate(CHANNELS, ROOT, [f"{GAME}/channels/*"]),
    pointer_to_timestamp=_delegate(CHANNELS, TIMESTAMP, [f"{GAME}/channels/*"]),
    out_of_the_folder=_delegate(CHANNELS, "../evil", [f"{GAME}/channels/*"]),
    out_in_disguise=_delegate(CHANNELS, "..%2Fevil", [f"{GAME}/channels/*"]),
    everything=_delegate(TARGETS, "evil", ["*"]),
    case=_other_case,
    game=_of_another_game,
    no_bins=_no_bins,
    own_targets=_own_targets,
)
def strange_delegations(scene: Scene, change: Callable[[Forge], None]) -> None:
    forge = scene.forge()
    change(forge)
    forge.serve()
