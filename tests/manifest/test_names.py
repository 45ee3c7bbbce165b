"""Names of games, depots and channels, and version labels, as the contract of the command line gives them."""

from __future__ import annotations

import pytest

from manifest.names import BadName, check_name, check_version


@pytest.mark.parametrize("name", ["a", "7", "frost", "frost-2.demo_x", "a" * 64])
def test_a_plain_name_is_returned(name: str) -> None:
    assert check_name(name, "game") == name


@pytest.mark.parametrize(
    "name", ["", "Frost", ".frost", "-frost", "_frost", "a/b", "a b", "a\n", "é", "a" * 65, "a\\b", "..", "\udcff"]
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(BadName) as caught:
        check_name(name, "game")
    assert caught.value.code == "bad-name"
    assert caught.value.data == {"name": name, "what": "game"}
    assert "game" in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("label", ["1", "1.4.2", "1.4 beta #2", "Зима", "a@b", "v" * 64])
def test_a_version_label_may_be_almost_anything(label: str) -> None:
    assert check_version(label) == label


@pytest.mark.parametrize("label", ["", "#12", "@beta", "1/2", "1\n", "1\u202e2", "\x00", "v" * 65, "\udcff"])
def test_a_version_label_is_never_mistaken_for_another_selector(label: str) -> None:
    with pytest.raises(BadName) as caught:
        check_version(label)
    assert caught.value.data["what"] == "version"
