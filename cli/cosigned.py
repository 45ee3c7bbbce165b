"""A change that other key holders have to sign, too: nothing failed, and nothing is live yet."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from cli.call import Run
from cli.output import Outcome
from manifest.trust.refusals import SignaturesMissing


def waits(missing: SignaturesMissing, result: Mapping[str, Any], what: str, again: str = "") -> Outcome:
    """The outcome of a change that has some of its signatures. `again` are the words that the next key holder says."""
    signatures = {name: missing.data[name] for name in ("signatures", "needed")}
    return Outcome(
        result={**result, "changed": False, **signatures}, text=f"{what}.\n{waits_text(**signatures, again=again)}"
    )


def waits_text(signatures: int, needed: int, again: str = "") -> str:
    """What people have to know of it."""
    said = f"Signed by {signatures} of {needed} key holders that have to; nothing is live yet. "
    return said + (f"Another one runs\n  {again}" if again else "Another one runs the same command.")


def sign_words(run: Run, game: str, number: int) -> str:
    """The command line that signs a candidate."""
    store = shlex.quote(run.settings.store or "STORE")
    return f"lading build sign {game}@#{number} --store {store}"
