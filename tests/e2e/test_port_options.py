# SPDX-License-Identifier: Apache-2.0
"""Every option of a port, read back from Neutron: what is said at creation, what changes in place, and what nobody asked for.

Rule: networks, groups and QoS policies are an operator's. Some options are an administrator's; the machine that has them all brings
credentials of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import FLAVOR, OURS, clouds_secret, cluster, machine
from e2e.test_ports import addresses, message, server_of
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import IMAGE, TENANT, connect
from pycapo.lab.cloud_config import PASSWORD

pytestmark = pytest.mark.e2e
Json = dict[str, Any]
NAME, ALL, PRIVILEGED = "options", "all-options", "options-admin"
STORAGE, FUNCTIONS = "options-storage", "a-functions"  # the one before the cluster network by name, the other behind
GOLD, SILVER = "options-gold", "options-silver"
WEB, WATCHED = "options-web", "options-watched"
NIC, CLUSTER_LABEL = "extra", "cluster.x-k8s.io/cluster-name"
MAC = "fa:16:3e:0d:0e:0f"
ADMIN = {"name": PRIVILEGED, "cloudName": "openstack"}


def by_name(name: str) -> Json:
    return {"filter": {"name": name}}


EVERYTHING = {
    "network": by_name(STORAGE),
    "nameSuffix": "everything",
    "description": "has it all",
    "macAddress": MAC,
    "tags": ["gold", "fast"],
    "qosPolicy": by_name(GOLD),
    "dnsName": "everything",
    "extraDHCPOptions": [{"name": "bootfile-name", "value": "pxelinux.0"}],
    "bindingProfile": {"lab": {"numbers": [1, 2], "on": True}},
    "vnicType": "normal",
    "hints": {"openvswitch": {"other_config": {"tx-steering": "hash"}}},
    "propagateUplinkStatus": False,
    "allowedAddressPairs": [{"ipAddress": "10.30.9.0/24", "macAddress": "fa:16:3e:00:00:09"}],
    "securityGroups": [by_name(WEB), {"filter": {"tags": ["options"]}}],
    "valueSpecs": [{"name": "numa", "key": "numa_affinity_policy", "value": "preferred"}],
}
PORTS = [
    {},
    EVERYTHING,
    {"network": by_name(STORAGE), "nameSuffix": "silent", "defaultRoute": True},
    {
        "network": by_name(STORAGE),
        "nameSuffix": "role",
        "defaultSecurityGroups": True,
        "adminStateUp": False,
        "valueSpecs": [{"name": "typed", "key": "allowed_address_pairs", "json": [{"ip_address": "10.30.8.0/24"}]}],
    },
    {"network": by_name(STORAGE), "nameSuffix": "raw", "enablePortSecurity": False},
    {"network": by_name(FUNCTIONS), "nameSuffix": "function", "vnicType": "direct"},
]


@dataclass(frozen=True)
class Operator:
    """What somebody made by hand, and how he looks at ports: as an administrator, who sees all of their attributes."""

    network: Any  # of a service whose type is a union with a version long gone
    gold: str
    silver: str
    groups: dict[str, str]

    def port(self, server: str, name: str) -> Json:
        (found,) = self.network.get("/ports", params={"device_id": server, "name": name}).json()["ports"]
        return dict(found)


@pytest.fixture(scope="module")
def operator(world: World, request: pytest.FixtureRequest) -> Iterator[Operator]:
    tenant, admin = connect(world.lab, TENANT), connect(world.lab)
    identity: Any = admin.identity
    network: Any = tenant.network
    project = identity.find_project(TENANT, ignore_missing=False)
    user = identity.create_user(name=PRIVILEGED, password=PASSWORD, domain_id="default", default_project_id=project.id)
    made = Made(admin.network)
    try:
        for role in identity.roles():
            if role.name in ("admin", "service", "member", "load-balancer_member"):
                identity.assign_project_role_to_user(project, user, role)
        made.network(network, STORAGE, "10.30.0.0/24")
        made.network(admin.network, FUNCTIONS, "10.31.0.0/24", project_id=project.id, **PHYSICAL)
        # Each module has policies of its own: what a name meant a moment ago is remembered for minutes.
        policies = [made.policy(name) for name in (request.module.GOLD, request.module.SILVER)]
        groups = {name: made.group(network, name) for name in (WEB, WATCHED)}
        network.set_tags(network.get_security_group(groups[WATCHED]), ["options"])
        yield Operator(admin.network, *policies, groups)
    finally:
        made.delete()
        identity.delete_user(user)


PHYSICAL = {"provider_network_type": "vlan", "provider_physical_network": "physnet4", "provider_segmentation_id": 444}


class Made:
    """What was made for the tests, to be deleted in the other order."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._calls: list[tuple[Any, str]] = []

    def network(self, service: Any, name: str, cidr: str, **fields: Any) -> None:
        found = service.create_network(name=name, **fields)
        self._calls.append((self._network.delete_network, found.id))
        service.create_subnet(network_id=found.id, ip_version=4, cidr=cidr, enable_dhcp=False, **_owner(fields))

    def policy(self, name: str) -> str:
        found = self._network.create_qos_policy(name=name, shared=True)
        self._calls.append((self._network.delete_qos_policy, found.id))
        return str(found.id)

    def group(self, service: Any, name: str) -> str:
        found = service.create_security_group(name=name)
        self._calls.append((self._network.delete_security_group, found.id))
        return str(found.id)

    def delete(self) -> None:
        for call, id in reversed(self._calls):
            call(id)


