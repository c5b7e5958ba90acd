PYTHON ?= python3
DEMO_DIR ?= demo-mission
BIN = .venv/bin
SETUP_INPUTS = pyproject.toml constraints.txt tools/setup.sh gui/resources/debian-packages.txt

.PHONY: demo test lint format bench soak clean

demo: .venv/.ready-run           ## the main job: from a flood zone to a damage map
	$(BIN)/missionctl demo --out $(DEMO_DIR)

test: .venv/.ready-test lint     ## every check and every test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not soak"

lint: .venv/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/.ready-test         ## the figures of docs/figures.md
	$(BIN)/python -m pytest bench --timeout 3600

soak: .venv/.ready-test          ## long runs
	$(BIN)/python -m pytest -m soak --timeout 7200

format: .venv/.ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/.ready-run: $(SETUP_INPUTS)
	PYTHON=$(PYTHON) sh tools/setup.sh run
	@touch $@

.venv/.ready-test: $(SETUP_INPUTS)
	PYTHON=$(PYTHON) sh tools/setup.sh test
	@touch $@ .venv/.ready-run

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .benchmarks .hypothesis build *.egg-info demo-mission
