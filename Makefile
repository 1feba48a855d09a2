# One-line aliases of the nox sessions. Options of a session come after --, or in ARGS:
#   make plan -- --json        make parity ARGS="--driver IMAGE --executor IMAGE"
PYTHON ?= python3
NOX = .venv/bin/nox --non-interactive --session

# Everything from the first --word on belongs to the session and is no target.
FIRST := $(firstword $(filter --%,$(MAKECMDGOALS)))
OPTIONS := $(if $(FIRST),$(shell set -- $(MAKECMDGOALS); while [ "$$1" != "$(FIRST)" ]; do shift; done; echo "$$@"))
REST = $(if $(strip $(OPTIONS) $(ARGS)),-- $(OPTIONS) $(ARGS))

SESSIONS = dependencies pyspark all_spark jupyterhub executors plan parity tests lint bench engine pins clean \
	tags registry history push push_jupyterhub push_executors release promote rollback verify diff sbom keys reproduce chaos
.PHONY: help test spark_executors $(SESSIONS)
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dependencies: .venv/.made-from ## lock the Python and Debian packages and the jars
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
tags: .venv/.made-from ## print the tags of the built images
	@$(NOX) $@ $(REST)
registry: .venv/.made-from ## start the registry of this machine
	@$(NOX) $@ $(REST)
history: .venv/.made-from ## show past applications: make history ARGS="--logs s3a://bucket/events"
	@$(NOX) $@ $(REST)
push: .venv/.made-from ## push images that passed their tests
	@$(NOX) $@ $(REST)
push_jupyterhub: .venv/.made-from ## push the notebook, what it stands on, and its executors
	@$(NOX) $@ $(REST)
push_executors: .venv/.made-from ## push spark-executors
	@$(NOX) $@ $(REST)
release: .venv/.made-from ## release the family: make release ARGS=1.4.0
	@$(NOX) $@ $(REST)
promote: .venv/.made-from ## let a channel name a release: make promote ARGS="1.4.0 stable"
	@$(NOX) $@ $(REST)
rollback: .venv/.made-from ## return a channel to its last release: make rollback ARGS=stable
	@$(NOX) $@ $(REST)
verify: .venv/.made-from ## check a release byte by byte: make verify ARGS=1.4.0
	@$(NOX) $@ $(REST)
diff: .venv/.made-from ## what changed between releases: make diff ARGS="1.3.0 1.4.0"
	@$(NOX) $@ $(REST)
sbom: .venv/.made-from ## write what the images are made of, as SPDX and CycloneDX
	@$(NOX) $@ $(REST)
keys: .venv/.made-from ## make the keys that sign and verify releases
	@$(NOX) $@ $(REST)
reproduce: .venv/.made-from ## build twice without cache, and compare bit by bit
	@$(NOX) $@ $(REST)
chaos: .venv/.made-from ## kill releases at random points, and look for a torn one
	@$(NOX) $@ $(REST)
lint: .venv/.made-from ## check code, scripts, Dockerfiles, generated files
	@$(NOX) $@ $(REST)
bench: .venv/.made-from ## measure builds, images and Spark on a cluster, as ratios in one run
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
