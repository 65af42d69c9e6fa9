# SPDX-License-Identifier: Apache-2.0
"""Whether a server fits into what Nova's quota has left, told before anything is made for it.

Rule: what is told is what is missing: how much is needed, how much is left, and of what.
"""

from collections.abc import Iterable, Iterator, Mapping

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.records import Flavor, Quota
from pycapo.model.seen import Seen
from pycapo.model.steps import Wait
from pycapo.plan.references import INSTANCE_READY

QUOTA_AGAIN = 30.0
"""Seconds until a server that does not fit is looked at again."""

_FIELDS = "spec.flavor", "spec.flavorID"
_UNITS = {"ram": "MiB of RAM"}
Needs = Mapping[str, int]


def needs(seen: Seen) -> Needs:
    """What a server takes of each quota; nothing while its flavor is not known."""
    flavors = [it for path in _FIELDS for it in seen.found.get(path, ()) if isinstance(it, Flavor)]
    if len(flavors) != 1:
        return {}
    return {"instances": 1, "cores": flavors[0].vcpus, "ram": flavors[0].ram}


def deducted(quotas: Mapping[str, Quota], others: Iterable[Needs]) -> dict[str, Quota]:
    """The quotas when all of these others have what they are about to take."""
    known = list(others)
    return {
        name: Quota(quota.limit, quota.used + sum(it.get(name, 0) for it in known)) for name, quota in quotas.items()
    }


def missing(quotas: Mapping[str, Quota], wanted: Needs) -> dict[str, int]:
    """By how much each quota is short."""
    short = {name: quota.used + wanted.get(name, 0) - quota.limit for name, quota in quotas.items()}
    return {name: number for name, number in short.items() if number > 0}


def quota_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """One wait for all quotas that are too small for the server."""
    wanted = needs(seen)
    told = [_told(name, seen.room[name], wanted[name], short) for name, short in missing(seen.room, wanted).items()]
    if told:
        path = "spec.flavorID" if server.spec.flavor_id else "spec.flavor"
        message = f"the project's quota is {', '.join(told)}"
        yield Wait(condition=INSTANCE_READY, reason="QuotaExceeded", path=path, message=message, after=QUOTA_AGAIN)


def _told(name: str, quota: Quota, wanted: int, short: int) -> str:
    left = max(quota.limit - quota.used, 0)
    return f"short by {short} {_UNITS.get(name, name)} ({wanted} needed, {left} of {quota.limit} left)"
