"""`lading completion SHELL`: the script that teaches a shell to complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cli.call import Run
from cli.config import COMPLETION_VARIABLE
from cli.output import Outcome
from cli.words import Verb

_SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command(cls=Verb)
@click.argument("shell", metavar="SHELL", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, run: Run, shell: str) -> Outcome:
    """Print the completion script of a shell.

    \b
    bash        eval "$(lading completion bash)", in ~/.bashrc
    zsh         eval "$(lading completion zsh)", in ~/.zshrc
    fish        lading completion fish | source, in config.fish
    powershell  lading completion powershell >> $PROFILE
    """
    writer = get_completion_class(shell)
    assert writer is not None
    script = writer(ctx.find_root().command, {}, "lading", COMPLETION_VARIABLE).source()
    return Outcome(result={"shell": shell, "script": script}, text=script)
