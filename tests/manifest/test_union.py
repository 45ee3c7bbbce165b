"""Which files of the depots of a build an installation has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from manifest.model import Manifest
from manifest.union import unite
from tests.kit.builds import SAMPLE_TREE, pack_build


@pytest.fixture
def tagged() -> Manifest:
    """The sample tree with its first file tagged as an option and its second as the player's own."""
    plain = pack_build(SAMPLE_TREE).manifest
    sets = np.zeros(len(plain.paths), dtype="<u2")
    sets[:2] = [1, 2]
    return replace(plain, tags=[("optional:hd",), ("user-owned",)], tag_sets=sets)


@pytest.mark.parametrize(
    ("chosen", "left_out"), [((), ["data/big.pak"]), (("optional:hd",), []), (("language:de",), ["data/big.pak"])]
)
def test_only_a_tag_that_is_a_matter_of_choice_leaves_a_file_out(
    tagged: Manifest, chosen: tuple[str, ...], left_out: list[str]
) -> None:
    paths = unite([tagged], frozenset(chosen)).manifest.paths
    assert [path for path in tagged.paths if path not in paths] == left_out
