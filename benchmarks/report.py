"""Tables: what a measurement hands back, printed for people as Markdown and written beside that as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Sample, python_start

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns; `samples` keeps every run behind the medians."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)


def mb(size: float) -> str:
    return f"{size / 1e6:,.1f}"


def kb(size: float) -> str:
    return f"{size / 1e3:,.1f}"


def mib(size: float) -> str:
    return f"{size / 2**20:,.0f}"


def wall(samples: Sequence[Sample]) -> float:
    return median(sample.wall for sample in samples)


def timing(samples: Sequence[Sample], size: int) -> list[str]:
    """The cells MB/s, seconds with their range, CPU seconds, peak MiB: medians, and the highest peak."""
    walls = [sample.wall for sample in samples]
    cpu = median(sample.cpu for sample in samples)
    middle = median(walls)
    return [
        f"{size / 1e6 / middle:,.0f}" if size else "",
        f"{middle:.2f} ({min(walls):.2f}-{max(walls):.2f})",
        f"{cpu:.2f}",
        mib(max(sample.rss for sample in samples)),
    ]


TIMING = ["MB/s", "seconds (range)", "CPU s", "peak MiB"]


def markdown(table: Table) -> str:
    cells = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"### {table.title}", "", *lines, *([""] if notes else []), *notes, ""])


def write(table: Table, folder: Path = RESULTS) -> Path:
    """The table as JSON, with the machine that it was measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table.name}.json"
    samples = {name: [_bare(sample) for sample in runs] for name, runs in table.samples.items()}
    document = {**asdict(table), "samples": samples, "machine": machine()}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, Any]:
    """What a reader must know to judge the numbers."""
    start = python_start()
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python_start": {"seconds": round(start.wall, 4), "cpu": round(start.cpu, 4)},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _bare(sample: Sample) -> dict[str, float]:
    return {"wall": round(sample.wall, 4), "cpu": round(sample.cpu, 4), "rss": sample.rss}
