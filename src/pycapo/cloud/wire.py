# SPDX-License-Identifier: Apache-2.0
"""The wire to one cloud: authentication, endpoints from the catalog, one request at a time.

Rule: no discovery. The versions of `cloud.rest` are put behind the endpoint of the catalog; every request has a timeout, is
counted and limited, and ends as an answer or as one of our errors. Headers and bodies are never logged.
"""

import copy
import re
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1.access import AccessInfo
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session
from requests.adapters import HTTPAdapter

from pycapo.cloud.answers import failure
from pycapo.cloud.errors import Busy, CloudError, LoginFailed, NotFound, NotLeading, RetryNow, Unanswered
from pycapo.cloud.limits import Limits
from pycapo.cloud.metrics import Recorder, Request
from pycapo.cloud.rest import Service
from pycapo.model.kinds import Kind

USER_AGENT = f"pycapo/{version('pycapo')}"
_POOL = re.compile(r"HTTPS?ConnectionPool\(.*?(\[Errno[^'\")]*|[^:(]*timed out[^'\")]*).*", re.DOTALL)
CATALOG_SECONDS = 120.0  # for which a catalog that lacks a service is believed: services are installed now and then
_BUSY = 10.0  # seconds to leave a busy Keystone alone
_REFUSED = 30.0  # seconds for which refused credentials are not tried again, so that nobody's account gets locked
_LONGEST_REST = 300.0  # seconds for which a service that asks for it is left alone
_VERSION = re.compile(r"/v\d+(\.\d+)?(/|$)")


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds to wait for a connection and for an answer."""

    connect: float = 10.0
    read: float = 60.0


class Access(msgspec.Struct, frozen=True):
    """How to reach a cloud: who we are and whom we trust. Never printed."""

    auth: BaseIdentityPlugin
    trust: ssl.SSLContext
    region: str | None = None
    interface: str = "public"
    overrides: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"<access to region {self.region}>"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request: `path` behind the versioned endpoint; `body` may hold secrets and is never printed."""

    verb: str
    service: Service
    path: str
    kind: Kind
    body: Any = None
    query: Sequence[tuple[str, str]] = ()

    def __repr__(self) -> str:
        return f"<{self.verb} {self.path}>"


class _TrustAdapter(HTTPAdapter):
    """Connections that trust what our own SSLContext trusts, and no bundle of the machine besides."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        super().__init__(pool_connections=10, pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._trust)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._trust)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Leave it to the context."""


