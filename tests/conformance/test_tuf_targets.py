"""The client under test downloads, and follows delegations, under the names of the public TUF conformance suite.

Lading has no target files; its documents lie in the metadata, and are found by the same search.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.tuf_repository import Client, Repository

CONTENT = b"target file contents"


class TestFileDownload:
    @pytest.mark.parametrize("path", ["target_file.txt", "path/to/a/target_file.txt"])
    def test_client_downloads_expected_file(self, repo: Repository, client: Client, path: str) -> None:
        """Two tests of the suite: in a folder or not."""
        repo.add_target(path, CONTENT)
        repo.publish_all()
        assert (client.download(path), client.downloaded()) == (0, [CONTENT])

    def test_repository_substitutes_target_file(self, repo: Repository, client: Client) -> None:
        repo.add_target("one", CONTENT)
        repo.add_target("two", b"content")
        repo.publish_all()
        assert client.download("one") == 0
        for path in ("one", "two"):
            repo.serve_target(path, b"malicious data - should not download")
        client.download("one")
        assert client.download("two") == 1
        assert client.downloaded() == [CONTENT]

    @pytest.mark.parametrize("data", [CONTENT[:-1], CONTENT + b"!"])
    def test_download_file_length_mismatch(self, repo: Repository, client: Client, data: bytes) -> None:
        repo.add_target("one", CONTENT)
        repo.publish_all()
        repo.serve_target("one", data)
        assert (client.download("one"), client.downloaded()) == (1, [])

    def test_multiple_changes_to_target(self, repo: Repository, client: Client) -> None:
        """The file takes the place of the one before; what is here already is not asked for again."""
        for number in range(3):
            repo.add_target("one", b"contents %d" % number)
            repo.publish_all()
            for _ in range(2):
                assert (client.download("one"), client.downloaded()) == (0, [b"contents %d" % number])
        assert sum(asked.key.startswith("targets/") for asked in client.host.requests) == 3


GRAPHS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "basic-delegation": ([("targets", "A")], ["A"]),
    "two-level-test-DFS-order-of-traversal": (
        [("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D")],
        ["A", "C", "D", "B"],
    ),
    "two-level-terminating-ignores-all-but-roles-descendants": (
        [("targets", "A"), ("targets", "B"), ("A", "C!"), ("A", "D")],
        ["A", "C"],
    ),
    "two-level-ignores-all-branches-not-matching-paths": (
        [("targets", "A *.py"), ("targets", "B"), ("A", "C")],
        ["B"],
    ),
    "cyclic-graph": (
        [("targets", "A"), ("targets", "B"), ("B", "C"), ("C", "D"), ("D", "B")],
        ["A", "B", "C", "D"],
    ),
    "two-roles-delegating-to-a-third": (
        [("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C")],
        ["A", "C", "B"],
    ),
}
"""Delegations in their order, terminating with `!`, of certain paths only; and the roles that are asked for."""


class TestDelegation:
    @pytest.mark.parametrize("name", GRAPHS)
    def test_graph_traversal(self, repo: Repository, client: Client, name: str) -> None:
        delegations, visited = GRAPHS[name]
        for by, words in delegations:
            role, _, path = words.partition(" ")
            repo.delegate(by, role.rstrip("!"), [path or "*"], terminating=role.endswith("!"))
        repo.publish_all()
        assert client.download("missingpath") == 1
        assert client.asked()[5:] == [f"1.{role}" for role in visited]

    @pytest.mark.parametrize(
        ("path", "visited"),
        [
            ("targetfile", []),
            ("README.md", ["A"]),
            ("releases/x/x_v1", ["B", "C"]),
            ("releases/y/y_v1.zip", ["B", "D"]),
            ("releases/z/z_v1.zip", ["B"]),
        ],
    )
    def test_targetfile_search(self, repo: Repository, client: Client, path: str, visited: list[str]) -> None:
        """`D` signs the last file as well, but nobody let it."""
        repo.delegate("targets", "A", ["*.doc", "*.md"])
        repo.delegate("targets", "B", ["releases/*/*"])
        repo.delegate("B", "C", ["releases/x/*"])
        repo.delegate("B", "D", ["releases/y/*.zip"])
        repo.add_target("targetfile", CONTENT)
        repo.add_target("README.md", CONTENT, "A")
        repo.add_target("releases/x/x_v1", CONTENT, "C")
        repo.add_target("releases/y/y_v1.zip", CONTENT, "D")
        repo.add_target("releases/z/z_v1.zip", CONTENT, "D")
        repo.publish_all()
        assert client.download(path) == (visited == ["B"])
        assert client.downloaded() == ([] if visited == ["B"] else [CONTENT])
        assert client.asked()[5:] == [f"1.{role}" for role in visited]

    def test_a_delegation_that_the_snapshot_does_not_list_is_refused(self, repo: Repository, client: Client) -> None:
        repo.delegate("targets", "A")
        repo.publish("A", "targets")
        del repo.snapshot.meta["A.json"]
        repo.publish("snapshot", "timestamp")
        assert client.download("missingpath") == 1
        assert "A" not in client.trusted()

    def test_a_delegated_role_may_not_sign_for_another(self, repo: Repository, client: Client) -> None:
        repo.delegate("targets", "A")
        repo.delegate("targets", "B")
        repo.signers["A"] = repo.signers["B"]
        repo.add_target("one", CONTENT, "A")
        repo.publish_all()
        assert (client.download("one"), client.downloaded()) == (1, [])


@pytest.mark.parametrize("role", ["?", "#", "/delegatedrole", "../delegatedrole"])
def test_unusual_role_name(repo: Repository, client: Client, tmp_path: Path, role: str) -> None:
    """No object of a store has such a name, so there is no such role: nothing is asked for, or written anywhere."""
    repo.delegate("targets", role)
    repo.publish("targets")
    repo.snapshot.meta[f"{role}.json"] = repo.snapshot.meta["targets.json"]
    repo.publish("snapshot", "timestamp")
    before = {path for path in tmp_path.rglob("*") if "client" not in path.parts}
    assert client.download("nonexistent target") == 1
    assert client.asked() == ["2.root", "timestamp", "2.snapshot", "2.targets"]
    assert client.trusted().keys() == {"root", "timestamp", "snapshot", "targets"}
    assert {path for path in tmp_path.rglob("*") if "client" not in path.parts} == before
