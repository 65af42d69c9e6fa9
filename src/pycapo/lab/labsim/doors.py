# SPDX-License-Identifier: Apache-2.0
"""What every request of the lab's OpenStack passes: the access log, and the faults that rules ask for.

Rule: a request is in the log before its answer leaves, so who has the answer finds the line.
"""

import json
import os
import socket
import time

_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


class AccessLog:
    """WSGI middleware which writes one JSON object for each request."""

    def __init__(self, application, service, path):
        self._application = application
        self._service = service
        # One write of one line to a file opened for appending: the services share the file without a lock.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, environ, start_response):
        """Answer the request and log it."""
        began, answer = time.time(), {"status": 0}

        def start(status, headers, exc_info=None):
            answer["status"] = int(status.split()[0])
            names = {name.lower(): value for name, value in headers}
            answer["request"] = names.get("x-openstack-request-id") or names.get("openstack-request-id")
            return start_response(status, headers, exc_info)

        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        try:
            return self._application(environ, start)
        finally:
            self._write(environ, {"method": method, "path": path, "time": round(began, 4), **answer})

    def _write(self, environ, seen):
        line = {
            **seen,
            "service": self._service,
            "query": environ.get("QUERY_STRING", ""),
            "seconds": round(time.time() - seen["time"], 4),
            "agent": environ.get("HTTP_USER_AGENT", ""),
            # Written into the environment by the token check further in.
            "project": environ.get("HTTP_X_PROJECT_ID"),
            "user": environ.get("HTTP_X_USER_NAME"),
            "fault": environ.get("labsim.fault"),
        }
        os.write(self._file, (json.dumps(line) + "\n").encode())


class Faults:
    """WSGI middleware which lets requests fail, hang or lose their connection as the rules say."""

    def __init__(self, application, service, rules):
        self._application = application
        self._service = service
        self._rules = rules

    def __call__(self, environ, start_response):
        """Answer the request, or fail it before or after its work is done."""
        agent, path = environ.get("HTTP_USER_AGENT", ""), environ.get("PATH_INFO", "")
        rule = self._rules.request(self._service, environ["REQUEST_METHOD"], path, agent)
        if rule is None:
            return self._application(environ, start_response)
        environ["labsim.fault"] = rule["id"]
        action = rule["action"]
        if not action.get("after"):
            self._hang(rule)
            if _fails(action):
                environ["wsgi.input"].read()
                return _failure(action, environ, start_response)
            return self._application(environ, start_response)
        answer = _collect(self._application, environ)
        self._hang(rule)
        if _fails(action):
            return _failure(action, environ, start_response)
        start_response(answer[0], answer[1])
        return [answer[2]]

    def _hang(self, rule):
        until = time.monotonic() + (rule["action"].get("hang") or 0)
        while time.monotonic() < until and self._rules.holds(rule):
            time.sleep(0.1)


def _fails(action):
    return bool(action.get("status") or action.get("drop"))


def _collect(application, environ):
    """Let the application do all of its work; returns status line, headers and body."""
    started = []

    def start(status, headers, exc_info=None):
        started[:] = [status, list(headers)]

    body = application(environ, start)
    try:
        return (*started, b"".join(body)) if started else _late(body, started)
    finally:
        if hasattr(body, "close"):
            body.close()


def _late(body, started):
    content = b"".join(body)
    return (*started, content)


def _failure(action, environ, start_response):
    if action.get("drop"):
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
        start_response("500 Internal Server Error", [("Content-Length", "0"), ("Connection", "close")])
        return [b""]
    status = int(action["status"])
    message = action.get("message") or "a fault of the lab"
    error = {"error": {"code": status, "title": _REASONS.get(status, "Fault"), "message": message}}
    body = json.dumps(action.get("content") or error).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if action.get("retry_after") is not None:
        headers.append(("Retry-After", str(action["retry_after"])))
    start_response(f"{status} {_REASONS.get(status, 'Fault')}", headers)
    return [body]
