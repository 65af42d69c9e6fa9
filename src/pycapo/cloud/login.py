# SPDX-License-Identifier: Apache-2.0
"""From a clouds.yaml in a Secret to a cloud that answers: read in memory, shared by all who use the same credentials.

Rule: nothing but the Secret counts: no file and no OS_* variable of the machine is read, and nothing secret is ever written,
logged or printed. Other content is another cloud: so a changed Secret is picked up, and what nobody uses any more is dropped.
"""

import copy
import functools
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import certifi
import msgspec
import yaml
from keystoneauth1 import loading
from keystoneauth1.exceptions import AuthPluginException
from keystoneauth1.identity.base import BaseIdentityPlugin

from pycapo.cloud.errors import CloudError, LoginFailed
from pycapo.cloud.limits import Limits
from pycapo.cloud.metrics import Recorder
from pycapo.cloud.openstack import OpenStack
from pycapo.cloud.wire import Access, Timeouts, Wire

_IDLE = 1800.0  # seconds after which a cloud that nobody opened is dropped
_REFUSED = 30.0  # seconds for which refused credentials are not tried again, so that nobody's account gets locked
_ABSENT = (
    5.0  # seconds for which a Keystone that does not answer is not asked again, so that not all workers wait for it
)
_OVERRIDE = "_endpoint_override"
_PLUGINS: Mapping[str, str] = {
    "password": "v3password",
    "v3password": "v3password",
    "token": "v3token",
    "v3token": "v3token",
    "v3applicationcredential": "v3applicationcredential",
    "v3totp": "v3totp",
    "v3oidcpassword": "v3oidcpassword",
    "v3oidcclientcredentials": "v3oidcclientcredentials",
}
_UNUSABLE: Mapping[str, str] = {
    "cert": "a client certificate is a file of another machine; leave it out",
    "key": "a client key is a file of another machine; leave it out",
    "profile": "vendor profiles are not read; write out what it says",
}


class _Open(msgspec.Struct):
    """A cloud that is in use, or why it could not be opened."""

    cloud: OpenStack | None
    error: CloudError | None
    used: float


class Clouds:
    """All clouds in use. `open` may be called from several threads, each time that a cloud is needed.

    Nothing is written to any of them while `allowed` says no. `cacert` is trusted where the Secret has no CA of its own."""

    def __init__(
        self,
        *,
        recorder: Recorder | None = None,
        limits: Callable[[], Limits] = Limits,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._recorder, self._limits, self._timeouts, self._clock = recorder, limits, timeouts, clock
        self._allowed = allowed
        self.cacert: bytes | None = None
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, threading.Lock] = {}

    def open(self, *, clouds_yaml: bytes, cacert: bytes | None, cloud: str, region: str | None = None) -> OpenStack:
        """The cloud of an entry in clouds.yaml; logs in the first time. Raises LoginFailed, with the path of the field."""
        entry, cacert = read_entry(clouds_yaml, cloud), cacert or self.cacert
        key = _key(entry, cacert, region)
        with self._lock:
            self._drop_unused()
            opening = self._opening.setdefault(key, threading.Lock())
        with opening:
            known = self._known(key)
            if known is None:
                known = self._log_in(entry, cacert, cloud, region)
                with self._lock:
                    self._open[key] = known
        if known.cloud is None:
            raise copy.copy(known.error) if known.error else LoginFailed("not logged in")
        return known.cloud

    def forget(self) -> None:
        """Log in and look anew at what is opened next; call it while nobody is at work."""
        with self._lock:
            self._open.clear()

    def _known(self, key: str) -> _Open | None:
        with self._lock:
            known = self._open.get(key)
            if known is None:
                return None
            if known.cloud is None and self._clock() - known.used > _patience(known.error):
                return None
            if known.cloud is not None:
                known.used = self._clock()
            return known

    def _log_in(self, entry: Mapping[str, Any], cacert: bytes | None, name: str, region: str | None) -> _Open:
        try:
            access = read_access(entry, f"clouds.{name}", cacert=cacert, region=region)
            wire = Wire(
                access,
                limits=self._limits(),
                recorder=self._recorder,
                timeouts=self._timeouts,
                allowed=self._allowed,
            )
        except LoginFailed as error:
            error.path = error.path or f"clouds.{name}.auth"
            return _Open(None, error, self._clock())
        except CloudError as error:
            return _Open(None, error, self._clock())
        return _Open(OpenStack(wire), None, self._clock())

    def _drop_unused(self) -> None:
        now = self._clock()
        for key, known in list(self._open.items()):
            if now - known.used > _IDLE:
                del self._open[key]
                self._opening.pop(key, None)


def _patience(error: CloudError | None) -> float:
    return _REFUSED if isinstance(error, LoginFailed) else _ABSENT


