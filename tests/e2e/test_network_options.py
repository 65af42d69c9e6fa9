# SPDX-License-Identifier: Apache-2.0
"""Every option of a managed network, read back from Neutron: at creation, changed in place, and put back after somebody changed it.

Rule: provider attributes are an administrator's, so the cluster brings such credentials. All is gone with the cluster.
"""

from typing import Any

import pytest

from e2e.manifests import clouds_secret, cluster
from e2e.test_port_options import ADMIN, PRIVILEGED, Operator, by_name, operator
from e2e.world import World, wait_until_ready

pytestmark = pytest.mark.e2e
__all__ = ["operator"]
Json = dict[str, Any]
NAME, GOLD, SILVER = "networked", "networks-gold", "networks-silver"
POOLS = [{"start": "10.40.0.10", "end": "10.40.0.19"}, {"start": "10.40.0.30", "end": "10.40.0.39"}]
V4 = {
    "name": "v4",
    "cidr": "10.40.0.0/24",
    "gateway": "10.40.0.254",
    "allocationPools": POOLS,
    "dnsNameservers": ["10.40.0.2", "10.40.0.3"],
    "hostRoutes": [{"destination": "10.98.0.0/16", "nextHop": "10.40.0.9"}],
}
BARE = {"name": "bare", "cidr": "10.41.0.0/24", "gateway": "None", "enableDHCP": False}
V6 = {"name": "v6", "cidr": "fd00:40::/64", "ipv6AddressMode": "slaac", "ipv6RAMode": "slaac"}
VLAN = {
    "subnets": [V4, BARE, V6],
    "mtu": 1400,
    "enablePortSecurity": False,
    "provider": {"networkType": "vlan", "physicalNetwork": "physnet1", "segmentationID": 150},
    "qosPolicy": by_name(GOLD),
    "tags": ["fast"],
}
ROUTED = {"subnets": [{"name": "a", "cidr": "10.42.0.0/24"}], "router": "Cluster"}
CHANGED_V4 = {
    **V4,
    "gateway": "10.40.0.253",
    "allocationPools": [*POOLS, {"start": "10.40.0.50", "end": "10.40.0.59"}],
    "dnsNameservers": ["10.40.0.3"],
    "hostRoutes": [],
}
CHANGED = {
    **VLAN,
    "subnets": [CHANGED_V4, {**BARE, "enableDHCP": True}, V6],
    "mtu": 1350,
    "enablePortSecurity": True,
    "qosPolicy": by_name(SILVER),
    "tags": ["slow"],
}


def wanted(vlan: Json, routed: Json) -> list[Json]:
    return [{"name": "vlan", "managed": vlan}, {"name": "routed", "managed": routed}]


def shown(world: World, namespace: str) -> dict[str, str]:
    """The ids of the named networks, once the cluster was seen to be as its spec of today says."""
    found = world.get("OpenStackCluster", namespace, NAME) or {}
    ready = world.condition("OpenStackCluster", namespace, NAME, "NamedNetworksReady")
    current = ready.get("observedGeneration") == found.get("metadata", {}).get("generation")
    whole = current and ready.get("status") == "True"
    return {it["name"]: it["id"] for it in found["status"]["networks"]} if whole else {}


def network_of(operator: Operator, id: str) -> Json:
    return dict(operator.network.get(f"/networks/{id}").json()["network"])


def subnets_of(operator: Operator, network: str) -> dict[str, Json]:
    found = operator.network.get("/subnets", params={"network_id": network}).json()["subnets"]
    return {it["name"].rpartition("-")[2]: it for it in found}


def test_a_managed_network_has_and_keeps_all_that_its_spec_says(
    world: World, namespace: str, operator: Operator
) -> None:
    world.apply(clouds_secret(world.lab, namespace, PRIVILEGED, username=PRIVILEGED))
    world.apply(*cluster(namespace, NAME, identityRef=ADMIN, networks=wanted(VLAN, ROUTED)))
    wait_until_ready(world, "OpenStackCluster", namespace, NAME, 240)
    ids = world.wait_for(lambda: shown(world, namespace), "the networks are there", 120, namespace=namespace)
    assert_made(operator, ids)
    before = {name: it["id"] for name, it in subnets_of(operator, ids["vlan"]).items()}

    world.patch(
        "OpenStackCluster", namespace, NAME, {"spec": {"networks": wanted(CHANGED, {**ROUTED, "router": "None"})}}
    )
    after = world.wait_for(lambda: shown(world, namespace), "the networks are changed", 120, namespace=namespace)

    assert after == ids
    assert {name: it["id"] for name, it in subnets_of(operator, ids["vlan"]).items()} == before
    assert_changed(operator, ids)
    assert_repaired(world, namespace, operator, ids["vlan"])


def assert_made(operator: Operator, ids: dict[str, str]) -> None:
    vlan, subnets = network_of(operator, ids["vlan"]), subnets_of(operator, ids["vlan"])
    assert (vlan["provider:network_type"], vlan["provider:physical_network"]) == ("vlan", "physnet1")
    assert (vlan["provider:segmentation_id"], vlan["mtu"], vlan["port_security_enabled"]) == (150, 1400, False)
    assert (vlan["qos_policy_id"], "fast" in vlan["tags"]) == (operator.gold, True)
    v4, bare, v6 = subnets["v4"], subnets["bare"], subnets["v6"]
    assert (v4["gateway_ip"], v4["dns_nameservers"]) == ("10.40.0.254", ["10.40.0.2", "10.40.0.3"])
    assert sorted(it["start"] for it in v4["allocation_pools"]) == ["10.40.0.10", "10.40.0.30"]
    assert v4["host_routes"] == [{"destination": "10.98.0.0/16", "nexthop": "10.40.0.9"}]
    assert (bare["gateway_ip"], bare["enable_dhcp"]) == (None, False)
    assert (v6["ipv6_address_mode"], v6["ipv6_ra_mode"]) == ("slaac", "slaac")
    assert (routers(operator, ids["routed"]), routers(operator, ids["vlan"])) == (1, 0)


def assert_changed(operator: Operator, ids: dict[str, str]) -> None:
    vlan, subnets = network_of(operator, ids["vlan"]), subnets_of(operator, ids["vlan"])
    assert (vlan["mtu"], vlan["port_security_enabled"], vlan["qos_policy_id"]) == (1350, True, operator.silver)
    assert ("fast" in vlan["tags"], "slow" in vlan["tags"]) == (False, True)
    v4 = subnets["v4"]
    assert (v4["gateway_ip"], v4["dns_nameservers"], v4["host_routes"]) == ("10.40.0.253", ["10.40.0.3"], [])
    assert len(v4["allocation_pools"]) == 3
    assert subnets["bare"]["enable_dhcp"] is True
    assert routers(operator, ids["routed"]) == 0


def assert_repaired(world: World, namespace: str, operator: Operator, network: str) -> None:
    """What somebody changed or deleted by hand is back after pycapo's next look; it looks when it starts."""
    world.kill_pycapo()
    operator.network.put(f"/networks/{network}", json={"network": {"mtu": 1300}})
    lost = subnets_of(operator, network)["bare"]["id"]
    operator.network.delete_subnet(lost)

    world.start_pycapo()

    mended = lambda: "bare" in subnets_of(operator, network) and network_of(operator, network)["mtu"] == 1350  # noqa: E731
    world.wait_for(mended, "the network is mended", 120, namespace=namespace)
    assert len(subnets_of(operator, network)) == 3


def routers(operator: Operator, network: str) -> int:
    query = {"network_id": network, "device_owner": "network:router_interface"}
    return len(operator.network.get("/ports", params=query).json()["ports"])
