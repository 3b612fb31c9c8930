# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One TLS context for all connections of a client (making one costs tens of milliseconds)."""

from __future__ import annotations

import os
import ssl
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import requests

# As requests itself honours them, in this order.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def tls_context(connection: Connection, environment: t.Mapping[str, str]) -> ssl.SSLContext:
    """The context by the connection's options. Raises RegistryError naming the option whose file cannot be used."""
    # It checks, and trusts nobody yet.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not connection.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif connection.ca_path:
        _trust(context, "ca_path", connection.ca_path)
    else:
        context = _default_context(context, environment)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.client_cert:
        _show(context, connection.client_cert, connection.client_key)
    return context


def _default_context(empty: ssl.SSLContext, environment: t.Mapping[str, str]) -> ssl.SSLContext:
    """EMPTY with the authorities that the environment names, instead of the system's; else a context with those."""
    for name in _BUNDLE_VARIABLES:
        if environment.get(name):
            _trust(empty, name, environment[name])
            return empty
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    # A directory of certificates is loaded on demand, so an empty store is told by its files.
    if not context.get_ca_certs() and not (paths.capath and os.path.isdir(paths.capath) and os.listdir(paths.capath)):
        _trust(context, "certifi", requests.certs.where())
    return context


def _trust(context: ssl.SSLContext, option: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise RegistryError(
            "%s: %s cannot be read as certificates of authorities: %s. Give a PEM file that holds them."
            % (option, path, error)
        ) from error


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    def no_password() -> str:
        # Called for an encrypted key only; without this OpenSSL asks on the terminal and the run hangs.
        raise ValueError("the key is encrypted")

    for option, path in (("client_cert", certificate), ("client_key", key)):
        if path and not os.access(path, os.R_OK):
            raise RegistryError("%s: %s does not exist or cannot be read." % (option, path))
    try:
        context.load_cert_chain(certificate, key or None, password=no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise RegistryError(
            "client_cert %s and client_key %s cannot be used together: %s. Give a PEM certificate and its own PEM key"
            " without a pass phrase." % (certificate, key or "(in the same file)", error)
        ) from error
