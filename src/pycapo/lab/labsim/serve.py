# SPDX-License-Identifier: Apache-2.0
"""Serve one OpenStack service: `python -m labsim.serve NAME MODULE HOST:PORT [arguments of the service]`.

The module's `application` is put behind the lab's faults and access log and served by gunicorn: one worker process,
since messages between the parts of a service never leave it, with a pool of threads.
"""

import gc
import importlib
import os
import sys
from pathlib import Path

from gunicorn.app.base import BaseApplication

from .doors import AccessLog, Faults
from .rules import Rules


class Server(BaseApplication):
    """A gunicorn server for one WSGI module."""

    def __init__(self, name, module, address, arguments):
        self.name, self.module, self.address, self.arguments = name, module, address, arguments
        super().__init__()

    def load_config(self):
        """Set what differs from gunicorn's defaults."""
        settings = {
            "bind": self.address,
            "workers": 1,
            "threads": int(os.environ.get("LABSIM_THREADS", "8")),
            "worker_class": "gthread",
            "timeout": 600,
            "graceful_timeout": 2,
            "keepalive": 75,
            "backlog": 512,
            "control_socket_disable": True,
            "proc_name": self.name,
            "loglevel": "warning",
        }
        for key, value in settings.items():
            if key in self.cfg.settings:
                self.cfg.set(key, value)

    def load(self):
        """Import the service, with its arguments where it looks for them, and return its application."""
        root = Path(os.environ["LABSIM_ROOT"])
        sys.argv = [f"{self.name}-api", *self.arguments]
        gc.disable()  # nothing that loads is garbage: collecting meanwhile costs a fifth of the start
        application = importlib.import_module(self.module).application
        gc.enable()
        gc.freeze()
        rules = Rules(root / "faults" / "rules.json")
        return AccessLog(Faults(application, self.name, rules), self.name, root / "log" / "access.jsonl")


if __name__ == "__main__":
    Server(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]).run()
