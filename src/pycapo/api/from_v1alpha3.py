# SPDX-License-Identifier: Apache-2.0
"""How v1alpha3 differs from v1beta2: the steps for each kind.

v1alpha3 has networks where v1beta2 has ports, names where v1beta2 has references, credentials in two fields, one subnet,
and switches where v1beta2 has objects. What each entry of `networks` means is told in docs/designs/20261124-v1alpha3.md.
"""

import ipaddress
from typing import Any

from pycapo.api import v1alpha3
from pycapo.api.from_v1beta1 import FAILURE_DOMAINS, drop_unset_endpoint, readiness_from_hub
from pycapo.api.known import drop_unknown
from pycapo.api.leftovers import Group
from pycapo.api.queries import query_of, reference
from pycapo.api.record import Record
from pycapo.api.steps import Body, ConversionError, Step, expect_objects

GROUPS: tuple[Group, ...] = (
    frozenset({"ready", "errorReason", "errorMessage", "conditions"}),
    frozenset({"cloudName", "cloudsSecret"}),
    frozenset({"image", "rootVolume"}),
    frozenset({"networks", "floatingIP"}),
)
HUB_GROUPS: tuple[Group, ...] = (
    frozenset({"id", "filter", "imageRef"}),
    frozenset({"type", "name", "cloudName", "region"}),
    frozenset({"image", "rootVolume"}),
)
CALICO = [
    {
        "name": f"{name} (calico)",
        "description": f"{name} (calico), as v1alpha3 had it",
        "direction": "ingress",
        "etherType": "IPv4",
        "remoteManagedGroups": ["controlplane", "worker"],
        **match,
    }
    for name, match in (
        ("BGP", {"portRangeMin": 179, "portRangeMax": 179, "protocol": "tcp"}),
        ("IP-in-IP", {"protocol": "4"}),
    )
]
"""Rules that managed security groups of v1alpha3 always had, besides those that Kubernetes needs."""


def _put(body: Body, name: str, value: Any) -> None:
    """Set a field, or take it out when there is no value."""
    if value is None:
        body.pop(name, None)
    else:
        body[name] = value


def _known_only(at: str, record: type[Record]) -> Step:
    """Return the step that takes out, on the way from the hub, what v1alpha3 has no field for."""
    return Step(at, lambda _: None, lambda body: drop_unknown(body, record))


def _left_out(at: str, *names: str) -> Step:
    """Return the step for fields that the hub has not."""

    def drop(body: Body) -> None:
        for name in names:
            body.pop(name, None)

    return Step(at, drop, lambda _: None)


def _each_once(at: str, *names: str) -> Step:
    """Return the step for lists that may name a thing twice, which the hub does not allow."""

    def once(body: Body) -> None:
        for name in names:
            if isinstance(body.get(name), list):
                body[name] = list(dict.fromkeys(body[name]))

    return Step(at, once, lambda _: None)


# Machines


def is_address(text: object) -> bool:
    """Tell whether the text in fixedIp is an address; else it is the name of a port."""
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def ports_of(entry: Body, at: str) -> list[Body]:
    """Return the ports that an entry of networks means; raises ConversionError when it is not clear which address is whose."""
    fixed = entry.get("fixedIp") or None
    if fixed and not is_address(fixed):
        return [{"existingPort": {"filter": {"name": fixed}}}]
    network = reference(entry.get("uuid"), entry.get("filter") or {})
    place = {"network": network} if network is not None else {}
    wanted = [reference(item.get("uuid"), item.get("filter") or {}) for item in entry.get("subnets") or ()] or [None]
    if fixed and len(wanted) > 1:
        raise ConversionError(
            f"{at}.fixedIp", f"{fixed} belongs to one of {len(wanted)} subnets, each of which is a port; name that one"
        )
    return [{**place, **_addresses(subnet, fixed)} for subnet in wanted]


def _addresses(subnet: Body | None, fixed: str | None) -> Body:
    address = {**({"subnet": subnet} if subnet is not None else {}), **({"ipAddress": fixed} if fixed else {})}
    return {"fixedIPs": [address]} if address else {}


def _entry_of(port: Body) -> Body:
    """Return the entry of networks that says as much of a port as v1alpha3 can."""
    entry: Body = {}
    if port.get("existingPort"):
        name = (port["existingPort"].get("filter") or {}).get("name")
        return {"fixedIp": name} if name and not is_address(name) else {}
    network = port.get("network")
    if network is not None:
        query = query_of(network)
        entry |= {"uuid": query["id"]} if "id" in query else {"filter": query}
    fixed = (port.get("fixedIPs") or [{}])[0]
    subnet, address = fixed.get("subnet"), fixed.get("ipAddress")
    if subnet is not None:
        entry["subnets"] = [{"filter": query_of(subnet)}]
    if address and is_address(address):
        entry["fixedIp"] = address
    return entry


