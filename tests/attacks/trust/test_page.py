"""The page on security lists the attacks that are tried, and no others."""

from __future__ import annotations

from pathlib import Path

from tests.attacks.trust import data, freshness, listed, paths, rotation, signatures
from tests.attacks.trust.table import ATTACKS, RIGHT_BUILD, Attack

assert all((signatures, listed, freshness, rotation, data, paths)), "their import fills the table"

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
WANTED = [*range(1, 43), *range(52, 57), *range(63, 71)]


def row_of(attack: Attack) -> str:
    """An attack as the page has it."""
    answers = " or ".join(answer if answer == RIGHT_BUILD else f"`{answer}`" for answer in attack.answers)
    return f"| {attack.number} | {attack.title} | {attack.holds} | {answers} |"


def test_every_attack_on_metadata_and_manifests_is_tried() -> None:
    assert sorted(ATTACKS) == [f"A{number:02}" for number in WANTED]


def test_the_page_lists_them() -> None:
    section = PAGE.read_text().split("\n## Attacks tried and refused\n")[1].split("\n## ")[0]
    listed = [line for line in section.splitlines() if line.startswith("| A")]
    assert listed == [row_of(ATTACKS[number]) for number in sorted(ATTACKS)]
    assert f"{len(ATTACKS)} of {len(ATTACKS)} refused" in section
