"""The floor programs as commands that a table runs; what they report about themselves replaces the outside clock."""

import json
import sys
from dataclasses import replace
from functools import partial

from benchmarks.measure import Command, Contestant, Sample
from benchmarks.workplace import ROOT


def floor(program: str, *words: object) -> Command:
    return Command([sys.executable, "-m", f"benchmarks.floors.{program}", *map(str, words)], cwd=ROOT)


def reported(sample: Sample) -> Sample:
    """The floor's own seconds and CPU, which leave out Python's start and what it calls preparation."""
    said = json.loads(sample.output)
    return replace(sample, wall=said["seconds"], cpu=said["cpu"])


contestant = partial(Contestant, "floor", reads=reported)
