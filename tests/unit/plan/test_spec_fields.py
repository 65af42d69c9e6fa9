# SPDX-License-Identifier: Apache-2.0
"""Every field of a cluster's spec that means something to OpenStack ends up in the right request, and nowhere else."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from builders import OWNER, PLAIN, a_picture, asked
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Network, Subnet
from pycapo.model.steps import Create, Key
from pycapo.plan.cluster import complete, plan_cluster
from pycapo.plan.report import whole

PUBLIC = Network(id="public", name="public", external=True)
GROUND = (
    Network(id="n", name="net", tags=(Mark(OWNER, "network").tag,)),
    Subnet(id="s", network_id="n", cidr="10.6.0.0/24", tags=(Mark(OWNER, "subnet-0").tag,)),
)
BALANCED = {"managedLoadBalancer": {"enabled": True}}


def created(**spec: Any) -> dict[Kind, list[Mapping[str, Any]]]:
    """The bodies of all that such a cluster has made at first, by kind."""
    seen = a_picture(found={"spec.externalNetwork": (PUBLIC,)})
    bodies: dict[Kind, list[Mapping[str, Any]]] = {}
    for step in whole(plan_cluster(asked(**spec), seen)).steps:
        assert isinstance(step, Create)
        bodies.setdefault(step.key.kind, []).append(step.body)
    return bodies


def balanced(**wanted: Any) -> dict[str, Any]:
    return {"apiServer": {"managedLoadBalancer": {"enabled": True, **wanted}}}


def leaves(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values in a body with where they are: `listeners.0.protocol_port`."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(body, list) and body and not all(isinstance(item, str) for item in body):
        for index, value in enumerate(body):
            yield from leaves(value, f"{path}.{index}")
    else:
        yield path, body


NETWORKS = [
    ({"managedNetwork": {"mtu": 1400}}, "mtu", 1400),
    ({"managedNetwork": {"enablePortSecurity": False}}, "port_security_enabled", False),
    ({"managedNetwork": {"enablePortSecurity": True}}, "port_security_enabled", None),
    ({"managedNetwork": {}}, "mtu", None),
    ({"tags": ["a", "b"]}, "tags", ["a", "b"]),
    ({}, "name", "k8s-clusterapi-cluster-team-blue"),
]
SUBNETS = [
    ({"managedSubnets": [{"cidr": "10.9.0.0/16"}]}, "cidr", "10.9.0.0/16"),
    ({"managedSubnets": [{"cidr": "fd00::/64"}]}, "ip_version", 6),
    ({"managedSubnets": [{"cidr": "10.9.0.0/16", "dnsNameservers": ["9.9.9.9"]}]}, "dns_nameservers", ["9.9.9.9"]),
    ({"managedSubnets": [{"cidr": "10.9.0.0/16"}]}, "dns_nameservers", []),
    (
        {"managedSubnets": [{"cidr": "10.9.0.0/16", "allocationPools": [{"start": "10.9.0.5", "end": "10.9.0.9"}]}]},
        "allocation_pools.0.end",
        "10.9.0.9",
    ),
    ({"tags": ["a"]}, "tags", ["a"]),
    ({}, "network_id", Key(Kind.NETWORK, "network")),
]
ROUTERS = [
    ({}, "external_gateway_info.network_id", "public"),
    ({"tags": ["a"]}, "tags", ["a"]),
    (
        {"managedRouter": {"externalIPs": [{"fixedIP": "203.0.113.7", "subnet": {"id": "ps"}}]}},
        "external_gateway_info.network_id",
        None,  # such a gateway is set afterwards
    ),
]
GROUPS = [
    ({}, "name", "k8s-cluster-team-blue-secgroup-controlplane"),
    ({"tags": ["a"]}, "tags", ["a"]),
]
ADDRESSES = [
    ({"apiServer": {"floatingIP": "203.0.113.50"}}, "floating_ip_address", "203.0.113.50"),
    ({"apiServer": None}, "floating_network_id", "public"),
    ({"apiServer": None, "tags": ["a"]}, "tags", ["a"]),
    ({"apiServer": None}, "floating_ip_address", None),
]
TABLE = [
    *((Kind.NETWORK, *row) for row in NETWORKS),
    *((Kind.SUBNET, *row) for row in SUBNETS),
    *((Kind.ROUTER, *row) for row in ROUTERS),
    *((Kind.SECURITY_GROUP, *row) for row in GROUPS),
    *((Kind.FLOATING_IP, *row) for row in ADDRESSES),
]


@pytest.mark.parametrize(("kind", "spec", "place", "value"), TABLE)
def test_a_field_of_the_spec_is_in_the_body_of_its_kind(
    kind: Kind, spec: dict[str, Any], place: str, value: Any
) -> None:
    body = created(**spec)[kind][0]

    assert dict(leaves(body)).get(place) == value


BALANCERS = [
    (balanced(provider="ovn"), "provider", "ovn"),
    (balanced(provider="ovn"), "listeners.0.default_pool.lb_algorithm", "SOURCE_IP_PORT"),
    (balanced(), "listeners.0.default_pool.lb_algorithm", "ROUND_ROBIN"),
    (balanced(), "provider", None),
    (balanced(availabilityZone="lb-az1"), "availability_zone", "lb-az1"),
    (balanced(additionalPorts=[9345]), "listeners.1.protocol_port", 9345),
    (balanced(additionalPorts=[6443]), "listeners.1.protocol_port", None),
    (balanced(monitor={"delay": 3}), "listeners.0.default_pool.healthmonitor.delay", 3),
    (balanced(monitor={"timeout": 2}), "listeners.0.default_pool.healthmonitor.timeout", 2),
    (balanced(monitor={"maxRetries": 7}), "listeners.0.default_pool.healthmonitor.max_retries", 7),
    (balanced(monitor={"maxRetriesDown": 9}), "listeners.0.default_pool.healthmonitor.max_retries_down", 9),
    (balanced(), "listeners.0.default_pool.healthmonitor.max_retries_down", 3),
    ({"apiServer": {**BALANCED, "port": 8443}}, "listeners.0.protocol_port", 8443),
    ({"apiServer": {**BALANCED, "fixedIP": "10.6.0.99"}}, "vip_address", "10.6.0.99"),
    (
        {"apiServer": {**BALANCED, "enableFloatingIP": False}, "controlPlaneEndpoint": {"host": "10.6.0.8", "port": 1}},
        "vip_address",
        "10.6.0.8",
    ),
    (
        {
            "apiServer": {**BALANCED, "enableFloatingIP": False, "fixedIP": "10.6.0.9"},
            "controlPlaneEndpoint": {"host": "a.b", "port": 1},
        },
        "vip_address",
        "10.6.0.9",
    ),
    ({"tags": ["a"]}, "tags", ["a"]),
    ({}, "vip_subnet_id", "s"),
]


@pytest.mark.parametrize(("spec", "place", "value"), BALANCERS)
def test_a_field_of_the_api_server_is_in_the_body_of_its_load_balancer(
    spec: dict[str, Any], place: str, value: Any
) -> None:
    owned = {Kind.NETWORK: GROUND[:1], Kind.SUBNET: GROUND[1:]}
    seen = a_picture(owned=owned, found={"spec.externalNetwork": (PUBLIC,)})
    steps = whole(plan_cluster(asked(**spec), seen)).steps
    (body,) = [step.body for step in steps if isinstance(step, Create) and step.key.kind is Kind.LOAD_BALANCER]

    assert dict(leaves(body)).get(place) == value


RULE: dict[str, Any] = {"name": "r", "direction": "ingress"}
RULES = [
    ({"direction": "egress", "protocol": "tcp"}, "direction", "egress"),
    ({"etherType": "IPv6"}, "ethertype", "IPv6"),
    ({}, "ethertype", "IPv4"),
    ({"protocol": "UDP"}, "protocol", "udp"),
    ({"protocol": "0"}, "protocol", None),
    ({"protocol": "tcp", "portRangeMin": 5, "portRangeMax": 9}, "port_range_min", 5),
    ({"protocol": "tcp", "portRangeMin": 5, "portRangeMax": 9}, "port_range_max", 9),
    ({"remoteIPPrefix": "192.0.2.1"}, "remote_ip_prefix", "192.0.2.1/32"),
    ({"remoteIPPrefix": "192.0.2.0/24"}, "remote_ip_prefix", "192.0.2.0/24"),
    ({"remoteGroupID": "g"}, "remote_group_id", "g"),
    ({"remoteManagedGroups": ["worker"]}, "remote_group_id", Key(Kind.SECURITY_GROUP, "sg-worker")),
    ({"description": "mine"}, "description", "mine"),
]


@pytest.mark.parametrize(("fields", "place", "value"), RULES)
@pytest.mark.parametrize(
    ("field", "groups"),
    [
        ("clusterNodesSecurityGroupRules", {"sg-controlplane", "sg-worker"}),
        ("controlPlaneNodesSecurityGroupRules", {"sg-controlplane"}),
        ("workerNodesSecurityGroupRules", {"sg-worker"}),
    ],
)
def test_a_field_of_a_rule_is_in_the_body_of_the_rule_in_each_group_that_it_is_for(
    fields: dict[str, Any], place: str, value: Any, field: str, groups: set[str]
) -> None:
    rule = {**RULE, "description": "ours", **fields}
    bodies = created(managedSecurityGroups={field: [rule]})[Kind.SECURITY_GROUP_RULE]

    mine = [body for body in bodies if body.get("description") == rule["description"]]
    assert {body["security_group_id"].role for body in mine} == groups
    assert {body.get(place) for body in mine} == {value}


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        ({"managedSecurityGroups": None}, {Kind.SECURITY_GROUP, Kind.SECURITY_GROUP_RULE}),
        ({"apiServer": {"enableFloatingIP": False, "fixedIP": "10.6.0.9"}}, {Kind.LOAD_BALANCER, Kind.FLOATING_IP}),
        ({"enableExternalNetwork": False}, {Kind.ROUTER, Kind.ROUTER_INTERFACE, Kind.FLOATING_IP}),
        (
            {"managedSubnets": None, "network": {"id": "x"}},
            {Kind.NETWORK, Kind.SUBNET, Kind.ROUTER, Kind.ROUTER_INTERFACE},
        ),
    ],
)
def test_what_is_not_asked_for_is_not_made(spec: dict[str, Any], kinds: set[Kind]) -> None:
    assert not created(**spec).keys() & kinds


def test_without_the_load_balancer_the_floating_ip_stands_alone() -> None:
    made = created(apiServer=None)

    assert Kind.LOAD_BALANCER not in made
    assert len(made[Kind.FLOATING_IP]) == 1


@pytest.mark.parametrize("field", sorted(PLAIN.keys() - {"identityRef"}))
def test_a_cluster_that_has_still_to_be_made_is_never_complete(field: str) -> None:
    seen = a_picture(found={"spec.externalNetwork": (PUBLIC,)})

    assert not complete(plan_cluster(asked(**{field: None}), seen))
