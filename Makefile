# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make test    everything that CI runs: lint, unit and integration tests, with all their own set-up
# make lint | unit | integration | sanity
# make sync    copy the checkout to $(COLLECTION), where ansible's tools want it
# make clean   remove $(BUILD)

BUILD ?= build
VENV ?= $(BUILD)/venv
PYTHON ?= $(shell sh tests/tooling/find_python.sh)
COLLECTION := $(abspath $(BUILD))/collections/ansible_collections/fleetops/container_registry
VENV_BIN := $(abspath $(VENV))/bin

# The environment's tools first, and nothing of the caller's ansible set-up.
export PATH := $(VENV_BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(abspath $(BUILD))/collections
unexport ANSIBLE_CONFIG ANSIBLE_INVENTORY PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: venv sync clean

venv:
	@test -n "$(PYTHON)"
	@"$(PYTHON)" tests/tooling/make_venv.py "$(VENV)"

sync:
	@test -n "$(PYTHON)"
	@"$(PYTHON)" tests/tooling/sync.py "$(COLLECTION)"

clean:
	rm -rf "$(BUILD)"
