# SPDX-License-Identifier: Apache-2.0
"""How ports of attachments are known again in entries that change, also those that earlier versions made."""

from typing import Any

import pytest

from pycapo.api.ports import PortBody, PortOpts, Subport
from pycapo.api.references import NetworkParam, QosPolicyParam, SecurityGroupParam
from pycapo.model.marks import Mark
from pycapo.model.records import Port
from pycapo.plan.nic_roles import fingerprint, letters, roles_of

ID = "bbbbbbbbbbbb"
WEB = [SecurityGroupParam(id="web")]


def entry(**fields: Any) -> PortOpts:
    return PortOpts(network=NetworkParam(id="net"), **fields)


def child(id: int, network: str = "other", **fields: Any) -> Subport:
    return Subport(segmentation_id=id, port=PortBody(network=NetworkParam(id=network), **fields))


def named(*entries: PortOpts) -> list[str]:
    return [f"nic-{it.name_suffix or index}" for index, it in enumerate(entries)]


def made(*entries: PortOpts) -> list[Port]:
    """The ports of entries that are all new, those of their trunks too."""
    ports = []
    for name, roles in zip(named(*entries), roles_of(ID, entries, named(*entries), ()), strict=True):
        for role in (roles.parent, *(f"{roles.parent}-{it}" for it in roles.children)):
            ports.append(Port(id=role, name=name, network_id="net", tags=(Mark("a" * 12, role).tag,)))
    return ports


def parents(ports: list[Port], *entries: PortOpts) -> list[str]:
    return [it.parent for it in roles_of(ID, entries, named(*entries), ports)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (entry(security_groups=WEB), entry()),
        (entry(), entry(security_groups=[])),
        (entry(subports=[child(1)]), entry(subports=[child(2), child(3)])),
        (entry(subports=[child(1)]), entry(trunk=True)),
        (entry(subports=[child(1)], security_groups=WEB), entry(subports=[child(2)])),
    ],
    ids=["no groups", "groups", "subports", "no subports", "both"],
)
def test_what_changes_in_place_is_the_same_nic_for_one_that_exists(before: PortOpts, after: PortOpts) -> None:
    assert parents(made(before), after) == parents([], before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (entry(qos_policy=QosPolicyParam(id="gold")), entry()),
        (entry(enable_port_security=True), entry()),
        (entry(subports=[child(1)]), entry()),
        (entry(), PortOpts(network=NetworkParam(id="other"), security_groups=WEB)),
    ],
    ids=["no policy", "no port security", "no trunk", "network"],
)
def test_everything_else_is_another_nic(before: PortOpts, after: PortOpts) -> None:
    assert parents(made(before), after) != parents([], before)


def test_a_new_entry_takes_no_port_from_one_that_lost_its_word() -> None:
    before = entry(security_groups=WEB, name_suffix="a")
    ports = made(before)

    kept, new = parents(ports, entry(name_suffix="a"), entry(security_groups=WEB, name_suffix="b"))

    assert (kept, new[:-1], new[-1]) == (ports[0].id, ports[0].id[:-1], "1")


def test_an_entry_that_is_exactly_the_same_comes_before_one_that_could_be_changed() -> None:
    ports = made(entry())

    groups, same = parents(ports, entry(security_groups=WEB), entry())

    assert (same, groups == same) == (ports[0].id, False)


def test_of_entries_that_are_alike_each_keeps_the_port_with_its_name() -> None:
    first, second = entry(name_suffix="a"), entry(name_suffix="b")
    ports = made(first, second)

    assert parents(ports, second, first) == [ports[1].id, ports[0].id]
    assert parents(ports, second) == [ports[1].id]


def test_of_two_trunks_each_keeps_what_it_carries() -> None:
    first, second = entry(subports=[child(1)]), entry(subports=[child(2)])
    ports = [it for it in made(first, second) if it.id.count("-") == 3]

    assert parents(made(first, second), second) == [ports[1].id]


def test_a_port_in_a_trunk_is_known_by_its_segment_and_what_cannot_change_of_it() -> None:
    before = entry(subports=[child(1), child(2), child(3, security_groups=WEB)])
    (first,) = roles_of(ID, [before], named(before), ())

    after = entry(subports=[child(3), child(2, network="elsewhere"), child(1)])
    (second,) = roles_of(ID, [after], named(after), made(before))

    assert (second.children[0], second.children[2]) == (first.children[2], first.children[0])
    assert second.children[1] not in first.children


def test_ports_in_a_trunk_that_are_alike_are_counted() -> None:
    port = Subport(segmentation_type="inherit", port=PortBody())
    alike = entry(subports=[port, port])

    (roles,) = roles_of(ID, [alike], named(alike), ())

    assert roles.children[1] == f"{roles.children[0]}_1"


def test_a_trunk_that_an_earlier_version_made_is_known_with_its_ports_while_these_are_the_same() -> None:
    old = {"network": {"id": "net"}, "subports": [{"segmentationID": 1, "port": {"network": {"id": "other"}}}]}
    role = f"attach-{ID}-{letters({**old, 'securityGroups': True})}-t0"
    port = entry(security_groups=WEB, subports=[child(1)])
    ports = [Port(id=it, name="nic-0", network_id="net", tags=(Mark("a" * 12, it).tag,)) for it in (role, f"{role}-0")]

    for written in (port, entry(subports=[child(1)])):
        (roles,) = roles_of(ID, [written], named(written), ports)
        assert (roles.parent, roles.children) == (role, ("0",))
    assert parents(ports, entry(security_groups=WEB, subports=[child(2)])) != [role]


def test_a_trunk_without_a_word_on_its_ports_has_the_fingerprint_that_it_always_had() -> None:
    assert fingerprint(entry(subports=[child(1)])) == fingerprint(entry(trunk=True))
    assert fingerprint(entry(trunk=True)) == letters({"network": {"id": "net"}, "trunk": True})
