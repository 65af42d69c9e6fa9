# SPDX-License-Identifier: Apache-2.0
"""Cinder's storage of the lab: none. Every volume exists in the database only."""

from cinder import exception, interface
from cinder.volume import driver

from .faults import RULES


@interface.volumedriver
class LabVolumeDriver(driver.VolumeDriver):
    """A back end without storage."""

    VERSION = "1"
    CI_WIKI_NAME = "none"

    def check_for_setup_error(self):
        """Nothing can be wrong."""

    def create_volume(self, volume):
        """Make a volume, unless a rule says otherwise."""
        if RULES.driver("volume-fail", name=volume.display_name):
            raise exception.VolumeBackendAPIException(data="the lab was asked to fail this volume")

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        """Make a volume of an image without reading the image."""
        self.create_volume(volume)
        return {}, True

    def initialize_connection(self, volume, connector):
        """Return what Nova's fake hypervisor wants to know of a volume."""
        return {"driver_volume_type": "fake", "data": {"volume_id": volume["id"]}}

    def get_volume_stats(self, refresh=False):
        """Return an ample capacity."""
        return {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
            "vendor_name": "lab",
            "driver_version": self.VERSION,
            "storage_protocol": "fake",
            "total_capacity_gb": 1_000_000,
            "free_capacity_gb": 1_000_000,
            "reserved_percentage": 0,
            "multiattach": True,
        }

    def _nothing(self, *arguments, **options):
        return None

    delete_volume = create_snapshot = delete_snapshot = create_cloned_volume = create_volume_from_snapshot = _nothing
    copy_image_to_volume = extend_volume = ensure_export = create_export = remove_export = _nothing
    terminate_connection = _nothing
