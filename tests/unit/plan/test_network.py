# SPDX-License-Identifier: Apache-2.0
"""The cluster network and the external one: made, found, kept."""

from typing import Any

import pytest

from builders import OWNER, a_picture, asked
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Network, Record, Subnet
from pycapo.model.steps import Create, Key, Plan, Step, Update
from pycapo.plan.network import Ground, ip_version, plan_external, plan_network

NAME = "k8s-clusterapi-cluster-team-blue"
NETWORK = Network(id="n", name=NAME, tags=(Mark(OWNER, "network").tag,), mtu=1450, port_security_enabled=True)
SUBNET = Subnet(
    id="s",
    name=NAME,
    network_id="n",
    cidr="10.6.0.0/24",
    dns_nameservers=("1.1.1.1",),
    tags=(Mark(OWNER, "subnet-0").tag,),
)
THERE: dict[Kind, tuple[Record, ...]] = {Kind.NETWORK: (NETWORK,), Kind.SUBNET: (SUBNET,)}


def planned(fields: dict[str, Any] | None = None, **spec: Any) -> tuple[Plan, Ground | None]:
    return plan_network(asked(**spec), a_picture(**(fields or {})))


def existing(found: dict[str, tuple[Record, ...]], **spec: Any) -> tuple[Plan, Ground | None]:
    return planned({"found": found}, **{"managedSubnets": None, **spec})


def created(step: Step) -> Create:
    assert isinstance(step, Create)
    return step


def test_a_managed_network_is_made_with_its_subnet() -> None:
    plan, ground = planned()

    network, subnet = map(created, plan.steps)
    assert network.body["name"] == subnet.body["name"] == NAME
    assert subnet.body["network_id"] == Key(Kind.NETWORK, "network")
    assert (subnet.body["cidr"], subnet.body["ip_version"]) == ("10.6.0.0/24", 4)
    assert [step.mark for step in (network, subnet)] == [Mark(OWNER, "network"), Mark(OWNER, "subnet-0")]
    assert ground is not None
    assert ground.primary.ref == Key(Kind.SUBNET, "subnet-0")


def test_what_is_there_is_not_made_again() -> None:
    plan, ground = planned({"owned": THERE})

    assert plan == Plan()
    assert ground is not None
    assert (ground.ref, ground.primary.ref) == ("n", "s")


def test_attributes_of_the_network_go_into_its_creation() -> None:
    plan, _ = planned(managedNetwork={"mtu": 9000, "enablePortSecurity": False}, tags=["prod"])

    body = created(plan.steps[0]).body
    assert (body["mtu"], body["port_security_enabled"], body["tags"]) == (9000, False, ["prod"])


def test_a_changed_mtu_is_set_back() -> None:
    plan, _ = planned({"owned": THERE}, managedNetwork={"mtu": 1400})

    (step,) = plan.steps
    assert isinstance(step, Update)
    assert (step.id, step.body) == ("n", {"mtu": 1400})


def test_port_security_that_the_spec_does_not_name_is_left() -> None:
    plan, _ = planned({"owned": THERE}, managedNetwork={"mtu": 1450})

    assert plan == Plan()


def test_allocation_pools_go_into_the_subnet() -> None:
    pools = [{"start": "10.6.0.10", "end": "10.6.0.20"}]

    plan, _ = planned(managedSubnets=[{"cidr": "10.6.0.0/24", "allocationPools": pools}])

    assert created(plan.steps[1]).body["allocation_pools"] == pools


def test_an_ipv6_cidr_makes_an_ipv6_subnet() -> None:
    plan, _ = planned(managedSubnets=[{"cidr": "fd00:6::/64"}])

    assert created(plan.steps[1]).body["ip_version"] == 6


def test_other_dns_servers_are_set() -> None:
    plan, _ = planned({"owned": THERE}, managedSubnets=[{"cidr": "10.6.0.0/24", "dnsNameservers": ["9.9.9.9"]}])

    (step,) = plan.steps
    assert isinstance(step, Update)
    assert step.body == {"dns_nameservers": ["9.9.9.9"]}
    assert step.path == "spec.managedSubnets[0].dnsNameservers"


def test_missing_tags_are_set_on_network_and_subnet() -> None:
    plan, _ = planned({"owned": THERE}, tags=["prod"])

    assert [(step.id, step.body) for step in plan.steps if isinstance(step, Update)] == [
        ("n", {"tags": ["prod"]}),
        ("s", {"tags": ["prod"]}),
    ]


def test_tags_are_left_where_neutron_has_none() -> None:
    plan, _ = planned({"owned": THERE, "extensions": frozenset()}, tags=["prod"])

    assert plan == Plan()


def test_a_recorded_network_without_mark_is_taken_over() -> None:
    unmarked = Network(id="n", name=NAME)
    seen = a_picture(named={Kind.NETWORK: (unmarked,)})
    status = {"network": {"name": NAME, "id": "n"}}

    plan, ground = plan_network(asked(status), seen)

    step = plan.steps[0]
    assert isinstance(step, Update)
    assert (step.id, step.body) == ("n", {"tags": [Mark(OWNER, "network").tag]})
    assert ground is not None
    assert ground.ref == "n"


