# SPDX-License-Identifier: Apache-2.0
"""Telling Kubernetes: conditions, events and the next look, from what was decided and done.

Rule: words are born with the decision; nothing here makes up any.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pycapo.api.meta import Condition
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.errors import CloudError, LoginFailed
from pycapo.kube import conditions
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Settled, Verdict
from pycapo.model.kinds import Kind
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Plan, Step
from pycapo.plan.report import AUTHENTICATED, condition_of
from pycapo.plan.routes import POLICY_ROUTING
from pycapo.plan.routes import told as routing_told

TROUBLE = frozenset(
    {
        *("NotFound", "Ambiguous", "InUse", "NoNetwork", "NoEndpoint", "NoClusterNetworkPort"),
        *("InvalidMachineSpec", "NotSupported", "TrunkNotSupported", "ExtensionMissing"),
        *("LoadBalancerServiceAbsent", "LoadBalancerError", "UserDataTooLarge", "VolumeFailed", "PortLost"),
        *("InstanceStateError", "InstanceDeleted", "AddressOutsideSubnet", "AddressTaken", "AddressesExhausted"),
        *("NoFreeNetwork", "SubnetPoolExhausted", "NetworkTaken", "OverlappingSubnets"),
        *("AddressDiffers", "PortInUse", "FloatingIPInUse", "QuotaExceeded"),
    }
)
"""Reasons of waits that somebody has to do something about."""


def tell_plan(obj: Any, condition: str, plan: Plan) -> None:
    """Sets a condition from what is left to do: True when nothing is."""
    tell_conditions(obj, [condition_of(condition, plan, obj.metadata.generation or 0)])


def tell_conditions(obj: Any, told: Iterable[Condition]) -> None:
    """Sets conditions as they were decided."""
    for item in told:
        conditions.mark(obj, item.type, status=item.status == "True", reason=item.reason, message=item.message)


def tell_routing(obj: OpenStackServer, seen: Seen) -> None:
    """Tells of a server that exists whether its guest was given routes, and why not."""
    routing = routing_told(obj, seen)
    if routing:
        status, reason, message = routing
        conditions.mark(obj, POLICY_ROUTING, status=status, reason=reason, message=message)


def tell_trouble(kube: Kube, obj: Any, plan: Plan) -> None:
    """A Warning event for each wait that ends only when somebody mends something; the same one again is counted."""
    for wait in plan.waits:
        if wait.reason in TROUBLE:
            kube.event(obj, "Warning", wait.reason, wait.told)


def tell_error(obj: Any, condition: str, error: CloudError) -> None:
    """Sets a condition to False with the words of an error, and whether it was the login that failed."""
    conditions.mark(obj, condition, status=False, reason=error.reason, message=str(error))
    if isinstance(error, LoginFailed):
        conditions.mark(obj, AUTHENTICATED, status=False, reason="OpenStackAuthenticationFailed", message=str(error))


def tell_login(obj: Any) -> None:
    """Tells that the credentials opened the cloud."""
    conditions.mark(obj, AUTHENTICATED, status=True, reason="Ready")


def tell_ready(obj: Any, types: Iterable[str]) -> None:
    """Sets Ready to the sum of other conditions."""
    status, reason, message = conditions.summary(obj, types)
    conditions.mark(obj, "Ready", status=status, reason=reason, message=message)


def tell_steps(kube: Kube, obj: Any, steps: Sequence[Step]) -> None:
    """An event for each step that was taken, in its own words; rules, of which there are many, are counted."""
    rules = [step for step in steps if _kind(step) is Kind.SECURITY_GROUP_RULE]
    for verb, count in Counter(_verb(step) for step in rules).items():
        message = f"{verb.lower()} {count} rules of security groups"
        kube.event(obj, "Normal", f"Successful{verb}SecurityGroupRules", message)
    for step in steps:
        if _kind(step) is Kind.SECURITY_GROUP_RULE:
            continue
        kube.event(obj, "Normal", f"Successful{_verb(step)}{_camel(_kind(step))}", step.why)


def give_up_for_now(kube: Kube, obj: Any, error: CloudError) -> Verdict:
    """When to try again after an error; one without a time of its own is raised, for the usual backoff."""
    if error.retry_after is None:
        raise error
    kube.event(obj, "Warning", error.reason, str(error))
    return Again(error.retry_after, str(error))


def next_look(plan: Plan) -> Verdict:
    """When to look again after a plan was carried out: when its waits say, else at once if it did anything."""
    after = [wait.after for wait in plan.waits if wait.after is not None]
    if after:
        return Again(min(after), plan.waits[0].told)
    return Again(0.0, plan.steps[0].why) if plan.steps else Settled()


def look_on(plan: Plan) -> Verdict:
    """At once after steps, for what was made is told once it was seen; else when the waits say."""
    return Again(0.0, plan.steps[0].why) if plan.steps else next_look(plan)


def _kind(step: Step) -> Kind:
    return step.key.kind if isinstance(step, Create) else step.kind


def _verb(step: Step) -> str:
    return "Create" if isinstance(step, Create) else "Delete" if isinstance(step, Delete) else "Update"


def _camel(kind: Kind) -> str:
    return "".join(word if word.isupper() else word.capitalize() for word in kind.split())
