# SPDX-License-Identifier: Apache-2.0
"""A control plane machine's place in the API endpoint: taken when its server runs, left before its server goes.

Rule: who leaves is out before anything else of it is taken down.
"""

from functools import partial

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.machine import observe_membership
from pycapo.controllers.family import sisters
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import give_up_for_now, next_look, tell_error, tell_plan, tell_steps
from pycapo.kube.kube import Kube
from pycapo.kube.life import Verdict
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.model.steps import Plan, Step
from pycapo.plan.machine import identity_of
from pycapo.plan.membership import INGRESS_READY, balanced, floated, leave, plan_membership


class Endpoint:
    """Brings control plane machines into the API endpoint of their cluster, and out of it."""

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds

    def join(self, obj: OpenStackMachine, cluster: OpenStackCluster) -> Verdict:
        """One pass towards being reached through the endpoint; tells APIServerIngressReady."""
        plan = self._pass(obj, cluster, leaving=False)
        return plan if not isinstance(plan, Plan) else next_look(plan)

    def leave(self, obj: OpenStackMachine, cluster: OpenStackCluster) -> Verdict | None:
        """One pass out of the endpoint; None when the machine is out."""
        if not balanced(cluster) and not floated(cluster):
            return None
        plan = self._pass(obj, cluster, leaving=True)
        if not isinstance(plan, Plan):
            return plan
        return None if plan.settled else next_look(plan)

    def _pass(self, obj: OpenStackMachine, cluster: OpenStackCluster, *, leaving: bool) -> Plan | Verdict:
        """Look, decide, act; the plan is what is left to wait for."""
        done: list[Step] = []
        try:
            cloud = open_cloud(self._kube, self._clouds, obj.metadata.namespace or "", identity_of(obj, cluster))
            plan = self._decide(cloud, obj, cluster, leaving=leaving)
            apply(plan, cloud, done=done)
        except CloudError as error:
            tell_error(obj, INGRESS_READY, error)
            return give_up_for_now(self._kube, obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        left = Plan(waits=plan.waits)  # the answers have shown that the steps are done; another look would be a request
        tell_plan(obj, INGRESS_READY, left)
        return left

    def _decide(self, cloud: Cloud, obj: OpenStackMachine, cluster: OpenStackCluster, *, leaving: bool) -> Plan:
        look = partial(
            observe_membership,
            cloud,
            (obj.metadata.annotations or {})[OWNER_ANNOTATION],
            cluster=(cluster.metadata.annotations or {}).get(OWNER_ANNOTATION, ""),
            balanced=balanced(cluster),
        )
        if leaving:
            return leave(cluster, look(others=sisters(self._kube, obj)))
        plan = plan_membership(obj.metadata.name, cluster, look())
        if plan.settled or not balanced(cluster):
            return plan
        # The node has to move, so now the state of the load balancer matters.
        return plan_membership(obj.metadata.name, cluster, look(others=()))
