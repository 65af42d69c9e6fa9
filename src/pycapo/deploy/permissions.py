# SPDX-License-Identifier: Apache-2.0
"""What the controller may do in the management cluster.

Rule: least privilege. Every verb below is used by a line of the controller; nothing may be deleted that the controller
does not make, no Secret may be written, and outside its own namespace it leads nothing.
"""

from collections.abc import Iterable

from pycapo.deploy.options import LEADER_ROLE, LEASE, MANAGER_ROLE, SERVICE_ACCOUNT, Manifest, Options, metadata

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC = f"{RBAC_GROUP}/v1"
OWN = "infrastructure.cluster.x-k8s.io"
IPAM = "ipam.cluster.x-k8s.io"

READ = ("get", "list", "watch")
WATCHED = ("openstackclusters", "openstackmachines", "openstackfloatingippools", "openstacknetworkattachments")
WITH_STATUS = (*WATCHED, "openstackservers", "openstackmachinetemplates")


def rule(group: str, resources: Iterable[str], verbs: Iterable[str], names: Iterable[str] = ()) -> Manifest:
    """Return one rule of a role."""
    limited = {"resourceNames": sorted(names)} if names else {}
    return {"apiGroups": [group], "resources": sorted(resources), **limited, "verbs": sorted(verbs)}


CLUSTER_RULES = (
    # Our kinds: people and Cluster API make them, the controller puts finalizers, annotations and results on them.
    rule(OWN, WATCHED, (*READ, "patch")),
    rule(OWN, ("openstackservers",), (*READ, "create", "delete", "patch")),
    rule(OWN, ("openstackclusteridentities", "openstackmachinetemplates"), READ),
    rule(OWN, (f"{name}/status" for name in WITH_STATUS), ("patch",)),
    # For clusters that enforce who may set blockOwnerDeletion in owner references to these kinds.
    rule(OWN, (f"{name}/finalizers" for name in (*WATCHED, "openstackservers")), ("update",)),
    rule("cluster.x-k8s.io", ("clusters", "machines"), READ),
    # Claims for addresses of machines; addresses for claims on floating IP pools.
    rule(IPAM, ("ipaddressclaims", "ipaddresses"), (*READ, "create", "delete", "patch")),
    rule(IPAM, ("ipaddressclaims/status",), ("patch",)),
    rule(IPAM, ("ipaddressclaims/finalizers",), ("update",)),
    # What a pool of the in-cluster IPAM provider tells, which tells nothing of the claims that wait for it.
    rule(IPAM, ("inclusterippools", "globalinclusterippools"), ("get",)),
    rule("openstack.k-orc.cloud", ("images",), READ),
    # Credentials and bootstrap data; the namespaces that an OpenStackClusterIdentity admits.
    rule("", ("secrets", "namespaces"), READ),
    rule("", ("events",), ("create", "patch")),
)
LEADER_RULES = (
    rule("coordination.k8s.io", ("leases",), ("create",)),
    rule("coordination.k8s.io", ("leases",), ("get", "patch", "update"), (LEASE,)),
)


def permissions(options: Options) -> list[Manifest]:
    """Return the ServiceAccount, its roles and their bindings."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(SERVICE_ACCOUNT, options)},
        _role("Role", metadata(LEADER_ROLE, options), LEADER_RULES),
        _role("ClusterRole", metadata(MANAGER_ROLE), CLUSTER_RULES),
        _binding("Role", metadata(f"{LEADER_ROLE}-binding", options), LEADER_ROLE, options),
        _binding("ClusterRole", metadata(f"{MANAGER_ROLE}-binding"), MANAGER_ROLE, options),
    ]


def _role(kind: str, named: Manifest, rules: tuple[Manifest, ...]) -> Manifest:
    return {"apiVersion": RBAC, "kind": kind, "metadata": named, "rules": list(rules)}


def _binding(kind: str, named: Manifest, role: str, options: Options) -> Manifest:
    subject = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": options.namespace}
    return {
        "apiVersion": RBAC,
        "kind": f"{kind}Binding",
        "metadata": named,
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role},
        "subjects": [subject],
    }
