# SPDX-License-Identifier: Apache-2.0
"""The kinds of OpenStack resources that pycapo sees and makes.

Rule: one word for each kind, the same in records, steps, plans, conditions and metrics.
"""

from enum import StrEnum


class Kind(StrEnum):
    """A kind of OpenStack resource, spelled as a person says it."""

    NETWORK = "network"
    NETWORK_CLAIM = "network claim"
    SUBNET = "subnet"
    SUBNET_POOL = "subnet pool"
    ROUTER = "router"
    ROUTER_INTERFACE = "router interface"
    SECURITY_GROUP = "security group"
    SECURITY_GROUP_RULE = "security group rule"
    PORT = "port"
    TRUNK = "trunk"
    QOS_POLICY = "QoS policy"
    FLOATING_IP = "floating IP"
    LOAD_BALANCER = "load balancer"
    LOAD_BALANCER_FLAVOR = "load balancer flavor"
    LISTENER = "listener"
    POOL = "pool"
    HEALTH_MONITOR = "health monitor"
    MEMBER = "member"
    SERVER = "server"
    SERVER_INTERFACE = "server interface"
    SERVER_GROUP = "server group"
    VOLUME = "volume"
    IMAGE = "image"
    FLAVOR = "flavor"
