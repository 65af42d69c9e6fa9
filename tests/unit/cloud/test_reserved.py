# SPDX-License-Identifier: Apache-2.0
"""Which field of a spec a policy of Neutron refused."""

from typing import Any

import pytest

from memory_cloud import MemoryCloud
from pycapo.cloud.apply import apply
from pycapo.cloud.errors import BadRequest, Forbidden
from pycapo.cloud.reserved import reserved
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.steps import Create, Key, Plan

PROFILE = (
    "((((rule:create_port and rule:create_port:mac_address) and rule:create_port:fixed_ips) and "
    "rule:create_port:binding:profile) and rule:create_port:port_security_enabled) is disallowed by policy"
)
HINTS = (
    "(rule:create_port and (rule:create_port:hints and (rule:create_port:hints:openvswitch))) is disallowed by policy"
)
PAIRS = "((rule:create_port and rule:create_port:mac_address) and rule:create_port:fixed_ips) is disallowed by policy"
VLAN = (
    "((rule:create_network and rule:create_network:mtu) and rule:create_network:provider:network_type) and "
    "rule:create_network:provider:segmentation_id) is disallowed by policy"
)


def making(kind: Kind, path: str, **body: Any) -> Create:
    return Create(key=Key(kind, path), mark=Mark("aaaaaaaaaaaa", "port-0"), body=body, why="", path=path)


A = making(Kind.PORT, "a", mac_address="fa:16:3e:00:00:01", fixed_ips=[])
B = making(Kind.PORT, "b", mac_address="fa:16:3e:00:00:02", **{"binding:profile": {"x": 1}, "hints": {"y": 1}})
NETWORK = making(Kind.NETWORK, "n", mtu=1400, **{"provider:network_type": "vlan", "provider:segmentation_id": 7})


@pytest.mark.parametrize(
    ("steps", "message", "fields"),
    [
        ((A, B), PROFILE, ("b.bindingProfile",)),
        ((A, B), HINTS, ("b.hints",)),
        ((A,), PAIRS, ("a.fixedIPs", "a.macAddress")),
        ((A, B), PAIRS, ("a.fixedIPs", "a.macAddress", "b.macAddress")),
        ((NETWORK,), VLAN, ("n.provider",)),
        ((A, B), "rule:create_port is disallowed by policy", ()),
        ((A, B), "no such thing", ()),
    ],
)
def test_the_field_that_is_likely_to_be_reserved_is_named(
    steps: tuple[Create, ...], message: str, fields: tuple[str, ...]
) -> None:
    assert reserved(steps, message) == fields


def test_a_refusal_names_the_field_and_says_what_to_do() -> None:
    cloud = MemoryCloud()
    cloud.fail_next(Kind.PORT, "create", Forbidden(PROFILE, status=403))

    with pytest.raises(Forbidden) as refused:
        apply(Plan(steps=(A, B)), cloud)

    assert str(refused.value) == f"b.bindingProfile: {PROFILE}; leave it out, or use credentials that may set it"


def test_another_error_is_told_as_it_is() -> None:
    cloud = MemoryCloud()
    cloud.fail_next(Kind.PORT, "create", BadRequest(PROFILE, status=400))

    with pytest.raises(BadRequest) as refused:
        apply(Plan(steps=(A,)), cloud)

    assert str(refused.value) == f"a: {PROFILE}"