def test_a_taken_network_is_marked_in_its_description_where_there_are_no_tags() -> None:
    seen = a_picture(named={Kind.NETWORK: (Network(id="n", name=NAME),)}, extensions=frozenset())

    plan, _ = plan_network(asked({"network": {"name": NAME, "id": "n"}}), seen)

    step = plan.steps[0]
    assert isinstance(step, Update)
    assert step.body == {"description": f"[{Mark(OWNER, 'network').tag}]"}


@pytest.mark.parametrize(("id", "name"), [("other", NAME), ("n", "renamed")])
def test_an_unmarked_network_needs_both_name_and_recorded_id(id: str, name: str) -> None:
    seen = a_picture(named={Kind.NETWORK: (Network(id=id, name=name),)})

    plan, _ = plan_network(asked({"network": {"name": NAME, "id": "n"}}), seen)

    assert isinstance(plan.steps[0], Create)


DC = Network(id="dc", name="dc", subnets=("b", "a"))
A, B = (Subnet(id=id, name=id, network_id="dc", cidr=f"10.{n}.0.0/24") for n, id in enumerate("ab"))


def test_a_network_that_exists_brings_all_its_subnets_in_its_order() -> None:
    plan, ground = existing({"spec.network": (DC,), "spec.subnets": (A, B)}, network={"id": "dc"})

    assert plan == Plan()
    assert ground is not None
    assert [site.ref for site in ground.sites] == ["b", "a"]


def test_named_subnets_keep_the_order_of_the_spec() -> None:
    found: dict[str, tuple[Record, ...]] = {"spec.network": (DC,), "spec.subnets[0]": (A,), "spec.subnets[1]": (B,)}

    _, ground = existing(found, network={"id": "dc"}, subnets=[{"id": "a"}, {"id": "b"}])

    assert ground is not None
    assert [site.ref for site in ground.sites] == ["a", "b"]


def test_the_primary_subnet_comes_first_where_the_spec_names_it() -> None:
    found: dict[str, tuple[Record, ...]] = {"spec.network": (DC,), "spec.subnets": (A, B), "spec.primarySubnet": (A,)}

    _, ground = existing(found, network={"id": "dc"}, primarySubnet={"id": "a"})

    assert ground is not None
    assert ground.primary.ref == "a"


def test_a_subnet_of_another_network_does_not_count() -> None:
    stranger = Subnet(id="x", network_id="elsewhere", cidr="10.9.0.0/24")

    plan, ground = existing(
        {"spec.network": (DC,), "spec.subnets[0]": (stranger,)}, network={"id": "dc"}, subnets=[{"id": "x"}]
    )

    assert ground is None
    assert plan.waits[0].told == 'spec.subnets[0]: no subnet matches id "x" in network dc (dc)'


def test_an_ambiguous_network_is_told_with_its_candidates() -> None:
    found = {"spec.network": (DC, Network(id="dc2", name="dc"))}

    plan, ground = existing(found, network={"filter": {"name": "dc"}})

    assert ground is None
    assert plan.waits[0].told == 'spec.network: 2 networks match name "dc" (ids dc, dc2)'


def test_subnets_alone_name_the_network() -> None:
    _, ground = existing({"spec.network": (DC,), "spec.subnets[0]": (A,)}, subnets=[{"id": "a"}])

    assert ground is not None
    assert ground.ref == "dc"


def test_a_subnet_that_is_not_found_is_what_is_told() -> None:
    plan, _ = existing({"spec.subnets[0]": ()}, subnets=[{"filter": {"name": "gone"}}])

    assert plan.waits[0].told == 'spec.subnets[0]: no subnet matches name "gone"'


def test_a_network_without_subnets_is_told() -> None:
    plan, _ = existing({"spec.network": (DC,)}, network={"id": "dc"})

    assert plan.waits[0].told == "spec.network: network dc (dc) has no subnet"


def test_a_spec_without_any_network_says_what_to_give() -> None:
    plan, _ = existing({})

    assert plan.waits[0].reason == "NoNetwork"


PUBLIC = Network(id="p", name="public", external=True)


def external(*found: Network, **spec: Any) -> tuple[Plan, Network | None]:
    return plan_external(asked(**spec), a_picture(found={"spec.externalNetwork": found}))


def test_the_only_external_network_is_taken() -> None:
    assert external(PUBLIC) == (Plan(), PUBLIC)


def test_without_an_external_network_the_cluster_stays_inside() -> None:
    assert external() == (Plan(), None)


def test_a_choice_of_external_networks_is_left_to_people() -> None:
    plan, chosen = external(PUBLIC, Network(id="q", name="other", external=True))

    assert chosen is None
    assert plan.waits[0].told == "spec.externalNetwork: 2 external networks (public p, other q): name the one to use"


def test_an_external_network_that_is_named_must_exist() -> None:
    plan, _ = external(externalNetwork={"filter": {"name": "inet"}})

    assert plan.waits[0].told == 'spec.externalNetwork: no network matches name "inet" among the external ones'


def test_a_cluster_may_do_without_external_network() -> None:
    assert external(PUBLIC, enableExternalNetwork=False) == (Plan(), None)


@pytest.mark.parametrize(("text", "version"), [("10.0.0.0/8", 4), ("fd00::1", 6), ("nonsense", 4)])
def test_the_ip_version_of_a_cidr(text: str, version: int) -> None:
    assert ip_version(text) == version
