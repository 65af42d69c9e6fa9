# SPDX-License-Identifier: Apache-2.0
"""What a demo remembers from one call to the next: OpenStack before it, where its requests begin, when what was reached.

Rule: it is written before anything is made, so whatever interrupts a demo, its end can be compared with its beginning.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pycapo.lab.cloud_inventory import Snapshot
from pycapo.lab.places import Lab, LabError, write


@dataclass(frozen=True, slots=True)
class Record:
    """One demo: times are seconds since 1970, `milestones` seconds after `began`; `finished` is 0 until it is complete."""

    before: dict[str, dict[str, str]]
    mark: int
    began: float
    finished: float = 0.0
    milestones: dict[str, float] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        """What OpenStack had before the demo."""
        return Snapshot(self.before)

    def reached(self, name: str, now: float) -> Record:
        """Return the record with a milestone; the first time counts."""
        if name in self.milestones:
            return self
        return replace(self, milestones={**self.milestones, name: round(now - self.began, 1)})


def load(lab: Lab) -> Record | None:
    """Return the record of the lab's demo, None when there is none."""
    path = _path(lab)
    try:
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise LabError(f"{path}: a record of a demo was looked for, found {error}; delete the file to go on") from error


def save(lab: Lab, record: Record) -> None:
    """Keep the record."""
    write(_path(lab), json.dumps(asdict(record), indent=1) + "\n")


def forget(lab: Lab) -> None:
    """Delete the record."""
    _path(lab).unlink(missing_ok=True)


def _path(lab: Lab) -> Path:
    return lab.root / "demo.json"
