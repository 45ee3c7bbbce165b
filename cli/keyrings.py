"""The keyrings of this machine, a folder for each registry, and the passphrases that open what lies in them.

A passphrase comes from the environment, from a file, or from the person at the terminal; never from a flag, for the
words of a command are seen by others.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from chunkstore.oserrors import leaf_for
from cli.call import Run
from cli.config import BadSetting
from cli.files import read_small
from cli.words import Usage
from manifest.trust.keyring import Keyring
from manifest.trust.sealing import PassphraseWrong

_KEYS = "keys"
_MAX_PASSPHRASE = 4096
_HOW_TO_GIVE = "Set LADING_KEY_PASSPHRASE or LADING_KEY_PASSPHRASE_FILE, or run the command on a terminal."


def keyring_of(run: Run, registry_id: str) -> Keyring:
    """The keys of one registry that lie on this machine."""
    return Keyring(run.settings.state_dir / registry_id / _KEYS, partial(passphrase, run))


def registries(run: Run) -> list[str]:
    """The ids of the registries that have keys on this machine. Raises `PathUnusable`."""
    state = run.settings.state_dir
    try:
        names = sorted(path.name for path in state.iterdir()) if state.is_dir() else []
        return [name for name in names if (state / name / _KEYS).is_dir()]
    except OSError as error:
        raise leaf_for(error, state) from error


def passphrase(run: Run) -> bytes | None:
    """What opens a key that has a passphrase, if anybody gives it."""
    given = _given(run)
    if given is None and run.ask_secret is not None:
        given = run.ask_secret("Passphrase").encode()
    return given or None


def new_passphrase(run: Run, purpose: str) -> bytes:
    """What a key or a backup is to be opened with from now on; somebody who types it types it twice.

    Raises `PassphraseWrong` if they do not agree, `Usage` if there is none.
    """
    given = _given(run)
    if given is None and run.ask_secret is not None:
        given = run.ask_secret(f"New passphrase for {purpose}").encode()
        if given and given != run.ask_secret("The same again").encode():
            raise PassphraseWrong("the two passphrases are not the same", next="Run the command again.")
    if not given:
        raise Usage(f"there is no passphrase for {purpose}", next=_HOW_TO_GIVE)
    return given


def _given(run: Run) -> bytes | None:
    """The passphrase that the settings give, if they do."""
    if run.settings.key_passphrase is not None:
        return run.settings.key_passphrase.encode()
    file = run.settings.key_passphrase_file
    return _read(file) if file is not None else None


def _read(file: Path) -> bytes:
    text = read_small(file, _MAX_PASSPHRASE).removesuffix(b"\n").removesuffix(b"\r")
    if not text:
        raise BadSetting("the file of key_passphrase_file is empty", where=str(file))
    return text
