# make demo   fix data/inputs/image_1.jpg; the first time, make the environment for it (no torch)
# make test   format, lint, types and tests, in an environment with everything
# make lint   the same without the tests
# make bench  time and measure every photo in data/inputs
# make ui     the page in the browser, at http://127.0.0.1:7860
# make clean  remove the environment and all caches

PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
RUN := $(VENV)/bin/python
# Twice quiet: errors are still shown, warnings about the machine's own pip settings are not.
PIP := $(RUN) -m pip install -qq --disable-pip-version-check
DRAFT_READY := $(VENV)/.draft-ready
ALL_READY := $(VENV)/.all-ready

# The tests of the page drive a real browser. Where it is missing and may be installed, it is; else they are skipped.
GET_CHROMIUM := command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing Chromium for the tests of the page ..." && \
	apt-get update -qq >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; } || \
	echo "Chromium is not here and could not be installed: the tests in the browser will be skipped."

.PHONY: demo test lint bench ui clean

demo: $(DRAFT_READY)
	@$(RUN) main.py --input_path data/inputs/image_1.jpg --output_path data/outputs/final_image_1.png

test: lint
	@$(GET_CHROMIUM)
	@$(RUN) -m pytest

lint: $(ALL_READY)
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy .

bench: $(DRAFT_READY)
	@$(RUN) benchmark/bench.py data/inputs

ui: $(ALL_READY)
	@$(RUN) main.py --gradio

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name yours with: make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(DRAFT_READY): requirements_draft.txt | $(RUN)
	@echo "Installing what the draft engine needs into $(VENV) (once, about a minute) ..."
	@$(PIP) -r requirements_draft.txt
	@touch $@

# One pip command for all: so pip sees torch's pinned version before anything asks for a newer one.
$(ALL_READY): requirements_torch.txt requirements.txt requirements_draft.txt requirements_dev.txt | $(RUN)
	@echo "Installing everything, torch included, into $(VENV) (once, some minutes) ..."
	@$(PIP) -r requirements_torch.txt -r requirements.txt -r requirements_dev.txt
	@touch $@ $(DRAFT_READY)
