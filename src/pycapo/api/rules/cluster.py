# SPDX-License-Identifier: Apache-2.0
"""Rules for OpenStackCluster and OpenStackClusterTemplate (v1beta2): what may be said, and what of it may change.

always   credentials, bastion, security group rules, DNS servers, allowed CIDRs, monitor, zones, primary subnet
once     endpoint (while unset), API port and fixed IP (while unset and without floating IP), managed groups (on)
to what is so already   the API's floating IP; network and subnets from a filter to the id that it found
"""

from collections.abc import Iterator
from typing import Any

from pycapo.api.rules.addresses import check_address, check_inside, check_prefix
from pycapo.api.rules.change import Change
from pycapo.api.rules.fixed import Freedom, Update, items, part, spec_of, template_spec_of
from pycapo.api.rules.machine import check_machine
from pycapo.api.rules.networks import MACHINE_NETWORKS_IN_PLACE, advise_networks, check_subnets
from pycapo.api.rules.problem import Problem, duplicate, forbidden
from pycapo.api.rules.security import LISTS, check_security

Json = dict[str, Any]
TEMPLATE_ROOT = "spec.template.spec"
API_PORT = 6443


def _without_floating_ip(update: Update, field: str) -> bool:
    """Tell whether a field of apiServer is set for the first time, while there is no floating IP."""
    before, after = part(update.old, "apiServer"), part(update.new, "apiServer")
    return before.get("enableFloatingIP") is False and not before.get(field) and after.get(field) is not None


def _endpoint_is_unset(update: Update, change: Change) -> bool:
    return not part(update.old, "controlPlaneEndpoint").get("host")


def _is_current_address(update: Update, change: Change) -> bool:
    balancer = update.status.get("apiServerManagedLoadBalancer")
    return balancer is not None and (change.new or "") == (balancer.get("ip") or "")


def _is_found_network(update: Update, change: Change) -> bool:
    found = part(update.status, "network").get("id")
    return bool(found) and part(update.new, "network").get("id") == found


def _are_found_subnets(update: Update, change: Change) -> bool:
    """Tell whether a subnet goes from a filter to the id of a subnet in use which that filter fits."""
    return any(_fits(change.old, change.new, found) for found in items(part(update.status, "network"), "subnets"))


def _fits(old: object, new: object, found: Json) -> bool:
    if not isinstance(old, dict) or not isinstance(new, dict) or new != {"id": found.get("id")}:
        return False
    wanted = old.get("filter") or {}
    named = {key: value for key, value in wanted.items() if key in ("name", "cidr")}
    has_tags = set(wanted.get("tags") or ()) <= set(found.get("tags") or ())
    return bool(named) and has_tags and all(found.get(key) == value for key, value in named.items())


def _is_turned_on(update: Update, change: Change) -> bool:
    return change.old is None and change.new is not None


def _comes_or_goes(update: Update, change: Change) -> bool:
    """Tell whether a named network as a whole was added or taken out."""
    return len(change.path) == len(("networks", "name")) and None in (change.old, change.new)


def _grows(_update: Update, change: Change) -> bool:
    """Tell whether CIDRs were added to a list and none was taken away."""
    return isinstance(change.old, list) and isinstance(change.new, list) and set(change.old) <= set(change.new)


def _current_address(update: Update) -> str:
    address = part(update.status, "apiServerManagedLoadBalancer").get("ip")
    return f"can only be set to the address that the API server has already, {address or 'and it has none yet'}"


def _found_network(update: Update) -> str:
    found = part(update.status, "network").get("id")
    return f"can only go from a filter to the id of the network in use, {found or 'and none was found yet'}"


def _found_subnets(update: Update) -> str:
    found = ", ".join(f"{s.get('id')} ({s.get('name')})" for s in items(part(update.status, "network"), "subnets"))
    return f"can only go from a filter to the id of the subnet that it found; in use: {found or 'none yet'}"


_ONCE = "can be set once, and only while apiServer.enableFloatingIP is false"
_IN_PLACE = ("allocationPools", "cidr", "dnsNameservers", "enableDHCP", "gateway", "hostRoutes")

