# SPDX-License-Identifier: Apache-2.0
"""All of Nova in one process: API, conductor, scheduler and computes, which talk through messages in memory."""

import os

os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
from nova import monkey_patch

monkey_patch.patch(backend="threading")  # before anything else of Nova is imported

import shlex
import sys

import nova.conf
import os_brick
import os_vif
from nova import config, objects, service, utils  # noqa: F401 (config registers options)
from nova.api.openstack import wsgi_app
from nova.compute import rpcapi as compute_rpc
from nova.conductor import rpcapi as conductor_rpc
from nova.scheduler import rpcapi as scheduler_rpc
from nova.virt import node
from oslo_privsep import priv_context

from . import compute

# Nova looks for drivers in nova.virt only.
sys.modules["nova.virt.labsim"] = compute

application = wsgi_app.init_application("osapi_compute", "nova-api")
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(nova.conf.CONF)
os_vif.initialize()
objects.Service.enable_min_version_cache()
node.get_local_node_uuid()  # writes the identity file whose absence Nova takes for a lost host


def _services():
    yield service.Service.create(binary="nova-conductor", topic=conductor_rpc.RPC_TOPIC)
    yield service.Service.create(binary="nova-scheduler", topic=scheduler_rpc.RPC_TOPIC)
    for number in range(1, int(os.environ["LABSIM_COMPUTES"]) + 1):
        yield service.Service.create(
            host=f"compute-{number}",
            binary="nova-compute",
            topic=compute_rpc.RPC_TOPIC,
            topic_alt=compute_rpc.RPC_TOPIC_ALT,
        )


services = []
for part in _services():
    part.start()
    services.append(part)
