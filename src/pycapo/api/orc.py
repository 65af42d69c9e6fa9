# SPDX-License-Identifier: Apache-2.0
"""The part of openstack-resource-controller's Image that the controllers read (openstack.k-orc.cloud/v1alpha1).

Its CRD is optional: where it is missing, no Image object exists.
"""

from typing import ClassVar

from pycapo.api.meta import Condition, Kind
from pycapo.api.record import Record


class ImageStatus(Record, kw_only=True):
    """Which Glance image an Image object stands for, and whether it can be used."""

    id: str | None = None
    conditions: list[Condition] | None = None


class Image(Kind, kw_only=True):
    """A Glance image that openstack-resource-controller looks after."""

    api_group: ClassVar[str] = "openstack.k-orc.cloud"
    version: ClassVar[str] = "v1alpha1"
    api_version: ClassVar[str] = "openstack.k-orc.cloud/v1alpha1"
    kind: ClassVar[str] = "Image"
    plural: ClassVar[str] = "images"

    status: ImageStatus | None = None

    @property
    def available_id(self) -> str | None:
        """The id of the Glance image, once it can be used."""
        ready = any(
            it.type == "Available" and it.status == "True" for it in (self.status and self.status.conditions) or ()
        )
        return self.status.id if self.status and ready else None
