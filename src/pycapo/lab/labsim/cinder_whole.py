# SPDX-License-Identifier: Apache-2.0
"""All of Cinder in one process: API, scheduler and one volume back end, which talk through messages in memory."""

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

BACKEND = "lab"

priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(cfg.CONF)
backend = {"host": f"{cfg.CONF.host}@{BACKEND}", "service_name": BACKEND}
services = [
    # Before the scheduler, which waits for the first back end to tell what it can.
    service.Service.create(binary="cinder-volume", coordination=True, **backend),
    service.Service.create(binary="cinder-scheduler"),
]
for part in services:
    part.start()
