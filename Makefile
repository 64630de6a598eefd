# make demo   the whole way of an event, on this machine only, and where to look
# make test   everything: lint, types, floors, docs, the tests on every Python found and on the Docker engine, if any
# make bench  what it costs, beside what people would use instead (minutes)

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test bench docs clean

demo: $(READY)
	$(VENV)/bin/cli-analytics demo

test: $(READY)
	$(VENV)/bin/nox

bench: $(READY)
	$(VENV)/bin/python -m bench --write

docs: $(READY)
	$(VENV)/bin/cli-analytics docs cli_analytics/demo/analytics.toml

# Debian's Python comes without venv; its package is installed where that is allowed.
$(READY): pyproject.toml
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || apt-get install -y python3-venv
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[collector,reports]' --group dev
	touch $@

clean:
	rm -rf $(VENV) .nox .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
