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

# Where `make install` puts the command; DESTDIR is for those who pack it up.
PREFIX ?= $(HOME)/.local
COMMAND = $(DESTDIR)$(PREFIX)/bin/open-eyes
# The line by which a command that was made here is told from one of that name which was not.
MARK := \# Made by "make install" of the program that opens eyes.
# Refuses to touch somebody else's command.
CHECK_COMMAND = if [ -e "$(COMMAND)" ] && ! grep -qsxF '$(MARK)' "$(COMMAND)"; then \
	echo "$(COMMAND) was not made here and stays as it is; name another folder with PREFIX=..." >&2; exit 2; fi
# A text inside single quotes, as the shell wants it.
QUOTED = sed "s/'/'\\\\''/g"

.PHONY: demo test lint bench ui install uninstall help clean

demo: $(DRAFT_READY) ## fix data/inputs/image_1.jpg; the first time, make the environment for it (no torch)
	@$(RUN) main.py --input_path data/inputs/image_1.jpg --output_path data/outputs/final_image_1.png

test: lint ## format, lint, types and tests, in an environment with everything
	@$(GET_CHROMIUM)
	@$(RUN) -m pytest

lint: $(ALL_READY) ## the same without the tests
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy .

bench: $(DRAFT_READY) ## time and measure every photo in data/inputs
	@$(RUN) -m benchmark.bench data/inputs

ui: $(ALL_READY) ## the page in the browser, at http://127.0.0.1:7860
	@$(RUN) main.py --gradio

install: $(DRAFT_READY) ## a command open-eyes for every folder, in ~/.local/bin (or PREFIX=/other/place)
	@$(CHECK_COMMAND)
	@mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	@printf '%s\n' '#!/bin/sh' '$(MARK)' "program='$$(pwd | $(QUOTED))'" \
	"python='$$(cd $(VENV) && pwd | $(QUOTED))/bin/python'" \
	'if [ ! -x "$$python" ] || [ ! -f "$$program/main.py" ]; then' \
	'    echo "error: $$program or its environment is not there; run in that folder: make install" >&2' \
	'    exit 2' 'fi' 'exec "$$python" "$$program/main.py" "$$@"' >"$(COMMAND).part"
	@chmod 755 "$(COMMAND).part"
	@mv -f "$(COMMAND).part" "$(COMMAND)"
	@echo "Installed $(COMMAND), which runs the program in this folder; the folder must stay where it is."
	@[ -n "$(DESTDIR)" ] || { bin=$$(cd "$(PREFIX)/bin" && pwd); case ":$$PATH:" in *":$$bin:"*) ;; *) \
	echo "Your shell does not look there yet: add this line to ~/.profile (~/.zshrc on a Mac) and log in again."; \
	echo "    export PATH=\"$$bin:\$$PATH\"" ;; esac; }

uninstall: ## take that command away again
	@$(CHECK_COMMAND)
	@rm -f "$(COMMAND)"

help: ## this list
	@sed -n 's/^\([a-z]*\):.* ## \(.*\)/make \1|\2/p' Makefile | awk -F '|' '{ printf "%-15s %s\n", $$1, $$2 }'

clean: ## remove the environment and all caches
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
$(ALL_READY): requirements_torch.txt requirements.txt requirements_draft.txt requirements_formats.txt \
		requirements_sign.txt requirements_dev.txt | $(RUN)
	@echo "Installing everything, torch included, into $(VENV) (once, some minutes) ..."
	@$(PIP) -r requirements_torch.txt -r requirements.txt -r requirements_formats.txt -r requirements_sign.txt \
		-r requirements_dev.txt
	@touch $@ $(DRAFT_READY)
