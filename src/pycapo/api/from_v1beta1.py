# SPDX-License-Identifier: Apache-2.0
"""How v1beta1 differs from v1beta2: the steps for each kind.

v1beta1 has a flat API server, switches that disable, flavors as strings, failure domains as a map, conditions with
severity, and a ready flag.
"""

from typing import Any

from pycapo.api.leftovers import Group
from pycapo.api.steps import Body, Step, negate, rename

NO_REASON = "NoReasonReported"

GROUPS: tuple[Group, ...] = (
    frozenset({"flavor", "flavorID"}),
    frozenset({"ready", "failureReason", "failureMessage", "conditions"}),
)


def _flavor_to_hub(spec: Body) -> None:
    name, identity = spec.pop("flavor", None), spec.pop("flavorID", None)
    if identity is not None:
        spec["flavor"] = {"id": identity}
    elif name is not None:
        spec["flavor"] = {"filter": {"name": name}}


def _flavor_from_hub(spec: Body) -> None:
    flavor = spec.pop("flavor", None) or {}
    if "id" in flavor:
        spec["flavorID"] = flavor["id"]
    elif "name" in (flavor.get("filter") or {}):
        spec["flavor"] = flavor["filter"]["name"]


def _condition_to_hub(condition: Body) -> None:
    condition.pop("severity", None)
    condition["reason"] = condition.get("reason") or NO_REASON
    condition.setdefault("message", "")


def _condition_from_hub(condition: Body) -> None:
    if condition.get("reason") == NO_REASON:
        del condition["reason"]
    if condition.get("message") == "":
        del condition["message"]


def _domains_to_hub(status: Body) -> None:
    domains = status.get("failureDomains")
    if isinstance(domains, dict):
        status["failureDomains"] = [{"name": name, **(domains[name] or {})} for name in sorted(domains)]


def _domains_from_hub(status: Body) -> None:
    domains = status.get("failureDomains")
    if isinstance(domains, list):
        status["failureDomains"] = {domain["name"]: _without(domain, "name") for domain in domains if "name" in domain}


def _without(body: Body, name: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


def _readiness_to_hub(status: Body) -> None:
    for name in ("ready", "failureReason", "failureMessage"):
        status.pop(name, None)


def readiness_from_hub(status: Body) -> None:
    """Set the ready flag of the older versions from the condition Ready."""
    conditions: list[Any] = status.get("conditions") or []
    status["ready"] = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def drop_unset_endpoint(spec: Body) -> None:
    """Take out an endpoint that stands for none: v1beta1 writes no host and port 0, which v1beta2 does not allow."""
    endpoint = spec.get("controlPlaneEndpoint")
    if isinstance(endpoint, dict):
        spec["controlPlaneEndpoint"] = {name: value for name, value in endpoint.items() if value not in ("", 0)}
        if not spec["controlPlaneEndpoint"]:
            del spec["controlPlaneEndpoint"]


def _drop_unset(spec: Body) -> None:
    """Take out what stands for nothing in v1beta1 and is not allowed in v1beta2."""
    drop_unset_endpoint(spec)
    if spec.get("externalRouterIPs") == []:
        del spec["externalRouterIPs"]


def _drop_empty(spec: Body) -> None:
    """Take out, besides that, the objects of v1beta2 that v1beta1 spreads out, when they are empty."""
    _drop_unset(spec)
    for name in ("apiServer", "managedNetwork", "managedRouter"):
        if spec.get(name) == {}:
            del spec[name]


def machine_spec(at: str) -> tuple[Step, ...]:
    """Return the steps for a machine spec at a path."""
    lists = (f"{at}.ports[]", f"{at}.additionalPorts[]")
    ports = (*lists, *(f"{port}.subports[].port" for port in lists))
    return (Step(at, _flavor_to_hub, _flavor_from_hub), *(port_security(port) for port in ports))


def port_security(at: str) -> Step:
    """Return the step for a port, wished or resolved."""
    return negate(at, "disablePortSecurity", "enablePortSecurity")


def cluster_spec(at: str) -> tuple[Step, ...]:
    """Return the steps for a cluster spec at a path, its bastion included."""
    return (
        Step(at, _drop_unset, _drop_empty),
        rename(at, "apiServerLoadBalancer", "apiServer.managedLoadBalancer"),
        rename(at, "apiServerFixedIP", "apiServer.fixedIP"),
        rename(at, "apiServerFloatingIP", "apiServer.floatingIP"),
        rename(at, "apiServerPort", "apiServer.port"),
        negate(at, "disableAPIServerFloatingIP", "apiServer.enableFloatingIP"),
        negate(at, "disableExternalNetwork", "enableExternalNetwork"),
        rename(at, "networkMTU", "managedNetwork.mtu"),
        negate(at, "disablePortSecurity", "managedNetwork.enablePortSecurity"),
        rename(at, "externalRouterIPs", "managedRouter.externalIPs"),
        rename(
            at,
            "managedSecurityGroups.allNodesSecurityGroupRules",
            "managedSecurityGroups.clusterNodesSecurityGroupRules",
        ),
        *machine_spec(f"{at}.bastion.spec"),
    )


CONDITIONS = Step("status.conditions[]", _condition_to_hub, _condition_from_hub)
READINESS = Step("status", _readiness_to_hub, readiness_from_hub)

FAILURE_DOMAINS = Step("status", _domains_to_hub, _domains_from_hub)

STEPS: dict[str, tuple[Step, ...]] = {
    "OpenStackCluster": (
        *cluster_spec("spec"),
        rename("status", "apiServerLoadBalancer", "apiServerManagedLoadBalancer"),
        FAILURE_DOMAINS,
        port_security("status.bastion.resolved.ports[]"),
        CONDITIONS,
        READINESS,
    ),
    "OpenStackClusterTemplate": cluster_spec("spec.template.spec"),
    "OpenStackMachine": (
        *machine_spec("spec"),
        port_security("status.resolved.ports[]"),
        CONDITIONS,
        READINESS,
    ),
    "OpenStackMachineTemplate": (*machine_spec("spec.template.spec"), CONDITIONS),
}


def complete(kind: str, body: Body) -> None:
    """Fill in, in place, what an absent field of v1beta1 means."""
    if READINESS in STEPS[kind] and isinstance(body.get("status"), dict):
        body["status"].setdefault("ready", False)