def _networks(at: str) -> Step:
    """Return the step for the NICs of a machine and the floating IP of its first one."""

    def to_hub(spec: Body) -> None:
        entries, floating = spec.pop("networks", None) or (), spec.pop("floatingIP", None)
        ports = [port for i, entry in enumerate(entries) for port in ports_of(entry, f"{at}.networks[{i}]")]
        if floating:
            ports = [{**(ports[0] if ports else {}), "floatingIP": {"address": floating}}, *ports[1:]]
        _put(spec, "ports", ports or None)

    def from_hub(spec: Body) -> None:
        ports = spec.pop("ports", None) or []
        address = (ports[0].get("floatingIP") or {}).get("address") if ports else None
        if address:
            spec["floatingIP"] = address
        if ports and not (address and ports == [{"floatingIP": {"address": address}}]):
            spec["networks"] = [_entry_of(port) for port in ports]

    return Step(at, to_hub, from_hub)


def _boot(at: str) -> Step:
    """Return the step for what a machine boots from."""

    def to_hub(spec: Body) -> None:
        name, volume = spec.pop("image", None), spec.pop("rootVolume", None) or {}
        size, source, kind = (volume.get(field) for field in ("diskSize", "sourceUUID", "sourceType"))
        if size and kind not in (None, "", "image"):
            raise ConversionError(f"{at}.rootVolume.sourceType", f'"{kind}" is not supported any more; only "image" is')
        if size:
            spec["rootVolume"] = {"sizeGiB": size}
        _put(spec, "image", {"id": source} if size and source else {"filter": {"name": name}} if name else None)

    def from_hub(spec: Body) -> None:
        image, size = spec.pop("image", None), (spec.pop("rootVolume", None) or {}).get("sizeGiB")
        source = (image or {}).get("id")
        if size:
            spec["rootVolume"] = {"diskSize": size, **({"sourceUUID": source} if source else {})}
        if image:
            spec["image"] = _only_name(image)

    return Step(at, to_hub, from_hub)


def _only_name(param: Body) -> str:
    """Return the name that a reference consists of; an empty one, which v1alpha3 requires, where it says something else."""
    query = param.get("filter") or {}
    return str(query["name"]) if param.keys() == {"filter"} and query.keys() == {"name"} else ""


def _flavor_to_hub(spec: Body) -> None:
    name = spec.pop("flavor", None)
    _put(spec, "flavor", {"filter": {"name": name}} if name else None)


def _flavor_from_hub(spec: Body) -> None:
    flavor = spec.pop("flavor", None)
    _put(spec, "flavor", _only_name(flavor) if flavor else None)


def _metadata_to_hub(spec: Body) -> None:
    found = spec.pop("serverMetadata", None)
    _put(spec, "serverMetadata", [{"key": key, "value": found[key]} for key in sorted(found)] if found else None)


def _metadata_from_hub(spec: Body) -> None:
    found = spec.pop("serverMetadata", None) or ()
    _put(spec, "serverMetadata", {str(pair.get("key")): pair.get("value", "") for pair in found} or None)


def _group_to_hub(group: Body) -> None:
    named = {"name": group["name"]} if group.get("name") else {}
    found = reference(group.pop("uuid", None), {**(group.pop("filter", None) or {}), **named})
    group.pop("name", None)
    group.update(found if found is not None else {"filter": {}})


def _group_from_hub(group: Body) -> None:
    query = query_of(group)
    group.clear()
    if "id" in query:
        group["uuid"] = query["id"]
    elif query.keys() == {"name"}:
        group["name"] = query["name"]
    else:
        group["filter"] = query


def _identity_to_hub(spec: Body) -> None:
    secret, cloud = (spec.pop("cloudsSecret", None) or {}).get("name"), spec.pop("cloudName", None)
    named = {**({"name": secret} if secret else {}), **({"cloudName": cloud} if cloud else {})}
    _put(spec, "identityRef", {"type": "Secret", **named} if named else None)


def _identity_from_hub(spec: Body) -> None:
    identity = spec.pop("identityRef", None) or {}
    _put(spec, "cloudsSecret", {"name": identity["name"]} if identity.get("name") else None)
    _put(spec, "cloudName", identity.get("cloudName") or None)