class Wire:
    """Requests to the services of one region, as one user in one project; writes only while `allowed` says so."""

    def __init__(
        self,
        access: Access,
        *,
        limits: Limits | None = None,
        recorder: Recorder | None = None,
        timeouts: Timeouts | None = None,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._access = access
        self._allowed = allowed
        self._limits = limits or Limits()
        self._recorder = recorder
        times = timeouts or Timeouts()
        self._timeout = times.connect, times.read
        plain = requests.Session()
        plain.mount("https://", _TrustAdapter(access.trust))
        plain.mount("http://", HTTPAdapter(pool_connections=10, pool_maxsize=16))
        verify = access.trust.verify_mode is not ssl.CERT_NONE
        self._session = Session(
            auth=access.auth, session=plain, verify=verify, timeout=times.read, user_agent=USER_AGENT
        )
        self._endpoints: dict[str, str] = {}
        self._refused: tuple[float, LoginFailed | None] = (0.0, None)
        self._rest: dict[str, float] = {}  # service type -> when it may be asked again (monotonic seconds)
        info = self._login()
        self.project_id = info.project_id or ""
        self.region, self._catalog = _choose_region(info, access)
        self._catalog_at, self._reading = time.monotonic(), threading.Lock()

    def services(self, needed: Collection[str] = ()) -> frozenset[str]:
        """The types of the catalog; it is read again, now and then, while one that is needed is missing."""
        known = frozenset(self._catalog) | frozenset(self._access.overrides)
        if not known.issuperset(needed) and self._read_catalog():
            return self.services()
        return known

    def endpoint(self, service: Service) -> str:
        """The versioned URL of a service; raises NotFound where the catalog does not have it."""
        if service.type not in self._endpoints:
            names = (service.type, *service.aliases)
            known = {**self._catalog, **self._access.overrides}
            url = next((known[name] for name in names if name in known), None)
            if url is None:
                if self._read_catalog():
                    return self.endpoint(service)
                raise NotFound(
                    f'The catalog has no service "{service.type}" in region "{self.region}"; '
                    f"it is read again every {CATALOG_SECONDS:.0f} seconds"
                )
            self._endpoints[service.type] = versioned(url, service.version)
        return self._endpoints[service.type]

    def _read_catalog(self) -> bool:
        """Log in anew for a catalog of today; False when that was done a moment ago or did not work. The old token stays."""
        with self._reading:
            if time.monotonic() - self._catalog_at < CATALOG_SECONDS:
                return False
            self._catalog_at = time.monotonic()
            try:
                info = self._access.auth.get_auth_ref(self._session)
                self._catalog = _choose_region(info, self._access)[1]
            except (keystone.ClientException, LoginFailed):
                return False  # a request will tell it better
            return True

    def request(self, ask: Ask) -> bytes:
        """The content of the answer to one request; raises CloudError."""
        url = self.endpoint(ask.service) + ask.path
        self._check_login()
        self._check_rest(ask.service)
        with self._limits.request():
            if ask.verb != "GET" and not self._allowed():  # asked last: a request may have waited for its place
                raise NotLeading(f"{ask.verb} {ask.path}: not sent, this process does not hold the Lease")
            started, status = time.monotonic(), 0
            try:
                response = self._send(url, ask)
                status = response.status_code
            finally:
                if self._recorder:
                    took = time.monotonic() - started
                    self._recorder(Request(ask.service.type, ask.verb, str(ask.kind), status, took))
        if status >= 400:
            error = self._noticed(failure(status, response.content, response.headers))
            if isinstance(error, Busy) and "retry-after" in response.headers:
                self._rest[ask.service.type] = time.monotonic() + min(error.retry_after or 0.0, _LONGEST_REST)
            raise error
        return response.content

    def _check_login(self) -> None:
        """Spare an account whose password was refused a moment ago."""
        at, error = self._refused
        if error and time.monotonic() - at < _REFUSED:
            raise copy.copy(error)

    def _check_rest(self, service: Service) -> None:
        """Leave a service alone, whoever needs it, as long as it asked for."""
        left = self._rest.get(service.type, 0.0) - time.monotonic()
        if left > 0:
            raise Busy(f"The {service.type} service asked to be left alone for a while", retry_after=left)

    def _noticed(self, error: CloudError) -> CloudError:
        if isinstance(error, LoginFailed):
            self._refused = time.monotonic(), error
        return error

    def _send(self, url: str, ask: Ask) -> requests.Response:
        headers = {"Accept": "application/json", **ask.service.headers}
        content = None
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(ask.body)
        try:
            return self._session.request(
                url,
                ask.verb,
                params=list(ask.query),
                data=content,
                headers=headers,
                user_agent=USER_AGENT,
                raise_exc=False,
                log=False,
                timeout=self._timeout,
            )
        except keystone.ClientException as error:
            raise self._noticed(_unsent(error)) from error

    def _login(self) -> AccessInfo:
        try:
            info = self._access.auth.get_access(self._session)
        except keystone.ClientException as error:
            raise _unsent(error) from error
        if not info.project_id:
            raise LoginFailed("The credentials belong to no project; name one by project_name or project_id")
        return info


def versioned(url: str, version: str) -> str:
    """The endpoint with our version: an endpoint of the catalog may have one already, another one, or none.

    What follows the version stays (Cinder's project id)."""
    url = url.rstrip("/")
    found = _VERSION.search(url)
    if found is None:
        return url + version
    rest = url[found.end() :]
    return url[: found.start()] + version + (f"/{rest}" if rest else "")


def _choose_region(info: AccessInfo, access: Access) -> tuple[str, dict[str, str]]:
    """The region that is looked at and its endpoints by service type; raises LoginFailed for one that does not exist."""
    catalog = info.service_catalog.catalog if info.has_service_catalog() else []
    endpoints = [
        (service["type"], endpoint.get("region_id") or endpoint.get("region") or "", endpoint["url"])
        for service in catalog
        for endpoint in service.get("endpoints", ())
        if endpoint.get("interface") == access.interface
    ]
    regions = sorted({region for _, region, _ in endpoints})
    region = access.region or (regions[0] if len(regions) == 1 else "")
    if region not in regions:
        told = ", ".join(f'"{name}"' for name in regions) or "none"
        if not region:
            raise LoginFailed(f"The catalog has several regions ({told}); name one", path="identityRef.region")
        raise LoginFailed(f'no region "{region}" in the catalog; it has {told}', path="identityRef.region")
    return region, {type: url for type, where, url in endpoints if where == region}


def _unsent(error: keystone.ClientException) -> CloudError:
    """What keystoneauth raises before there is an answer, in our family."""
    told = _POOL.sub(r"\1", str(error)) or type(error).__name__
    match error:
        case keystone.Unauthorized():
            return LoginFailed(told, status=401, request_id=error.request_id or "")
        case keystone.SSLError() | keystone.EmptyCatalog() | keystone.AuthorizationFailure():
            return LoginFailed(told)
        case keystone.ConnectFailure() | keystone.ConnectTimeout() | keystone.UnknownConnectionError():
            return Unanswered(told)
        case keystone.HttpError() if error.http_status == 429:
            return Busy(told, status=429, retry_after=_BUSY)
        case keystone.HttpError() if error.http_status and error.http_status < 500:
            return LoginFailed(told, status=error.http_status)
    return RetryNow(told)
