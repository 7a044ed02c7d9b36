"""Drawing figures: one after the other, or spread over processes where that is faster."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.plans import DRAWERS
from crysmm_attn_plugin.reports.figures.style import Dots, context, save

log = logging.getLogger("crysmm_attn")

#: A helper process spends on its imports as long as drawing a third of this many figures takes.
WORTH_A_PROCESS = 24
MOST_PROCESSES = 4


@dataclass(frozen=True)
class Job:
    """One figure in one language: its name, what draws it and from what, and where its files go."""

    name: str
    kind: str
    about: Mapping[str, Any]
    lang: str
    formats: tuple[str, ...]
    folder: Path
    title: str = ""
    description: str = ""


@dataclass(frozen=True)
class Result:
    """What was drawn: the files, numbers in the labels that the comparison lacks, and where the crystals lie."""

    files: tuple[Path, ...]
    numbers: Mapping[str, float] = field(default_factory=dict)
    dots: Dots = field(default_factory=Dots.none)


def draw_all(result: Any, samples: Any, jobs: Sequence[Job]) -> list[Result]:
    """Draw every job, in its order.

    Args:
        result: The comparison's result.
        samples: One row per crystal.
        jobs: What to draw.
    """
    share = min(MOST_PROCESSES, len(os.sched_getaffinity(0)), len(jobs) // WORTH_A_PROCESS)
    if share < 2:
        return draw_here(result, samples, jobs)
    parts = [jobs[k::share] for k in range(share)]
    helpers = [_start((result, samples, part)) for part in parts[1:]]
    drawn = [draw_here(result, samples, parts[0])]
    for helper, part in zip(helpers, parts[1:]):
        answer = _answer(helper)
        # whatever kept a helper from its work, the figures are drawn all the same
        drawn.append(answer if answer is not None else draw_here(result, samples, part))
    return [drawn[k % share][k // share] for k in range(len(jobs))]


def draw_here(result: Any, samples: Any, jobs: Sequence[Job]) -> list[Result]:
    """Draw jobs in this process."""
    with context():
        return [_draw(result, samples, job) for job in jobs]


def _draw(result: Any, samples: Any, job: Job) -> Result:
    figure, numbers = DRAWERS[job.kind](result, samples, job.about, job.lang)
    files = save(
        figure, job.folder, job.name, job.formats, job.lang, title=job.title, description=job.description
    )
    return Result(tuple(files), numbers, marks.crystal_dots(figure))


def _start(work: Any) -> subprocess.Popen[bytes]:
    """A helper with its own interpreter: forking a process that holds threads or a GPU is not safe."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_INTERNAL_")}
    environment = {
        **ours,
        "CRYSMM_ATTN_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "crysmm_attn_plugin.reports.figures.helper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(pickle.dumps(work))
        process.stdin.close()
    except OSError as error:
        log.debug("a helper for figures did not start: %s", error)
    return process


def _answer(process: Any) -> list[Result] | None:
    out, err = process.stdout.read(), process.stderr.read()
    if process.wait() != 0:
        log.debug("a helper for figures failed: %s", err.decode(errors="replace")[-2000:])
        return None
    answer: list[Result] = pickle.loads(out)
    return answer