def _owner(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if name == "project_id"}


@pytest.fixture(scope="module")
def running(world: World, operator: Operator) -> Iterator[str]:
    """A namespace with a cluster and the machine that has every option."""
    for namespace in stage(world, NAME):
        world.apply(clouds_secret(world.lab, namespace, PRIVILEGED, username=PRIVILEGED))
        world.apply(*cluster(namespace, NAME, managedSecurityGroups={}))
        world.apply(*machine(namespace, ALL, cluster=NAME, identityRef=ADMIN, ports=PORTS))
        wait_until_ready(world, "OpenStackCluster", namespace, NAME, 240)
        wait_until_ready(world, "OpenStackMachine", namespace, ALL, 240)
        yield namespace


def test_every_option_of_a_port_reaches_neutron(world: World, running: str, operator: Operator) -> None:
    server = server_of(world, running, ALL)
    everything = operator.port(server, f"{ALL}-everything")

    shown = {
        "mac_address": MAC,
        "description": "has it all",
        "qos_policy_id": operator.gold,
        "dns_name": "everything",
        "binding:vnic_type": "normal",
        "hints": EVERYTHING["hints"],
        "propagate_uplink_status": False,
        "numa_affinity_policy": "preferred",
        "admin_state_up": True,
        "allowed_address_pairs": [{"ip_address": "10.30.9.0/24", "mac_address": "fa:16:3e:00:00:09"}],
    }
    assert {name: everything[name] for name in shown} == shown
    assert everything["binding:profile"]["lab"] == {"numbers": [1, 2], "on": True}
    assert {"gold", "fast"} < set(everything["tags"])
    assert set(everything["security_groups"]) == set(operator.groups.values())
    (option,) = everything["extra_dhcp_opts"]
    assert (option["opt_name"], option["opt_value"]) == ("bootfile-name", "pxelinux.0")
    function = operator.port(server, f"{ALL}-function")
    assert (function["binding:vnic_type"], function["binding:vif_type"]) == ("direct", "hw_veb")


def test_the_first_nic_is_told_first_whatever_networks_are_called(
    world: World, running: str, operator: Operator
) -> None:
    server = server_of(world, running, ALL)
    names = ("0", "everything", "silent", "role", "raw", "function")
    ports = (operator.port(server, f"{ALL}-{name}") for name in names)

    told = [address for kind, address in addresses(world, running, ALL) if kind == "InternalIP"]

    assert told == [port["fixed_ips"][0]["ip_address"] for port in ports]


def test_address_pairs_of_a_running_machine_change_in_place(world: World, running: str, operator: Operator) -> None:
    server = server_of(world, running, ALL)
    before = operator.port(server, f"{ALL}-everything")
    pairs = [{"ipAddress": "10.30.7.0/24"}]

    changed = [{**port, "allowedAddressPairs": pairs} if port is EVERYTHING else port for port in PORTS]
    world.patch("OpenStackMachine", running, ALL, {"spec": {"ports": changed}})

    now = lambda: operator.port(server, f"{ALL}-everything")  # noqa: E731
    same = lambda: [it["ip_address"] for it in now()["allowed_address_pairs"]] == ["10.30.7.0/24"]  # noqa: E731
    world.wait_for(same, "the pairs are changed", 120, namespace=running)
    assert now()["id"] == before["id"]


def test_what_neutron_can_change_of_a_nic_is_changed_in_place(world: World, running: str, operator: Operator) -> None:
    server = server_of(world, running, ALL)
    said = {"network": by_name(STORAGE), "enablePortSecurity": True}
    attach(world, running, {**said, "qosPolicy": by_name(GOLD), "securityGroups": [by_name(WEB)], "tags": ["one"]})
    before = operator.port(server, f"{ALL}-{NIC}-0")
    assert (before["qos_policy_id"], before["security_groups"]) == (operator.gold, [operator.groups[WEB]])

    other = {"qosPolicy": by_name(SILVER), "securityGroups": [by_name(WATCHED)], "tags": ["two"], "adminStateUp": False}
    attach(world, running, {**said, **other, "description": "changed"})

    after = operator.port(server, f"{ALL}-{NIC}-0")
    assert after["id"] == before["id"]
    assert (after["qos_policy_id"], after["security_groups"]) == (operator.silver, [operator.groups[WATCHED]])
    assert (after["admin_state_up"], after["description"], "two" in after["tags"]) == (False, "changed", True)
    attach(world, running, {**said, **other, "enablePortSecurity": False, "securityGroups": []})
    off = operator.port(server, f"{ALL}-{NIC}-0")
    assert (off["id"], off["port_security_enabled"], off["security_groups"]) == (before["id"], False, [])
    world.delete("OpenStackNetworkAttachment", running, NIC)
    world.gone("OpenStackNetworkAttachment", running, NIC)


