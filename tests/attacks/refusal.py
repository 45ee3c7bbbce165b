"""What every refusal owes its reader."""

from __future__ import annotations

from tests.kit.command import Finished

# What the contract of the command line says of each code that hostile input may bring up.
EXITS = {
    "access-denied": 4,
    "bad-chunk": 6,
    "bad-compression": 6,
    "bad-document": 6,
    "bad-head": 6,
    "bad-manifest": 6,
    "bad-metadata": 6,
    "bad-payload": 6,
    "disk-full": 7,
    "game-missing": 5,
    "host-misconfigured": 6,
    "metadata-missing": 6,
    "metadata-mixed": 6,
    "newer-format": 7,
    "not-a-store": 10,
    "object-missing": 5,
    "object-too-large": 6,
    "object-truncated": 6,
    "path-unusable": 7,
    "pointer-lost": 6,
    "root-mismatch": 6,
    "store-unavailable": 8,
    "trust-needed": 4,
    "unknown-feature": 7,
    "wrong-payload": 6,
}


def check_refusal(done: Finished, codes: str) -> None:
    """One document that names one of `codes`, says where it is and what to do; no traceback anywhere."""
    assert done.stdout.count("\n") == 1
    error = done.document["error"]
    assert error["code"] in codes.split(), error
    assert done.exit == EXITS[error["code"]]
    assert done.document["ok"] is False
    assert all(error[key] for key in ("message", "where", "cause", "next")), error
    assert "Traceback" not in done.stdout + done.stderr
