# SPDX-License-Identifier: Apache-2.0
"""Subnets that Neutron would refuse."""

from typing import Any

import pytest

from pycapo.api.rules.cluster import advise
from pycapo.api.rules.networks import check_subnets

Json = dict[str, Any]


def found(**spec: Any) -> list[str]:
    return [problem.path for problem in check_subnets("spec", spec)]


def named(router: str, *subnets: Json) -> Json:
    return {"name": "n", "managed": {"router": router, "subnets": list(subnets)}}


@pytest.mark.parametrize(
    ("subnet", "path"),
    [
        ({"allocationPools": [{"start": "10.0.0.9", "end": "10.0.1.9"}]}, "allocationPools[0].end"),
        ({"dnsNameservers": ["10.0.0.2", "fd00::2"]}, "dnsNameservers[1]"),
        ({"dnsNameservers": ["dns"]}, "dnsNameservers[0]"),
        ({"gateway": "10.0.1.1"}, "gateway"),
        ({"hostRoutes": [{"destination": "x", "nextHop": "10.0.0.3"}]}, "hostRoutes[0].destination"),
        ({"hostRoutes": [{"destination": "10.9.0.0/16", "nextHop": "fd00::1"}]}, "hostRoutes[0].nextHop"),
    ],
)
def test_what_does_not_fit_a_subnet_is_named(subnet: Json, path: str) -> None:
    networks = [named("None", {"name": "v4", "cidr": "10.0.0.0/24", **subnet})]

    assert found(networks=networks) == [f"spec.networks[0].managed.subnets[0].{path}"]


def test_a_subnet_may_have_no_gateway() -> None:
    assert found(networks=[named("None", {"cidr": "10.0.0.0/24", "gateway": "None"})]) == []


def test_subnets_on_the_clusters_router_do_not_overlap() -> None:
    managed = [{"cidr": "10.0.0.0/16"}]

    assert found(managedSubnets=managed, networks=[named("None", {"cidr": "10.0.1.0/24"})]) == []
    paths = found(managedSubnets=managed, networks=[named("Cluster", {"cidr": "10.0.1.0/24"})])
    assert paths == ["spec.networks[0].managed.subnets[0].cidr"]


@pytest.mark.parametrize(("length", "paths"), [(28, 0), (16, 0), (8, 1), (33, 1)])
def test_a_carved_subnet_fits_into_what_it_is_carved_from(length: int, paths: int) -> None:
    carved = {"name": "own", "perMachine": {"subnets": [{"from": ["10.64.0.0/16"], "prefixLength": length}]}}

    assert found(networks=[carved]) == ["spec.networks[0].perMachine.subnets[0].prefixLength"] * paths


def carved(**fields: Any) -> dict[str, Any]:
    return {"name": "v4", "from": ["10.64.0.0/16"], "prefixLength": 28, **fields}


def own(*subnets: dict[str, Any]) -> dict[str, Any]:
    return {"name": "own", "perMachine": {"subnets": list(subnets)}}


@pytest.mark.parametrize(
    ("subnets", "path"),
    [
        ([carved(prefixLength=31)], "subnets[0].prefixLength"),
        ([carved(**{"from": ["10.64.0.0/16", "10.64.1.0/24"]})], "subnets[0].from[1]"),
        ([carved(**{"from": ["10.64.0.0/16", "fd00::/48"]}, prefixLength=28)], "subnets[0].from[1]"),
        ([carved(**{"from": ["10.64.0.1/16"]})], "subnets[0].from[0]"),
        ([carved(), carved(name="b", **{"from": ["10.65.0.0/16"]})], "subnets[1]"),
        ([carved(dnsNameservers=["fd00::1"])], "subnets[0].dnsNameservers[0]"),
        ([carved(hostRoutes=[{"destination": "10.98.0.1/16x"}])], "subnets[0].hostRoutes[0].destination"),
        ([carved(hostRoutes=[{"destination": "::/0", "nextHop": "fd00::1"}])], "subnets[0].hostRoutes[0].nextHop"),
    ],
)
def test_what_no_network_of_a_machine_can_be_is_refused(subnets: list[dict[str, Any]], path: str) -> None:
    assert f"spec.networks[0].perMachine.{path}" in found(networks=[own(*subnets)])


def test_a_carved_subnet_of_each_ip_version_is_fine() -> None:
    six = carved(name="v6", **{"from": ["fd00:64::/48"]}, prefixLength=64)

    assert found(networks=[own(carved(dnsNameservers=["10.0.0.1"]), six)]) == []


def test_prefixes_that_a_machine_can_meet_twice_are_advised_against() -> None:
    spec = {"managedSubnets": [{"cidr": "10.64.1.0/24"}], "networks": [own(carved())]}

    (advice,) = advise({"spec": spec})

    assert advice.startswith(
        "spec.networks[0].perMachine.subnets[0].from: 10.64.0.0/16 overlaps spec.managedSubnets[0]"
    )


def test_subnets_of_one_network_do_not_overlap() -> None:
    subnets = [{"cidr": "10.0.0.0/16"}, {"cidr": "10.0.1.0/24"}, {"cidr": "fd00::/64"}]

    assert found(networks=[named("None", *subnets)]) == ["spec.networks[0].managed.subnets[1].cidr"]


def test_networks_apart_that_overlap_are_advised_against() -> None:
    networks = [{"name": name, "managed": {"subnets": [{"cidr": "10.0.0.0/16"}]}} for name in ("a", "b")]

    (advice,) = advise({"spec": {"networks": networks}})

    assert advice.startswith("spec.networks[1].managed.subnets[0].cidr: 10.0.0.0/16 overlaps spec.networks[0]")


@pytest.mark.parametrize(
    ("machine", "paths"),
    [
        ({"ports": [{}, {"clusterNetwork": "a"}]}, ["spec.bastion.spec.ports[1].clusterNetwork"]),
        ({"additionalPorts": [{"clusterNetwork": "a"}]}, ["spec.bastion.spec.additionalPorts[0].clusterNetwork"]),
        ({"ports": [{"clusterNetwork": "a"}, {"clusterNetwork": "a"}]}, []),
        ({"ports": [{}, {"clusterNetwork": "b"}]}, []),
        ({"ports": [{}, {"clusterNetwork": "a"}], "networkConfig": {"policyRouting": False}}, []),
    ],
)
def test_a_bastion_is_not_on_two_networks_that_overlap(machine: Json, paths: list[str]) -> None:
    networks = [
        {"name": name, "managed": {"subnets": [{"cidr": cidr}]}}
        for name, cidr in (("a", "10.0.1.0/24"), ("b", "10.1.0.0/24"))
    ]

    assert found(managedSubnets=[{"cidr": "10.0.0.0/16"}], networks=networks, bastion={"spec": machine}) == paths
