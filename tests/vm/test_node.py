# SPDX-License-Identifier: Apache-2.0
"""The life of a node with three NICs and three floating IPs: what pycapo sends makes it answer on each, from first boot on."""

import base64
from collections.abc import Iterator

import pytest

from neutron_like import NODE_PORT, address4, address6, floating_ip
from routed_server import EVERY, FIRST, NUMBERS, part, sent
from vm.config_drive import HOST, ID
from vm.conftest import Boot
from vm.guest import BOOT, Guest
from vm.kubeadm import BOOTSTRAP, CALL

pytestmark = pytest.mark.timeout(3 * BOOT)

ADDED = 4
MORE = {**EVERY, floating_ip(ADDED): address4(ADDED)}
WRITTEN = """
sha256sum /etc/kubernetes/pki/ca.crt
stat -c '%U:%G %a %n' /etc/kubernetes/pki/ca.crt
cat /run/kubeadm/kubeadm-join-config.yaml /run/cluster-api/bootstrap-success.complete /root/after
"""
POD = """
ip netns add pod
ip link add cali0 type veth peer name eth0 netns pod
ip link set cali0 up
ip -n pod link set lo up
ip -n pod link set eth0 up
ip -n pod addr add 10.244.0.5/32 dev eth0
ip -n pod route add 169.254.1.1 dev eth0
ip -n pod route add default via 169.254.1.1
ip addr add 169.254.1.1/32 dev cali0
ip route add 10.244.0.5 dev cali0
sysctl -qw net.ipv4.ip_forward=1
nft add table ip proxy
nft add chain ip proxy pre '{ type nat hook prerouting priority -100; }'
nft add rule ip proxy pre tcp dport PORT dnat to 10.244.0.5:22
systemd-run -q --unit=pod ip netns exec pod /usr/sbin/sshd -D -o PidFile=none
""".replace("PORT", str(NODE_PORT))


@pytest.fixture(scope="module")
def node(boot: Boot) -> Iterator[Guest]:
    with boot(sent(BOOTSTRAP.encode())) as guest:
        yield guest


def test_every_floating_ip_answers_from_the_first_boot_on(node: Guest) -> None:
    assert node.logins_soon(EVERY) == EVERY


def test_the_bootstrap_data_do_what_they_would_do_without_us(node: Guest) -> None:
    assert "done" in node.settled()

    written = node.shell(WRITTEN)

    assert "root:root 640 /etc/kubernetes/pki/ca.crt" in written
    assert f"value: openstack:///{ID}\n" in written
    assert f"name: '{HOST.partition('.')[0]}" in written
    assert written.endswith("success\nafter\n")
    assert node.shell("cat /var/log/kubeadm.calls") == CALL
    stored = base64.b64decode(node.shell("cloud-init query userdata | base64"))
    assert part(stored, "jinja2") == BOOTSTRAP.encode()


def test_the_routes_are_there_before_kubeadm_is(node: Guest) -> None:
    rules = node.shell("cat /var/log/kubeadm.rules")

    assert all(f"20200:\tfrom {address4(number)} " in rules for number in NUMBERS)


def test_its_own_connections_leave_by_the_nic_of_the_default_route(node: Guest) -> None:
    assert f" src {address4(FIRST)} " in node.shell("ip route get 192.0.2.1")
    assert f" src {address6(FIRST)} " in node.shell("ip route get 2001:db8:aaaa::1")


def test_a_pod_behind_a_node_port_answers_through_every_floating_ip(node: Guest) -> None:
    node.shell(POD)
    wanted = {floating_ip(number): "10.244.0.5" for number in NUMBERS}

    assert node.logins_soon(wanted, port=NODE_PORT) == wanted


def test_a_nic_that_is_plugged_in_answers_too(node: Guest) -> None:
    node.plug(ADDED)

    assert node.logins_soon(MORE) == MORE


def test_all_answer_after_a_reboot_although_the_config_drive_knows_nothing_of_the_added_nic(node: Guest) -> None:
    node.plug(ADDED)
    node.reboot()

    assert node.logins_soon(MORE) == MORE
    assert "done" in node.settled()
    assert node.shell("cat /var/log/kubeadm.calls") == CALL


def test_when_the_added_nic_is_taken_out_the_others_still_answer(node: Guest) -> None:
    node.plug(ADDED)
    node.unplug(ADDED)

    assert node.logins_soon(EVERY) == EVERY
    assert address4(ADDED) not in node.shell("ip rule")
