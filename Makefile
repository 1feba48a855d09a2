# One-line aliases of the nox sessions. Options of a session come after --, or in ARGS:
#   make plan -- --json        make parity ARGS="--driver IMAGE --executor IMAGE"
PYTHON ?= python3
NOX = .venv/bin/nox --non-interactive --session

# Everything from the first --word on belongs to the session and is no target.
FIRST := $(firstword $(filter --%,$(MAKECMDGOALS)))
OPTIONS := $(if $(FIRST),$(shell set -- $(MAKECMDGOALS); while [ "$$1" != "$(FIRST)" ]; do shift; done; echo "$$@"))
REST = $(if $(strip $(OPTIONS) $(ARGS)),-- $(OPTIONS) $(ARGS))

SESSIONS = dependencies pyspark all_spark jupyterhub executors plan parity tests lint bench engine pins clean
.PHONY: help test spark_executors $(SESSIONS)
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dependencies: .venv/.made-from ## lock and export the Python packages, resolve and lock the jars
	@$(NOX) $@ $(REST)
pyspark: .venv/.made-from ## build pyspark-notebook
	@$(NOX) $@ $(REST)
all_spark: .venv/.made-from ## build all-spark-notebook and what it stands on
	@$(NOX) $@ $(REST)
jupyterhub: .venv/.made-from ## build datascience-notebook, what JupyterHub starts
	@$(NOX) $@ $(REST)
executors: .venv/.made-from ## build spark-executors
	@$(NOX) $@ $(REST)
spark_executors: executors ## the same as executors
plan: .venv/.made-from ## say which images would be rebuilt, and because of which input
	@$(NOX) $@ $(REST)
parity: .venv/.made-from ## compare driver and executors, and fail where they must agree
	@$(NOX) $@ $(REST)
tests: .venv/.made-from ## test the code, the images, and the family end to end
	@$(NOX) $@ $(REST)
test: tests ## the same as tests
lint: .venv/.made-from ## check code, scripts, Dockerfiles, generated files
	@$(NOX) $@ $(REST)
bench: .venv/.made-from ## measure builds and images, as ratios in one run
	@$(NOX) $@ $(REST)
engine: .venv/.made-from ## check the container engine; install and start a missing one
	@$(NOX) $@ $(REST)
pins: .venv/.made-from ## pin the base images by digest
	@$(NOX) $@ $(REST)
clean: .venv/.made-from ## remove images and caches made here
	@$(NOX) $@ $(REST)

.venv/.made-from: tools.lock sparkyard/bootstrap.py
	@$(PYTHON) sparkyard/bootstrap.py && touch $@

ifneq ($(OPTIONS),)
$(filter-out $(SESSIONS) test spark_executors help,$(subst :,\:,$(OPTIONS))):
	@:
endif
