# SPDX-License-Identifier: Apache-2.0
"""What the labs of tests are called: by the checkout, and by the worker where several run tests side by side."""

import hashlib
import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def lab_name(worker: str = WORKER) -> str:
    """Return the name of the lab of a worker of this checkout's tests."""
    return f"e2e-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]}{worker}"


def api_name(worker: str = WORKER) -> str:
    """Return the name of the lab that is an API server only."""
    return f"{lab_name(worker)}-api"


def other_name(worker: str = WORKER) -> str:
    """Return the name of the second management cluster, which uses the OpenStack of the first."""
    return f"{lab_name(worker)}-other"
