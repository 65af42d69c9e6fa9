# SPDX-License-Identifier: Apache-2.0
"""Structs are known before threads use them."""

import subprocess
import sys

PROGRAM = """
import sys, threading, msgspec
from pycapo.model.structs import learn_structs

sys.setswitchinterval(1e-6)
inner = [msgspec.defstruct(f"I{i}", [(f"f{n}", str, "") for n in range(20)], module="pycapo.x") for i in range(200)]
outer = [msgspec.defstruct(f"O{i}", [("one", "int | None", None), ("in_", one, None)], module="pycapo.x")
         for i, one in enumerate(inner)]
if sys.argv[1] == "learned":
    assert learn_structs() >= 400
barrier = threading.Barrier(8)

def decode():
    for struct in outer:
        barrier.wait()
        msgspec.json.decode(b'{"one": 1, "in_": {"f19": "x"}}', type=struct)

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("whole")
"""


def race(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=120, check=False
    )


def test_eight_threads_may_decode_for_the_first_time_what_is_learned() -> None:
    found = race("learned")

    assert (found.returncode, found.stdout) == (0, "whole\n"), found.stderr
