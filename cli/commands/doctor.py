"""`lading doctor`: whether this machine and its settings are fit for work."""

from __future__ import annotations

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@options.store
def doctor(run: Run) -> Outcome:
    """Check that this machine and its settings are fit for work.

    Looks at the keys that lie here, too, and with a store at its games. Changes nothing; ends as the first check that
    failed.
    """
    from cli.checkup import check_up

    findings = list(check_up(run))
    failures = [finding.error for finding in findings if finding.error is not None]
    rows = []
    lines = []
    for finding in findings:
        state = "failed" if finding.error else "warning" if finding.said.warning else "ok"
        advice = finding.error.next if finding.error else finding.said.next
        said = ": ".join(part for part in (finding.said.detail, finding.said.warning) if part)
        rows.append({"check": finding.check, "state": state, "detail": said, "next": advice})
        lines.append(f"{state:<8} {finding.check:<13} {said}")
        lines += [f"{'':<22} {advice}"] if advice and not finding.error else []
    return Outcome({"checks": rows}, text="\n".join(lines), error=failures[0] if failures else None)
