"""The client under test against repositories that misbehave, under the names of the public TUF conformance suite.

One test or more of each of its groups; the suite itself runs outside of this repository, as `docs/conformance.md` says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, Signature
from tuf.api.metadata import Metadata, MetaFile

from tests.conformance import tuf_client
from tests.conformance.tuf_repository import DAY, TOP, Client, Repository

FIRST = dict.fromkeys(TOP, 1)
ORDER = ["root", "timestamp", "snapshot", "targets"]
WALK = ["2.root", "timestamp", "1.snapshot", "1.targets"]
"""What a client without anything but the first root asks for."""


class TestBasic:
    def test_basic_refresh_requests(self, client: Client) -> None:
        assert client.refresh() == 0
        assert client.asked() == WALK

    def test_basic_refresh_trusted_data(self, repo: Repository, client: Client) -> None:
        assert client.refresh() == 0
        for role in TOP:
            assert (client.folder / "metadata" / f"{role}.json").read_bytes() == repo.place(role).read_bytes()

    def test_implicit_refresh(self, client: Client) -> None:
        assert client.download("nonexistent artifact") == 1
        assert (client.asked(), client.trusted()) == (WALK, FIRST)

    def test_invalid_initial_root(self, repo: Repository, stranger: Client) -> None:
        root = json.loads(repo.place("root").read_bytes())
        del root["signed"]["version"]
        stranger.init(json.dumps(root).encode())
        assert (stranger.refresh(), stranger.asked()) == (1, [])

    def test_unsigned_initial_root(self, repo: Repository, stranger: Client) -> None:
        root = json.loads(repo.place("root").read_bytes())
        root["signatures"][0]["sig"] = "00" * 64
        stranger.init(json.dumps(root).encode())
        assert (stranger.refresh(), stranger.asked()) == (1, [])

    @pytest.mark.parametrize("role", ORDER)
    def test_unsigned_metadata(self, repo: Repository, client: Client, role: str) -> None:
        """What comes before it in the walk is believed."""
        repo.signers[role].clear()
        repo.publish("root", "targets", "snapshot", "timestamp")
        assert client.refresh() == 1
        assert client.trusted() == {"root": 1, **dict.fromkeys(ORDER[: ORDER.index(role)], 2)}

    @pytest.mark.parametrize("role", ["root", "snapshot", "targets"])
    def test_url_and_metadata_version_mismatch(self, repo: Repository, client: Client, role: str) -> None:
        repo.publish_all()
        repo.publish(role, version=3)
        repo.serve(role, repo.place(role).read_bytes(), version=2)
        assert client.refresh() == 1
        assert client.trusted() == {"root": 1, **dict.fromkeys(ORDER[: ORDER.index(role)], 2)}

    def test_timestamp_content_changes(self, repo: Repository, client: Client) -> None:
        """The version that is here stays."""
        assert client.refresh() == 0
        repo.timestamp.snapshot_meta = MetaFile(100)
        repo.publish("timestamp", version=1)
        client.asked()
        assert (client.refresh(), client.asked()) == (0, ["2.root", "timestamp"])
        kept = json.loads((client.folder / "metadata" / "timestamp.json").read_bytes())
        assert kept["signed"]["meta"]["snapshot.json"]["version"] == 1

    def test_basic_metadata_hash_support(self, repo: Repository, client: Client) -> None:
        repo.hashes = True
        repo.publish("targets", "snapshot", "timestamp")
        assert client.refresh() == 0
        repo.publish("targets")
        repo.snapshot.meta["targets.json"].hashes = {"sha256": "46" * 32}
        repo.publish("snapshot", "timestamp")
        assert client.refresh() == 1
        assert client.trusted() == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 2}

    def test_metadata_bytes_match(self, repo: Repository, client: Client) -> None:
        data = repo.place("timestamp").read_bytes() + b" "
        repo.serve("timestamp", data)
        assert client.refresh() == 0
        assert (client.folder / "metadata" / "timestamp.json").read_bytes() == data

    def test_custom_fields(self, repo: Repository, client: Client) -> None:
        repo.root.unrecognized_fields["custom-field"] = "value"
        repo.root.roles["root"].unrecognized_fields["another-field"] = {"a": 1}
        repo.publish("root")
        assert (client.refresh(), client.trusted()["root"]) == (0, 2)

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_404(self, repo: Repository, client: Client, role: str) -> None:
        """Three tests of the suite: metadata that is signed for is not there."""
        assert client.refresh() == 0
        repo.publish("targets", "snapshot", "timestamp")
        repo.place(role).unlink()
        assert client.refresh() == 1
        assert client.trusted()[role] == 1

    def test_incorrect_metadata_type(self, repo: Repository, client: Client) -> None:
        """A snapshot in the place of the timestamp, signed by its key and of its form."""
        repo.add_key("snapshot", repo.signers["timestamp"][0])
        repo.snapshot.meta = {"snapshot.json": MetaFile(1)}
        repo.publish("root", "snapshot")
        repo.serve("timestamp", repo.place("snapshot").read_bytes())
        assert (client.refresh(), client.trusted()) == (1, {"root": 2})


class TestRollback:
    def test_new_timestamp_version_rollback(self, repo: Repository, client: Client) -> None:
        old = repo.place("timestamp").read_bytes()
        repo.publish("timestamp")
        assert client.refresh() == 0
        repo.serve("timestamp", old)
        assert (client.refresh(), client.trusted()["timestamp"]) == (1, 2)

    @pytest.mark.parametrize("hashes", [False, True])
    def test_snapshot_rollback(self, repo: Repository, client: Client, hashes: bool) -> None:
        repo.hashes = hashes
        repo.publish("snapshot", "timestamp")
        assert client.refresh() == 0
        repo.publish("snapshot", version=1)
        repo.publish("timestamp")
        assert client.refresh() == 1
        assert (client.trusted()["timestamp"], client.trusted()["snapshot"]) == (2, 2)

    @pytest.mark.parametrize("hashes", [False, True])
    def test_targets_rollback(self, repo: Repository, client: Client, hashes: bool) -> None:
        repo.hashes = hashes
        repo.publish("targets", "snapshot", "timestamp")
        assert client.refresh() == 0
        repo.publish("targets", version=1)
        repo.publish("snapshot", "timestamp")
        assert client.refresh() == 1
        assert (client.trusted()["snapshot"], client.trusted()["targets"]) == (2, 2)

    @pytest.mark.parametrize(
        ("role", "rotated"),
        [("timestamp", ["timestamp"]), ("snapshot", ["snapshot", "timestamp"]), ("targets", ["snapshot"])],
    )
    def test_new_fast_forward_recovery(self, repo: Repository, client: Client, role: str, rotated: list[str]) -> None:
        """Three tests of the suite: new keys of whoever had vouched for the version are the way back."""
        after = [name for name in ("snapshot", "timestamp") if ORDER.index(name) < ORDER.index(role)]
        repo.publish(role, version=100)
        repo.publish(*after)
        assert (client.refresh(), client.trusted()[role]) == (0, 100)
        for name in rotated:
            repo.replace_keys(name)
        repo.publish("root")
        repo.publish(role, version=1)
        repo.publish(*after)
        assert (client.refresh(), client.trusted()[role]) == (0, 1)


class TestExpiration:
    @pytest.mark.parametrize(
        ("role", "trusted"),
        [
            ("root", {**FIRST, "root": 2}),
            ("timestamp", FIRST),
            ("snapshot", {**FIRST, "timestamp": 2}),
            ("targets", {**FIRST, "timestamp": 2, "snapshot": 2}),
        ],
    )
    def test_expired(self, repo: Repository, client: Client, role: str, trusted: dict[str, int]) -> None:
        """Four tests of the suite: the new root is kept all the same, anything else that expired is not."""
        assert client.refresh() == 0
        repo.expire(role, days=-5)
        repo.publish(*([role] if role == "root" else ORDER[ORDER.index(role) : 0 : -1]))
        assert (client.refresh(), client.trusted()) == (1, trusted)

    @pytest.mark.parametrize("role", ["root", "timestamp"])
    def test_expired_local(self, repo: Repository, client: Client, role: str) -> None:
        """Two tests of the suite: what expired here is good for finding what did not."""
        repo.expire(role, days=7)
        repo.publish(role)
        assert client.refresh() == 0
        repo.expire(role, days=21)
        repo.publish(role)
        client.clock.advance(18 * DAY)
        assert (client.refresh(), client.trusted()[role]) == (0, repo.roles[role].version)

    def test_faketime(self, repo: Repository, client: Client) -> None:
        repo.expire("root", days=7)
        repo.publish("root")
        assert client.refresh() == 0
        client.clock.advance(8 * DAY)
        assert client.refresh() == 1


class TestKeys:
    def test_snapshot_does_not_meet_threshold(self, repo: Repository, client: Client) -> None:
        repo.root.roles["snapshot"].threshold = 3
        repo.add_key("snapshot")
        repo.add_key("snapshot")
        repo.publish("root", "snapshot", "timestamp")
        assert client.refresh() == 0
        repo.signers["snapshot"].pop()
        repo.publish("snapshot", "timestamp")
        assert (client.refresh(), client.trusted()["snapshot"]) == (1, 2)

    def test_duplicate_keys(self, repo: Repository, client: Client) -> None:
        """A key that is listed often and signs often counts once."""
        keyid = repo.root.roles["snapshot"].keyids[0]
        repo.root.roles["snapshot"].threshold = 2
        repo.root.roles["snapshot"].keyids = [keyid, keyid]
        repo.publish("root", "snapshot", "timestamp")
        signed_twice(repo, "snapshot")
        assert client.refresh() == 1
        assert "snapshot" not in client.trusted()

    def test_duplicate_sig_keyids(self, repo: Repository, client: Client) -> None:
        signed_twice(repo, "snapshot")
        assert client.refresh() == 1
        assert "snapshot" not in client.trusted()

    @pytest.mark.parametrize(
        "make", [CryptoSigner.generate_rsa, CryptoSigner.generate_ecdsa, CryptoSigner.generate_ed25519]
    )
    def test_keytype_and_scheme(self, repo: Repository, client: Client, make: Callable[[], CryptoSigner]) -> None:
        signer = repo.add_key("root", make())
        repo.root.roles["root"].threshold = 2
        repo.publish("root")
        assert (client.refresh(), client.trusted()["root"]) == (0, 2)
        repo.publish("root")
        forged(repo, "root", signer, "00" * 64)
        assert (client.refresh(), client.trusted()["root"]) == (1, 2)

    @pytest.mark.parametrize("signature", ["00" * 64, ""])
    def test_invalid_sig_in_valid_metadata(self, repo: Repository, client: Client, signature: str) -> None:
        """One good signature is enough where one is asked for."""
        first = repo.signers["timestamp"][0]
        repo.add_key("timestamp")
        repo.publish("root", "timestamp")
        forged(repo, "timestamp", first, signature)
        assert (client.refresh(), client.trusted()["timestamp"]) == (0, 2)


ROOTS = {
    "1-of-1-key-rotation": [([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])],
    "1-of-1-key-rotation-unused-signatures": [([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4]), ([2], 1, [3, 2, 4])],
    "3-of-5-one-key-rotated": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 1])],
    "1-of-3-threshold-increase-to-2-of-3": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])],
    "2-of-3-threshold-decrease-to-1-of-3": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2]), ([1, 2, 3], 1, [1])],
    "1-of-1-key-rotation-fail-not-signed-with-old-key": [([1], 1, [1]), ([2], 1, [2, 3, 4])],
    "1-of-1-key-rotation-fail-not-signed-with-new-key": [([1], 1, [1]), ([2], 1, [1, 3, 4])],
    "3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 3, 4, 5], 3, [0, 2, 4]),
    ],
    "1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])],
}
"""Roots one after another: their keys by number, the threshold, who signed. The last of those that fail is refused."""


class TestRotations:
    @pytest.mark.parametrize("name", ROOTS)
    def test_root_rotation(self, repo: Repository, stranger: Client, name: str) -> None:
        signers = [CryptoSigner.generate_ed25519() for _ in range(6)]
        for version, (keys, threshold, signs) in enumerate(ROOTS[name], 1):
            repo.root.roles["root"].keyids.clear()
            repo.root.roles["root"].threshold = threshold
            for number in keys:
                repo.root.add_key(signers[number].public_key, "root")
            repo.signers["root"] = [signers[number] for number in signs]
            repo.publish("root", version=version)
        assert stranger.init(repo.place("root", 1).read_bytes()) == 0
        believed = len(ROOTS[name]) - ("fail" in name)
        assert stranger.refresh() == ("fail" in name)
        kept = stranger.folder / "metadata" / "root.json"
        assert kept.read_bytes() == repo.place("root", believed).read_bytes()

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_non_root_rotations(self, repo: Repository, client: Client, role: str) -> None:
        """From one key to two of three others; first too few of them sign."""
        repo.replace_keys(role)
        for _ in range(2):
            repo.add_key(role)
        repo.root.roles[role].threshold = 2
        third = repo.signers[role][2:]
        second, repo.signers[role] = repo.signers[role][:2], third
        repo.publish_all()
        assert (client.refresh(), client.trusted().get(role)) == (1, None)
        repo.signers[role] = second
        repo.publish_all()
        assert (client.refresh(), client.trusted()[role]) == (0, 3)


def signed_twice(repo: Repository, role: str) -> None:
    """Serves a role with its first signature once more."""
    value = json.loads(repo.place(role).read_bytes())
    value["signatures"].append(value["signatures"][0])
    repo.serve(role, json.dumps(value).encode())


def forged(repo: Repository, role: str, signer: CryptoSigner, signature: str) -> None:
    """Serves a role with another signature of this key."""
    metadata: Metadata = Metadata.from_bytes(repo.place(role).read_bytes())
    keyid = signer.public_key.keyid
    metadata.signatures[keyid] = Signature(keyid, signature)
    repo.serve(role, metadata.to_bytes())


def test_it_is_an_executable_with_the_words_of_the_suite(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(repo.place("root").read_bytes())
    command = [sys.executable, tuf_client.__file__, "--metadata-dir", str(tmp_path / "metadata"), "init"]
    done = subprocess.run([*command, str(tmp_path / "root")], capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "metadata" / "root.json").read_bytes() == repo.place("root").read_bytes()
