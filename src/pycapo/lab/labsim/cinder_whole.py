# SPDX-License-Identifier: Apache-2.0
"""All of Cinder in one process: API, scheduler and a volume back end in each zone, which talk through messages in memory."""

import os

os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"
from cinder import monkey_patch

monkey_patch.patch(backend="threading")  # before anything else of Cinder is imported

import shlex

import os_brick
from cinder import context, objects, service, utils
from cinder.wsgi.api import application  # noqa: F401 (served)
from oslo_config import cfg
from oslo_privsep import priv_context

priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(cfg.CONF)


class Part(service.Service):
    """A service that reports on itself: Cinder's own takes the last one which a process started for the only one."""

    def report_state(self):
        """Tell the database that this service lives."""
        if self.manager.is_working():
            record = objects.Service.get_by_id(context.get_admin_context(), self.origin_service_id)
            record.report_count += 1
            record.save()


def _services():
    for backend in cfg.CONF.enabled_backends:
        where = {"host": f"{cfg.CONF.host}@{backend}", "service_name": backend}
        yield Part.create(binary="cinder-volume", coordination=True, **where)
    # After the back ends: it waits for the first of them to tell what it can.
    yield Part.create(binary="cinder-scheduler")


services = []
for part in _services():
    part.start()
    services.append(part)
