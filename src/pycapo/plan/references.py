# SPDX-License-Identifier: Apache-2.0
"""What the references of a server's spec mean: first what has to be looked up, then which ids were meant.

Rule: every reference is known before anything is made. Neutron's things given by id are not looked up (Neutron says itself
which one it does not know); image and flavor are, because Nova would say so only after ports and volumes exist.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.references import SecurityGroupParam
from pycapo.api.v1alpha1 import OpenStackServerSpec
from pycapo.model.kinds import Kind
from pycapo.model.records import Record, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Wait
from pycapo.plan.choose import choose_one, choose_some, query_of, spelled

INSTANCE_READY = "InstanceReady"
IMAGE_OBJECT = "spec.image.imageRef"

Wanted = Mapping[str, tuple[Kind, Mapping[str, str]]]
"""What to look up: by field path the kind and the list filters."""

Ids = dict[str, tuple[str, ...]]
"""What was meant: ids by field path."""

Place = tuple[str, str]
"""An address and the id of its subnet, the subnet first."""

Reference = tuple[str, Kind, msgspec.Struct, bool]
"""Field path, kind, the reference, and whether it is looked up even when it is an id."""


class Resolved(msgspec.Struct, frozen=True):
    """Ids by field path, a wait for each reference that matches none or several, and the addresses of ports by field path."""

    ids: Ids
    waits: tuple[Wait, ...] = ()
    addresses: Mapping[str, Place] = {}

    def one(self, path: str) -> str | None:
        """The id of a reference that names one thing, if the spec has it."""
        return next(iter(self.ids.get(path, ())), None)


def wanted(spec: OpenStackServerSpec) -> Wanted:
    """What has to be looked up for a server's spec."""
    queries = {path: (kind, query_of(reference)) for path, kind, reference, always in _references(spec)}
    always_wanted = {path for path, _, _, always in _references(spec) if always}
    neutron = {path: it for path, it in queries.items() if path in always_wanted or "id" not in it[1]}
    return {**_flavor(spec), **neutron}


def resolve(spec: OpenStackServerSpec, seen: Seen) -> Resolved:
    """The ids that are meant, given what the look-ups found (`seen.found`)."""
    ids: Ids = {path: (query_of(it)["id"],) for path, _, it, _ in _references(spec) if "id" in query_of(it)}
    waits: list[Wait] = []
    for path, (kind, query) in wanted(spec).items():
        networks = _networks(path, ids)
        found, named = _inside(seen.found.get(path, ()), networks), spelled(query)
        words = f"{named} in network {', '.join(networks)}" if networks else named
        choose = choose_some if kind is Kind.SECURITY_GROUP else choose_one
        chosen = choose(found, path=path, kind=kind, wanted=words, condition=INSTANCE_READY)
        match chosen:
            case Wait():
                waits.append(chosen)
            case tuple():
                ids[path] = tuple(item.id for item in chosen)
            case Record():
                ids[path] = (chosen.id,)
    return Resolved(ids, (*waits, *_image_object(spec, seen, ids)))


def image_object(spec: OpenStackServerSpec) -> str | None:
    """The name of the Image object of openstack-resource-controller that the spec refers to."""
    return spec.image.image_ref.name if spec.image.image_ref else None


def _image_object(spec: OpenStackServerSpec, seen: Seen, ids: Ids) -> Iterator[Wait]:
    """Takes the image behind an Image object; its life belongs to another controller, so its absence is waited for."""
    name = image_object(spec)
    if not name:
        return
    found = seen.found.get(IMAGE_OBJECT, ())
    if found:
        ids["spec.image"] = (found[0].id,)
        return
    yield Wait(
        condition=INSTANCE_READY,
        reason="WaitingForImage",
        path=IMAGE_OBJECT,
        message=f'no available Image object "{name}" of openstack-resource-controller in this namespace',
        after=30.0,
    )


def _networks(path: str, ids: Ids) -> tuple[str, ...]:
    """The network that a subnet has to be of: its port's, if the port names one (networks are resolved first)."""
    port, fixed, _ = path.partition(".fixedIPs")
    return ids.get(f"{port}.network", ()) if fixed else ()


def _inside(found: tuple[Record, ...], networks: tuple[str, ...]) -> tuple[Record, ...]:
    """What was found; of subnets only those of the port's network, if it names one."""
    if not networks:
        return found
    return tuple(item for item in found if isinstance(item, Subnet) and item.network_id in networks)


def _flavor(spec: OpenStackServerSpec) -> Wanted:
    if spec.flavor_id:
        return {"spec.flavorID": (Kind.FLAVOR, {"id": spec.flavor_id})}
    return {"spec.flavor": (Kind.FLAVOR, {"name": spec.flavor})} if spec.flavor else {}


def _references(spec: OpenStackServerSpec) -> Iterator[Reference]:
    if not spec.image.image_ref:
        yield "spec.image", Kind.IMAGE, spec.image, True
    if spec.server_group:
        yield "spec.serverGroup", Kind.SERVER_GROUP, spec.server_group, False
    yield from _groups("spec", spec.security_groups)
    for index, port in enumerate(spec.ports):
        yield from _of_port(f"spec.ports[{index}]", port)


def _of_port(path: str, port: PortBody) -> Iterator[Reference]:
    for place, subport in enumerate(port.subports or () if isinstance(port, PortOpts) else ()):
        yield from _of_port(f"{path}.subports[{place}].port", subport.port)
    if port.existing_port:
        yield f"{path}.existingPort", Kind.PORT, port.existing_port, True
    if port.network:
        yield f"{path}.network", Kind.NETWORK, port.network, False
    for place, fixed in enumerate(port.fixed_ips or ()):
        if fixed.subnet and not port.cluster_network:  # those of a network to be made come with it
            # Without a network it is the subnet that says which one is meant; an address is looked for in it.
            needed = port.network is None or bool(fixed.ip_address or fixed.range or fixed.address_from)
            yield f"{path}.fixedIPs[{place}].subnet", Kind.SUBNET, fixed.subnet, needed
    if port.qos_policy:
        yield f"{path}.qosPolicy", Kind.QOS_POLICY, port.qos_policy, False
    yield from _groups(path, port.security_groups)


def _groups(path: str, groups: list[SecurityGroupParam] | None) -> Iterator[Reference]:
    for place, group in enumerate(groups or ()):
        yield f"{path}.securityGroups[{place}]", Kind.SECURITY_GROUP, group, False
