"""Each attack of the table: refused by name or without effect, nothing half done, and afterwards updates go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chunkstore.errors import Corrupt, LadingError
from cli.exits import Exit, exit_of
from client.engine import Settled
from client.record import InstallFolder
from tests.attacks.trust import data, freshness, listed, paths, rotation, signatures
from tests.attacks.trust.scene import INSTALLED, Scene, tree
from tests.attacks.trust.table import ATTACKS, CLOCK, DISK, NOTHING, ONLINE, RIGHT_BUILD, Attack, Try
from tests.kit.rig import snapshot

assert all((signatures, listed, freshness, rotation, data, paths)), "their import fills the table"


@pytest.mark.parametrize(
    ("attack", "attempt"),
    [
        pytest.param(attack, attempt, id=f"{attack.number} {attack.title} {name}".strip())
        for attack in ATTACKS.values()
        for name, attempt in attack.variants.items()
    ],
)
def test_it_is_refused(
    scene: Scene, attack: Attack, attempt: Try, record_property: Callable[[str, object], None]
) -> None:
    record_property("attack", attack.number)
    for _ in attempt(scene) or (None,):
        update(scene, attack)
        first_contact(scene, attack)
    end(scene, attack)
    assert scene.player.update().build.number == scene.newest
    assert_build(scene, "installed", scene.newest)


def update(scene: Scene, attack: Attack) -> None:
    """The attack on somebody who has an earlier build."""
    before = snapshot(scene.player.root)
    came_to = outcome(scene.player.update, attack.answers)
    assert came_to == (scene.answer or came_to)
    if came_to == RIGHT_BUILD:
        assert_build(scene, "installed", scene.newest)
    else:
        assert snapshot(scene.player.root) == before
        assert_build(scene, "installed", INSTALLED)


def first_contact(scene: Scene, attack: Attack) -> None:
    """The same attack on somebody who has nothing of the game yet."""
    newcomer = scene.player_of("newcomer")
    if isinstance(scene.newcomer, int):
        assert newcomer.install().build.number == scene.newcomer
    elif outcome(newcomer.install, (scene.newcomer,) if scene.newcomer else attack.answers) != RIGHT_BUILD:
        assert not newcomer.tree()


def end(scene: Scene, attack: Attack) -> None:
    """What puts an end to the attack: the good state, a new online key, or the good state signed again."""
    if scene.mend:
        scene.mend()
    elif attack.holds == ONLINE:
        scene.restore()
        scene.rotate("online")
    elif attack.holds in (NOTHING, CLOCK, DISK):
        scene.restore()
    else:
        scene.supersede()


def outcome(command: Callable[[], Settled], answers: tuple[str, ...]) -> str:
    """What a command comes to: one of `answers`, with all that an error owes its reader."""
    error = refusal(command)
    if error is None:
        assert RIGHT_BUILD in answers, "it was accepted"
        return RIGHT_BUILD
    assert error.code in answers, f"{error.code}: {error}"
    assert error.message
    assert error.cause
    assert error.next
    assert exit_of(error) not in (Exit.DONE, Exit.BUG)
    assert (exit_of(error) is Exit.INTEGRITY) == isinstance(error, Corrupt)
    return error.code


def refusal(command: Callable[[], Settled]) -> LadingError | None:
    """The error that a command ends with. Whatever is none of ours is a failure."""
    try:
        command()
    except LadingError as error:
        return error
    return None


def assert_build(scene: Scene, name: str, build: int) -> None:
    """The folder holds this build and says so."""
    player = scene.player_of(name)
    assert InstallFolder(player.root).load().build == build
    assert player.tree() == tree(build)
