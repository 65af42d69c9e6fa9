# SPDX-License-Identifier: Apache-2.0
# `make` alone lists the targets. Everything that is built or downloaded goes below $PYCAPO_CACHE (default ~/.cache/pycapo).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CHECKS := src tests tools
LAB ?= default
# The environment is made (or found) once for each call of make.
# `exec` in a recipe lets the command itself have a signal that ends make.
RUN = bin=$$(tools/setup)/bin; PATH="$$bin:$$PATH"; export PATH

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## a cluster from manifest to running nodes on a lab of its own; again on a running one: look at it once more
	@$(RUN); exec pycapo lab demo

.PHONY: demo-down
demo-down: ## delete the demo's cluster, show that OpenStack is as it was before, and leave nothing running
	@$(RUN); exec pycapo lab demo --delete

.PHONY: test
test: ## everything that has to be true: linters, types, layers, then every test (the lab is built beside, and starts by itself)
	@$(RUN); TTY_COMPATIBLE=0 nice pycapo lab build & build=$$!; \
	trap 'kill $$build 2>/dev/null || true; wait $$build || true' EXIT; \
	$(MAKE) --no-print-directory lint types layers unit; wait $$build; trap - EXIT
	@$(RUN); pytest -q -n 2 --dist loadgroup tests/integration tests/e2e

.PHONY: test-vm
test-vm: ## real guests: Debian with cloud-init and sshd on emulated machines with several NICs (root; VM="-k reboot" picks tests)
	@$(RUN); TTY_COMPATIBLE=0 exec pytest -v tests/vm $(VM)

.PHONY: unit
unit: ## the unit tests alone: seconds, no lab
	@$(RUN); pytest -q -n 2 tests/unit

.PHONY: lint
lint: ## ruff: rules and format
	@$(RUN); ruff check $(CHECKS); ruff format --check --quiet $(CHECKS) || { echo "run: make format"; exit 1; }

.PHONY: format
format: ## put the code into shape
	@$(RUN); ruff format $(CHECKS); ruff check --fix $(CHECKS)

.PHONY: types
types: ## mypy --strict
	@$(RUN); mypy

.PHONY: layers
layers: ## the floors of the architecture, kept by import-linter
	@$(RUN); lint-imports

.PHONY: bench
bench: ## OpenStack requests for each kind of work against their budgets; writes build/bench.json
	@$(RUN); exec pycapo lab bench --name bench

.PHONY: lab-build
lab-build: ## build and install what every lab needs, once; `make test`, `make demo` and `lab-up` do it too
	@$(RUN); exec pycapo lab build

.PHONY: lab-up
lab-up: ## a management plane, OpenStack and pycapo on this machine; then: eval "$$(make -s lab-env)"
	@$(RUN); exec pycapo lab up --name $(LAB)

.PHONY: lab-env
lab-env: ## print the exports of the running lab: eval "$$(make -s lab-env)"
	@$(RUN); pycapo lab env --name $(LAB)

.PHONY: lab-down
lab-down: ## end the lab and leave nothing running
	@$(RUN); exec pycapo lab down --name $(LAB)

.PHONY: docs
docs: ## write docs/reference from the code
	@$(RUN); python tools/reference.py

.PHONY: shell
shell: ## a shell with the environment on PATH
	@$(RUN); exec bash
