.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
SPARK ?= 3.5
VENV := $(if $(filter 3.5,$(SPARK)),.venv,.venv-spark-$(SPARK))

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

example: ## score the housing example on this machine and show what comes out
	@examples/housing/run.sh

setup: ## install everything development needs (SPARK=4.0 for the other Spark)
	@NIGHTLY_SPARK=$(SPARK) ./submit.sh setup >/dev/null

# three, as some always wait: for YARN, for a store that hangs, for a driver that is killed
test: setup ## run the tests (SPARK=4.0 for the other Spark; ARGS='-k name -n 0')
	@JAVA_HOME=$$(NIGHTLY_SPARK=$(SPARK) ./submit.sh setup) NIGHTLY_SPARK=$(SPARK) PYSPARK_PYTHON=$(VENV)/bin/python \
	  $(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup ## ruff, Python 3.9 for what runs on the cluster, shell syntax
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .
	@.venv/bin/vermin --quiet --no-tips --target=3.9- --violations --eval-annotations jobs/score.py jobs/cli.py jobs/early.py jobs/config.py jobs/documents.py jobs/train.py jobs/jvm.py jobs/errors.py jobs/contract jobs/scoring jobs/handoff jobs/program.py schemas
	@bash -n submit.sh requirements/fetch-jars.sh examples/housing/run.sh .ci/run

types: setup ## mypy --strict
	@$(PY) -m mypy

reliability: setup ## write docs/reliability.md: what the trust tests hold, in figures
	@$(PY) -m tests.trust.report >docs/reliability.md

audit: setup ## hold the pinned packages against the known vulnerabilities (asks a service on the network)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/audit.txt
	@$(PY) -m pip_audit --strict --no-deps --disable-pip -r requirements/dev.txt -r requirements/spark-$(SPARK).txt

bench: setup ## speed as ratios, written to benchmarks/RESULTS.md (ROWS=10000000 AGAINST=copy,script ROUNDS=3)
	@$(PY) -m pip install --quiet -r requirements/bench.txt
	@[[ ",$(AGAINST)," != *,mlflow,* ]] || { python3.11 -m venv .venv-mlflow && .venv-mlflow/bin/pip install --quiet -r requirements/bench-mlflow.txt; }
	@JAVA_HOME=$$(./submit.sh setup) $(PY) -m benchmarks.run --write --rounds $(or $(ROUNDS),3) \
	  --rows $(or $(ROWS),1000000) --against $(or $(AGAINST),copy)

bench-check: setup ## the small version for CI: fails on a large regression, by ratio
	@JAVA_HOME=$$(./submit.sh setup) $(PY) -m benchmarks.run --rows 1000000 --rounds 2 --at-most 1.6

profile: setup ## where a row's time goes, written to benchmarks/PROFILE.md (ROWS=10000000)
	@JAVA_HOME=$$(./submit.sh setup) PYSPARK_PYTHON=$(PY) $(PY) -m benchmarks.profile --write --rows $(or $(ROWS),10000000)

bench-handoff: setup ## one CSV out of the parts against moving its bytes, written to benchmarks/HANDOFF.md (ROWS=10000000 ROUNDS=5)
	@$(PY) -m benchmarks.handoff --write --rows $(or $(ROWS),10000000) --rounds $(or $(ROUNDS),5)

bench-memory: setup ## peak memory of few and of many rows, written to benchmarks/MEMORY.md (ROWS='1000000 20000000' HEAP='1g 2g')
	@JAVA_HOME=$$(./submit.sh setup) $(PY) -m benchmarks.memory --write --rows $(or $(ROWS),1000000 20000000) \
	  --heap $(or $(HEAP),1g 2g)

.PHONY: help audit example setup test lint types bench bench-check bench-handoff bench-memory profile reliability
