# SPDX-License-Identifier: Apache-2.0
"""Looking at the networks that a server has for itself before anything else of it is looked at.

Rule: the shared picture is enough while all of them are there; before one is chosen, it must be young.
"""

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.server import observe_own
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.model.seen import Seen
from pycapo.plan.machine_networks import complete, networks_claimed, networks_wanted

YOUNG = 10.0
"""Seconds that the picture may be old by which a network is chosen or a pool is told to have nothing left."""


def look_at_own(cloud: Cloud, server: OpenStackServer) -> Seen:
    """The networks of a server's own, and what it may choose from; nothing for a server that has none. Raises `CloudError`."""
    owner = (server.metadata.annotations or {})[OWNER_ANNOTATION]
    if not server.spec.networks:
        return Seen(owner=owner)
    retiring = server.metadata.deletion_timestamp is not None
    own = observe_own(cloud, owner, networks_claimed(server, owner), ports=retiring)
    if retiring or complete(server, own):
        return own
    return observe_own(cloud, owner, networks_wanted(server, owner), max_age=YOUNG)
