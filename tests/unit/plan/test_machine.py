# SPDX-License-Identifier: Apache-2.0
"""From a machine to the complete spec of its server."""

from typing import Any

import msgspec
import pytest

from machines import IDENTITY, NETWORK, OWNER, a_capi_machine, a_machine, a_port, a_ready_cluster
from pycapo.api.cluster import ClusterInitialization, ManagedNetwork, OpenStackClusterStatus
from pycapo.api.machine import NetworkConfig
from pycapo.api.ports import AddressPair, FixedIP, PortOpts
from pycapo.api.references import (
    FlavorParam,
    NetworkFilter,
    NetworkParam,
    OpenStackIdentityReference,
    SecurityGroupParam,
    SubnetFilter,
    SubnetParam,
)
from pycapo.api.v1alpha1 import OpenStackServerSpec
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.plan.machine import follow, machine_waits, noted_server, provider_id, server_of, server_spec

OTHER = NetworkParam(id="net-2")
MINE = SecurityGroupParam(id="sg-mine")
Pairs = list[AddressPair] | None


def spec_of(
    *ports: PortOpts, cluster: dict[str, Any] | None = None, control_plane: bool = False, **spec: Any
) -> OpenStackServerSpec:
    machine = a_machine(*ports, **spec)
    return server_spec(
        machine, a_ready_cluster(**(cluster or {})), a_capi_machine(control_plane=control_plane, zone="az2")
    )


def groups_of(port: PortOpts, **kwargs: Any) -> list[str | None] | None:
    (made,) = spec_of(port, **kwargs).ports
    return None if made.security_groups is None else [group.id for group in made.security_groups]


def test_a_machine_without_ports_gets_one_on_the_cluster_network() -> None:
    (port,) = spec_of().ports

    assert port.network == NetworkParam(id=NETWORK)
    assert port.fixed_ips is None


def test_an_entry_without_a_network_is_on_the_cluster_network_and_keeps_its_addresses() -> None:
    fixed = [FixedIP(ip_address="10.6.0.77")]
    cluster = {"subnets": [SubnetParam(id="s-default")]}

    (port, other) = spec_of(PortOpts(fixed_ips=fixed), a_port(network=OTHER), cluster=cluster).ports

    assert (port.network, port.fixed_ips) == (NetworkParam(id=NETWORK), fixed)
    assert (other.network, other.fixed_ips) == (OTHER, None)


@pytest.mark.parametrize(
    ("cluster", "subnets"),
    [
        ({"subnets": [SubnetParam(id="s1"), SubnetParam(id="s2")]}, ["s1", "s2"]),
        ({"subnets": [SubnetParam(id="s1")], "primary_subnet": SubnetParam(id="s9")}, ["s9"]),
    ],
)
def test_the_subnets_of_the_cluster_are_those_of_an_implicit_port(cluster: dict[str, Any], subnets: list[str]) -> None:
    (port,) = spec_of(cluster=cluster).ports

    assert [fixed.subnet.id for fixed in port.fixed_ips or () if fixed.subnet] == subnets


def test_additional_ports_come_after_the_implicit_one() -> None:
    ports = spec_of(additional_ports=[a_port(network=OTHER)]).ports

    assert [port.network.id for port in ports if port.network] == [NETWORK, "net-2"]


@pytest.mark.parametrize(
    ("port", "groups"),
    [
        (PortOpts(), ["sg-worker"]),
        (a_port(network=NetworkParam(id=NETWORK)), ["sg-worker"]),
        (a_port(network=NetworkParam(filter=NetworkFilter(name="k8s-clusterapi-cluster-default-demo"))), ["sg-worker"]),
        (a_port(network=OTHER), []),
        (a_port(network=OTHER, security_groups=[MINE]), ["sg-mine"]),
        (a_port(network=OTHER, default_security_groups=True), ["sg-worker"]),
        (a_port(network=OTHER, enable_port_security=False, default_security_groups=True), None),
        (PortOpts(default_security_groups=False), []),
        (PortOpts(security_groups=[MINE]), ["sg-mine"]),
        (PortOpts(security_groups=[MINE], default_security_groups=True), ["sg-mine", "sg-worker"]),
        (PortOpts(security_groups=[]), []),
        (PortOpts(enable_port_security=False), None),
    ],
)
def test_the_group_of_the_role_is_for_ports_of_the_cluster_network_that_say_nothing(
    port: PortOpts, groups: list[str] | None
) -> None:
    assert groups_of(port) == groups


def test_a_control_plane_machine_gets_the_group_of_its_role() -> None:
    assert groups_of(PortOpts(), control_plane=True) == ["sg-cp"]


def test_a_cluster_without_managed_groups_leaves_them_to_neutron() -> None:
    unmanaged = {"managed_security_groups": None}

    assert groups_of(PortOpts(), cluster=unmanaged) is None
    assert groups_of(a_port(network=OTHER, default_security_groups=True), cluster=unmanaged) is None
    assert groups_of(a_port(network=OTHER), cluster=unmanaged) == []


def test_no_group_is_put_where_the_cluster_network_has_no_port_security() -> None:
    cluster = {"managed_network": ManagedNetwork(enable_port_security=False)}

    assert groups_of(PortOpts(), cluster=cluster) is None
    assert groups_of(PortOpts(enable_port_security=True), cluster=cluster) == ["sg-worker"]


@pytest.mark.parametrize(
    ("port", "groups"),
    [
        (PortOpts(), ["sg-worker", "sg-extra"]),
        (a_port(network=OTHER), ["sg-extra"]),
        (PortOpts(security_groups=[MINE]), ["sg-mine", "sg-extra"]),
        (PortOpts(enable_port_security=False), None),
        (PortOpts(security_groups=[]), []),
    ],
)
def test_the_groups_of_the_machine_are_added_except_where_there_can_be_none(
    port: PortOpts, groups: list[str] | None
) -> None:
    assert groups_of(port, security_groups=[SecurityGroupParam(id="sg-extra")]) == groups


