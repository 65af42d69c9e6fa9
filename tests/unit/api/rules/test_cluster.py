# SPDX-License-Identifier: Apache-2.0
"""What an OpenStackCluster may say, and what of it may change."""

import copy
from typing import Any

import pytest

from pycapo.api.rules import cluster

Json = dict[str, Any]
SUBNET_ID = "6d1a3f6e-0000-4000-8000-000000000001"
NETWORK_ID = "6d1a3f6e-0000-4000-8000-000000000002"


def a_cluster(status: Json | None = None, **spec: Any) -> Json:
    identity = {"type": "Secret", "name": "cloud", "cloudName": "openstack"}
    return {"metadata": {"name": "c"}, "spec": {"identityRef": identity, **spec}, "status": status or {}}


def changed(found: Json, **spec: Any) -> Json:
    """Return a copy with other values in its spec; None takes a field out."""
    new = copy.deepcopy(found)
    new["spec"] = {key: value for key, value in (new["spec"] | spec).items() if value is not None}
    return new


def refused(old: Json, **spec: Any) -> list[str]:
    return [problem.path for problem in cluster.compare(old, changed(old, **spec))]


MANAGED = [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.2"]}]
BALANCED = {"managedLoadBalancer": {"enabled": True, "allowedCIDRs": ["10.0.0.0/8"]}}
RULE = {"name": "x", "direction": "ingress", "protocol": "tcp", "portRangeMin": 80, "portRangeMax": 81}


@pytest.mark.parametrize(
    "spec",
    [
        {"identityRef": {"type": "ClusterIdentity", "name": "other", "cloudName": "x"}},
        {"bastion": {"enabled": False}},
        {"primarySubnet": {"id": SUBNET_ID}},
        {"controlPlaneAvailabilityZones": ["az1"]},
        {"controlPlaneOmitAvailabilityZone": True},
        {"managedSubnets": [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.3"]}]},
        {"managedSubnets": [{"cidr": "10.6.0.0/24"}]},
        {"apiServer": {"managedLoadBalancer": {"enabled": True, "monitor": {"delay": 3}}}},
        {"managedSecurityGroups": {"workerNodesSecurityGroupRules": [RULE], "allowAllInClusterTraffic": True}},
        {"controlPlaneEndpoint": {"host": "192.0.2.1", "port": 6443}},
        {"networks": [{"name": "storage", "network": {"id": NETWORK_ID}}]},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_these_fields_may_change(spec: Json) -> None:
    old = a_cluster(managedSubnets=MANAGED, apiServer=BALANCED, managedSecurityGroups={})

    assert refused(old, **spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"tags": ["a"]}, "spec.tags"),
        ({"externalNetwork": {"id": NETWORK_ID}}, "spec.externalNetwork"),
        ({"enableExternalNetwork": False}, "spec.enableExternalNetwork"),
        ({"router": {"id": NETWORK_ID}}, "spec.router"),
        ({"managedNetwork": {"mtu": 1400}}, "spec.managedNetwork"),
        ({"managedSecurityGroups": None}, "spec.managedSecurityGroups"),
        ({"managedSubnets": [{**MANAGED[0], "cidr": "10.7.0.0/24"}]}, "spec.managedSubnets[0].cidr"),
        ({"managedSubnets": [*MANAGED, {"cidr": "10.7.0.0/24"}]}, "spec.managedSubnets[1]"),
        ({"managedSubnets": None}, "spec.managedSubnets"),
        ({"apiServer": {**BALANCED, "port": 443}}, "spec.apiServer.port"),
        ({"apiServer": {**BALANCED, "fixedIP": "10.6.0.9"}}, "spec.apiServer.fixedIP"),
        ({"apiServer": {**BALANCED, "enableFloatingIP": False}}, "spec.apiServer.enableFloatingIP"),
        (
            {"apiServer": {"managedLoadBalancer": {"enabled": True, "additionalPorts": [22]}}},
            "spec.apiServer.managedLoadBalancer.additionalPorts",
        ),
        ({"apiServer": None}, "spec.apiServer.managedLoadBalancer"),
    ],
)
def test_these_fields_are_fixed_and_named(spec: Json, path: str) -> None:
    old = a_cluster(managedSubnets=MANAGED, apiServer=BALANCED, managedSecurityGroups={})

    assert refused(old, **spec) == [path]


def test_a_refusal_says_what_was_what_was_asked_and_what_to_do() -> None:
    (problem,) = cluster.compare(a_cluster(tags=["a"]), a_cluster(tags=["b"]))

    told = 'is fixed when the cluster is made; make a new cluster for that (it is "a", asked for "b")'
    assert str(problem) == f"spec.tags[0]: Forbidden: {told}"


def test_managed_security_groups_can_be_turned_on() -> None:
    assert refused(a_cluster(), managedSecurityGroups={"clusterNodesSecurityGroupRules": [RULE]}) == []


@pytest.mark.parametrize("before", [None, {"host": "", "port": 0}])
def test_the_endpoint_can_be_set_while_it_is_unset(before: Json | None) -> None:
    old = a_cluster(controlPlaneEndpoint=before) if before else a_cluster()

    assert refused(old, controlPlaneEndpoint={"host": "192.0.2.1", "port": 6443}) == []


def test_the_endpoint_stays_once_it_has_a_host() -> None:
    old = a_cluster(controlPlaneEndpoint={"host": "192.0.2.1", "port": 6443})

    assert refused(old, controlPlaneEndpoint={"host": "192.0.2.2", "port": 6443}) == ["spec.controlPlaneEndpoint.host"]
    assert refused(old, controlPlaneEndpoint=None) == ["spec.controlPlaneEndpoint"]


@pytest.mark.parametrize(("field", "value", "other"), [("fixedIP", "10.0.0.9", "10.0.0.8"), ("port", 443, 444)])
def test_fixed_ip_and_port_can_be_set_once_while_there_is_no_floating_ip(field: str, value: Any, other: Any) -> None:
    old = a_cluster(apiServer={"enableFloatingIP": False})
    then = changed(old, apiServer={"enableFloatingIP": False, field: value})

    assert cluster.compare(old, then) == []
    assert refused(then, apiServer={"enableFloatingIP": False, field: other}) == [f"spec.apiServer.{field}"]


def test_turning_the_floating_ip_off_does_not_free_the_port_in_the_same_breath() -> None:
    paths = refused(a_cluster(), apiServer={"enableFloatingIP": False, "port": 443})

    assert paths == ["spec.apiServer.enableFloatingIP", "spec.apiServer.port"]


def test_the_floating_ip_can_be_written_down_as_it_is() -> None:
    old = a_cluster({"apiServerManagedLoadBalancer": {"ip": "192.0.2.7"}})

    assert refused(old, apiServer={"floatingIP": "192.0.2.7"}) == []
    (problem,) = cluster.compare(old, changed(old, apiServer={"floatingIP": "192.0.2.8"}))
    assert problem.path == "spec.apiServer.floatingIP"
    assert "192.0.2.7" in problem.message


def test_the_network_can_be_pinned_to_the_id_that_its_filter_found() -> None:
    old = a_cluster({"network": {"id": NETWORK_ID}}, network={"filter": {"name": "n"}})

    assert refused(old, network={"id": NETWORK_ID}) == []
    assert refused(old, network={"id": SUBNET_ID}) == ["spec.network"]
    assert refused(old, network={"filter": {"name": "m"}}) == ["spec.network"]


def test_subnets_can_be_pinned_to_the_ids_that_their_filters_found() -> None:
    found = {"id": SUBNET_ID, "name": "s", "cidr": "10.0.0.0/24"}
    old = a_cluster({"network": {"id": NETWORK_ID, "subnets": [found]}}, subnets=[{"filter": {"name": "s"}}])

    assert refused(old, subnets=[{"id": SUBNET_ID}]) == []
    assert refused(old, subnets=[{"id": NETWORK_ID}]) == ["spec.subnets[0]"]
    assert refused(old, subnets=[{"filter": {"name": "t"}}]) == ["spec.subnets[0]"]
    assert refused(old, subnets=[{"id": SUBNET_ID}, {"id": NETWORK_ID}]) == ["spec.subnets"]


def test_a_subnet_is_not_unpinned() -> None:
    found = {"id": SUBNET_ID, "name": "s", "cidr": "10.0.0.0/24"}
    old = a_cluster({"network": {"id": NETWORK_ID, "subnets": [found]}}, subnets=[{"id": SUBNET_ID}])

    assert refused(old, subnets=[{"filter": {"name": "s"}}]) == ["spec.subnets[0]"]


@pytest.mark.parametrize("bastion", [{"enabled": True}, {}])
def test_a_bastion_is_turned_off_before_it_is_taken_out(bastion: Json) -> None:
    assert refused(a_cluster(bastion=bastion), bastion=None) == ["spec.bastion"]
    assert refused(a_cluster(bastion={"enabled": False}), bastion=None) == []


def test_a_named_network_may_be_tuned_but_not_turned_into_another() -> None:
    managed = {"subnets": [{"name": "v4", "cidr": "10.9.0.0/24"}], "provider": {"networkType": "vlan"}}
    old = a_cluster(networks=[{"name": "n", "managed": managed}])

    assert refused(old, networks=[{"name": "n", "managed": {**managed, "mtu": 1400}}]) == []
    assert refused(old, networks=[]) == []
    other = {**managed, "provider": {"networkType": "flat"}}
    assert refused(old, networks=[{"name": "n", "managed": other}]) == ["spec.networks[n].managed.provider.networkType"]


def test_what_is_said_of_networks_for_each_machine_changes_in_place() -> None:
    carved = {"name": "v4", "from": ["10.64.0.0/24"], "prefixLength": 28}
    old = a_cluster(networks=[{"name": "n", "perMachine": {"subnets": [carved]}}])
    told = {"mtu": 1400, "enablePortSecurity": False, "qosPolicy": {"id": "gold"}, "tags": ["fast"]}
    routes = [{"destination": "10.98.0.0/16", "nextHop": "10.64.0.1"}]
    subnet = {**carved, "dnsNameservers": ["10.0.0.2"], "hostRoutes": routes, "enableDHCP": False}

    assert refused(old, networks=[{"name": "n", "perMachine": {**told, "subnets": [subnet]}}]) == []
    gateway = [{"name": "n", "perMachine": {"subnets": [{**carved, "gateway": "None"}]}}]
    assert refused(old, networks=gateway) == ["spec.networks[n].perMachine.subnets[v4].gateway"]


def test_prefixes_to_carve_from_are_added_and_nothing_else_of_them_changes() -> None:
    def networks(*prefixes: str, length: int = 28) -> list[Json]:
        subnet = {"name": "v4", "from": list(prefixes), "prefixLength": length}
        return [{"name": "n", "perMachine": {"subnets": [subnet]}}]

    old, subnet = a_cluster(networks=networks("10.64.0.0/24")), "spec.networks[n].perMachine.subnets[v4]"
    assert refused(old, networks=networks("10.64.0.0/24", "10.65.0.0/24")) == []
    assert refused(old, networks=networks("10.65.0.0/24", "10.66.0.0/24")) == [f"{subnet}.from"]
    assert refused(old, networks=networks("10.65.0.0/24")) == [f"{subnet}.from[0]"]
    assert refused(old, networks=networks("10.64.0.0/24", length=27)) == [f"{subnet}.prefixLength"]
    claim = [{"name": "n", "perMachine": {"claim": {"filter": {"tags": ["vlan"]}}}}]
    assert refused(old, networks=claim) == [
        "spec.networks[n].perMachine.subnets[v4]",
        "spec.networks[n].perMachine.claim",
    ]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"managedSubnets": [{"cidr": "10.6.0.1/24"}]}, "spec.managedSubnets[0].cidr"),
        ({"apiServer": {"floatingIP": "host"}}, "spec.apiServer.floatingIP"),
        ({"apiServer": BALANCED | {"fixedIP": "10.7.0.9"}, "managedSubnets": MANAGED}, "spec.apiServer.fixedIP"),
        (
            {"apiServer": {"managedLoadBalancer": {"allowedCIDRs": ["10.0.0.0/8", "all"]}}},
            "spec.apiServer.managedLoadBalancer.allowedCIDRs[1]",
        ),
        (
            {"apiServer": {"managedLoadBalancer": {"additionalPorts": [22, 6443]}}},
            "spec.apiServer.managedLoadBalancer.additionalPorts[1]",
        ),
        (
            {"apiServer": {"managedLoadBalancer": {"additionalPorts": [70000]}}},
            "spec.apiServer.managedLoadBalancer.additionalPorts[0]",
        ),
        ({"bastion": {"spec": {"ports": [{"macAddress": "x"}]}}}, "spec.bastion.spec.ports[0].macAddress"),
        ({"managedRouter": {"externalIPs": [{"fixedIP": "x"}]}}, "spec.managedRouter.externalIPs[0].fixedIP"),
    ],
)
def test_what_no_cloud_can_make_is_refused_at_once(spec: Json, path: str) -> None:
    assert [problem.path for problem in cluster.check(a_cluster(**spec))] == [path]


def test_a_network_beside_managed_subnets_gets_a_warning() -> None:
    found = a_cluster(managedSubnets=MANAGED, network={"id": NETWORK_ID})

    assert cluster.check(found) == []
    assert cluster.advise(found) == [
        "spec.network: has no effect beside spec.managedSubnets, which makes a network",
    ]


def test_the_spec_of_a_cluster_template_is_fixed_and_its_metadata_is_not() -> None:
    old = {"spec": {"template": {"spec": {"tags": ["a"]}}}}
    labelled = {"spec": {"template": {"spec": {"tags": ["a"]}, "metadata": {"labels": {"a": "b"}}}}}
    tagged = {"spec": {"template": {"spec": {"tags": ["a", "b"]}}}}

    assert cluster.compare_templates(old, labelled) == []
    (problem,) = cluster.compare_templates(old, tagged)
    assert problem.path == "spec.template.spec.tags"
    assert "make a new template" in problem.message
