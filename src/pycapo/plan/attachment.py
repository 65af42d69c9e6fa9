# SPDX-License-Identifier: Apache-2.0
"""What an OpenStackNetworkAttachment tells of its machines, from what their servers told of themselves.

Rule: a machine counts as ready only when its server acted on the newest wish of this very attachment.
"""

from collections.abc import Mapping, Sequence

import msgspec

from pycapo.api.meta import Condition
from pycapo.api.v1alpha1 import (
    AttachedMachine,
    OpenStackNetworkAttachment,
    OpenStackNetworkAttachmentStatus,
    OpenStackServer,
    ServerAttachment,
)
from pycapo.plan.nics import CONDITION
from pycapo.plan.report import SHOWN
from pycapo.plan.routes import DEFAULT_ROUTE

ATTACHMENT_FINALIZER = "openstacknetworkattachment.infrastructure.cluster.x-k8s.io"

MOST = 500
"""Machines whose NICs are told one by one: an object of etcd holds no more than 1.5 MB."""


def attachment_status(
    attachment: OpenStackNetworkAttachment, servers: Mapping[str, OpenStackServer | None]
) -> OpenStackNetworkAttachmentStatus:
    """The status of an attachment that selects these machines, by name; None stands for a machine without a server yet."""
    told = {name: told_of(attachment, server) for name, server in servers.items()}
    lacking = [name for name in sorted(told) if not has_all(attachment, told[name])]
    complete = [name for name in sorted(told) if has_all(attachment, told[name])]
    before = attachment.status or OpenStackNetworkAttachmentStatus()
    return msgspec.structs.replace(
        before,
        observed_generation=attachment.metadata.generation,
        selected=len(told),
        ready=len(complete),
        machines=[_machine(name, told[name]) for name in (*lacking, *complete)[:MOST]],
    )


def why_not_ready(
    attachment: OpenStackNetworkAttachment, servers: Mapping[str, OpenStackServer | None]
) -> tuple[str, str] | None:
    """Reason and words of what keeps an attachment from being ready: those of the first machines that lack something."""
    lacking: list[tuple[str, Condition | None]] = []
    for name in sorted(servers):
        told = told_of(attachment, servers[name])
        if not has_all(attachment, told):
            current = told and told.observed_generation == attachment.metadata.generation
            lacking.append((name, _condition(told) if told and current else None))
    if not lacking:
        return None
    lacking.sort(key=lambda item: item[1] is None)
    words = [f"{name}: {found.message if found else 'no NIC was plugged in yet'}" for name, found in lacking[:SHOWN]]
    more = f"; and {len(lacking) - SHOWN} more machines" if len(lacking) > SHOWN else ""
    first = lacking[0][1]
    return (first.reason if first else "WaitingForMachines", "; ".join(words) + more)


def default_route(
    attachment: OpenStackNetworkAttachment, servers: Mapping[str, OpenStackServer | None]
) -> tuple[bool, str, str] | None:
    """Status, reason and words of what became of the default route; None while no server tells of it."""
    told = ((name, told_of(attachment, servers[name])) for name in sorted(servers))
    found = [(name, it) for name, entry in told if entry and (it := _condition(entry, DEFAULT_ROUTE))]
    if not found:
        return None
    elsewhere = [(name, it) for name, it in found if it.status != "True"]
    words = [f"{name}: {it.message}" for name, it in elsewhere[:SHOWN]]
    more = f"; and {len(elsewhere) - SHOWN} more machines" if len(elsewhere) > SHOWN else ""
    return not elsewhere, (elsewhere or found)[0][1].reason or "", "; ".join(words) + more


def told_of(attachment: OpenStackNetworkAttachment, server: OpenStackServer | None) -> ServerAttachment | None:
    """What a server told of this attachment."""
    entries: Sequence[ServerAttachment] = (server.status.attachments if server and server.status else None) or ()
    mine = (it for it in entries if it.name == attachment.metadata.name and it.uid == attachment.metadata.uid)
    return next(mine, None)


def has_all(attachment: OpenStackNetworkAttachment, told: ServerAttachment | None) -> bool:
    """Whether a server has all NICs of the newest wish."""
    found = _condition(told) if told else None
    current = told is not None and told.observed_generation == attachment.metadata.generation
    return current and found is not None and found.status == "True"


def _condition(told: ServerAttachment, type_: str = CONDITION) -> Condition | None:
    return next((it for it in told.conditions or () if it.type == type_), None)


def _machine(name: str, told: ServerAttachment | None) -> AttachedMachine:
    return AttachedMachine(name=name, ports=told.ports if told else None, conditions=told.conditions if told else None)
