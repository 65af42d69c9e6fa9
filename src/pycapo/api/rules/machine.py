# SPDX-License-Identifier: Apache-2.0
"""Rules for OpenStackMachine and OpenStackMachineTemplate (v1beta2).

Rule: a machine is not changed, it is replaced. The exceptions are what the controllers write, whose credentials are
used, and the address pairs of ports, which Neutron changes in place.
"""

from collections.abc import Iterator
from typing import Any

from pycapo.api.rules.fixed import Freedom, Update, items, part, spec_of, template_spec_of
from pycapo.api.rules.ports import MUTABLE, check_ports
from pycapo.api.rules.problem import Problem, forbidden

Json = dict[str, Any]
ROOT_DEVICE = "root"
TEMPLATE_ROOT = "spec.template.spec"

MACHINE = Freedom(
    always=("providerID", "instanceID", "identityRef", *MUTABLE),
    default=(
        "a machine is replaced, not changed; make a new OpenStackMachineTemplate and point the KubeadmControlPlane or"
        " MachineDeployment to it. For NICs on machines that run use an OpenStackNetworkAttachment"
    ),
)
_NEW_TEMPLATE = (
    "OpenStackMachineTemplate is immutable; make a new template and point the KubeadmControlPlane or"
    " MachineDeployment to it"
)
_OR_ATTACHMENT = f"{_NEW_TEMPLATE}, or add NICs to machines that run with an OpenStackNetworkAttachment"
TEMPLATE = (
    Freedom(always=MUTABLE, default=_NEW_TEMPLATE)
    .instead("ports", _OR_ATTACHMENT)
    .instead("additionalPorts", _OR_ATTACHMENT)
)


def check(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackMachine by itself."""
    return list(check_machine("spec", spec_of(found)))


def compare(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackMachine."""
    return list(MACHINE.refuse(Update(spec_of(old), spec_of(new))))


def check_template(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackMachineTemplate by itself."""
    spec = template_spec_of(found)
    problems = list(check_machine(TEMPLATE_ROOT, spec))
    if spec.get("providerID") is not None:
        told = "is the identity of one server and cannot be in a template; leave it out, the controller sets it"
        problems.append(forbidden(f"{TEMPLATE_ROOT}.providerID", told))
    return problems


def compare_templates(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackMachineTemplate."""
    return list(TEMPLATE.refuse(Update(template_spec_of(old), template_spec_of(new)), TEMPLATE_ROOT))


def advise_template(found: Json) -> list[str]:
    """Return what is allowed in a template but hardly meant."""
    spec = template_spec_of(found)
    return [
        f"{TEMPLATE_ROOT}.{name}[{index}].{field}: every machine of this template asks for the same {text};"
        f" only the first can have it. Use {instead} for one of its own"
        for name in ("ports", "additionalPorts")
        for index, port in enumerate(items(spec, name))
        for field, text, instead in _single(port)
    ]


def check_machine(path: str, spec: Json) -> Iterator[Problem]:
    """Yield the problems of the spec of a machine, of a template or of a bastion."""
    for name in ("ports", "additionalPorts"):
        yield from check_ports(f"{path}.{name}", items(spec, name))
    yield from check_devices(path, spec)


def check_devices(path: str, spec: Json) -> Iterator[Problem]:
    """Yield a problem when a block device takes the name of the root volume."""
    if not spec.get("rootVolume"):
        return
    for index, device in enumerate(items(spec, "additionalBlockDevices")):
        if device.get("name") == ROOT_DEVICE:
            told = f'"{ROOT_DEVICE}" is the name of the device that rootVolume makes; choose another'
            yield forbidden(f"{path}.additionalBlockDevices[{index}].name", told)


def _single(port: Json) -> Iterator[tuple[str, str, str]]:
    for index, fixed in enumerate(items(port, "fixedIPs")):
        if fixed.get("ipAddress"):
            yield f"fixedIPs[{index}].ipAddress", "address", "fixedIPs[].range or fixedIPs[].addressFrom"
    if part(port, "floatingIP").get("address"):
        yield "floatingIP.address", "floating IP", "floatingIP.poolRef"
    if port.get("existingPort"):
        yield "existingPort", "port", "ports that pycapo makes"
    if port.get("macAddress"):
        yield "macAddress", "MAC address", "no macAddress"
