# SPDX-License-Identifier: Apache-2.0
"""MTU, port security and QoS policy of networks in Neutron's words: of the cluster's named networks, and of a machine's own.

Rule: what the spec does not say is left to Neutron, and never set back.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pycapo.api.networks import NAMED_NETWORKS, NetworkOptions
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, QosPolicy
from pycapo.model.seen import Seen
from pycapo.model.steps import Step, Update, Wait
from pycapo.plan.capabilities import QOS_EXTENSION, lacking
from pycapo.plan.choose import choose_one, query_of, spelled


def policy_of(seen: Seen, path: str, wanted: NetworkOptions) -> str | Wait | None:
    """The id of the QoS policy that a network is to have; `path` is the field of the network."""
    if wanted.qos_policy is None:
        return None
    if missing := next(lacking([(f"{path}.qosPolicy", QOS_EXTENSION)], seen.extensions), None):
        return msgspec.structs.replace(missing, condition=NAMED_NETWORKS)
    if wanted.qos_policy.id:
        return wanted.qos_policy.id
    where, told = f"{path}.qosPolicy", spelled(query_of(wanted.qos_policy))
    found: Sequence[QosPolicy] = [it for it in seen.found.get(where, ()) if isinstance(it, QosPolicy)]
    chosen = choose_one(found, path=where, kind=Kind.QOS_POLICY, wanted=told, condition=NAMED_NETWORKS)
    return chosen if isinstance(chosen, Wait) else chosen.id


def options_body(wanted: NetworkOptions, policy: str | None) -> dict[str, Any]:
    """The attributes of a network that is to be made, as far as the spec says them."""
    return {name: value for name, (value, _) in _asked(wanted, policy).items() if value is not None}


def option_changes(wanted: NetworkOptions, record: Network, policy: str | None, *, path: str) -> Iterator[Step]:
    """What brings MTU, port security and QoS policy of a network to the spec, where the spec names them."""
    for name, (value, field) in _asked(wanted, policy).items():
        if value is not None and value != getattr(record, name):
            why = f"set {name} of network {record.name} to {value}"
            yield Update(kind=Kind.NETWORK, id=record.id, body={name: value}, why=why, path=f"{path}.{field}")


def _asked(wanted: NetworkOptions, policy: str | None) -> Mapping[str, tuple[Any, str]]:
    """By Neutron's name of an attribute what it is to be, and its field."""
    return {
        "mtu": (wanted.mtu, "mtu"),
        "port_security_enabled": (wanted.enable_port_security, "enablePortSecurity"),
        "qos_policy_id": (policy, "qosPolicy"),
    }
