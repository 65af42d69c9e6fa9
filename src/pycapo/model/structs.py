# SPDX-License-Identifier: Apache-2.0
"""What has to be known of all structs before threads use them.

Rule: whoever starts threads calls `learn_structs` first. msgspec reads a struct's annotations when it is decoded for the first
time and keeps what it has read so far, so that a second thread may find half of it: the process then ends with a segmentation
fault (seen with msgspec 0.22, about once in a hundred starts).
"""

import contextlib
from collections.abc import Iterator

import msgspec


def learn_structs() -> int:
    """Read the annotations of every struct of ours that is imported by now; return how many there are."""
    learned = 0
    for struct in _below(msgspec.Struct):
        if struct.__module__.split(".")[0] != "pycapo":
            continue
        # A struct with fields that no document can hold (a function, say) is never decoded.
        with contextlib.suppress(TypeError):
            msgspec.json.Decoder(struct)
            learned += 1
    return learned


def _below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in struct.__subclasses__():
        yield child
        yield from _below(child)
