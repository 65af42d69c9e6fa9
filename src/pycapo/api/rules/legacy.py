# SPDX-License-Identifier: Apache-2.0
"""What a v1alpha3 object has to say, and what of it has no counterpart, seen after its conversion to v1beta2.

Rule: nothing that an old manifest says is ignored in silence. What would mean everything is refused; what is kept but
not acted on is told as a warning, under the name that the manifest uses.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.conversion import KEPT_ANNOTATION
from pycapo.api.leftovers import Leftover
from pycapo.api.rules.change import Name, Path, spell
from pycapo.api.rules.problem import Problem, required

Json = dict[str, Any]
VERSION = "v1alpha3"
MACHINES = {
    "OpenStackMachine": ("spec",),
    "OpenStackMachineTemplate": ("spec", "template", "spec"),
    "OpenStackCluster": ("spec", "bastion", "spec"),
}

_NOT_FOUND_BY = "cannot be looked for any more and is ignored; the rest has to match exactly one"
_NOT_USED = "has no effect"
IGNORED = {
    **dict.fromkeys(("status", "adminStateUp", "shared", "enableDhcp", "networkId", "subnetpoolId"), _NOT_FOUND_BY),
    **dict.fromkeys(("limit", "marker", "sortKey", "sortDir"), _NOT_USED),
    "userDataSecret": "has no effect; user data come from the bootstrap of the Machine",
    "useOctavia": "has no effect; load balancers are always Octavia's",
    "dnsNameservers": "has no effect without nodeCidr, with which a subnet is made",
    "apiServerLoadBalancerAdditionalPorts": "has no effect without managedAPIServerLoadBalancer",
}


def check(found: Json) -> list[Problem]:
    """Return what is missing in an object that was written as v1alpha3."""
    kind = str(found.get("kind"))
    return [*_empty_filters((), found.get("spec")), *_missing(found, MACHINES.get(kind, ()))]


def advise(found: Json) -> list[str]:
    """Return what an object says, as v1alpha3, that is kept and not acted on."""
    metadata = found.get("metadata") or {}
    return [f"{path}: {text}" for path, text in ignored(kept(found), metadata.get("namespace") or "default")]


def kept(found: Json) -> list[Leftover]:
    """Return what of v1alpha3 is kept in an annotation of an object, because v1beta2 cannot say it."""
    text = ((found.get("metadata") or {}).get("annotations") or {}).get(KEPT_ANNOTATION + VERSION, "[]")
    try:
        return msgspec.json.decode(text, type=list[Leftover])
    except msgspec.DecodeError:
        return []


def ignored(leftovers: list[Leftover], namespace: str) -> Iterator[tuple[str, str]]:
    """Yield path and explanation of what is not acted on, of all that is kept."""
    for leftover in leftovers:
        path = tuple(Name(next(iter(key.values()))) if isinstance(key, dict) else key for key in leftover.path)
        for where, value in _leaves(path, leftover.value):
            if path[0] != "spec" or not (value or value is False):
                continue
            if where[-2:] == ("cloudsSecret", "namespace") and value != namespace:
                yield spell(where), f"is ignored: credentials are read in the object's own namespace, {namespace}"
            elif (text := IGNORED.get(str(where[-1]))) and not (where[-1] == "useOctavia" and value is True):
                yield spell(where), text


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and path[-1] not in IGNORED:
        for name, part in value.items():
            yield from _leaves((*path, name), part)
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for index, part in enumerate(value):
            yield from _leaves((*path, index), part)
    else:
        yield path, value


def _empty_filters(path: Path, value: Any) -> Iterator[Problem]:
    if isinstance(value, dict):
        if value.get("filter") == {}:
            told = "says nothing that can be looked for; use an id, or name, description, project or tags"
            yield Problem(spell(("spec", *path, "filter")), told, {})
        for name, part in value.items():
            yield from _empty_filters((*path, name), part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _empty_filters((*path, index), part)


def _missing(found: Json, names: Path) -> Iterator[Problem]:
    """Yield a problem for what a machine cannot be without; the schema of v1alpha3 lets it be empty."""
    spec: Any = found
    for name in names:
        spec = (spec or {}).get(name)
    for name in ("flavor", "image") if spec else ():
        if not spec.get(name):
            yield required(f"{spell(names)}.{name}", f"every machine needs one; {name} is empty in the v1alpha3 object")