def test_the_entries_of_the_machine_stay_as_they_are() -> None:
    machine = a_machine(PortOpts())
    before = msgspec.json.encode(machine.to_dict())

    server_spec(machine, a_ready_cluster(), a_capi_machine())

    assert msgspec.json.encode(machine.to_dict()) == before


def test_tags_zone_and_bootstrap_secret_come_from_machine_and_cluster() -> None:
    spec = spec_of(tags=["m", "both"], cluster={"tags": ["both", "c"]})

    assert spec.tags == ["m", "both", "c"]
    assert spec.availability_zone == "az2"
    assert spec.user_data_ref is not None
    assert spec.user_data_ref.name == "boot"


def test_a_flavor_is_by_name_or_by_id() -> None:
    assert (spec_of().flavor, spec_of().flavor_id) == ("m1.small", None)
    assert spec_of(flavor=FlavorParam(id="f1")).flavor_id == "f1"


def test_the_credentials_of_the_machine_go_before_those_of_the_cluster() -> None:
    own = OpenStackIdentityReference(name="own", cloud_name="x")

    assert spec_of().identity_ref == IDENTITY
    assert spec_of(identity_ref=own).identity_ref == own


def test_a_server_has_owner_mark_and_finalizer_from_its_first_moment() -> None:
    server = server_of(a_machine(), a_ready_cluster(), a_capi_machine())

    assert server.metadata.name == "worker-0"
    assert server.metadata.annotations == {OWNER_ANNOTATION: OWNER}
    assert server.metadata.finalizers == ["openstackserver.infrastructure.cluster.x-k8s.io"]
    (owner,) = server.metadata.owner_references or ()
    assert (owner.kind, owner.uid, owner.controller) == ("OpenStackMachine", "osm-default-worker-0", True)


@pytest.mark.parametrize(("region", "told"), [(None, "openstack:///u-1"), ("R1", "openstack://R1/u-1")])
def test_the_provider_id_has_the_region_of_the_machines_own_identity(region: str | None, told: str) -> None:
    identity = OpenStackIdentityReference(name="own", cloud_name="x", region=region)

    assert provider_id(a_machine(identity_ref=identity), "u-1") == told
    assert provider_id(a_machine(), "u-1") == "openstack:///u-1"


def test_the_provider_id_remembers_the_server() -> None:
    assert noted_server(a_machine(provider_id="openstack://R1/u-1")) == "u-1"
    assert noted_server(a_machine()) is None


def test_a_machine_waits_for_its_cluster_and_its_bootstrap_data() -> None:
    cluster = a_ready_cluster()
    cluster.status = OpenStackClusterStatus(initialization=ClusterInitialization(provisioned=False))

    waits = list(machine_waits(a_machine(), cluster, a_capi_machine(secret=None)))

    assert [wait.reason for wait in waits] == ["WaitingForClusterInfrastructure", "WaitingForBootstrapData"]
    assert not list(machine_waits(a_machine(), a_ready_cluster(), a_capi_machine()))


def test_the_server_is_told_what_the_machine_says_of_its_routes() -> None:
    machine = a_machine(network_config=NetworkConfig(policy_routing=False))

    spec = server_spec(machine, a_ready_cluster(), a_capi_machine())

    assert spec.network_config == NetworkConfig(policy_routing=False)


@pytest.mark.parametrize("field", ["subnets", "primary_subnet"])
def test_a_subnet_by_filter_stays_a_filter_for_the_server_to_resolve_in_the_cluster_network(field: str) -> None:
    reference = SubnetParam(filter=SubnetFilter(name="v4"))

    (port,) = spec_of(cluster={field: [reference] if field == "subnets" else reference}).ports

    assert (port.network, port.fixed_ips) == (NetworkParam(id=NETWORK), [FixedIP(subnet=reference)])


PAIRS = [AddressPair(ip_address="10.9.0.1")]
OTHERS = [AddressPair(ip_address="10.8.0.0/24")]


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (None, None, None),
        (None, PAIRS, PAIRS),
        (PAIRS, OTHERS, OTHERS),
        (PAIRS, [], []),
        (PAIRS, None, []),
        ([], None, []),
    ],
)
def test_a_server_follows_the_address_pairs_of_its_machine(before: Pairs, wanted: Pairs, after: Pairs) -> None:
    server = spec_of(PortOpts(), additional_ports=[a_port(network=OTHER, allowed_address_pairs=before)])
    machine = a_machine(PortOpts(), additional_ports=[a_port(network=OTHER, allowed_address_pairs=wanted)])

    followed = follow(server, machine, a_ready_cluster())

    assert [port.allowed_address_pairs for port in followed.ports] == [None, after]


def test_a_server_that_follows_its_machine_keeps_everything_else() -> None:
    server = spec_of(PortOpts(allowed_address_pairs=PAIRS), a_port(network=OTHER))
    machine = a_machine(PortOpts(allowed_address_pairs=PAIRS), a_port(network=OTHER), flavor=FlavorParam(id="f9"))

    assert follow(server, machine, a_ready_cluster()) == server


def test_a_server_with_other_ports_than_its_machine_follows_the_credentials_only() -> None:
    server = spec_of(PortOpts(allowed_address_pairs=PAIRS), PortOpts())
    own = OpenStackIdentityReference(name="own", cloud_name="x")

    followed = follow(server, a_machine(PortOpts(), identity_ref=own), a_ready_cluster())

    assert (followed.identity_ref, followed.ports) == (own, server.ports)
