# SPDX-License-Identifier: Apache-2.0
"""What has to be looked up in OpenStack for a cluster's spec, before anything can be decided."""

from collections.abc import Iterator, Mapping

from pycapo.api.networks import NamedNetwork
from pycapo.api.references import NetworkParam
from pycapo.model.kinds import Kind
from pycapo.plan import balancer, bastion, endpoint
from pycapo.plan.asked import Asked
from pycapo.plan.choose import query_of

Lookup = tuple[Kind, Mapping[str, str]]
Lookups = Mapping[str, Lookup]
"""By field path the kind and the list filters."""


def lookups(asked: Asked) -> Lookups:
    """Every reference of the spec that is looked up; what hangs on another's answer (the subnets of a network) is not here."""
    return dict(_references(asked))


def _references(asked: Asked) -> Iterator[tuple[str, Lookup]]:
    yield from _network(asked)
    yield from _router(asked)
    yield from _balancer(asked)
    wanted = endpoint.wanted_address(asked)
    if wanted:
        yield endpoint.PATH, (Kind.FLOATING_IP, {"floating_ip_address": wanted})
    address = asked.spec.bastion.floating_ip if asked.spec.bastion and asked.has_bastion else None
    if address:
        yield bastion.PATH, (Kind.FLOATING_IP, {"floating_ip_address": address})


def _network(asked: Asked) -> Iterator[tuple[str, Lookup]]:
    spec = asked.spec
    if spec.enable_external_network is not False:
        yield "spec.externalNetwork", (Kind.NETWORK, _external(spec.external_network))
    if spec.network and not spec.managed_subnets:
        yield "spec.network", (Kind.NETWORK, query_of(spec.network))
    for index, subnet in enumerate(spec.subnets or ()):
        yield f"spec.subnets[{index}]", (Kind.SUBNET, query_of(subnet))
    if spec.primary_subnet:
        yield "spec.primarySubnet", (Kind.SUBNET, query_of(spec.primary_subnet))
    for index, named in enumerate(spec.networks or ()):
        yield from _named(f"spec.networks[{index}]", named)


def _named(path: str, named: NamedNetwork) -> Iterator[tuple[str, Lookup]]:
    if named.network:
        yield f"{path}.network", (Kind.NETWORK, query_of(named.network))
    if named.per_machine and named.per_machine.claim:
        yield f"{path}.perMachine.claim", (Kind.NETWORK_CLAIM, query_of(named.per_machine.claim))
    for place, network in (("managed", named.managed), ("perMachine", named.per_machine)):
        if network and network.qos_policy and not network.qos_policy.id:
            yield f"{path}.{place}.qosPolicy", (Kind.QOS_POLICY, query_of(network.qos_policy))


def _router(asked: Asked) -> Iterator[tuple[str, Lookup]]:
    spec = asked.spec
    if spec.router:
        yield "spec.router", (Kind.ROUTER, query_of(spec.router))
    for index, address in enumerate((spec.managed_router.external_ips if spec.managed_router else None) or ()):
        if not address.subnet.id:
            yield f"spec.managedRouter.externalIPs[{index}].subnet", (Kind.SUBNET, query_of(address.subnet))


def _external(wanted: NetworkParam | None) -> Mapping[str, str]:
    query = query_of(wanted)
    return query if "id" in query else {**query, "router:external": "true"}


def _balancer(asked: Asked) -> Iterator[tuple[str, Lookup]]:
    wanted = asked.balancer
    if flavor := balancer.flavor_name(asked):
        yield f"{balancer.PATH}.flavor", (Kind.LOAD_BALANCER_FLAVOR, {"name": flavor})
    if wanted and wanted.network:
        yield f"{balancer.PATH}.network", (Kind.NETWORK, query_of(wanted.network))
    if wanted and wanted.subnets:
        yield f"{balancer.PATH}.subnets[0]", (Kind.SUBNET, query_of(wanted.subnets[0]))
