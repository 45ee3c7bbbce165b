"""How words become a command: click's classes, taught our contract.

Every verb takes the talk flags wherever they stand, is handed a `Run` and returns an `Outcome`. Verbs are imported when
they are called and not before, so that help and completion cost nothing. Knows no verb by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from chunkstore.errors import Refused
from cli import __version__
from cli.call import Call, running
from cli.config import SETTING_NAMES, load
from cli.encoding import require_utf8
from cli.output import Outcome


class Answer(click.exceptions.Exit):
    """Ends the parsing early with an outcome, as `--help` and `--version` do."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(0)
        self.outcome = outcome


class _Words(click.Command):
    """What verbs and groups share: the talk flags and an answer to `--help` that has the form of any other result."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *_TALK]

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return _HELP

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if isinstance(ctx.obj, Call):  # a shell that completes a line parses without one
            ctx.obj.command = ctx.command_path.partition(" ")[2]
        return super().parse_args(ctx, args)


class Verb(_Words):
    """A command whose function takes a `Run` first and returns an `Outcome`. Options named as a setting override it."""

    def invoke(self, ctx: click.Context) -> Outcome:
        assert self.callback is not None
        call: Call = ctx.obj
        own = {name: value for name, value in ctx.params.items() if name not in SETTING_NAMES}
        flags = {name: value for name, value in ctx.params.items() if name in SETTING_NAMES and value is not None}
        call.cancel.check()
        require_utf8()
        with running(call, load(flags)) as run:
            outcome: Outcome = ctx.invoke(self.callback, run, **own)
            return outcome


class Verbs(_Words, click.Group):
    """A noun with verbs of its own: `@noun.command()` makes a `Verb`."""

    command_class = Verb


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a verb is defined, and its summary so that listing it does not import it."""

    target: str
    summary: str

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


class Program(Verbs):
    """The root: a table of verbs, each imported when it is called."""

    def __init__(self, name: str, verbs: Mapping[str, Lazy], *, help: str) -> None:
        super().__init__(name, help=help, params=[_VERSION], context_settings={"max_content_width": 80})
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = self._verbs.get(cmd_name)
        return verb.load() if verb else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in self._verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as unknown:
            raise click.NoSuchCommand(unknown.command_name, possibilities=self._verbs, ctx=ctx) from None


def dispatch(program: click.Command, argv: Sequence[str], call: Call) -> Outcome:
    """Do what the words say. Words that mean nothing are an outcome like any other."""
    try:
        with program.make_context("lading", list(argv), obj=call) as ctx:
            outcome: Outcome = program.invoke(ctx)
            return outcome
    except Answer as answer:
        return answer.outcome
    except click.ClickException as mistake:
        return _misused(mistake, call)


def _misused(mistake: click.ClickException, call: Call) -> Outcome:
    if isinstance(mistake, click.exceptions.NoArgsIsHelpError):
        return Outcome(text=mistake.message, error=Usage("no command was given"))
    advice = f"Run `lading {call.command}".rstrip() + " --help`."
    return Outcome(error=Usage(mistake.format_message().replace("\n", " "), next=advice))


def _answer_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise Answer(Outcome({"help": ctx.get_help()}, text=ctx.get_help()))


def _answer_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise Answer(Outcome({"version": __version__}, text=f"lading {__version__}"))


def _eager(flag: str, answer: Any, help: str) -> click.Option:
    return click.Option([flag], is_flag=True, is_eager=True, expose_value=False, callback=answer, help=help)


_TALK = (
    click.Option(["--json"], is_flag=True, expose_value=False, help="Print one JSON document as the result."),
    click.Option(["--events"], is_flag=True, expose_value=False, help="Write progress as NDJSON to standard error."),
)
_HELP = _eager("--help", _answer_help, "Show this page.")
_VERSION = _eager("--version", _answer_version, "Show the version.")


class Usage(Refused):
    """The words do not form a command."""

    code = "usage"
    default_cause = "A word is missing, misspelled or in the wrong place."
    default_next = "Run `lading --help`."
