# `make demo` and `make test` set up everything they need; only Python is required.
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
INSTALLED := $(VENV)/.installed
INSTALLED_BENCH := $(VENV)/.installed-bench
# Candidates, best first: `make env PYTHON=python3.13` puts another one in front.
PYTHON ?=
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11
# More arguments, for pytest (`make test ARGS="tests/handlers -k scope"`) or for the
# benchmark (`make posteriordb ARGS="--peer"`).
ARGS ?=

.PHONY: help env demo examples test slow lint format tables bench posteriordb clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(INSTALLED) ## Create .venv and install ppl with what tests and demo need

demo: $(INSTALLED) ## Fit real data; show a table and draw pictures
	@mkdir -p build/demo
	$(PY) examples/eight_schools.py --out build/demo
	$(PY) examples/logistic_regression.py --out build/demo
	@echo "The pictures are here:"
	@ls -1 "$(CURDIR)"/build/demo/*.png

examples: $(INSTALLED) ## Run all examples; a few minutes
	@mkdir -p build/examples
	@set -e; for example in examples/*.py; do \
	  echo "$$example"; $(PY) $$example --out build/examples; done
	@echo "The pictures are here:"
	@ls -1 "$(CURDIR)"/build/examples/*.png

test: $(INSTALLED) ## Run the tests that every push must pass
	$(PY) -m pytest -n 2 -m "not slow" $(ARGS)

slow: $(INSTALLED) ## Run the tests that take long
	$(PY) -m pytest -n 2 -m slow $(ARGS)

lint: $(INSTALLED) ## Check style, types and structure
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -m pytest tests/test_structure.py tests/test_import.py

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

tables: $(INSTALLED) ## Write the tables of distributions and of errors
	$(PY) -m tests.laws.table
	$(PY) -m tests.error_page

bench: $(INSTALLED_BENCH) ## Measure against the peers
	$(PY) -m benchmarks.cold_start
	$(PY) -m benchmarks.rerun
	$(PY) -m benchmarks.throughput

posteriordb: $(INSTALLED) ## Check fits of real posteriors against long runs
	$(PY) -m benchmarks.posteriordb $(ARGS)

clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) build *.egg-info

# Where Python came without ensurepip (Debian's python3-venv), its pip fills .venv.
$(INSTALLED): pyproject.toml
	@set -e; python=; \
	for candidate in $(PYTHONS); do \
	  if $$candidate -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' \
	      >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "ppl needs Python 3.11 or newer, with its venv module; none was found as" \
	    "any of: $(PYTHONS). Name one: make env PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if [ ! -x $(PY) ]; then \
	  echo "Creating $(VENV) with $$($$python --version)"; \
	  if $$python -c 'import ensurepip' 2>/dev/null; then $$python -m venv $(VENV); \
	  else $$python -m venv --without-pip $(VENV); \
	    $$python -m pip --python $(PY) install --quiet pip; fi; \
	fi
	@echo "Installing ppl and its dependencies (a minute or two)"
	@$(PIP) -e '.[demo,test,lint]'
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	@echo "Installing the peers"
	@$(PIP) -e '.[bench]'
	@touch $@
