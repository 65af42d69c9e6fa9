# SPDX-License-Identifier: Apache-2.0
"""The ports of a server: every field of a manifest reaches Neutron, and contradictions are told before anything is made."""

from typing import Any

import pytest

from machines import OWNER, a_port, a_server, seen_of, the_nova_server, the_port
from memory_world import NEUTRON
from pycapo.api.ports import (
    AddressPair,
    BindingProfile,
    ExtraDHCPOption,
    FixedIP,
    PortBody,
    PortFloatingIP,
    PortOpts,
    Subport,
    ValueSpec,
)
from pycapo.api.references import (
    NetworkFilter,
    NetworkParam,
    QosPolicyFilter,
    QosPolicyParam,
    SecurityGroupFilter,
    SecurityGroupParam,
    SubnetFilter,
    SubnetParam,
)
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import AddressPair as SeenPair
from pycapo.model.records import Network, QosPolicy, SecurityGroup, Subnet, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Update
from pycapo.plan.entries import wants_trunk
from pycapo.plan.server import plan_server


def body_of(port: PortOpts, seen: Seen | None = None, **spec: Any) -> dict[str, Any]:
    plan = plan_server(a_server(port, **spec), seen or seen_of())
    step = plan.steps[0]
    assert isinstance(step, Create)
    return dict(step.body)


