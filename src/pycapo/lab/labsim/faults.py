# SPDX-License-Identifier: Apache-2.0
"""The rules by which drivers of this process fail."""

import os
from pathlib import Path

from .rules import Rules

RULES = Rules(Path(os.environ.get("LABSIM_ROOT", ".")) / "faults" / "rules.json")
