"""Attacks on keys as they are listed, and on how many of them have signed."""

from __future__ import annotations

import hashlib
from typing import Any

from manifest.keys import timestamp_key
from manifest.trust.roles import BUILDS, TARGETS, TIMESTAMP
from tests.attacks.trust.scene import Scene
from tests.attacks.trust.table import ALL_KEYS, NOTHING, ONE_BUILD_KEY, attack
from tests.kit.forge import Forge, compact, overwrite, payload
from tests.kit.rig import GAME

_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's group: what may be added to the second half of a signature without changing what it proves."""

_NEUTRAL = "01" + "00" * 31
"""The point that every product with it is; in hexadecimal, as a key and as half a signature."""

_WEAK = (
    _NEUTRAL,
    "01" + "00" * 30 + "80",
    "00" * 32,
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
"""Points of small order, two of them in no canonical form."""

_RSA = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""


@attack(
    "A09",
    "a threshold of two met by one key twice",
    holds=ONE_BUILD_KEY,
    answer="bad-metadata or bad-signature",
    same=lambda keyid: keyid,
    upper=str.upper,
    spaced=lambda keyid: f" {keyid}",
)
def one_key_twice(scene: Scene, spell: Any) -> None:
    forge = scene.forge()
    forge.signed(BUILDS)["version"] += 1
    document = forge.documents[BUILDS]
    signature = forge.keys["builds"][0].sign(document["signed"])
    document["signatures"] = [signature, {**signature, "keyid": spell(signature["keyid"])}]
    forge.list(BUILDS, compact(document))
    forge.serve()


@attack(
    "A10",
    "one public key under two ids",
    holds=ALL_KEYS,
    answer="bad-metadata",
    same=lambda public: public,
    upper=str.upper,
    spaced=lambda public: f"{public[:2]} {public[2:]}",
)
def one_key_listed_twice(scene: Scene, spell: Any) -> None:
    forge = scene.forge()
    hand = forge.keys["builds"][0]
    delegations = forge.signed(TARGETS)["delegations"]
    twin = {**hand.listed, "keyval": {"public": spell(hand.public)}}
    twin_id = "ab" * 32
    delegations["keys"][twin_id] = twin
    _builds_row(forge)["keyids"] = [hand.keyid, twin_id]
    forge.write(TARGETS)
    forge.signed(BUILDS)["version"] += 1
    document = forge.documents[BUILDS]
    signature = hand.sign(document["signed"])
    document["signatures"] = [signature, {**signature, "keyid": twin_id}]
    forge.list(BUILDS, compact(document))
    forge.serve()


@attack(
    "A11",
    "a threshold of none, or none that can be",
    holds=ALL_KEYS,
    answer="bad-metadata",
    zero=0,
    negative=-1,
    true=True,
    text="1",
    endless=2**70,
    more_than_keys=3,
)
def no_threshold(scene: Scene, value: Any) -> None:
    forge = scene.forge()
    _builds_row(forge)["threshold"] = value
    forge.write(TARGETS)
    forge.serve([BUILDS], by=[])


@attack(
    "A12",
    "a key that is not of the type it says, or lets everybody sign",
    holds=ALL_KEYS,
    answer="bad-metadata",
    rsa_as_ed25519=lambda public: ("ed25519", "ed25519", _RSA),
    ed25519_as_rsa=lambda public: ("rsa", "rsassa-pss-sha256", public),
    rsa=lambda public: ("rsa", "rsassa-pss-sha256", _RSA),
    ecdsa=lambda public: ("ecdsa", "ecdsa-sha2-nistp256", public),
    nothing=lambda public: (None, None, public),
    **{f"weak_{point[:2]}_{point[-2:]}": lambda _, point=point: ("ed25519", "ed25519", point) for point in _WEAK},
)
def another_type(scene: Scene, of: Any) -> None:
    forge = scene.forge()
    root = forge.next_root()
    keytype, scheme, public = of(forge.keys["online"][0].public)
    listed = {"keytype": keytype, "scheme": scheme, "keyval": {"public": public}}
    keyid = hashlib.sha256(payload(listed)).hexdigest()
    root["keys"][keyid] = listed
    root["roles"][TIMESTAMP] = {"keyids": [keyid], "threshold": 1}
    forge.serve_root()
    document = forge.documents[TIMESTAMP]
    document["signed"]["version"] += 1
    document["signatures"] = [{"keyid": keyid, "sig": _NEUTRAL + "00" * 32}]
    overwrite(scene.store, timestamp_key(GAME), compact(document))


def _malleable(signature: str) -> str:
    raw = bytes.fromhex(signature)
    return (raw[:32] + (int.from_bytes(raw[32:], "little") + _ORDER).to_bytes(32, "little")).hex()


@attack(
    "A13",
    "a signature in another form than its key makes them",
    holds=NOTHING,
    answer="bad-signature",
    beyond_the_order=_malleable,
    neutral=lambda signature: _NEUTRAL + "00" * 32,
    own_half=lambda signature: signature[:64] + "00" * 32,
    not_canonical=lambda signature: "ee" + "ff" * 30 + "7f" + "00" * 32,
    short=lambda signature: signature[:126],
    long=lambda signature: signature + "00",
    empty=lambda signature: "",
    no_hexadecimal=lambda signature: "zz" + signature[2:],
)
def another_form(scene: Scene, spoil: Any) -> None:
    forge = scene.forge()
    signature = forge.documents[TIMESTAMP]["signatures"][0]
    signature["sig"] = spoil(signature["sig"])
    forge.replace(TIMESTAMP, compact(forge.documents[TIMESTAMP]))


def _builds_row(forge: Forge) -> dict[str, Any]:
    rows = forge.signed(TARGETS)["delegations"]["roles"]
    row: dict[str, Any] = next(row for row in rows if row["name"] == BUILDS)
    return row
