# SPDX-License-Identifier: Apache-2.0
"""Rules for the rules of managed security groups: what Neutron would refuse is refused before anything is made."""

from collections.abc import Iterator
from typing import Any

from pycapo.api.rules.addresses import check_prefix, network
from pycapo.api.rules.fixed import items, part
from pycapo.api.rules.problem import Problem, forbidden, required

Json = dict[str, Any]
LISTS = ("clusterNodesSecurityGroupRules", "controlPlaneNodesSecurityGroupRules", "workerNodesSecurityGroupRules")
_REMOTES = ("remoteManagedGroups", "remoteGroupID", "remoteIPPrefix")
_WITH_PORTS = frozenset({"tcp", "udp", "sctp", "udplite", "dccp", "6", "17", "132", "136", "33"})
_ENDS = ("portRangeMin", "portRangeMax")
_LAST_PORT = 65535


def check_security(path: str, spec: Json) -> Iterator[Problem]:
    """Yield the problems of all rules of the managed security groups of a cluster's spec."""
    groups = part(spec, "managedSecurityGroups")
    for name in LISTS:
        for index, rule in enumerate(items(groups, name)):
            yield from _rule(f"{path}.managedSecurityGroups.{name}[{index}]", rule)


def _rule(path: str, rule: Json) -> Iterator[Problem]:
    remotes = [name for name in _REMOTES if rule.get(name) is not None]
    if len(remotes) > 1:
        told = (
            f"only one of remoteManagedGroups, remoteGroupID and remoteIPPrefix can be set, found {', '.join(remotes)}"
        )
        yield forbidden(path, f"{told}; make a rule for each")
    yield from _prefix(path, rule)
    yield from _ports(path, rule)


def _prefix(path: str, rule: Json) -> Iterator[Problem]:
    text, family = rule.get("remoteIPPrefix"), rule.get("etherType")
    yield from check_prefix(f"{path}.remoteIPPrefix", text)
    found = network(text)
    if found is not None and family and family != f"IPv{found.version}":
        yield Problem(f"{path}.etherType", f"does not fit remoteIPPrefix {text}; write IPv{found.version}", family)


def _ports(path: str, rule: Json) -> Iterator[Problem]:
    said = {end: rule[end] for end in _ENDS if rule.get(end) is not None}
    protocol = rule.get("protocol")
    if said and not protocol:
        yield required(f"{path}.protocol", f"{' and '.join(said)} need a protocol, such as tcp or udp")
    if str(protocol).lower() not in _WITH_PORTS:
        return
    for end, number in said.items():
        if not 0 <= number <= _LAST_PORT:
            yield Problem(f"{path}.{end}", f"is no port; ports are 0 to {_LAST_PORT}", number)
    if len(said) == len(_ENDS) and said["portRangeMin"] > said["portRangeMax"]:
        told = f"is less than portRangeMin {said['portRangeMin']}; swap them"
        yield Problem(f"{path}.portRangeMax", told, said["portRangeMax"])
