# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions of all kinds, made from the structs.

The labels tell Cluster API which of our versions follows which version of its contract.
"""

from typing import Any

import msgspec

from pycapo.api import v1alpha1, v1alpha3, v1beta1, v1beta2
from pycapo.api.meta import API_GROUP, Kind
from pycapo.api.schema import Schema, record_schema

LABELS = {
    "cluster.x-k8s.io/provider": "infrastructure-openstack",
    "cluster.x-k8s.io/v1beta1": "v1beta1",
    "cluster.x-k8s.io/v1beta2": "v1beta2",
}

MOVE_HIERARCHY_LABEL = "clusterctl.cluster.x-k8s.io/move-hierarchy"
"""`clusterctl move` takes what a Cluster owns. Objects of a kind with this label it takes too, and what they own: without it a
pool, and the addresses that it shares the ownership of, would stay and take back what the moved machines use."""

WEBHOOK_SERVICE: dict[str, Any] = {
    "service": {"namespace": "capo-system", "name": "capo-webhook-service", "path": "/convert"}
}


class Column(msgspec.Struct, frozen=True):
    """A column of kubectl get."""

    name: str
    json_path: str
    description: str
    type: str = "string"
    priority: int = 0


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a kind; deprecation is the warning for clients, if there is one."""

    types: type[Kind]
    columns: tuple[Column, ...] = ()
    storage: bool = True
    served: bool = True
    deprecation: str | None = None


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A kind with all its versions, the oldest first; `moves` says that its objects move though no Cluster owns them."""

    versions: tuple[Served, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("cluster-api",)
    moves: bool = False


V1ALPHA3 = "v1alpha3 is deprecated: use v1beta2. `pycapo convert FILE` rewrites manifests and says what changed."

AGE = Column("Age", ".metadata.creationTimestamp", "Time since the object was made", "date")
READY = Column("Ready", ".status.ready", "Whether the object is ready")
READY_CONDITION = Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the object is ready")
CLUSTER = Column("Cluster", r".metadata.labels.cluster\.x-k8s\.io/cluster-name", "Cluster that the object belongs to")
CLUSTER_COLUMNS = (
    Column("Network", ".status.network.id", "Cluster network"),
    Column("Endpoint", ".spec.controlPlaneEndpoint.host", "Where the API server is reached", priority=1),
    Column("Bastion IP", ".status.bastion.floatingIP", "Floating IP of the bastion"),
    AGE,
)
MACHINE_COLUMNS = (
    Column("ProviderID", ".spec.providerID", "Id of the server as the node shows it"),
    Column("Machine", '.metadata.ownerReferences[?(@.kind=="Machine")].name', "Machine that owns the object"),
    AGE,
)
SERVER_COLUMNS = (
    Column("InstanceState", ".status.instanceState", "Nova's state of the server"),
    READY,
    Column("InstanceID", ".status.instanceID", "UUID of the server"),
    AGE,
)
ATTACHMENT_COLUMNS = (
    Column("Cluster", ".spec.clusterName", "Cluster whose machines get the NICs"),
    Column("Selected", ".status.selected", "Machines that are selected", "integer"),
    Column("Attached", ".status.ready", "Machines that have all NICs", "integer"),
    READY_CONDITION,
    AGE,
)

DEFINITIONS = (
    Definition(versions=(Served(types=v1alpha1.OpenStackClusterIdentity),), short_names=("osci",), moves=True),
    Definition(
        versions=(
            Served(types=v1alpha3.OpenStackCluster, storage=False, deprecation=V1ALPHA3),
            Served(types=v1beta1.OpenStackCluster, columns=(CLUSTER, READY, *CLUSTER_COLUMNS), storage=False),
            Served(types=v1beta2.OpenStackCluster, columns=(CLUSTER, READY_CONDITION, *CLUSTER_COLUMNS)),
        ),
        short_names=("osc",),
    ),
    Definition(
        versions=(
            Served(types=v1beta1.OpenStackClusterTemplate, storage=False),
            Served(types=v1beta2.OpenStackClusterTemplate),
        ),
        short_names=("osct",),
    ),
    Definition(versions=(Served(types=v1alpha1.OpenStackFloatingIPPool),), categories=(), moves=True),
    Definition(
        versions=(
            Served(types=v1alpha3.OpenStackMachine, storage=False, deprecation=V1ALPHA3),
            Served(types=v1beta1.OpenStackMachine, columns=(CLUSTER, READY, *MACHINE_COLUMNS), storage=False),
            Served(types=v1beta2.OpenStackMachine, columns=(CLUSTER, READY_CONDITION, *MACHINE_COLUMNS)),
        ),
        short_names=("osm",),
    ),
    Definition(
        versions=(
            Served(types=v1alpha3.OpenStackMachineTemplate, storage=False, deprecation=V1ALPHA3),
            Served(types=v1beta1.OpenStackMachineTemplate, storage=False),
            Served(types=v1beta2.OpenStackMachineTemplate),
        ),
        short_names=("osmt",),
    ),
    Definition(
        versions=(Served(types=v1alpha1.OpenStackNetworkAttachment, columns=ATTACHMENT_COLUMNS),),
        short_names=("osna",),
    ),
    Definition(versions=(Served(types=v1alpha1.OpenStackServer, columns=SERVER_COLUMNS),), short_names=("oss",)),
)


def crds(client_config: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the CRDs of all kinds in the order of their names, as plain data.

    client_config tells the API server where the conversion webhook is (a service or a url, and a caBundle);
    by default the service of the shipped deployment.
    """
    return [crd(definition, client_config or WEBHOOK_SERVICE) for definition in DEFINITIONS]