def test_an_ordinary_port_has_name_description_and_network_and_leaves_the_rest_to_neutron() -> None:
    assert body_of(a_port()) == {
        "name": "worker-0-0",
        "description": "Port of server worker-0",
        "network_id": "net-1",
    }


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"name_suffix": "data"}, {"name": "worker-0-data"}),
        ({"description": "mine"}, {"description": "mine"}),
        ({"admin_state_up": False}, {"admin_state_up": False}),
        ({"mac_address": "fa:16:3e:00:00:01"}, {"mac_address": "fa:16:3e:00:00:01"}),
        ({"host_id": "h1"}, {"binding:host_id": "h1"}),
        ({"vnic_type": "direct"}, {"binding:vnic_type": "direct"}),
        ({"enable_port_security": False}, {"port_security_enabled": False}),
        ({"propagate_uplink_status": True}, {"propagate_uplink_status": True}),
        ({"hints": {"openvswitch": {}}}, {"hints": {"openvswitch": {}}}),
        ({"qos_policy": QosPolicyParam(id="q1")}, {"qos_policy_id": "q1"}),
        ({"tags": ["x", "x"]}, {"tags": ["x"]}),
        ({"security_groups": []}, {"security_groups": []}),
        ({"binding_profile": {"a": {"b": 1}}}, {"binding:profile": {"a": {"b": 1}}}),
        ({"profile": BindingProfile(ovs_hw_offload=True)}, {"binding:profile": {"capabilities": ["switchdev"]}}),
        ({"profile": BindingProfile(trusted_vf=True)}, {"binding:profile": {"trusted": True}}),
        ({"fixed_ips": [FixedIP(ip_address="10.6.0.9")]}, {"fixed_ips": [{"ip_address": "10.6.0.9"}]}),
        (
            {
                "allowed_address_pairs": [
                    AddressPair(ip_address="10.0.0.0/8"),
                    AddressPair(ip_address="::1", mac_address="m"),
                ]
            },
            {"allowed_address_pairs": [{"ip_address": "10.0.0.0/8"}, {"ip_address": "::1", "mac_address": "m"}]},
        ),
        (
            {"extra_dhcp_options": [ExtraDHCPOption(name="mtu", value="9000", ip_version=4)]},
            {"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "9000", "ip_version": 4}]},
        ),
        (
            {
                "value_specs": [
                    ValueSpec(name="a", key="k", value="v"),
                    ValueSpec(name="b", key="n", json={"deep": [1]}),
                ]
            },
            {"k": "v", "n": {"deep": [1]}},
        ),
    ],
)
def test_a_field_of_the_manifest_reaches_neutron(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    body = body_of(a_port(**fields))

    assert {name: body.get(name) for name in sent} == sent


def test_a_trusted_function_is_an_attribute_where_neutron_has_one() -> None:
    extensions = frozenset({"port-trusted-vif", "binding"})

    body = body_of(a_port(profile=BindingProfile(trusted_vf=True)), seen_of(extensions=extensions))

    assert body["trusted"] is True
    assert "binding:profile" not in body


def test_address_pairs_are_left_out_without_port_security() -> None:
    body = body_of(a_port(enable_port_security=False, allowed_address_pairs=[AddressPair(ip_address="10.0.0.0/8")]))

    assert "allowed_address_pairs" not in body


MAC = "fa:16:3e:00:00:01"
FILLED = (SeenPair("10.8.0.0/24", MAC), SeenPair("10.9.0.1", MAC))


def repairs(port: PortOpts, *there: SeenPair, **fields: Any) -> list[tuple[str, Any]]:
    known = {"mac_address": MAC, "allowed_address_pairs": there, "port_security_enabled": True, **fields}
    steps = plan_server(a_server(port), seen_of(the_port(**known), the_nova_server())).steps
    return [(step.id, step.body["allowed_address_pairs"]) for step in steps if isinstance(step, Update)]


def pairs(*addresses: str, mac: str | None = None) -> dict[str, Any]:
    return {"allowed_address_pairs": [AddressPair(ip_address=it, mac_address=mac) for it in addresses]}


@pytest.mark.parametrize(
    "entry",
    [
        a_port(**pairs("10.8.0.0/24", "10.9.0.1")),
        a_port(**pairs("10.9.0.1/32", "10.8.0.0/24")),
        a_port(**pairs("10.9.0.1", "10.8.0.0/24", mac="FA-16-3E-00-00-01")),
        a_port(),
        a_port(enable_port_security=False, **pairs("10.7.0.1")),
        a_port(value_specs=[ValueSpec(name="a", key="allowed_address_pairs", json=[])], **pairs("10.7.0.1")),
    ],
    ids=[
        "same",
        "other order and spelling",
        "the port's MAC",
        "says nothing",
        "no port security",
        "said by valueSpecs",
    ],
)
def test_address_pairs_that_are_as_the_spec_says_cost_no_request(entry: PortOpts) -> None:
    assert repairs(entry, *FILLED) == []


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        (a_port(**pairs("10.9.0.1")), [{"ip_address": "10.9.0.1"}]),
        (a_port(**pairs("10.8.0.0/25", "10.9.0.1")), [{"ip_address": "10.8.0.0/25"}, {"ip_address": "10.9.0.1"}]),
        (a_port(**pairs("::1", mac="fa:16:3e:00:00:02")), [{"ip_address": "::1", "mac_address": "fa:16:3e:00:00:02"}]),
        (a_port(allowed_address_pairs=[]), []),
    ],
)
def test_address_pairs_of_a_port_that_exists_become_those_of_the_spec(entry: PortOpts, sent: list[Any]) -> None:
    assert repairs(entry, *FILLED) == [("port-0", sent)]


def test_no_address_pairs_are_sent_to_a_port_whose_port_security_is_off() -> None:
    assert repairs(a_port(**pairs("10.9.0.1")), port_security_enabled=False) == []


def test_the_tags_of_the_server_come_before_those_of_the_port() -> None:
    assert body_of(a_port(tags=["b", "a"]), tags=["a"])["tags"] == ["a", "b"]


def test_groups_of_the_server_are_for_ports_that_say_nothing() -> None:
    groups = [SecurityGroupParam(id="sg-server")]

    assert body_of(a_port(), security_groups=groups)["security_groups"] == ["sg-server"]
    assert body_of(a_port(security_groups=[]), security_groups=groups)["security_groups"] == []


def test_no_groups_are_no_word_to_a_neutron_that_has_none() -> None:
    seen = seen_of(extensions=NEUTRON - {"security-group"})

    assert "security_groups" not in body_of(a_port(security_groups=[]), seen)


