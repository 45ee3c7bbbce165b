"""Attacks on who signed what, and on what a document is."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from manifest.keys import manifest_key
from manifest.trust.roles import BUILDS, CHANNELS, LADING, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, build_path
from manifest.trust.state import bin_of
from tests.attacks.trust.forged import forget_diffs, manifest_payload, serve_manifest
from tests.attacks.trust.scene import NEWEST, OTHER, Scene
from tests.attacks.trust.table import ALL_KEYS, BUILD_KEYS, EVERY_ROLE, NOTHING, ONLINE, RIGHT_BUILD, attack
from tests.kit.forge import Forge, Hand, compact, overwrite
from tests.kit.rig import GAME


@attack(
    "A01",
    "metadata without a signature",
    holds=ONLINE,
    answer="bad-signature",
    builds=BUILDS,
    channels=CHANNELS,
    targets=TARGETS,
)
def unsigned(scene: Scene, role: str) -> None:
    scene.forge().serve([role], by=[])


@attack(
    "A02",
    "signed by a key that nobody named",
    holds=ONLINE,
    answer="bad-signature",
    builds=BUILDS,
    channels=CHANNELS,
    targets=TARGETS,
)
def by_a_stranger(scene: Scene, role: str) -> None:
    scene.forge().serve([role], by=[Hand.stranger(1), Hand.stranger(2)])


@attack(
    "A03",
    "signed by a right key of another role",
    holds=ALL_KEYS,
    answer="bad-signature",
    targets=(TARGETS, "builds"),
    targets_online=(TARGETS, "online"),
    channels=(CHANNELS, "builds"),
    builds=(BUILDS, "root"),
)
def by_another_role(scene: Scene, case: tuple[str, str]) -> None:
    forge = scene.forge()
    forge.serve([case[0]], by=forge.keys[case[1]])


def _signed_again(scene: Scene, role: str) -> Forge:
    """Targets that no player has are read by all; the other roles change with every build."""
    forge = scene.forge()
    if role == TARGETS:
        forge.serve([TARGETS])
        scene.settle()
    return forge


@attack(
    "A04",
    "one bit flipped in the signed bytes",
    holds=NOTHING,
    answer="bad-signature or metadata-mixed",
    **EVERY_ROLE,
)
def flipped_content(scene: Scene, role: str) -> None:
    forge = _signed_again(scene, role)
    before = compact(forge.documents[role])
    forge.replace(role, before.replace(b'"expires":"202', b'"expires":"203'))


@attack(
    "A05",
    "one bit flipped in a signature",
    holds=NOTHING,
    answer="bad-signature or metadata-mixed",
    **EVERY_ROLE,
)
def flipped_signature(scene: Scene, role: str) -> None:
    forge = _signed_again(scene, role)
    signature = forge.documents[role]["signatures"][0]
    signature["sig"] = f"{int(signature['sig'], 16) ^ 1:0128x}"
    forge.replace(role, compact(forge.documents[role]))


@attack(
    "A06",
    "the same content written in other bytes",
    holds=NOTHING,
    answer=RIGHT_BUILD,
    timestamp=TIMESTAMP,
    root=ROOT,
)
def written_anew(scene: Scene, role: str) -> None:
    if role == ROOT:
        scene.rotate("root")
    forge = scene.forge()
    document = forge.documents[role]
    turned = {"signed": dict(reversed(document["signed"].items())), "signatures": document["signatures"]}
    data = json.dumps(turned, indent=3).replace('"toy', '"\\u0074oy').encode()
    assert json.loads(data) == document
    forge.replace(role, data)


@attack(
    "A07",
    "a key twice in one object",
    holds=ONLINE,
    answer="bad-metadata",
    timestamp=TIMESTAMP,
    builds=BUILDS,
)
def twice_in_an_object(scene: Scene, role: str) -> None:
    forge = scene.forge()
    data = compact(forge.documents[role]).replace(b'"version":', b'"version":99,"version":', 1)
    if role == TIMESTAMP:
        forge.replace(role, data)
    else:
        forge.list(role, data)
        forge.serve()


@attack(
    "A08",
    "numbers that are none, or too large",
    holds=BUILD_KEYS,
    answer="bad-metadata or bad-document",
    nan=float("nan"),
    infinite=1e400,
    fraction=1.0,
    beyond=2**64,
    negative=-1,
    true=True,
    text="12",
)
def no_number(scene: Scene, value: Any) -> None:
    forge = scene.forge()
    forge.target(BUILDS, f"builds/{NEWEST}")["depots"]["main"]["payload_size"] = value
    forge.serve([BUILDS])


_BIN = bin_of(build_path(GAME, 1))


@attack(
    "A14",
    "one kind of document in the place of another",
    holds=ONLINE,
    answer="bad-metadata or bad-signature or metadata-rollback",
    pointer_as_builds=(CHANNELS, BUILDS, "bad-metadata"),
    builds_as_pointer=(BUILDS, CHANNELS, "bad-metadata"),
    old_builds_as_builds=(_BIN, BUILDS, "metadata-rollback"),  # of which a newcomer sees nothing
    builds_as_old_builds=(BUILDS, _BIN, "bad-metadata"),
    targets_as_pointer=(TARGETS, CHANNELS, "metadata-rollback"),
    snapshot_as_builds=(SNAPSHOT, BUILDS, "bad-metadata"),
)
def another_kind(scene: Scene, case: tuple[str, str, str]) -> None:
    source, place, scene.answer = case
    scene.newcomer = "bad-metadata"
    forge = scene.forge()
    forge.documents[place] = deepcopy(forge.documents[source])
    forge.list(place, compact(forge.documents[place]))
    if place == _BIN:  # which only those read who want an old build
        forge.target(CHANNELS, "channels/stable")["build"] = 1
        forge.write(CHANNELS)
    forge.serve()


def _whole_repository(scene: Scene) -> None:
    for key, data in scene.good.items():
        if key.startswith(f"tuf/{OTHER}/"):
            overwrite(scene.store, key.replace(OTHER, GAME), data)


def _manifest(scene: Scene) -> None:
    forge, other = scene.forge(), scene.forge(OTHER)
    forget_diffs(scene)
    mine = forge.target(BUILDS, f"builds/{NEWEST}")["depots"]["main"]["manifest"]
    theirs = other.target(BUILDS, "builds/1")["depots"]["main"]["manifest"]
    overwrite(scene.store, manifest_key(GAME, mine), scene.good[manifest_key(OTHER, theirs)])


@attack(
    "A15",
    "what is of another game",
    holds=NOTHING,
    answer="other-games-metadata or wrong-payload or bad-compression",
    metadata=_whole_repository,
    manifest=_manifest,
)
def of_another_game(scene: Scene, do: Any) -> None:
    do(scene)
    if do is _whole_repository:
        scene.answer, scene.newcomer = "other-games-metadata", "root-mismatch"


def _of_another_registry(scene: Scene) -> None:
    """A test environment of the same publisher, who uses the same keys in both."""
    forge = scene.forge()
    for document in forge.documents.values():
        document["signed"][LADING]["registry"] = "ff" * 32
    forge.serve([role for role in forge.documents if role not in (ROOT, SNAPSHOT, TIMESTAMP)])


def _of_another_platform(scene: Scene) -> None:
    forge = scene.forge()
    forge.target(BUILDS, f"builds/{NEWEST}")["depots"]["main"]["platform"] = "linux"
    forge.serve([BUILDS], by=forge.keys["online"])


@attack(
    "A16",
    "what is for another platform or another registry",
    holds=ALL_KEYS,
    answer="other-registry or bad-signature",
    registry=_of_another_registry,
    platform=_of_another_platform,
)
def of_another_place(scene: Scene, do: Any) -> None:
    scene.answer = "other-registry" if do is _of_another_registry else "bad-signature"
    do(scene)


def _format(scene: Scene) -> None:
    forge = scene.forge()
    forge.signed(TIMESTAMP)[LADING]["format"] = 2
    forge.serve()


def _specification(scene: Scene) -> None:
    forge = scene.forge()
    forge.signed(TIMESTAMP)["spec_version"] = "2.0.0"
    forge.serve()


@attack(
    "A17",
    "a format that is not known yet",
    holds=BUILD_KEYS,
    answer="newer-metadata or bad-metadata or newer-format or unknown-feature",
    of_metadata=_format,
    of_tuf=_specification,
    of_manifests=lambda scene: serve_manifest(scene, manifest_payload(version=2)),
    feature=lambda scene: serve_manifest(scene, manifest_payload(features=["holograms"])),
)
def newer(scene: Scene, do: Any) -> None:
    do(scene)