def crd(definition: Definition, client_config: dict[str, Any]) -> dict[str, Any]:
    """Return the CRD of one kind; a kind with several versions gets the conversion webhook."""
    types = definition.versions[-1].types
    spec: dict[str, Any] = {
        "group": API_GROUP,
        "names": _names(definition),
        "scope": "Namespaced" if types.namespaced else "Cluster",
        "versions": [_version(served) for served in definition.versions],
    }
    if len(definition.versions) > 1:
        spec["conversion"] = {
            "strategy": "Webhook",
            "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client_config},
        }
    labels = {**LABELS, MOVE_HIERARCHY_LABEL: ""} if definition.moves else dict(LABELS)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{types.plural}.{API_GROUP}", "labels": labels},
        "spec": spec,
    }


def _names(definition: Definition) -> dict[str, Any]:
    types = definition.versions[-1].types
    names: dict[str, Any] = {
        "kind": types.kind,
        "listKind": f"{types.kind}List",
        "plural": types.plural,
        "singular": types.kind.lower(),
    }
    if definition.categories:
        names["categories"] = list(definition.categories)
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    return names


def _version(served: Served) -> dict[str, Any]:
    schema = _kind_schema(served.types)
    if served.deprecation:
        schema["properties"] = {name: _without_descriptions(part) for name, part in schema["properties"].items()}
    version: dict[str, Any] = {
        "name": served.types.version,
        "served": served.served,
        "storage": served.storage,
        "schema": {"openAPIV3Schema": schema},
    }
    if served.columns:
        version["additionalPrinterColumns"] = [_column(column) for column in served.columns]
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    if served.deprecation:
        version["deprecated"] = True
        version["deprecationWarning"] = served.deprecation
    return version


def _kind_schema(types: type[Kind]) -> Schema:
    schema = record_schema(types)
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": "Group and version of this object."},
        "kind": {"type": "string", "description": "Kind of this object."},
        **schema["properties"],
        "metadata": {"type": "object"},
    }
    return schema


def _without_descriptions(schema: Any) -> Any:
    """Return a schema without the texts: CRDs have a largest size, and the newest version has them."""
    if isinstance(schema, list):
        return [_without_descriptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    texts = {name for name, text in schema.items() if name == "description" and isinstance(text, str)}
    return {name: _without_descriptions(part) for name, part in schema.items() if name not in texts}


def _column(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.json_path,
        "description": column.description,
    }
    if column.priority:
        shown["priority"] = column.priority
    return shown
