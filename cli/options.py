"""Options that several verbs share, so that one word means one thing everywhere.

An option whose parameter is named as a setting never reaches the verb's function: it overrides that setting.
"""

from __future__ import annotations

import click

store = click.option("--store", metavar="STORE", help="The store: a folder or URL.")
server = click.option("--server", metavar="URL", help="The server that keeps the game.")
limit_rate = click.option(
    "--limit-rate", "download_limit_rate", metavar="RATE", help="Bytes per second, e.g. 10M; off for no limit."
)
channel = click.option("--channel", metavar="CHANNEL", help="The channel to follow.")
version = click.option(
    "--version", "label", metavar="VERSION", help="The build with this version label, for this once."
)
build = click.option(
    "--build", "number", metavar="N", type=click.IntRange(min=1), help="The build of this number, for this once."
)
trust = click.option("--trust", metavar="ROOT", help="What a first contact must show, or first-use.")
accept_stale = click.option(
    "--accept-stale", is_flag=True, help="Believe signatures that have expired; their age is shown."
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done and what it would cost.")
exit_code = click.option("--exit-code", is_flag=True, help="Leave with 3 when there is nothing to do.")


def one_of(label: str | None, number: int | None) -> str | None:
    """`label`, unless a build number was given as well: a usage error."""
    if label is not None and number is not None:
        raise click.UsageError("--version and --build name one build each: give one of them.")
    return label
