# Thin: each target calls `harness` or a script in tools/. `make` alone lists them.
# Variables are described under `make help`.

VENV ?= .venv
PYTHON ?=
SETUP = PYTHON='$(PYTHON)' VENV='$(VENV)' TORCH_INDEX='$(TORCH_INDEX)' tools/setup.sh
# PYTHON= inside an environment is used as it is; otherwise the environment is VENV, made with PYTHON.
PY := $(or $(if $(PYTHON),$(shell tools/environment-python.sh '$(PYTHON)')),$(VENV)/bin/python)
HARNESS = $(PY) -m harness

flag = $(if $($(1)),$(2) '$($(1))')
switch = $(if $(filter-out 0,$($(1))),$(2))
PLAN_FLAGS = $(strip $(call flag,CONFIG,--config) $(call flag,SCALE,--scale) $(call flag,ROUNDS,--rounds) \
  $(call switch,JUDGED,--judged) $(call flag,S3,--s3) $(call flag,PROFILE,--profile) $(call flag,LOADER,--loader) \
  $(call flag,DATA,--data) $(call flag,ACCESS,--access) $(call flag,MODE,--mode) $(call flag,ONLY,--only))
RUN_FLAGS = $(strip $(PLAN_FLAGS) $(call flag,RESUME,--resume) $(call switch,FRESH,--fresh) $(call flag,RUN,--run-id) $(call flag,SHARD,--shard) \
  $(call flag,JOBS,--jobs))
DRY := $(filter-out 0,$(DRY_RUN))
# With DRY_RUN=1 nothing is installed, written or started.
bench = PYTHON='$(PYTHON)' VENV='$(VENV)' tools/bench.sh '$(PY)' $(1) $(2) $(RUN_FLAGS) $(if $(DRY),--dry-run)
POD_FLAGS = $(strip $(call flag,ROUNDS,--rounds) $(call flag,FIDELITY,--fidelity) $(call flag,REQUIRE,--require) \
  $(call flag,TIMEOUT,--timeout) $(call flag,RESUME,--resume))
bench_stores = PYTHON='$(PYTHON)' VENV='$(VENV)' tools/bench-pod.sh '$(PY)' $(1) $(if $(DRY),--dry-run)
bench_pod = $(call bench_stores,$(1)) $(POD_FLAGS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup peers test test-slow lint format ci bench bench-fuse bench-fuse-peers bench-tiny bench-pod bench-pod-exp2 bench-pod-micro bench-scaling bench-overhead plan readme readme-check lock s3 dataset doctor clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | sed 's/|/\t/' | expand -t 22
	@tools/variables.sh

setup: ## Install what is needed: system packages (by apt), then Python ones into .venv
	@$(SETUP)

peers: ## Get what ours are compared with: Mountpoint, s3fs, GeeseFS; CRIU, Kishu, databases (nothing else needs them): PEERS
	@PYTHON='$(PYTHON)' tools/peers.sh $(PEERS)

test: setup ## Run the tests (the slow ones by `make test-slow`): ARGS
	$(PY) -m pytest -m 'not slow' $(ARGS)

test-slow: setup ## Run the slow tests
	$(PY) -m pytest -m slow $(ARGS)

lint: setup ## Check format, style, types, layers and spelling
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(dir $(PY))lint-imports --no-logo
	$(PY) -m codespell_lib

format: setup ## Put the code into its format
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

ci: lint readme-check test bench-tiny ## What must hold before a change is accepted

bench: ## Measure what exists, small and short, and print the tables (at most 5 minutes)
	@$(call bench,base,quick)

bench-fuse: ## Measure the FUSE caches: CONFIG=19GiB, JUDGED=1, ... (installs torch unless LOADER=pillow)
	@$(call bench,$(if $(filter pillow,$(LOADER)),base,torch),fuse)

bench-fuse-peers: ## Measure pond beside Mountpoint, rclone, s3fs, GeeseFS, as far as they are there (make peers)
	@$(call bench,$(if $(filter pillow,$(LOADER)),base,torch),fuse-peers)

bench-tiny: ## Run each installed system once on a hundred files (at most 5 minutes)
	@$(call bench,base,tiny) --loader pillow --fresh

plan: setup ## List a suite's cases: results, time, bytes, requests' price: SUITE and what bench takes
	@$(HARNESS) plan $(or $(SUITE),fuse) $(PLAN_FLAGS)

bench-overhead: setup ## Measure what the harness adds to a trial (half a minute)
	$(HARNESS) overhead

bench-pod: ## Measure stores of variables on notebooks: SUT=pga NB=skltweet,rmtree[tml=50] ROUNDS=3 (minutes a system)
	@$(call bench_pod,pod-bench) $(call flag,SUT,--sut) $(call flag,NB,--nb) $(call flag,SCALE,--scale) \
	  $(call flag,NOTEBOOK,--notebook) $(call flag,NBDATA,--nbdata)

bench-pod-exp2: ## Measure them on the synthetic tree: SUTS=snp,pga TC=10 TV=1e2 TL=1e5 TML=0,10,…,100 TME=100
	@$(call bench_pod,pod-bench-exp2) $(call flag,SUTS,--suts) $(call flag,TC,--tc) $(call flag,TV,--tv) \
	  $(call flag,TL,--tl) $(call flag,TML,--tml) $(call flag,TME,--tme)

bench-pod-micro: ## Measure pod against pickle and dill (about an hour): ONLY=lists,names ROUNDS=7
	@$(call bench_stores,pod-micro) $(call flag,ONLY,--only) $(call flag,SYSTEMS,--systems) \
	  $(call flag,ROUNDS,--rounds) $(call flag,SCALE,--scale)

bench-scaling: $(if $(DRY),,setup) ## Measure how pond grows with the number of files (about 10 minutes)
	$(if $(DRY),@echo "would run: $(HARNESS) scaling",$(HARNESS) scaling)

readme: setup ## Write the published results into README.md
	$(HARNESS) readme

readme-check: setup ## Fail if README.md is not what the published results render to
	$(HARNESS) readme --check

dataset: setup ## Make the data set alone: SCALE, DATA
	$(HARNESS) dataset coco $(call flag,SCALE,--scale) $(call flag,DATA,--data)

s3: setup ## Serve S3 on this machine until Ctrl-C: S3=sim or seaweedfs, PROFILE
	$(HARNESS) s3 $(or $(S3),sim) $(call flag,PROFILE,--profile)

doctor: setup ## Say what this machine can and cannot run
	$(HARNESS) doctor

lock: setup ## Renew the exact versions in requirements.lock and requirements-torch.lock
	UV='$(dir $(PY))uv' tools/lock.sh

clean: ## Remove caches and local results (not .venv)
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis results/local
