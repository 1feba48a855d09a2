# Every session of nox is a target. Options of a session come after --, or in ARGS:
#   make plan -- --json        make parity ARGS="--driver IMAGE --executor IMAGE"
PYTHON ?= python3
NOX = .venv/bin/nox --non-interactive --session
.DEFAULT_GOAL := help

# Everything from the first --word on belongs to the session and is no target.
FIRST := $(firstword $(filter --%,$(MAKECMDGOALS)))
OPTIONS := $(if $(FIRST),$(shell set -- $(MAKECMDGOALS); while [ "$$1" != "$(FIRST)" ]; do shift; done; echo "$$@"))
SESSIONS := $(filter-out help,$(shell for word in $(MAKECMDGOALS); do case $$word in (--*) break;; esac; echo "$$word"; done))
REST = $(if $(strip $(OPTIONS)$(ARGS)),-- $(strip $(OPTIONS) $(ARGS)))

help:
	@$(PYTHON) -m sparkyard --help
	@echo "make test is make tests, and make spark_executors is make executors."

$(SESSIONS): .venv/.made-from
	@$(NOX) $(patsubst test,tests,$(@:spark_executors=executors)) $(REST)

.venv/.made-from: tools.lock sparkyard/bootstrap.py
	@$(PYTHON) sparkyard/bootstrap.py && touch $@

UNUSED := $(filter-out $(SESSIONS) help,$(subst :,\:,$(OPTIONS)))
$(UNUSED):
	@:

.PHONY: help $(SESSIONS) $(UNUSED)