def _id_only(at: str, other: str, hub: str) -> Step:
    """Return the step for a field that v1alpha3 could only give by id."""

    def to_hub(spec: Body) -> None:
        identity = spec.pop(other, None)
        _put(spec, hub, {"id": identity} if identity else None)

    def from_hub(spec: Body) -> None:
        _put(spec, other, (spec.pop(hub, None) or {}).get("id") or None)

    return Step(at, to_hub, from_hub)


def machine_spec(at: str) -> tuple[Step, ...]:
    """Return the steps for a machine spec at a path."""
    return (
        expect_objects(f"{at}.networks[].filter"),
        expect_objects(f"{at}.networks[].subnets[].filter"),
        expect_objects(f"{at}.securityGroups[].filter"),
        expect_objects(f"{at}.cloudsSecret"),
        expect_objects(f"{at}.serverMetadata"),
        _left_out(at, "instanceID", "userDataSecret"),
        Step(at, _identity_to_hub, _identity_from_hub),
        Step(at, _flavor_to_hub, _flavor_from_hub),
        _boot(at),
        _networks(at),
        _id_only(at, "serverGroupID", "serverGroup"),
        Step(at, _metadata_to_hub, _metadata_from_hub),
        Step(f"{at}.securityGroups[]", _group_to_hub, _group_from_hub),
        _each_once(at, "tags"),
        expect_objects(f"{at}.ports[].network.filter"),
        expect_objects(f"{at}.ports[].existingPort.filter"),
        expect_objects(f"{at}.ports[].fixedIPs[].subnet.filter"),
    )


# Clusters


def _subnet_to_hub(spec: Body) -> None:
    cidr, servers = spec.pop("nodeCidr", None), spec.pop("dnsNameservers", None)
    named = reference(None, spec.pop("subnet", None) or {})
    if cidr:
        spec["managedSubnets"] = [{"cidr": cidr, **({"dnsNameservers": servers} if servers else {})}]
    _put(spec, "subnets", [named] if named is not None else None)
    _put(spec, "network", reference(None, spec.pop("network", None) or {}))


def _subnet_from_hub(spec: Body) -> None:
    managed = (spec.pop("managedSubnets", None) or [{}])[0]
    subnet, network = (spec.pop("subnets", None) or [None])[0], spec.pop("network", None)
    if managed.get("cidr"):
        spec["nodeCidr"] = managed["cidr"]
        _put(spec, "dnsNameservers", managed.get("dnsNameservers") or None)
    _put(spec, "subnet", query_of(subnet) if subnet is not None else None)
    _put(spec, "network", query_of(network) if network is not None else None)


def _router_address_to_hub(address: Body) -> None:
    subnet = address.get("subnet") or {}
    found = reference(subnet.get("uuid"), subnet.get("filter") or {})
    address["subnet"] = found if found is not None else {"filter": {}}


def _router_address_from_hub(address: Body) -> None:
    query = query_of(address.get("subnet") or {})
    address["subnet"] = {"uuid": query["id"]} if "id" in query else {"filter": query}


def _router_addresses_to_hub(spec: Body) -> None:
    found = spec.pop("externalRouterIPs", None)
    _put(spec, "managedRouter", {"externalIPs": found} if found else None)


def _router_addresses_from_hub(spec: Body) -> None:
    _put(spec, "externalRouterIPs", (spec.pop("managedRouter", None) or {}).get("externalIPs") or None)


def _api_server_to_hub(spec: Body) -> None:
    managed, more = (
        spec.pop("managedAPIServerLoadBalancer", None),
        spec.pop("apiServerLoadBalancerAdditionalPorts", None),
    )
    balancer = {"enabled": True, **({"additionalPorts": list(dict.fromkeys(more))} if more else {})}
    address, port = spec.pop("apiServerFloatingIP", None), spec.pop("apiServerPort", None)
    server = {"floatingIP": address, "port": port, "managedLoadBalancer": balancer if managed else None}
    _put(spec, "apiServer", {name: value for name, value in server.items() if value} or None)


def _api_server_from_hub(spec: Body) -> None:
    server = spec.pop("apiServer", None) or {}
    balancer = server.get("managedLoadBalancer")
    if balancer is not None and balancer.get("enabled", True):
        spec["managedAPIServerLoadBalancer"] = True
        _put(spec, "apiServerLoadBalancerAdditionalPorts", balancer.get("additionalPorts") or None)
    _put(spec, "apiServerFloatingIP", server.get("floatingIP") or None)
    _put(spec, "apiServerPort", server.get("port") or None)


