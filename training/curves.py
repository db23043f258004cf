"""Learning curves: the losses of a run's stages, kept in its work folder as they come."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

#: the file's name in a work folder
CURVES: Final = "curves.jsonl"


@dataclass(frozen=True, slots=True)
class Point:
    """The mean loss of the updates up to one of them."""

    stage: str
    #: updates so far, from 1
    step: int
    loss: float


def run_curves(work: Path) -> list[Point]:
    """All points of a run: its own stages, and those of a student's teachers by their folders."""
    taught = [
        replace(point, stage=f"{path.parent.name}-{point.stage}")
        for path in sorted(work.glob(f"*/{CURVES}"))
        for point in Curves(path).points()
    ]
    return [*Curves(work / CURVES).points(), *taught]


class Curves:
    """Points in a file of JSON lines, which outlives an interruption.

    Args:
        path: of the file; it is made when the first point comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, point: Point) -> None:
        """Keep one point."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(point))}\n")

    def points(self) -> list[Point]:
        """All points by stage and step; of a step that was done twice the later one."""
        found = {(point.stage, point.step): point for point in self._read()}
        return [found[key] for key in sorted(found)]

    def _read(self) -> Iterator[Point]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                yield Point(**json.loads(line))
            except (ValueError, TypeError):
                # The last line of a run that was killed while it wrote.
                continue
