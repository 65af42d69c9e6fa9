# SPDX-License-Identifier: Apache-2.0
"""The files of the guest's part of policy routing, as they come with this package; those who deliver them read them here."""

import functools
from importlib import resources


@functools.cache
def guest_file(name: str) -> str:
    """A file of the guest's part."""
    return (resources.files("pycapo.plan") / "guest" / name).read_text()
