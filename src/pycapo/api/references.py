# SPDX-License-Identifier: Apache-2.0
"""References to things in OpenStack: by id, or by a filter that must match exactly one unless the field says otherwise.

A *Param holds exactly one of its fields; a *Filter holds at least one.
"""

from typing import Annotated, ClassVar, Literal

from pycapo.api.record import Int32, Record, Rule, described

Tag = Annotated[str, described("A Neutron tag: not empty, no comma.", min_length=1, pattern="^[^,]+$")]


class OneOf(Record, kw_only=True):
    """An object with exactly one field."""

    min_properties: ClassVar[int | None] = 1
    max_properties: ClassVar[int | None] = 1


class Filter(Record, kw_only=True):
    """An object with at least one field."""

    min_properties: ClassVar[int | None] = 1


class NeutronFilter(Filter, kw_only=True):
    """What every Neutron resource can be found by."""

    name: Annotated[str | None, described("Name that the resource has.")] = None
    description: Annotated[str | None, described("Description that the resource has.")] = None
    project_id: Annotated[str | None, described("Project that owns the resource.")] = None
    tags: Annotated[
        list[Tag] | None,
        described("The resource has all of these tags.", list_type="set"),
    ] = None
    tags_any: Annotated[
        list[Tag] | None,
        described("The resource has at least one of these tags.", list_type="set"),
    ] = None
    not_tags: Annotated[
        list[Tag] | None,
        described("Resources that have all of these tags do not match.", list_type="set"),
    ] = None
    not_tags_any: Annotated[
        list[Tag] | None,
        described("Resources that have any of these tags do not match.", list_type="set"),
    ] = None


class NetworkFilter(NeutronFilter, kw_only=True):
    """A query for networks."""


class SecurityGroupFilter(NeutronFilter, kw_only=True):
    """A query for security groups; may match several."""


class RouterFilter(NeutronFilter, kw_only=True):
    """A query for routers."""


class SubnetFilter(NeutronFilter, kw_only=True):
    """A query for subnets."""

    ip_version: Annotated[Int32 | None, described("4 or 6.")] = None
    gateway_ip: Annotated[str | None, described("Gateway address that the subnet has.")] = None
    cidr: Annotated[str | None, described("CIDR that the subnet has.")] = None
    ipv6_address_mode: Annotated[str | None, described("IPv6 address mode that the subnet has.")] = None
    ipv6_ra_mode: Annotated[str | None, described("IPv6 router advertisement mode that the subnet has.")] = None


class NetworkParam(OneOf, kw_only=True):
    """A network, by id or filter."""

    id: Annotated[str | None, described("UUID of the network.", format="uuid")] = None
    filter: Annotated[NetworkFilter | None, described("Query that matches exactly one network.")] = None


class SecurityGroupParam(OneOf, kw_only=True):
    """A security group by id, or all that a filter matches."""

    id: Annotated[str | None, described("UUID of the security group.", format="uuid")] = None
    filter: Annotated[SecurityGroupFilter | None, described("Query; every match is used.")] = None


class RouterParam(OneOf, kw_only=True):
    """A router, by id or filter."""

    id: Annotated[str | None, described("UUID of the router.", format="uuid")] = None
    filter: Annotated[RouterFilter | None, described("Query that matches exactly one router.")] = None


class SubnetParam(OneOf, kw_only=True):
    """A subnet, by id or filter."""

    id: Annotated[str | None, described("UUID of the subnet.", format="uuid")] = None
    filter: Annotated[SubnetFilter | None, described("Query that matches exactly one subnet.")] = None


class ImageFilter(Filter, kw_only=True):
    """A query for images."""

    name: Annotated[str | None, described("Name of the image.")] = None
    tags: Annotated[list[str] | None, described("Tags that the image has, all of them.", list_type="set")] = None


class ResourceReference(Record, kw_only=True):
    """An object of a known kind in the same namespace."""

    name: Annotated[str, described("Name of the object.", min_length=1)]


class ImageParam(OneOf, kw_only=True):
    """A Glance image, by id, by filter or through an Image object of openstack-resource-controller."""

    id: Annotated[str | None, described("UUID of the image.", format="uuid")] = None
    filter: Annotated[ImageFilter | None, described("Query that matches exactly one image.")] = None
    image_ref: Annotated[
        ResourceReference | None, described("Image object (openstack.k-orc.cloud) in the same namespace.")
    ] = None


class FlavorFilter(Filter, kw_only=True):
    """A query for flavors."""

    name: Annotated[str | None, described("Name of the flavor.")] = None


class FlavorParam(OneOf, kw_only=True):
    """A Nova flavor, by id or filter."""

    id: Annotated[str | None, described("Id of the flavor, any string.")] = None
    filter: Annotated[FlavorFilter | None, described("Query that matches exactly one flavor.")] = None


class ServerGroupFilter(Filter, kw_only=True):
    """A query for server groups."""

    name: Annotated[str | None, described("Name of the server group.")] = None


class ServerGroupParam(OneOf, kw_only=True):
    """A Nova server group, by id or filter."""

    id: Annotated[str | None, described("UUID of the server group.", format="uuid")] = None
    filter: Annotated[ServerGroupFilter | None, described("Query that matches exactly one server group.")] = None


class QosPolicyFilter(Filter, kw_only=True):
    """A query for Neutron QoS policies."""

    name: Annotated[str | None, described("Name of the policy.")] = None


class QosPolicyParam(OneOf, kw_only=True):
    """A Neutron QoS policy, by id or filter."""

    id: Annotated[str | None, described("UUID of the policy.", format="uuid")] = None
    filter: Annotated[QosPolicyFilter | None, described("Query that matches exactly one policy.")] = None


class PortParam(OneOf, kw_only=True):
    """A port that exists, by id or filter."""

    id: Annotated[str | None, described("UUID of the port.", format="uuid")] = None
    filter: Annotated[NeutronFilter | None, described("Query that matches exactly one port.")] = None


class OpenStackIdentityReference(Record, kw_only=True):
    """Where the credentials are, and which cloud and region of them to use."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(!has(self.region) && !has(oldSelf.region)) || self.region == oldSelf.region",
            "region is immutable",
        ),
    )

    type: Annotated[
        Literal["Secret", "ClusterIdentity"],
        described("Secret: a Secret of the same namespace. ClusterIdentity: an OpenStackClusterIdentity."),
    ] = "Secret"
    name: Annotated[
        str,
        described(
            "Name of the Secret (keys clouds.yaml and, if wanted, cacert) or of the OpenStackClusterIdentity.",
            min_length=1,
        ),
    ]
    cloud_name: Annotated[str, described("Entry of clouds.yaml to use.", min_length=1)]
    region: Annotated[
        str | None,
        described("Region to use instead of the one in clouds.yaml; on a machine it becomes part of the providerID."),
    ] = None
