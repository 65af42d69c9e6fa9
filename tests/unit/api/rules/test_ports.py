# SPDX-License-Identifier: Apache-2.0
"""Contradictions inside a list of ports."""

from typing import Any

import pytest

from pycapo.api.rules import attachment, ports

Json = dict[str, Any]


def found(*wanted: Json) -> list[str]:
    return [problem.path for problem in ports.check_ports("ports", list(wanted))]


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ({"macAddress": "fa:16"}, "ports[0].macAddress"),
        ({"enablePortSecurity": False, "securityGroups": [{"id": "x"}]}, "ports[0].securityGroups"),
        ({"network": {"id": "x"}, "clusterNetwork": "storage"}, "ports[0].clusterNetwork"),
        ({"clusterNetwork": "storage", "existingPort": {"id": "x"}}, "ports[0].existingPort"),
        ({"existingPort": {"id": "x"}, "macAddress": "fa:16:3e:00:00:01"}, "ports[0].macAddress"),
        ({"existingPort": {"id": "x"}, "fixedIPs": []}, "ports[0].fixedIPs"),
        ({"fixedIPs": [{"ipAddress": "10.0.0"}]}, "ports[0].fixedIPs[0].ipAddress"),
        (
            {"fixedIPs": [{"ipAddress": "10.0.1.1", "subnet": {"filter": {"cidr": "10.0.0.0/24"}}}]},
            "ports[0].fixedIPs[0].ipAddress",
        ),
        (
            {"fixedIPs": [{"ipAddress": "10.0.1.1", "range": {"start": "10.0.0.1", "end": "10.0.0.2"}}]},
            "ports[0].fixedIPs[0].range",
        ),
        ({"fixedIPs": [{"range": {"start": "10.0.0.3", "end": "10.0.0.2"}}]}, "ports[0].fixedIPs[0].range.end"),
        ({"allowedAddressPairs": [{"ipAddress": "10.0.0.0/99"}]}, "ports[0].allowedAddressPairs[0].ipAddress"),
        (
            {"allowedAddressPairs": [{"ipAddress": "10.0.0.1", "macAddress": "x"}]},
            "ports[0].allowedAddressPairs[0].macAddress",
        ),
        ({"floatingIP": {"address": "x"}}, "ports[0].floatingIP.address"),
        ({"trunk": False, "subports": [{"port": {}}]}, "ports[0].subports"),
        ({"subports": [{"port": {"macAddress": "x"}}]}, "ports[0].subports[0].port.macAddress"),
    ],
)
def test_a_port_that_contradicts_itself_is_named(port: Json, path: str) -> None:
    assert found(port) == [path]


@pytest.mark.parametrize(
    "port",
    [
        {},
        {"enablePortSecurity": False, "securityGroups": []},
        {"fixedIPs": [{"subnet": {"id": "x"}, "ipAddress": "10.0.0.1"}, {"ipAddress": "fd00::1"}]},
        {"allowedAddressPairs": [{"ipAddress": "10.0.0.0/24"}, {"ipAddress": "10.0.0.1"}]},
        {"subports": [{"segmentationID": 1, "port": {}}, {"segmentationID": 2, "port": {}}]},
    ],
)
def test_a_port_that_makes_sense_passes(port: Json) -> None:
    assert found(port) == []


def test_two_subports_cannot_carry_the_same_segment() -> None:
    subports = [{"segmentationID": 7, "port": {}}, {"segmentationType": "vlan", "segmentationID": 7, "port": {}}]

    assert found({"subports": subports}) == ["ports[0].subports[1].segmentationID"]


def test_ports_of_one_network_have_names_of_their_own() -> None:
    one, other = {"network": {"id": "a"}, "nameSuffix": "x"}, {"network": {"id": "b"}, "nameSuffix": "x"}

    assert found(one, other) == []
    assert found(one, dict(one)) == ["ports[1].nameSuffix"]


def test_an_address_is_asked_for_once_on_a_network() -> None:
    one = {"network": {"id": "a"}, "fixedIPs": [{"ipAddress": "10.0.0.1"}]}
    other = {"network": {"id": "b"}, "fixedIPs": [{"ipAddress": "10.0.0.1"}]}

    assert found(one, other) == []
    assert found(one, other, dict(one)) == ["ports[2].fixedIPs[0].ipAddress"]


def test_only_one_port_carries_the_default_route() -> None:
    assert found({"defaultRoute": True}, {}, {"defaultRoute": True}) == ["ports[2].defaultRoute"]


def test_an_attachment_stays_with_its_cluster_and_its_ports_may_change() -> None:
    old = {"spec": {"clusterName": "a", "ports": [{}]}}
    more = {"spec": {"clusterName": "a", "ports": [{}, {}], "machineSelector": {"matchLabels": {"a": "b"}}}}

    assert attachment.compare(old, more) == []
    (problem,) = attachment.compare(old, {"spec": {"clusterName": "b", "ports": [{}]}})
    assert problem.path == "spec.clusterName"
