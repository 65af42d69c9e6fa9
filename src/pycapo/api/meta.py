# SPDX-License-Identifier: Apache-2.0
"""What all Kubernetes objects share: metadata, conditions, small references, and the base of every kind.

The types are those of meta/v1 and core/v1; only fields that this product reads or writes are listed.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec

from pycapo.api.record import Int64, Record, described

API_GROUP = "infrastructure.cluster.x-k8s.io"


class OwnerReference(Record, kw_only=True):
    """The owner of an object, in the same namespace."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Record, kw_only=True):
    """The metadata of an object; managedFields are dropped."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Condition(Record, kw_only=True):
    """One aspect of an object's state; type is unique in its list."""

    type: Annotated[
        str,
        described(
            "Type of the condition in CamelCase, or in foo.example.com/CamelCase.",
            max_length=316,
            pattern=(
                r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
                r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
            ),
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], described("Whether the condition holds.")]
    reason: Annotated[
        str,
        described(
            "Why the condition last changed, one word for programs.",
            min_length=1,
            max_length=1024,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
    ]
    message: Annotated[str, described("What a person should know; may be empty.", max_length=32768)]
    last_transition_time: Annotated[str, described("When status last changed.", format="date-time")]
    observed_generation: Annotated[
        Int64 | None, described("The metadata.generation that the condition speaks of.", minimum=0)
    ] = None


class LabelSelectorRequirement(Record, kw_only=True):
    """One requirement on the value of a label."""

    key: Annotated[str, described("Label that the requirement is about.")]
    operator: Annotated[str, described("In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[
        list[str] | None, described("Values for In and NotIn; absent for the others.", list_type="atomic")
    ] = None


class LabelSelector(Record, kw_only=True):
    """A query over labels: all requirements must hold; an empty selector matches everything."""

    match_expressions: Annotated[
        list[LabelSelectorRequirement] | None, described("Requirements that must all hold.", list_type="atomic")
    ] = None
    match_labels: Annotated[dict[str, str] | None, described("Labels that must all be there with these values.")] = None


class LocalObjectReference(Record, kw_only=True):
    """An object of a known kind in the same namespace."""

    name: Annotated[str, described("Name of the object.")] = ""


class TypedLocalObjectReference(Record, kw_only=True):
    """An object of any kind in the same namespace."""

    api_group: Annotated[str | None, described("API group of the object; absent for the core group.")] = None
    kind: Annotated[str, described("Kind of the object.")]
    name: Annotated[str, described("Name of the object.")]


class NodeAddress(Record, kw_only=True):
    """One address of a node."""

    type: Annotated[str, described("Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS.")]
    address: Annotated[str, described("The address.")]


class TemplateMeta(Record, kw_only=True):
    """Labels and annotations for the objects that a template makes."""

    min_properties: ClassVar[int | None] = 1

    labels: Annotated[dict[str, str] | None, described("Labels to set on the object.")] = None
    annotations: Annotated[dict[str, str] | None, described("Annotations to set on the object.")] = None


class Kind(Record, kw_only=True):
    """An object that the Kubernetes API stores.

    api_version is what manifests say: group/version. Every kind has at least metadata; most have spec and status.
    """

    api_group: ClassVar[str]
    version: ClassVar[str]
    api_version: ClassVar[str]
    kind: ClassVar[str]
    plural: ClassVar[str]
    namespaced: ClassVar[bool] = True

    metadata: Annotated[ObjectMeta, described("Standard metadata of the object.")] = msgspec.field(
        default_factory=ObjectMeta
    )

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """Return the object of decoded JSON; raises msgspec.ValidationError with the path of a field of wrong type."""
        return msgspec.convert(data, cls)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data with apiVersion and kind; absent fields and defaults are left out."""
        body: dict[str, Any] = msgspec.to_builtins(self)
        return {"apiVersion": self.api_version, "kind": self.kind, **body}


__all__ = [
    "API_GROUP",
    "Condition",
    "Kind",
    "LabelSelector",
    "LabelSelectorRequirement",
    "LocalObjectReference",
    "NodeAddress",
    "ObjectMeta",
    "OwnerReference",
    "TemplateMeta",
    "TypedLocalObjectReference",
]