def _key(entry: Mapping[str, Any], cacert: bytes | None, region: str | None) -> str:
    text = json.dumps([entry, (cacert or b"").decode("latin-1"), region], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_entry(clouds_yaml: bytes, cloud: str) -> Mapping[str, Any]:
    """The entry of a cloud; raises LoginFailed where the text is no clouds.yaml or does not have it."""
    try:
        read = yaml.safe_load(clouds_yaml)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise LoginFailed(f"clouds.yaml cannot be parsed{where}", path="identityRef") from None
    clouds = read.get("clouds") if isinstance(read, Mapping) else None
    if not isinstance(clouds, Mapping):
        raise LoginFailed('clouds.yaml has no "clouds"', path="identityRef")
    if cloud not in clouds:
        has = ", ".join(f'"{name}"' for name in sorted(map(str, clouds))) or "none"
        raise LoginFailed(f'"{cloud}" not in clouds.yaml; it has {has}', path="identityRef.cloudName")
    if not isinstance(clouds[cloud], Mapping):
        raise LoginFailed("is not a map", path=f"clouds.{cloud}")
    return dict(clouds[cloud])


def read_access(entry: Mapping[str, Any], path: str, *, cacert: bytes | None, region: str | None) -> Access:
    """Who and whom to trust, as an entry says it; raises LoginFailed, with the path of the field.

    A `cacert` in the entry is a path on another machine and is not read; the Secret's own `cacert` counts."""
    for name, why in _UNUSABLE.items():
        if entry.get(name):
            raise LoginFailed(why, path=f"{path}.{name}")
    interface = str(entry.get("interface") or entry.get("endpoint_type") or "public").removesuffix("URL")
    overrides = {
        name.removesuffix(_OVERRIDE).replace("_", "-"): str(value)
        for name, value in entry.items()
        if name.endswith(_OVERRIDE) and value
    }
    verify = entry.get("verify", True) not in (False, "false", "False", "no") and not entry.get("insecure")
    return Access(
        auth=_read_auth(entry, path),
        trust=_trust(cacert, verify=verify),
        region=region or _only_region(entry),
        interface=interface,
        overrides=overrides,
    )


def _only_region(entry: Mapping[str, Any]) -> str | None:
    if entry.get("region_name"):
        return str(entry["region_name"])
    regions = [name.get("name") if isinstance(name, Mapping) else name for name in entry.get("regions") or ()]
    return str(regions[0]) if len(regions) == 1 else None


@functools.lru_cache(maxsize=32)  # reading the authorities of a system takes tens of milliseconds
def _trust(cacert: bytes | None, *, verify: bool) -> ssl.SSLContext:
    """An SSLContext that trusts the Secret's authorities, else those of the system and of certifi."""
    try:
        context = ssl.create_default_context(cadata=cacert.decode("ascii") if cacert and cacert.strip() else None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise LoginFailed('"cacert" in the Secret holds no certificate in PEM form', path="identityRef") from error
    if not cacert:
        context.load_verify_locations(certifi.where())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read_auth(entry: Mapping[str, Any], path: str) -> BaseIdentityPlugin:
    auth = entry.get("auth")
    if not isinstance(auth, Mapping) or not auth.get("auth_url"):
        raise LoginFailed("is missing", path=f"{path}.auth.auth_url")
    asked = str(entry.get("auth_type") or ("token" if auth.get("token") else "password"))
    if auth.get("application_credential_secret") and asked == "password":
        asked = "v3applicationcredential"
    if asked not in _PLUGINS:
        raise LoginFailed(f'"{asked}" is not supported; use one of {", ".join(_PLUGINS)}', path=f"{path}.auth_type")
    plugin = _PLUGINS[asked]
    options = _with_domains(auth, plugin)
    _require(options, plugin, path)
    loader: Any = loading.get_plugin_loader(plugin)
    known = {option.dest for option in loader.get_options()}
    try:
        loaded = loader.load_from_options(**{name: value for name, value in options.items() if name in known})
    except (AuthPluginException, TypeError) as error:
        raise LoginFailed(str(error), path=f"{path}.auth") from error
    if not isinstance(loaded, BaseIdentityPlugin):
        raise LoginFailed(f'"{asked}" does not log in to Keystone', path=f"{path}.auth_type")
    return loaded


def _require(options: Mapping[str, Any], plugin: str, path: str) -> None:
    """What keystoneauth would notice only by being refused."""
    needed = {
        "v3password": (("username", "user_id"), ("password",)),
        "v3token": (("token",),),
        "v3applicationcredential": (
            ("application_credential_id", "application_credential_name"),
            ("application_credential_secret",),
        ),
    }
    for names in needed.get(plugin, ()):
        if not any(options.get(name) for name in names):
            raise LoginFailed("is missing", path=f"{path}.auth.{names[0]}")


def _with_domains(auth: Mapping[str, Any], plugin: str) -> dict[str, Any]:
    """The options of a login, Keystone's version pinned and domains filled in as clients are used to.

    No domain at all means Keystone's "default"; the project's is the user's unless it has its own. A value that is a number
    in YAML is meant as text."""
    options = {str(name).replace("-", "_"): str(value) for name, value in auth.items() if value is not None}
    url = options["auth_url"].rstrip("/")
    options["auth_url"] = url if url.endswith("/v3") else f"{url.removesuffix('/v2.0')}/v3"
    for old, new in (("tenant_name", "project_name"), ("tenant_id", "project_id")):
        if old in options:
            options.setdefault(new, options[old])
    if plugin == "v3applicationcredential":
        named = "application_credential_id" not in options
        return _in_domain(options, "user", needed=named and "user_id" not in options)
    options = _in_domain(options, "user", needed="user_id" not in options and plugin != "v3token")
    return _in_domain(options, "project", needed="project_name" in options and "project_id" not in options)


def _in_domain(options: dict[str, Any], whose: str, *, needed: bool) -> dict[str, Any]:
    if not needed or options.get(f"{whose}_domain_id") or options.get(f"{whose}_domain_name"):
        return options
    for kind in ("id", "name"):
        for source in (f"user_domain_{kind}", f"default_domain_{kind}", f"domain_{kind}"):
            if options.get(source):
                return {**options, f"{whose}_domain_{kind}": options[source]}
    return {**options, f"{whose}_domain_id": options.get("default_domain", "default")}
