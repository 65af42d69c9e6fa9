# SPDX-License-Identifier: Apache-2.0
"""What a TLS listener agrees to: versions and cipher suites, by the names that Kubernetes' programs use for them.

Rule: a suite of TLS 1.3 cannot be switched off (as in Go); names that OpenSSL does not know are an error before anything listens.
"""

import re
import ssl
from collections.abc import Callable, Sequence

VERSIONS = {"VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
_SUITE = re.compile(r"TLS_(?:(?P<exchange>\w+)_WITH_)?(?P<cipher>\w+)")

Limit = Callable[[ssl.SSLContext], None]


def limit(minimum: str = "VersionTLS12", suites: Sequence[str] = ()) -> Limit:
    """Return what narrows a context to a minimal version and to cipher suites, all if none; raises ValueError."""
    if minimum not in VERSIONS:
        raise ValueError(f"TLS version {minimum!r}: one of {', '.join(VERSIONS)} was looked for")
    old = [name for name in map(_openssl, suites) if name]

    def narrow(context: ssl.SSLContext) -> None:
        context.minimum_version = VERSIONS[minimum]
        if old:
            context.set_ciphers(":".join(old))

    return narrow


def _openssl(suite: str) -> str:
    """OpenSSL's name of a suite; empty for one of TLS 1.3. TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: ECDHE-RSA-AES128-GCM-SHA256."""
    found = _SUITE.fullmatch(suite)
    if found is None:
        raise ValueError(f"cipher suite {suite!r}: a name such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 was looked for")
    if found["exchange"] is None:
        return ""
    cipher = re.sub(r"AES_(\d+)", r"AES\1", found["cipher"]).replace("_CBC", "").replace("POLY1305_SHA256", "POLY1305")
    exchange = "" if found["exchange"] == "RSA" else found["exchange"] + "-"
    name = (exchange + cipher).replace("_", "-")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(
            name
        )  # of several it would pass over one that it does not know
    except ssl.SSLError as error:
        raise ValueError(f"cipher suite {suite!r}: OpenSSL does not have it ({name})") from error
    return name


USUAL = limit()
"""TLS 1.2 or newer, and OpenSSL's choice of suites."""
