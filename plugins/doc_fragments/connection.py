# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that say how a registry is reached; module_utils/module.py holds their argument spec."""

from __future__ import annotations


class ModuleDocFragment:
    """The connection options of every API module."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - The registry's address with scheme, and with port and path prefix where it has them, such as
        V(https://registry.example.com) or V(http://127.0.0.1:5000).
      - User and password do not belong here, use O(username) and O(password) or O(auth_file).
      - Without the option, E(CONTAINER_REGISTRY_URL) is used.
    type: str
    required: true
  username:
    description:
      - The user to log in as. Together with O(password).
      - Without the option, E(CONTAINER_REGISTRY_USERNAME) is used.
    type: str
  password:
    description:
      - The password of O(username).
      - Ansible masks the password wherever it occurs in a result, so one that is part of a repository's name or tag makes
        that result unusable. The modules warn about this. With O(auth_file) it cannot happen.
      - Without the option, E(CONTAINER_REGISTRY_PASSWORD) is used.
    type: str
  token:
    description:
      - A token that is sent as it is, as C(Bearer), for a registry that was given one from elsewhere.
      - Mutually exclusive with O(username) and O(password).
      - Without the option, E(CONTAINER_REGISTRY_TOKEN) is used.
    type: str
  auth_file:
    description:
      - A file with credentials as C(docker login), C(podman login) and C(skopeo login) write it, on the host that the
        module runs on. Entries for the whole registry, for a repository and for the path above it are understood, and so are
        C(credsStore) and C(credHelpers).
      - It is used if neither O(token) nor O(username) is given.
      - Without the option, E(CONTAINER_REGISTRY_AUTH_FILE) is used, then E(REGISTRY_AUTH_FILE), then C(config.json) in the
        directory that E(DOCKER_CONFIG) names. Files in a home directory are not read unless they are named.
    type: path
  validate_certs:
    description:
      - Whether the registry's certificate must be valid for its name and signed by a known authority.
      - With V(false) anybody between here and the registry can read the credentials and change every answer. The modules
        warn about this. O(ca_path) is the better way for a registry with a certificate of its own.
      - Without the option, E(CONTAINER_REGISTRY_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - A file with certificates of authorities (PEM), or a directory of such files prepared by C(openssl rehash), to be
        trusted instead of the system's.
      - Without the option, E(CONTAINER_REGISTRY_CA_PATH) is used.
    type: path
  client_cert:
    description:
      - A file with the certificate (PEM) to show to the registry, and its key if O(client_key) is not given.
      - Without the option, E(CONTAINER_REGISTRY_CLIENT_CERT) is used.
    type: path
  client_key:
    description:
      - A file with the key (PEM, not encrypted) of O(client_cert).
      - Without the option, E(CONTAINER_REGISTRY_CLIENT_KEY) is used.
    type: path
  timeout:
    description:
      - How many seconds one request may take, from connecting to the last byte of the answer. Looking the name up is not part
        of it, which takes as long as the resolver of that host allows.
    type: float
    default: 30
  deadline:
    description:
      - How many seconds the registry may be used for altogether. After that no new request is sent and the module fails,
        saying what is done.
      - Without it there is no such limit.
    type: float
  retries:
    description:
      - How many times a request is repeated that failed without harm, such as one that reads, or one that the registry
        turned away because it is busy. V(0) means never.
      - A request that changes something is never repeated when it is not known whether the first one was carried out.
    type: int
    default: 3
  workers:
    description:
      - How many requests are under way at once, at least 1. More than 16 seldom makes it faster.
    type: int
    default: 8
  rate_limit:
    description:
      - How many requests are sent in a second at most.
      - Without it there is no such limit.
    type: float
  find_hidden_tags:
    description:
      - Whether to ask for tags that the registry has and does not list.
      - Distribution 3.1.0 and 3.1.1 with their images on S3 leave out of the list each tag whose name goes on where a listed
        one's ends, such as C(v10) beside C(v1). There this has to be V(true), or such a tag is neither seen nor kept by a policy,
        and what shares its image takes it along.
      - It costs one more request for each tag, every time that tags are listed. At Distribution 2.x, which is known by how it answers
        and not by its headers, it costs one more in the whole run.
      - V(false) says that there are no such tags, as with images on any other storage.
      - Without the option they are not asked for, and what no tag seems to name may still have one.
    type: bool
requirements:
  - requests >= 2.20 (the Python library, on the host that the module runs on)
notes:
  - >-
    The module runs on the host of the play, which must reach O(url). For most registries this is best the controller, by
    C(delegate_to: localhost) or an inventory host with C(ansible_connection=local) and
    C(ansible_python_interpreter={{ ansible_playbook_python }}).
  - C(HTTP_PROXY), C(HTTPS_PROXY) and C(NO_PROXY) of the environment are honoured. A SOCKS proxy needs the Python library
    PySocks.
"""
