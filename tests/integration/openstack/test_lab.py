# SPDX-License-Identifier: Apache-2.0
"""The lab's OpenStack does what pycapo asks of a cloud, and fails as it is told."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, IMAGE, connect, loopback_prefix
from pycapo.lab.cloud_faults import Faults
from pycapo.lab.cloud_inventory import difference, snapshot
from pycapo.lab.places import Lab

pytestmark = pytest.mark.openstack
TENANT = "other"  # not the one that clusters are made in: what is counted here is nobody else's
NEW = "2.79"


class Stage:
    """A tenant with a network behind a router, who takes back what it made in the reverse order."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cloud = connect(lab, TENANT)
        self.back: list[Callable[[], object]] = []
        self.external = self.cloud.network.find_network(EXTERNAL_NETWORK).id
        self.network = self.make("network", name="lab")
        self.subnet = self.make("subnet", network_id=self.network["id"], ip_version=4, cidr="10.4.0.0/24")
        self.router = self.make("router", external_gateway_info={"network_id": self.external})
        self.switch("add_router_interface")
        self.back.append(lambda: self.switch("remove_router_interface"))

    def make(self, kind: str, **values: Any) -> dict[str, Any]:
        path = f"/{kind.replace('_', '-')}s"
        made: dict[str, Any] = self.answer(self.cloud.network.post(path, json={kind: values}))[kind]
        self.back.append(lambda: self.cloud.network.delete(f"{path}/{made['id']}"))
        return made

    def switch(self, verb: str) -> None:
        path = f"/routers/{self.router['id']}/{verb}"
        self.answer(self.cloud.network.put(path, json={"subnet_id": self.subnet["id"]}))

    def port(self, **values: Any) -> dict[str, Any]:
        return self.make("port", network_id=self.network["id"], **values)

    def server(self, *ports: dict[str, Any], **values: Any) -> dict[str, Any]:
        flavor = self.cloud.compute.find_flavor("m1.tiny").id
        image = {} if "block_device_mapping_v2" in values else {"imageRef": self.image}
        wanted = {"name": "lab", "flavorRef": flavor, "networks": [{"port": port["id"]} for port in ports]}
        body = {"server": {**wanted, **image, **values}}
        number = self.answer(self.cloud.compute.post("/servers", json=body, microversion=NEW))["server"]["id"]
        self.back.append(lambda: self.remove("compute", f"/servers/{number}"))
        return self.until("compute", f"/servers/{number}", "server", lambda it: it["status"] in ("ACTIVE", "ERROR"))

    @property
    def image(self) -> str:
        return str(self.cloud.image.find_image(IMAGE).id)

    def until(self, service: str, path: str, key: str, check: Callable[[Any], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while not check(seen := self.answer(getattr(self.cloud, service).get(path))[key]):
            assert time.monotonic() < deadline, seen
            time.sleep(0.3)
        return dict(seen)

    def remove(self, service: str, path: str) -> None:
        client = getattr(self.cloud, service)
        client.delete(path)
        deadline = time.monotonic() + 120
        while client.get(path.split("?")[0]).status_code == 200:
            assert time.monotonic() < deadline, path
            time.sleep(0.3)

    @staticmethod
    def answer(response: Any) -> Any:
        assert response.status_code < 300, response.text
        return response.json()


@pytest.fixture
def stage(lab: Lab) -> Iterator[Stage]:
    """A stage which leaves nothing behind, counted resource by resource."""
    before = snapshot(lab, project=TENANT)
    stage = Stage(lab)
    try:
        yield stage
    finally:
        for undo in reversed(stage.back):
            undo()
    left = difference(before, snapshot(lab, project=TENANT))
    assert not left, str(left)


@pytest.fixture
def faults(lab: Lab) -> Faults:
    return Faults(lab)


def test_a_tenant_administers_nothing(stage: Stage) -> None:
    assert stage.cloud.compute.get("/servers?all_tenants=1").status_code == 403
    answer = stage.cloud.network.post("/networks", json={"network": {"provider:network_type": "vlan"}})
    assert answer.status_code == 403


def test_a_server_runs_in_the_zone_that_it_was_asked_for(stage: Stage) -> None:
    server = stage.server(stage.port(), availability_zone="az2", config_drive=True)

    assert (server["status"], server["OS-EXT-AZ:availability_zone"]) == ("ACTIVE", "az2")


def test_ports_are_made_with_their_tags_in_one_request(stage: Stage) -> None:
    ports = [{"network_id": stage.network["id"], "tags": [f"mark-{number}"]} for number in range(3)]

    made = stage.answer(stage.cloud.network.post("/ports", json={"ports": ports}))["ports"]

    stage.back += [lambda id=port["id"]: stage.cloud.network.delete(f"/ports/{id}") for port in made]
    assert [port["tags"] for port in made] == [["mark-0"], ["mark-1"], ["mark-2"]]


def test_a_load_balancer_made_as_a_whole_is_reached_on_a_loopback_address(stage: Stage) -> None:
    member = {"address": "10.4.0.9", "protocol_port": 6443, "subnet_id": stage.subnet["id"]}
    monitor = {"name": "m", "type": "TCP", "delay": 10, "timeout": 5, "max_retries": 3}
    pool = {
        "name": "p",
        "protocol": "TCP",
        "lb_algorithm": "ROUND_ROBIN",
        "healthmonitor": monitor,
        "members": [member],
    }
    listener = {"name": "l", "protocol": "TCP", "protocol_port": 6443, "default_pool": pool}
    body = {"loadbalancer": {"vip_subnet_id": stage.subnet["id"], "tags": ["mark"], "listeners": [listener]}}

    made = stage.answer(stage.cloud.load_balancer.post("/lbaas/loadbalancers", json=body))["loadbalancer"]
    path = f"/lbaas/loadbalancers/{made['id']}"
    stage.back.append(lambda: stage.remove("load_balancer", f"{path}?cascade=true"))
    stage.until("load_balancer", path, "loadbalancer", lambda it: it["provisioning_status"] == "ACTIVE")
    address = stage.make("floatingip", floating_network_id=stage.external, port_id=made["vip_port_id"])

    assert address["floating_ip_address"].startswith(loopback_prefix(stage.lab))
    assert address["status"] == "ACTIVE"


def test_a_server_starts_from_a_volume_in_its_zone(stage: Stage) -> None:
    disk = {"boot_index": 0, "uuid": stage.image, "source_type": "image", "destination_type": "volume"}
    disk |= {"volume_size": 10, "delete_on_termination": True}

    server = stage.server(stage.port(), availability_zone="az1", block_device_mapping_v2=[disk])

    assert server["status"] == "ACTIVE", server.get("fault")


def test_a_subport_follows_its_trunk(stage: Stage) -> None:
    parent, child = stage.port(), stage.port()
    subport = {"port_id": child["id"], "segmentation_type": "vlan", "segmentation_id": 100}
    stage.make("trunk", port_id=parent["id"], sub_ports=[subport])

    stage.server(parent)

    seen = stage.until("network", f"/ports/{child['id']}", "port", lambda it: it["status"] == "ACTIVE")
    assert seen["device_owner"] == "trunk:subport"


def test_a_port_is_attached_to_a_running_server_and_detached_again(stage: Stage) -> None:
    server, port = stage.server(stage.port()), stage.port()
    path, where = f"/servers/{server['id']}/os-interface", f"/ports/{port['id']}"

    stage.answer(stage.cloud.compute.post(path, json={"interfaceAttachment": {"port_id": port["id"]}}))
    stage.until("network", where, "port", lambda it: it["status"] == "ACTIVE")
    stage.cloud.compute.delete(f"{path}/{port['id']}")

    assert stage.until("network", where, "port", lambda it: it["device_id"] == "")["status"] == "DOWN"


@pytest.mark.parametrize("fault", ["spawn_fail", "spawn_abort", "bind_fail"])
def test_a_server_goes_to_error_when_told(stage: Stage, faults: Faults, fault: str) -> None:
    with getattr(faults, fault)(name="doomed"):
        server = stage.server(stage.port(name="doomed"), name="doomed")

    assert (server["status"], bool(server["fault"]["message"])) == ("ERROR", True)


def test_a_port_stays_down_when_told(stage: Stage, faults: Faults) -> None:
    port = stage.port(name="dark")

    with faults.port_down(name="dark"):
        stage.server(port)

    assert stage.answer(stage.cloud.network.get(f"/ports/{port['id']}"))["port"]["status"] == "DOWN"


def test_an_error_after_the_work_leaves_what_was_made(stage: Stage, faults: Faults) -> None:
    name = "made-though"
    with faults.answer(
        "neutron", "POST", "/security-groups$", status=500, after=True, times=1, agent="lab-of"
    ) as number:
        answer = stage.cloud.network.post("/security-groups", json={"security_group": {"name": name}})

    made = stage.answer(stage.cloud.network.get(f"/security-groups?name={name}"))["security_groups"]
    stage.back += [lambda id=group["id"]: stage.cloud.network.delete(f"/security-groups/{id}") for group in made]
    assert (answer.status_code, len(made), faults.strikes(number)) == (500, 1, 1)