def test_a_filter_may_mean_several_groups() -> None:
    port = a_port(
        security_groups=[SecurityGroupParam(id="sg-1"), SecurityGroupParam(filter=SecurityGroupFilter(tags=["t"]))]
    )
    found = {"spec.ports[0].securityGroups[1]": (SecurityGroup(id="sg-2"), SecurityGroup(id="sg-3"))}

    assert body_of(port, seen_of(found=found))["security_groups"] == ["sg-1", "sg-2", "sg-3"]


def test_a_network_by_filter_is_the_one_that_matches() -> None:
    port = PortOpts(network=NetworkParam(filter=NetworkFilter(name="traffic")))

    body = body_of(port, seen_of(found={"spec.ports[0].network": (Network(id="net-7"),)}))

    assert body["network_id"] == "net-7"


def test_a_network_that_matches_three_is_told_with_its_candidates() -> None:
    port = PortOpts(network=NetworkParam(filter=NetworkFilter(name="traffic")))
    found = tuple(Network(id=f"n{i}", name="traffic") for i in range(3))

    plan = plan_server(a_server(a_port(), port), seen_of(found={"spec.ports[1].network": found}))

    assert plan.waits[0].told == 'spec.ports[1].network: 3 networks match name "traffic" (ids n0, n1, n2)'


def test_a_subnet_by_filter_is_one_of_the_ports_network() -> None:
    port = a_port(fixed_ips=[FixedIP(subnet=SubnetParam(filter=SubnetFilter(name="v4")), ip_address="10.6.0.5")])
    subnets = (
        Subnet(id="s1", network_id="net-1", cidr="10.6.0.0/24"),
        Subnet(id="s2", network_id="net-2", cidr="10.6.0.0/24"),
    )

    body = body_of(port, seen_of(found={"spec.ports[0].fixedIPs[0].subnet": subnets}))

    assert body["fixed_ips"] == [{"subnet_id": "s1", "ip_address": "10.6.0.5"}]


def test_a_subnet_of_another_network_is_told_with_the_network_that_it_was_looked_for_in() -> None:
    port = a_port(fixed_ips=[FixedIP(subnet=SubnetParam(filter=SubnetFilter(name="v4")))])
    found = {"spec.ports[0].fixedIPs[0].subnet": (Subnet(id="s2", network_id="net-2", cidr="10.6.0.0/24"),)}

    plan = plan_server(a_server(port), seen_of(found=found))

    assert plan.waits[0].told == 'spec.ports[0].fixedIPs[0].subnet: no subnet matches name "v4" in network net-1'


def test_a_port_without_a_network_is_on_that_of_its_subnet() -> None:
    port = PortOpts(fixed_ips=[FixedIP(subnet=SubnetParam(id="s1"))])
    found = {"spec.ports[0].fixedIPs[0].subnet": (Subnet(id="s1", network_id="net-5", cidr="10.0.0.0/24"),)}

    assert body_of(port, seen_of(found=found))["network_id"] == "net-5"


@pytest.mark.parametrize(
    ("port", "path"),
    [
        (PortOpts(), "spec.ports[0].network"),
        (
            a_port(enable_port_security=False, security_groups=[SecurityGroupParam(id="x")]),
            "spec.ports[0].securityGroups",
        ),
    ],
)
def test_a_contradiction_is_told_before_anything_is_made(port: PortOpts, path: str) -> None:
    plan = plan_server(a_server(port), seen_of())

    assert (plan.steps, plan.waits[0].reason, plan.waits[0].path) == ((), "InvalidMachineSpec", path)


def test_a_trunk_without_the_extension_is_told_before_anything_is_made() -> None:
    plan = plan_server(a_server(a_port(), a_port(trunk=True)), seen_of(extensions=frozenset()))

    assert plan.steps == ()
    assert (plan.waits[0].reason, plan.waits[0].path) == ("TrunkNotSupported", "spec.ports[1].trunk")
    assert 'extension "trunk"' in plan.waits[0].message