def attach(world: World, namespace: str, port: Json) -> None:
    """Ask for a NIC on every machine of the cluster, and return when they have it as it is asked for."""
    kind = "OpenStackNetworkAttachment"
    spec = {"clusterName": NAME, "ports": [port]}
    meta = {"name": NIC, "namespace": namespace}
    world.apply({"apiVersion": f"{OURS}/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})

    def complete() -> bool:
        found = world.get(kind, namespace, NIC) or {}
        status = found.get("status") or {}
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        return current and world.condition(kind, namespace, NIC, "Ready").get("status") == "True"

    world.wait_for(complete, "the NIC is as it is asked for", 120, namespace=namespace)


def test_what_a_policy_forbids_is_told_with_its_field(world: World, running: str, operator: Operator) -> None:
    ports = [{}, {"network": by_name(STORAGE), "macAddress": "fa:16:3e:0d:0e:10", "bindingProfile": {"a": 1}}]
    world.apply(*machine(running, "forbidden", cluster=NAME, ports=ports))

    told = lambda: message(world, running, "forbidden")  # noqa: E731
    named = lambda: told().startswith("spec.ports[1].bindingProfile: ")  # noqa: E731
    world.wait_for(named, "the field is told", 120, namespace=running)

    assert "leave it out, or use credentials that may set it" in told()
    assert not [it for it in operator.network.get("/ports").json()["ports"] if it["name"].startswith("forbidden-")]
    world.delete("Machine", running, "forbidden")
    world.gone("OpenStackMachine", running, "forbidden")


def test_a_cloud_without_trunks_is_told_on_the_cluster_and_the_machine_before_anything_is_made(
    world: World, namespace: str
) -> None:
    listed = connect(world.lab).network.get("/extensions").json()["extensions"]
    content = {"extensions": [it for it in listed if it["alias"] not in ("trunk", "trunk-details")]}
    entry = {"name": "elsewhere", "cloudName": "openstack"}  # other credentials: another look at the extensions
    auth_url = f"{world.lab.url('keystone')}/v3/"
    world.apply(clouds_secret(world.lab, namespace, "elsewhere", auth_url=auth_url))
    with world.faults.answer("neutron", "GET", "/extensions$", status=200, content=content):
        with world.faults.answer("neutron", "POST", "/networks$", status=503, retry_after=1):
            world.apply(a_template(namespace), *cluster(namespace, "trunkless", identityRef=entry))
            world.apply(*machine(namespace, "trunked", cluster="trunkless", trunk=True))
            assert_told_before_anything_is_made(world, namespace)
        wait_until_ready(world, "OpenStackCluster", namespace, "trunkless", 180)
        told = lambda: message(world, namespace, "trunked").startswith("spec.ports[0].trunk: ")  # noqa: E731
        world.wait_for(told, "the machine's server tells", 120, namespace=namespace)
    assert not [it for it in connect(world.lab, TENANT).compute.servers() if it.name == "trunked"]


def assert_told_before_anything_is_made(world: World, namespace: str) -> None:
    """The cluster tells of the template and the machine, and the machine of itself."""
    of_cluster = lambda: world.condition("OpenStackCluster", namespace, "trunkless", "CapabilitiesReady")  # noqa: E731
    words = ("OpenStackMachineTemplate workers: spec.template.spec.trunk: ", "OpenStackMachine trunked: spec.trunk: ")
    both = lambda: all(it in of_cluster().get("message", "") for it in words)  # noqa: E731
    world.wait_for(both, "the cluster tells of both", 120, namespace=namespace)
    told = lambda: message(world, namespace, "trunked").startswith("spec.trunk: ")  # noqa: E731
    world.wait_for(told, "the machine tells", 120, namespace=namespace)


def a_template(namespace: str) -> Json:
    spec = {"flavor": by_name(FLAVOR), "image": by_name(IMAGE), "trunk": True}
    meta = {"name": "workers", "namespace": namespace, "labels": {CLUSTER_LABEL: "trunkless"}}
    document = {"apiVersion": f"{OURS}/v1beta2", "kind": "OpenStackMachineTemplate", "metadata": meta}
    return {**document, "spec": {"template": {"spec": spec}}}


def test_ports_of_other_networks_have_no_group_that_nobody_asked_for(
    world: World, running: str, operator: Operator
) -> None:
    server = server_of(world, running, ALL)
    found = world.get("OpenStackCluster", running, NAME)
    assert found is not None
    of_role = [found["status"]["workerSecurityGroup"]["id"]]
    ports = {name: operator.port(server, f"{ALL}-{name}") for name in ("0", "silent", "role", "raw")}

    groups = {name: port["security_groups"] for name, port in ports.items()}

    assert groups == {"0": of_role, "silent": [], "role": of_role, "raw": []}
    secured = {name: port["port_security_enabled"] for name, port in ports.items()}
    assert secured == {"0": True, "silent": True, "role": True, "raw": False}
    assert ports["role"]["admin_state_up"] is False
    assert [pair["ip_address"] for pair in ports["role"]["allowed_address_pairs"]] == ["10.30.8.0/24"]
