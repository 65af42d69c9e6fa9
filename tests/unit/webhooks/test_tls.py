# SPDX-License-Identifier: Apache-2.0
"""Limits of a TLS listener, by the names that Kubernetes' programs use."""

import ssl

import pytest

from pycapo.webhooks.tls import USUAL, limit


def a_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def suites(context: ssl.SSLContext) -> set[str]:
    """The suites of TLS 1.2 and older: those of 1.3 cannot be chosen."""
    return {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}


@pytest.mark.parametrize(
    ("name", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    ],
)
def test_a_suite_that_is_named_is_the_only_one(name: str, openssl: str) -> None:
    context = a_context()

    limit(suites=[name, "TLS_AES_128_GCM_SHA256"])(context)

    assert suites(context) == {openssl}


def test_without_a_word_it_is_tls_1_2_and_openssls_choice() -> None:
    context = a_context()

    USUAL(context)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert suites(context) == suites(a_context())


def test_the_oldest_version_can_be_the_newest() -> None:
    context = a_context()

    limit("VersionTLS13")(context)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("name", ["AES", "TLS_ECDHE_RSA_WITH_NOTHING", "ECDHE-RSA-AES128-GCM-SHA256"])
def test_an_unknown_suite_is_named_even_beside_a_known_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"cipher suite '{name}'"):
        limit(suites=["TLS_RSA_WITH_AES_128_GCM_SHA256", name])


def test_an_unknown_version_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="'VersionTLS10': one of VersionTLS12, VersionTLS13"):
        limit("VersionTLS10")