def test_a_trunk_is_made_on_its_port_with_the_ports_tags() -> None:
    plan = plan_server(a_server(a_port(trunk=True, tags=["p"]), tags=["s"]), seen_of())

    step = plan.steps[1]
    assert isinstance(step, Create)
    assert step.body == {"name": "worker-0-0", "port_id": Key(Kind.PORT, "port-0"), "tags": ["s", "p"]}


def test_a_trunk_that_exists_is_not_made_again() -> None:
    trunk = Trunk(id="t", port_id="port-0", tags=(Mark(OWNER, "trunk-0").tag,))

    plan = plan_server(a_server(trunk=True), seen_of(the_port(), (Kind.TRUNK, trunk)))

    assert [step.key.kind for step in plan.steps if isinstance(step, Create)] == [Kind.SERVER]


def test_the_word_of_a_port_goes_before_that_of_its_server() -> None:
    server = a_server(a_port(trunk=False), a_port(), trunk=True)

    assert [wants_trunk(server.spec, port) for port in server.spec.ports] == [False, True]


def test_a_qos_policy_by_name_is_the_one_that_matches() -> None:
    port = a_port(qos_policy=QosPolicyParam(filter=QosPolicyFilter(name="gold")))
    path = "spec.ports[0].qosPolicy"

    body = body_of(port, seen_of(found={path: (QosPolicy(id="q7", name="gold"),)}))
    missing = plan_server(a_server(port), seen_of())

    assert body["qos_policy_id"] == "q7"
    assert missing.waits[0].told == f'{path}: no QoS policy matches name "gold"'


@pytest.mark.parametrize(
    ("fields", "field", "extension"),
    [
        ({"dns_name": "www"}, "dnsName", "dns-integration"),
        ({"qos_policy": QosPolicyParam(id="q1")}, "qosPolicy", "qos"),
        ({"extra_dhcp_options": [ExtraDHCPOption(name="mtu", value="9000")]}, "extraDHCPOptions", "extra_dhcp_opt"),
        ({"enable_port_security": False}, "enablePortSecurity", "port-security"),
        ({"security_groups": [SecurityGroupParam(id="g1")]}, "securityGroups", "security-group"),
        ({"binding_profile": {"a": 1}}, "bindingProfile", "binding"),
        ({"vnic_type": "direct"}, "vnicType", "binding"),
        ({"hints": {"openvswitch": {}}}, "hints", "port-hints"),
        ({"propagate_uplink_status": True}, "propagateUplinkStatus", "uplink-status-propagation"),
        ({"allowed_address_pairs": [AddressPair(ip_address="::1")]}, "allowedAddressPairs", "allowed-address-pairs"),
        ({"floating_ip": PortFloatingIP(network=NetworkParam(id="public"))}, "floatingIP", "router"),
    ],
)
def test_what_the_cloud_does_not_know_is_told_before_anything_is_made(
    fields: dict[str, Any], field: str, extension: str
) -> None:
    server = a_server(a_port(), a_port(**fields))

    known, unknown = plan_server(server, seen_of()), plan_server(server, seen_of(extensions=NEUTRON - {extension}))

    assert known.steps
    assert (unknown.steps, [wait.reason for wait in unknown.waits]) == ((), ["ExtensionMissing"])
    assert unknown.waits[0].told == (
        f'spec.ports[1].{field}: Neutron has no extension "{extension}", which this needs; '
        f"enable it or leave {field} out"
    )


def test_a_network_of_a_cluster_is_nothing_that_a_server_knows() -> None:
    port = a_port(subports=[Subport(segmentation_id=7, port=PortBody(cluster_network="traffic"))])

    plan = plan_server(a_server(a_port(cluster_network="storage"), port), seen_of())

    assert (plan.steps, {wait.reason for wait in plan.waits}) == ((), {"InvalidMachineSpec"})
    assert [wait.path for wait in plan.waits] == [
        "spec.ports[0].clusterNetwork",
        "spec.ports[1].subports[0].port.clusterNetwork",
    ]
