# SPDX-License-Identifier: Apache-2.0
"""The lab's faults as rules in a file that whoever tests writes and every service reads.

Rule: the file is looked at on each use and parsed only when it changed; without it, a look costs one stat.

A rule is a JSON object. All have `id` and may have `times` (how often it strikes; absent: always) and `skip` (how many
matches it lets pass first). A rule of requests has `service`, `method`, `path` (regular expression), `agent` (regular
expression) and an `action`; a rule of drivers has `driver` (spawn-fail, bind-down, ...), `host` and `name` (regular
expressions) and `seconds`. Counts are kept by each process, so a rule that names no service counts in each on its own.
"""

import json
import os
import re
import threading


class Rules:
    """The rules of one file, with how often each was matched in this process."""

    def __init__(self, path):
        self.path = str(path)
        self._version = None
        self._rules = []
        self._matches = {}
        self._lock = threading.Lock()

    def strike(self, matches):
        """Return the first rule for which `matches(rule)` holds and whose turn it is, or None."""
        for rule in self._read():
            if matches(rule) and self._turn(rule):
                return rule
        return None

    def request(self, service, method, path, agent):
        """Return the rule that strikes this request, or None."""
        if self._absent():
            return None
        return self.strike(
            lambda rule: "action" in rule
            and rule.get("service") in (None, service)
            and rule.get("method") in (None, method)
            and re.search(rule.get("path") or "", path)
            and re.search(rule.get("agent") or "", agent)
        )

    def driver(self, fault, host="", name=""):
        """Return the rule by which a driver has to fail for this host and name, or None."""
        if self._absent():
            return None
        return self.strike(
            lambda rule: rule.get("driver") == fault
            and re.search(rule.get("host") or "", host or "")
            and re.search(rule.get("name") or "", name or "")
        )

    def holds(self, rule):
        """Tell whether a rule is still in the file: what hangs goes on when it is gone."""
        return any(other["id"] == rule["id"] for other in self._read())

    def _absent(self):
        return self._version is None and not os.path.exists(self.path)

    def _read(self):
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            self._version, self._rules = None, []
            return self._rules
        version = (stat.st_mtime_ns, stat.st_ino)
        if version != self._version:
            with open(self.path) as file:
                self._rules = json.load(file)
            self._version = version
        return self._rules

    def _turn(self, rule):
        with self._lock:
            count = self._matches[rule["id"]] = self._matches.get(rule["id"], 0) + 1
        skip, times = rule.get("skip") or 0, rule.get("times")
        return count > skip and (times is None or count <= skip + times)
