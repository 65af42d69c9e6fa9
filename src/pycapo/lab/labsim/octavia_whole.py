# SPDX-License-Identifier: Apache-2.0
"""All of Octavia in one process: API and worker, which talk through messages in memory."""

import oslo_messaging
from octavia.common import constants, rpc
from octavia.controller.queue.v2 import endpoints
from octavia.wsgi.api import application  # noqa: F401 (served)
from oslo_config import cfg
from oslo_messaging.rpc import dispatcher

if rpc.TRANSPORT is None:
    rpc.init()
worker = rpc.get_server(
    oslo_messaging.Target(topic=constants.TOPIC_AMPHORA_V2, server=cfg.CONF.host, fanout=False),
    [endpoints.Endpoints()],
    access_policy=dispatcher.DefaultRPCAccessPolicy,
)
worker.start()
