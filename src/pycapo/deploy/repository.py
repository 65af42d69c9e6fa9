# SPDX-License-Identifier: Apache-2.0
"""A release as clusterctl reads it: `infrastructure-openstack/<version>/` with components, metadata and templates.

Rule: the components hold clusterctl variables with defaults, so that `clusterctl init` works with none set (an empty
default counts as none: clusterctl then asks for the variable).
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from pycapo.deploy.components import components, text
from pycapo.deploy.options import PROVIDER, Options, version

VARIABLES = (
    "--sync-period=${CAPO_SYNC_PERIOD:=10m}",
    "--log-level=${CAPO_LOG_LEVEL:=info}",
)
# Where a release keeps its files: beside this module in a wheel, at the root in a checkout.
_HERE = Path(__file__).parent
_ROOT = Path(__file__).parents[3]


class FilesMissing(Exception):
    """The files of a release are not there; the message names the folders that were looked in."""


def write_repository(folder: Path, options: Options | None = None, *, release: str = "") -> Path:
    """Write a clusterctl repository below a folder and return the folder of the version.

    Point clusterctl to it: a `providers` entry with `url: <that folder>/infrastructure-components.yaml`.
    """
    chosen = options or Options()
    tag = release or re.sub(r"^(v\d+\.\d+\.\d+).*", r"\1", version())
    place = folder / PROVIDER / tag
    place.mkdir(parents=True, exist_ok=True)
    variable = replace(chosen, arguments=(*chosen.arguments, *VARIABLES))
    (place / "infrastructure-components.yaml").write_text(text(components(variable)))
    shutil.copyfile(_found(_HERE / "metadata.yaml", _ROOT / "deploy" / "metadata.yaml"), place / "metadata.yaml")
    for template in sorted(templates().glob("cluster*.yaml")):
        shutil.copyfile(template, place / template.name)
    return place


def templates() -> Path:
    """Return the folder of the cluster templates, in a checkout as in an installed wheel."""
    return _found(_HERE / "templates", _ROOT / "templates")


def _found(*places: Path) -> Path:
    for place in places:
        if place.exists():
            return place
    raise FilesMissing(f"none of {', '.join(map(str, places))} exists; run from a checkout or an installed wheel")
