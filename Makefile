# Everything runs in .venv, which `make install` fills; a target that finds it up to date installs nothing.
.DEFAULT_GOAL := help
.PHONY: help install demo docs test test-aarch64 test-amx test-windows test-paraview-next test-pythons stress fuzz sanitize bench lint wheels release clean

PYTHON := .venv/bin/python
SOURCES := CMakeLists.txt $(shell find plugin hyperinr_core filters xml -type f -not -path '*/__pycache__/*')

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.package ## Install ParaView and the Python packages where missing, build, install into .venv

demo: install ## Simulate turbulence, train, evaluate and render in ParaView; results in demo/
	.venv/bin/hyperinr demo

# three processes for two processors: many tests wait for windows and servers
test: .venv/.test install .venv-vtk/.package ## Run the tests
	.venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder

test-aarch64: .venv/.run ## Run the CPU kernel's tests on an emulated AArch64 processor, set up in FOLDER (build/aarch64)
	tools/aarch64.sh $(FOLDER)

test-amx: ## Compare the CPU kernel's tiles (AMX) with their model on an emulated processor, set up in FOLDER (build/amx) by root
	tools/amx.sh $(FOLDER)

test-windows: ## Run tests of the wheel for Windows under Wine, with a Python set up in FOLDER (build/windows)
	tools/windows.sh $(FOLDER)

test-paraview-next: ## Run the tests that need ParaView on Debian testing's, set up in FOLDER (build/testing) by root
	tools/paraview_next.sh $(FOLDER)

test-pythons: ## Run tests of the core on Python 3.9, 3.13 and 3.14 with the wheel in dist/, set up in FOLDER (build/pythons) by root
	tools/pythons.sh $(FOLDER)

stress: .venv/.test install ## Run the tests of endurance in full: 10 000 damaged files, 240 kills, 2 000 time changes; figures in build/stress.md
	rm -f build/stress.md
	.venv/bin/pytest --stress --timeout 7200 tests/test_hostile.py tests/test_killed.py tests/test_long_run.py

fuzz: .venv/.test install ## Fuzz the reader of .hinr files, guided by coverage, for FUZZ_SECONDS (600)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c tools/constraints.txt "atheris>=2.3"
	mkdir -p build/fuzz
	cd tests && ../$(PYTHON) fuzz.py ../build/fuzz -max_total_time=$(or $(FUZZ_SECONDS),600) -timeout=2 -rss_limit_mb=2048 -artifact_prefix=../build/fuzz_

sanitize: .venv/.test install ## Run the kernel's tests under the address and undefined-behaviour sanitizers
	tools/sanitize.sh

bench: demo ## Measure this machine's speed against its limits, and viewing the demo's model in ParaView
	.venv/bin/hyperinr bench
	$(PYTHON) benchmarks/viewing.py demo/turbulence.hinr

lint: .venv/.lint build/types/hyperinr ## Check style, formatting and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# the folders under the names that they are installed under, for the type checker
build/types/hyperinr:
	mkdir -p $@
	touch $@/__init__.py
	ln -s $(CURDIR)/filters $(CURDIR)/plugin $@

docs: .venv/.docs install ## Build these pages and those of the API into build/docs; a broken link or a page in no list is an error
	.venv/bin/sphinx-build --builder html --fail-on-warning --keep-going --quiet docs build/docs

wheels: .venv/.wheels .venv/.test install ## Build wheels of PLATFORMS (of all), for this and other systems, into dist/, and test those that run here
	tools/wheels.sh $(PLATFORMS)
	ZIG_LIB_DIR=$(CURDIR)/build/wheels/zig .venv/bin/pytest -q tests/test_wheels.py --wheels dist

release: ## Build and test all that a release would upload, and list it; uploads nothing
	tools/release.sh

clean: ## Remove the environment, builds and the demo's results
	rm -rf .venv .venv-vtk build dist demo .pytest_cache .ruff_cache

.venv/.docs .venv/.lint .venv/.run .venv/.test .venv/.wheels: pyproject.toml tools/install.sh tools/requirements.py tools/constraints.txt
	tools/install.sh $(patsubst .venv/.%,%,$@)
	touch $@
.venv/.docs .venv/.test .venv/.wheels: .venv/.run

# not editable: ParaView's Python, which gets .venv through PYTHONPATH, does not read the .pth files of editable installs
.venv/.package: .venv/.run $(SOURCES)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall .
	touch $@

# the same package beside the newest VTK, for tests/test_vtk_wheel.py
.venv-vtk/.package: .venv/.package tools/vtk_venv.sh
	tools/vtk_venv.sh
	touch $@