CLUSTER = (
    Freedom(
        always=(
            *("identityRef", "bastion", "primarySubnet"),
            *("controlPlaneAvailabilityZones", "controlPlaneOmitAvailabilityZone"),
            *(f"managedSecurityGroups.{name}" for name in (*LISTS, "allowAllInClusterTraffic")),
            "managedSubnets[*].dnsNameservers",
            "apiServer.managedLoadBalancer.allowedCIDRs",
            "apiServer.managedLoadBalancer.monitor",
            *(f"networks[*].managed.{name}" for name in ("mtu", "enablePortSecurity", "qosPolicy", "router", "tags")),
            *(f"networks[*].managed.subnets[*].{name}" for name in _IN_PLACE if name != "cidr"),
            *(f"networks[*].perMachine.{name}" for name in MACHINE_NETWORKS_IN_PLACE),
        ),
        when={
            "controlPlaneEndpoint": _endpoint_is_unset,
            "apiServer.fixedIP": lambda update, _change: _without_floating_ip(update, "fixedIP"),
            "apiServer.port": lambda update, _change: _without_floating_ip(update, "port"),
            "apiServer.floatingIP": _is_current_address,
            "network": _is_found_network,
            "subnets[*]": _are_found_subnets,
            "managedSecurityGroups": _is_turned_on,
            "networks[*]": _comes_or_goes,
            "networks[*].perMachine.subnets[*].from": _grows,
            "networks[*].managed.subnets[*]": lambda _update, change: None in (change.old, change.new),
        },
        default="is fixed when the cluster is made; make a new cluster for that",
    )
    .instead(
        "controlPlaneEndpoint", "nodes and kubeconfigs use the endpoint already; make a new cluster for another one"
    )
    .instead("apiServer.fixedIP", _ONCE)
    .instead("apiServer.port", _ONCE)
    .instead("apiServer.floatingIP", _current_address)
    .instead("network", _found_network)
    .instead("subnets", _found_subnets)
    .instead("managedSecurityGroups", "can be turned on, not off; it may be empty")
    .instead("managedSubnets", "subnets cannot be added or removed; only dnsNameservers of a subnet may change")
    .instead(
        "managedSubnets[*]",
        "subnets cannot be added or removed, and only dnsNameservers of one may change; make a new cluster for that",
    )
    .instead("apiServer.managedLoadBalancer", "only allowedCIDRs and monitor may change; make a new cluster for that")
    .instead("networks[*].perMachine.subnets[*].from", "CIDRs can be added, none can go or change: machines use them")
    .instead("networks[*]", "give a network of another kind another name in spec.networks, and move the ports to it")
)
TEMPLATE = Freedom(
    default="OpenStackClusterTemplate is immutable; make a new template and point the ClusterClass to it",
)


def check(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackCluster by itself."""
    return list(_check_spec("spec", spec_of(found)))


def compare(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackCluster."""
    update = Update(spec_of(old), spec_of(new), old.get("status") or {})
    return [*_bastion_goes(update), *CLUSTER.refuse(update)]


def check_template(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackClusterTemplate by itself."""
    return list(_check_spec(TEMPLATE_ROOT, template_spec_of(found)))


def compare_templates(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackClusterTemplate; metadata for its clusters may change."""
    return list(TEMPLATE.refuse(Update(template_spec_of(old), template_spec_of(new)), TEMPLATE_ROOT))


def advise(found: Json) -> list[str]:
    """Return what is allowed in a cluster but hardly meant."""
    spec = spec_of(found)
    ignored = [name for name in ("network", "subnets") if spec.get(name)] if spec.get("managedSubnets") else []
    advice = [f"spec.{name}: has no effect beside spec.managedSubnets, which makes a network" for name in ignored]
    return [*advice, *advise_networks("spec", spec)]


def _bastion_goes(update: Update) -> Iterator[Problem]:
    bastion = update.old.get("bastion")
    if bastion is not None and bastion.get("enabled") is not False and update.new.get("bastion") is None:
        told = "cannot be removed before disabling it; set spec.bastion.enabled to false and wait until it is gone"
        yield forbidden("spec.bastion", told)


def _check_spec(path: str, spec: Json) -> Iterator[Problem]:
    yield from check_subnets(path, spec)
    yield from check_security(path, spec)
    yield from _check_api_server(f"{path}.apiServer", spec)
    for index, router_ip in enumerate(items(part(spec, "managedRouter"), "externalIPs")):
        yield from check_address(f"{path}.managedRouter.externalIPs[{index}].fixedIP", router_ip.get("fixedIP") or None)
    bastion = part(spec, "bastion")
    yield from check_address(f"{path}.bastion.floatingIP", bastion.get("floatingIP"))
    yield from check_machine(f"{path}.bastion.spec", part(bastion, "spec"))


def _check_api_server(path: str, spec: Json) -> Iterator[Problem]:
    server = part(spec, "apiServer")
    for name in ("fixedIP", "floatingIP"):
        yield from check_address(f"{path}.{name}", server.get(name) or None)
    balancer = server.get("managedLoadBalancer")
    if balancer is None or balancer.get("enabled") is False:
        return
    subnets = items(spec, "managedSubnets")
    if len(subnets) == 1 and not balancer.get("network") and not balancer.get("subnets"):
        yield from check_inside(f"{path}.fixedIP", server.get("fixedIP"), subnets[0].get("cidr"))
    yield from _check_balancer(f"{path}.managedLoadBalancer", balancer, server.get("port") or API_PORT)


def _check_balancer(path: str, balancer: Json, api_port: int) -> Iterator[Problem]:
    for index, cidr in enumerate(items(balancer, "allowedCIDRs")):
        yield from check_prefix(f"{path}.allowedCIDRs[{index}]", cidr)
    for index, port in enumerate(items(balancer, "additionalPorts")):
        where = f"{path}.additionalPorts[{index}]"
        if port == api_port:
            yield duplicate(where, "is the port of the API server, which has a listener already; leave it out", port)
        elif not 1 <= port <= 65535:
            yield Problem(where, "is no port; ports are 1 to 65535", port)
