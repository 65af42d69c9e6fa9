# SPDX-License-Identifier: Apache-2.0
"""Which rules hold for which kind, and where its webhook is.

Rule: an update is asked only for what it makes worse. An object that broke a rule before the rule was made can still
lose its finalizer, get a label, or be repaired in steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pycapo.api.rules import attachment, cluster, machine, pool, server
from pycapo.api.rules.problem import Problem

GROUP = "infrastructure.cluster.x-k8s.io"

Json = dict[str, Any]
Check = Callable[[Json], Sequence[Problem]]
Compare = Callable[[Json, Json], Sequence[Problem]]
Advice = Callable[[Json], Sequence[str]]


def no_advice(found: Json) -> Sequence[str]:
    """Return no advice."""
    return ()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a kind: what an object may say, what of it may change, and what is allowed but hardly meant."""

    check: Check
    compare: Compare
    advise: Advice = no_advice

    def review(self, found: Json, before: Json | None, *, dry_run: bool = False) -> list[Problem]:
        """Return the problems of a new object, or of the change from `before`.

        `dry_run` is a dry run of Cluster API's topology controller, which asks with changed templates.
        """
        problems = list(self.check(found))
        if before is None:
            return problems
        known = set(map(str, self.check(before)))
        refused = [] if dry_run else list(self.compare(before, found))
        known |= {problem.path for problem in refused}
        return [*refused, *(problem for problem in problems if known.isdisjoint((str(problem), problem.path)))]


@dataclass(frozen=True, slots=True)
class ReviewedKind:
    """A kind that has a validating webhook, with the version that the rules speak of."""

    kind: str
    plural: str
    version: str
    rules: Rules

    @property
    def path(self) -> str:
        """The path of the webhook, as controller-runtime forms it."""
        return f"/validate-{GROUP.replace('.', '-')}-{self.version}-{self.kind.lower()}"

    @property
    def webhook(self) -> str:
        """The name of the webhook, which the API server shows when it refuses."""
        version = "" if self.version == "v1alpha1" else f"{self.version}."
        return f"validation.{self.kind.lower()}.{version}{GROUP}"


KINDS = (
    ReviewedKind(
        "OpenStackCluster", "openstackclusters", "v1beta2", Rules(cluster.check, cluster.compare, cluster.advise)
    ),
    ReviewedKind(
        "OpenStackClusterTemplate",
        "openstackclustertemplates",
        "v1beta2",
        Rules(cluster.check_template, cluster.compare_templates),
    ),
    ReviewedKind("OpenStackMachine", "openstackmachines", "v1beta2", Rules(machine.check, machine.compare)),
    ReviewedKind(
        "OpenStackMachineTemplate",
        "openstackmachinetemplates",
        "v1beta2",
        Rules(machine.check_template, machine.compare_templates, machine.advise_template),
    ),
    ReviewedKind("OpenStackServer", "openstackservers", "v1alpha1", Rules(server.check, server.compare)),
    ReviewedKind("OpenStackFloatingIPPool", "openstackfloatingippools", "v1alpha1", Rules(pool.check, pool.compare)),
    ReviewedKind(
        "OpenStackNetworkAttachment",
        "openstacknetworkattachments",
        "v1alpha1",
        Rules(attachment.check, attachment.compare),
    ),
)


def rules_of(kind: str) -> Rules:
    """Return the rules of a kind; raises KeyError for a kind that has none."""
    return {reviewed.kind: reviewed.rules for reviewed in KINDS}[kind]
