"""`lading config show`: every setting, its value and where that value is from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cli import options
from cli.call import Run
from cli.config import Origin, config_file
from cli.output import Outcome
from cli.words import Verbs

_PASSWORD = re.compile(r"(://[^/?#:@]*:)[^/?#]*(@)")

config = Verbs("config", help="Show the settings in force.")


@config.command()
@options.store
@options.server
@options.limit_rate
def show(run: Run) -> Outcome:
    """Show every setting, its value and where that value is from.

    A flag wins over the environment, the environment over the file, the file over the default. Secrets are masked,
    and so is the password in an address.
    """
    file = config_file()
    rows = run.configuration.origins
    return Outcome(
        result={"file": str(file), "settings": {row.key: {"value": _shown(row), "origin": row.origin} for row in rows}},
        text="\n".join([*map(_line, rows), "", f"The file is {file}."]),
    )


def _shown(row: Origin) -> Any:
    if row.secret and row.value is not None:
        return "***"
    if isinstance(row.value, str):
        return _PASSWORD.sub(r"\1***\2", row.value)
    return str(row.value) if isinstance(row.value, Path) else row.value


def _line(row: Origin) -> str:
    shown = _shown(row)
    return f"{row.key:<20} {'-' if shown is None else str(shown):<24} {row.origin}"
