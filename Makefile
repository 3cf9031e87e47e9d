PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo page test check docs bench clean

# One stamp per set of extras, so that `make demo` stays quick and `make test` adds only what it needs.
$(VENV)/.core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,fast,lab,docs]'
	touch $@ $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/tastemesh demo

page: $(VENV)/.core
	$(BIN)/tastemesh demo --serve

test: $(VENV)/.test
	$(BIN)/python -bb -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.test
	$(BIN)/mkdocs build

bench: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks $(NAME)

clean:
	rm -rf $(VENV) build dist src/*.egg-info
