# SPDX-License-Identifier: Apache-2.0
"""Machines of a template as people wrote it in 2021: several networks, an address and a port of one's choice, all enforced."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import stage
from e2e.manifests import BOOTSTRAP, CREDENTIALS, FLAVOR, OURS, VERSION, cluster, secret
from e2e.world import Json, World, wait_until_ready
from pycapo.lab.cloud_bootstrap import IMAGE, KEYPAIR, TENANT, connect

pytestmark = pytest.mark.e2e
EXAMPLES = Path(__file__).parents[2] / "examples" / "v1alpha3"
NAME, ADDRESS, PORT_ADDRESS = "basic-1", "10.11.0.51", "10.12.0.77"


class Traffic:
    """Two networks that exist before the cluster, and a port in the second."""

    def __init__(self, world: World) -> None:
        self._neutron: Any = connect(world.lab, TENANT).network
        self.first, self.first_subnet = self._network("traffic-1", "10.11.0.0/24")
        self.second, self.second_subnet = self._network("traffic-2", "10.12.0.0/24")
        addresses = [{"subnet_id": self.second_subnet, "ip_address": PORT_ADDRESS}]
        made = self._neutron.create_port(network_id=self.second, name="basic-1-traffic", fixed_ips=addresses)
        self.port: str = made.id

    def end(self) -> None:
        self._neutron.delete_port(self.port)
        for network in (self.first, self.second):
            self._neutron.delete_network(network)

    def ports(self, server: str) -> list[Any]:
        return list(self._neutron.ports(device_id=server))

    def _network(self, name: str, cidr: str) -> tuple[str, str]:
        network = self._neutron.create_network(name=name)
        subnet = self._neutron.create_subnet(network_id=network.id, ip_version=4, cidr=cidr, gateway_ip=None)
        return network.id, subnet.id


@pytest.fixture
def traffic(world: World) -> Iterator[tuple[str, Traffic]]:
    made: list[Traffic] = []
    for namespace in stage(world, "v1alpha3", lambda: [found.end() for found in made]):
        made.append(Traffic(world))
        yield namespace, made[0]


def old_cluster(namespace: str) -> list[Json]:
    """Return a Cluster of today with an OpenStackCluster of v1alpha3."""
    today, _ = cluster(namespace, NAME)
    spec = {
        "cloudName": "openstack",
        "cloudsSecret": {"name": CREDENTIALS, "namespace": namespace},
        "nodeCidr": "10.6.0.0/24",
        "managedSecurityGroups": True,
    }
    meta = {"name": NAME, "namespace": namespace}
    return [today, {"apiVersion": f"{OURS}/v1alpha3", "kind": "OpenStackCluster", "metadata": meta, "spec": spec}]


def studys_template(namespace: str, networks: list[Json]) -> Json:
    """Return the example with networks, image, flavor and key of the lab."""
    found: Json = yaml.safe_load((EXAMPLES / "several-networks.yaml").read_text())
    found["metadata"]["namespace"] = namespace
    found["spec"]["template"]["spec"] |= {"flavor": FLAVOR, "image": IMAGE, "sshKeyName": KEYPAIR, "networks": networks}
    return found


def deployment(namespace: str, template: str) -> list[Json]:
    meta = {"name": template, "namespace": namespace}
    machine = {
        "clusterName": NAME,
        "version": VERSION,
        "bootstrap": {"dataSecretName": BOOTSTRAP},
        "infrastructureRef": {"apiGroup": OURS, "kind": "OpenStackMachineTemplate", "name": template},
    }
    labels = {"nics": "several"}
    template_of_machine = {"metadata": {"labels": labels}, "spec": machine}
    spec = {"clusterName": NAME, "replicas": 1, "selector": {"matchLabels": labels}, "template": template_of_machine}
    return [
        secret(namespace, BOOTSTRAP, "value", "#cloud-config\n"),
        {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineDeployment", "metadata": meta, "spec": spec},
    ]


def test_a_machine_of_a_v1alpha3_template_has_the_networks_the_address_and_the_port_that_it_names(
    world: World, traffic: tuple[str, Traffic]
) -> None:
    namespace, outside = traffic
    world.apply(*old_cluster(namespace))
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)
    ground = world.get("OpenStackCluster", namespace, NAME) or {}
    internal = ground["status"]["network"]
    entries = [
        {"uuid": internal["id"], "subnets": [{"filter": {"id": internal["subnets"][0]["id"]}}]},
        {"uuid": outside.first, "fixedIp": ADDRESS, "subnets": [{"filter": {"id": outside.first_subnet}}]},
        {"uuid": outside.second, "fixedIp": "basic-1-traffic", "subnets": [{"filter": {"id": outside.second_subnet}}]},
    ]
    template = studys_template(namespace, entries)
    world.apply(template, *deployment(namespace, template["metadata"]["name"]))

    world.wait_for(lambda: world.all("OpenStackMachine", namespace), "there is a machine", namespace=namespace)
    (machine,) = world.all("OpenStackMachine", namespace)
    wait_until_ready(world, "OpenStackMachine", namespace, machine["metadata"]["name"])

    server = (world.get("OpenStackServer", namespace, machine["metadata"]["name"]) or {})["status"]["instanceID"]
    ports = {port.network_id: port for port in outside.ports(server)}
    assert ports.keys() == {internal["id"], outside.first, outside.second}
    assert [fixed["ip_address"] for fixed in ports[outside.first].fixed_ips] == [ADDRESS]
    assert ports[outside.second].id == outside.port
    assert_shown_as_written(world, namespace, template)


def assert_shown_as_written(world: World, namespace: str, template: Json) -> None:
    """A reader of v1alpha3 sees what was written, and a machine of the template in the same words."""
    words = (
        "get",
        f"openstackmachinetemplates.v1alpha3.{OURS}",
        template["metadata"]["name"],
        "-n",
        namespace,
        "-o",
        "yaml",
    )
    shown = yaml.safe_load(world.kubectl(*words))
    assert shown["spec"] == template["spec"]