def _switches_to_hub(spec: Body) -> None:
    groups, insecure = spec.pop("managedSecurityGroups", None), spec.pop("disablePortSecurity", None)
    rules = [dict(rule) for rule in CALICO]
    _put(spec, "managedSecurityGroups", {"clusterNodesSecurityGroupRules": rules} if groups else None)
    _put(spec, "managedNetwork", {"enablePortSecurity": False} if insecure else None)


def _switches_from_hub(spec: Body) -> None:
    groups, network = spec.pop("managedSecurityGroups", None), spec.pop("managedNetwork", None) or {}
    _put(spec, "managedSecurityGroups", True if groups is not None else None)
    _put(spec, "disablePortSecurity", True if network.get("enablePortSecurity") is False else None)


_BASTION = ("flavor", "image", "sshKeyName", "networks", "securityGroups")


def _bastion_to_hub(bastion: Body) -> None:
    machine = {name: bastion.pop(name) for name in _BASTION if name in bastion}
    bastion["enabled"] = bool(bastion.get("enabled"))
    _put(bastion, "floatingIP", bastion.get("floatingIP") or None)
    _put(bastion, "spec", {name: value for name, value in machine.items() if value} or None)


def _bastion_from_hub(bastion: Body) -> None:
    machine = bastion.pop("spec", None) or {}
    bastion["enabled"] = bastion.get("enabled", True)
    bastion.update({name: machine[name] for name in _BASTION if name in machine})


def _network_to_hub(status: Body) -> None:
    network = status.get("network") or {}
    subnet, router, balancer = (network.pop(name, None) for name in ("subnet", "router", "apiServerLoadBalancer"))
    if subnet is not None:
        network.setdefault("subnets", [subnet])
    for name, value in (("router", router), ("apiServerManagedLoadBalancer", balancer)):
        if value is not None:
            status.setdefault(name, value)


def _network_from_hub(status: Body) -> None:
    network = status.get("network")
    if network is None:
        return
    if len(network.get("subnets") or ()) == 1:
        network["subnet"] = network.pop("subnets")[0]
    for name, other in (("router", "router"), ("apiServerManagedLoadBalancer", "apiServerLoadBalancer")):
        if name in status:
            network[other] = status.pop(name)


def _readiness_to_hub(status: Body) -> None:
    for name in ("ready", "errorReason", "errorMessage"):
        status.pop(name, None)


READINESS = Step("status", _readiness_to_hub, readiness_from_hub)

STEPS: dict[str, tuple[Step, ...]] = {
    "OpenStackCluster": (
        _known_only("spec", v1alpha3.OpenStackClusterSpec),
        expect_objects("spec.network"),
        expect_objects("spec.subnet"),
        expect_objects("spec.cloudsSecret"),
        expect_objects("spec.externalRouterIPs[].subnet.filter"),
        Step("spec", drop_unset_endpoint, drop_unset_endpoint),
        _left_out("spec", "useOctavia"),
        Step("spec", _identity_to_hub, _identity_from_hub),
        Step("spec", _subnet_to_hub, _subnet_from_hub),
        _id_only("spec", "externalNetworkId", "externalNetwork"),
        Step("spec.externalRouterIPs[]", _router_address_to_hub, _router_address_from_hub),
        Step("spec", _router_addresses_to_hub, _router_addresses_from_hub),
        Step("spec", _api_server_to_hub, _api_server_from_hub),
        Step("spec", _switches_to_hub, _switches_from_hub),
        _each_once("spec", "tags", "controlPlaneAvailabilityZones"),
        Step("spec.bastion", _bastion_to_hub, _bastion_from_hub),
        *machine_spec("spec.bastion.spec"),
        expect_objects("spec.managedSubnets[]"),
        expect_objects("spec.subnets[].filter"),
        expect_objects("spec.apiServer.managedLoadBalancer"),
        Step("status", _network_to_hub, _network_from_hub),
        _left_out("status.externalNetwork", "subnet", "router", "apiServerLoadBalancer"),
        *(_left_out(f"status.{role}SecurityGroup", "rules") for role in ("controlPlane", "worker", "bastion")),
        expect_objects("status.network.subnets[]"),
        FAILURE_DOMAINS,
        READINESS,
    ),
    "OpenStackMachine": (
        _known_only("spec", v1alpha3.OpenStackMachineSpec),
        *machine_spec("spec"),
        READINESS,
    ),
    "OpenStackMachineTemplate": (
        _known_only("spec", v1alpha3.OpenStackMachineTemplateSpec),
        *machine_spec("spec.template.spec"),
    ),
}


def complete(kind: str, body: Body) -> None:
    """Fill in, in place, what an absent field of v1alpha3 means."""
    if READINESS in STEPS[kind] and isinstance(body.get("status"), dict):
        body["status"].setdefault("ready", False)
