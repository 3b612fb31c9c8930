# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make demo    the main job on a real registry, in check mode, for real, and again
# make test    lint, sanity, unit and integration tests, with all their own set-up
# make lint | sanity | unit | integration    a part of it
# make plays   the role on every kind of deployment and over several machines: whole playbooks, too long for make test
# make faults  break everything in the middle of its work, many times
# make others  a real Gitea, which is built first (about a quarter of an hour)
# make audit   look for known weaknesses in the packages that this uses, where an advisory service can be reached
# make bench   list and prune beside other tools, scan, plan, prune offline; results in $(BUILD)/bench (about twenty minutes)
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

# ansible-test keeps its tools in a home of its own, so nothing of the caller's is touched.
SANITY_HOME := $(abspath $(BUILD))/sanity-home
PYTEST := cd $(COLLECTION) && $(VENV_BIN)/python -m pytest -q
WORKERS ?= 2
PLAYS ?= tests/plays
FAULTS ?= tests/faults

.PHONY: test lint sanity unit integration integration-registries integration-modules plays faults others demo bench venv audit sync clean

test:
	@echo "lint, sanity, unit and integration tests run side by side, and each shows its output when it has ended"
	@# Most of them wait for something most of the time: for one core, a registry, a limit that is to be reached.
	@$(MAKE) --no-print-directory --jobs=5 --output-sync=target lint sanity unit integration

lint: venv sync
	cd $(COLLECTION) && ruff check .
	cd $(COLLECTION) && ruff format --check .
	cd $(COLLECTION) && bandit -q -c pyproject.toml -r plugins
	cd $(abspath $(BUILD))/collections && MYPYPATH=. mypy --config-file $(COLLECTION)/pyproject.toml \
	  -p ansible_collections.fleetops.container_registry.plugins.module_utils
	@# On every machine, whichever Pythons ansible-test finds there.
	cd $(COLLECTION) && vermin --quiet --no-tips --violations -t=3.8- plugins/module_utils plugins/modules
	cd $(COLLECTION) && yamllint --strict .
	cd $(COLLECTION) && ansible-lint --profile production --strict --offline
	cd $(COLLECTION) && antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck --validate-collection-refs all .

sanity: venv sync
	@"$(VENV_BIN)/python" tests/tooling/offline_pip.py "$(SANITY_HOME)"
	@# ansible-test asks git which files there are, and the checkout's git ignores everything under build/.
	@git init -q "$(COLLECTION)"
	@sh tests/tooling/pythons.sh "$(SANITY_HOME)/pythons"
	cd $(COLLECTION) && HOME="$(SANITY_HOME)" PATH="$(SANITY_HOME)/pythons:$(VENV_BIN):/usr/sbin:/usr/bin:/sbin:/bin" ansible-test sanity --venv --requirements --color no

unit: venv sync
	$(PYTEST) -n $(WORKERS) tests/unit

integration: integration-registries integration-modules

integration-registries: venv sync
	$(PYTEST) -n $(WORKERS) --dist loadfile tests/integration --ignore tests/integration/modules

integration-modules: venv sync
	@# pytest-ansible leaves files and sockets of ansible's open, so its warnings are no failures.
	$(PYTEST) -p pytest_ansible.plugin --import-mode=prepend -W ignore --inventory tests/integration/modules/inventory.yml \
	  --host-pattern all tests/integration/modules

plays: venv sync
	$(PYTEST) -n $(WORKERS) --dist loadfile $(PLAYS)

faults: venv sync
	$(PYTEST) -n $(WORKERS) --dist loadfile $(FAULTS)

others: venv sync
	$(PYTEST) tests/others

demo: venv sync
	@cd $(COLLECTION) && $(VENV_BIN)/python -m tests.rig.demo

BENCH_PEERS ?=
BENCH_STORAGE ?=
BENCH_REPORT ?=
BENCH = PYTHONPATH="$(abspath $(BUILD))/collections" "$(VENV_BIN)/python" -m ansible_collections.fleetops.container_registry.benchmarks

bench: venv sync
	@$(BENCH).peers --folder "$(abspath $(BUILD))/bench" $(BENCH_PEERS)
	@$(BENCH).storage --folder "$(abspath $(BUILD))/bench" $(BENCH_STORAGE)
	@$(BENCH).report --folder "$(abspath $(BUILD))/bench" $(BENCH_REPORT)

venv:
	@test -n "$(PYTHON)"
	@"$(PYTHON)" tests/tooling/make_venv.py "$(VENV)"

# Not part of lint: it needs a service that not every network reaches, and then it fails, for nothing was looked at.
audit: venv
	@"$(VENV_BIN)/python" tests/tooling/audit.py

sync:
	@test -n "$(PYTHON)"
	@"$(PYTHON)" tests/tooling/sync.py "$(COLLECTION)"

clean:
	rm -rf "$(BUILD)"
