# SPDX-License-Identifier: Apache-2.0
"""All of Cinder in one process: API, scheduler and a volume back end in each zone, which talk through messages in memory."""

import os

os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"
from cinder import monkey_patch

monkey_patch.patch(backend="threading")  # before anything else of Cinder is imported

import shlex

import os_brick
from cinder import service, utils
from cinder.wsgi.api import application  # noqa: F401 (served)
from oslo_config import cfg
from oslo_privsep import priv_context

priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(cfg.CONF)


def _services():
    for backend in cfg.CONF.enabled_backends:
        where = {"host": f"{cfg.CONF.host}@{backend}", "service_name": backend}
        yield service.Service.create(binary="cinder-volume", coordination=True, **where)
    # After the back ends: it waits for the first of them to tell what it can.
    yield service.Service.create(binary="cinder-scheduler")


services = []
for part in _services():
    part.start()
    services.append(part)
