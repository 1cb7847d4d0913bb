# The one entry to everything: `make help`. CI calls only these targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: accuracy album-accuracy rotation-accuracy docs translations golden photos help setup run soak test test-fast test-lowest check lint types layers words bounds generated format generate bench bench-collections bench-operator fault-matrix status-agreement operator cluster cluster-down fuzz report clean

# onnxruntime reports usage over the network unless told not to; nothing here ever does.
export ORT_DISABLE_TELEMETRY := 1

# Where it is set, as in many images for containers, every start of a program here would compile all that it imports: 3 of
# the 7 seconds of `face-comparison album`.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
UV := .venv/tools/bin/uv

# What a user needs first, in this order; all others are for who changes or measures the product.
FIRST = run wheels images cluster docs
help: ## Show the targets
	@targets=$$(grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'); \
	echo "To use it:"; \
	for name in $(FIRST); do grep -E "^  make $$name +" <<<"$$targets"; done; \
	echo; echo "To change, measure and release it:"; \
	grep -vE "^  make ($$(tr ' ' '|' <<<'$(FIRST)')) +" <<<"$$targets"

# uv comes from the package index into a small environment of its own, so that only python3 is needed to begin with.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv --clear .venv/tools || { echo "the Python module venv is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@.venv/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement container/build.txt

LOCKED = pyproject.toml service/pyproject.toml operator/pyproject.toml devtools/pyproject.toml uv.lock
.venv/.synced: $(UV) $(LOCKED)
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) sync --quiet --locked --all-packages
	@touch $@

# What runs the service, half of the packages: nothing that only tests or checks. What is there already stays.
.venv/.runs: $(UV) $(LOCKED)
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) sync --quiet --locked --all-packages --no-dev --inexact
	@touch $@

setup: .venv/.synced ## Make .venv with both packages and the default model bundle
	@$(BIN)/face-comparison models fetch

generate: .venv/.synced ## Make again what is made from another file: the chart's schema and table, the manifests, tables of the documents
	@$(BIN)/python -m devtools.docs
	@$(BIN)/python -m devtools.chart_values
	@$(BIN)/python -m devtools.explorer_vendor
	@$(BIN)/python -m devtools.dashboard
	@$(BIN)/python -m devtools.chart_manifests --helm "$$($(BIN)/python -m devtools.k8s.programs path helm)"

check: bounds lint types layers words generated ## Lint, types, layers, spelling and terms, lower bounds, generated files, documents and their links

lint: .venv/.synced
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "unformatted files: make format"; exit 1; }

types: .venv/.synced
	@$(BIN)/mypy

layers: .venv/.synced
	@$(BIN)/lint-imports | sed -n '/^Contracts/,$$p'

words: .venv/.synced
	@$(BIN)/python -m devtools.words

# First, and without the environment: after a change of a bound, uv would stop with a lock that needs to be updated.
bounds: $(UV)
	@$(PYTHON) devtools/src/devtools/lowest.py

generated: .venv/.synced
	@$(BIN)/pytest --quiet -o addopts=--import-mode=importlib tests/agreement/test_generated.py tests/docs/test_site.py

format: .venv/.synced ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --exit-zero --quiet .

translations: .venv/.synced ## List the Chinese pages that are behind the English ones
	@$(BIN)/python -m devtools.docs.translations

docs: .venv/.synced ## Build the documents into build/site
	@$(BIN)/zensical build --strict --clean
	@echo "build/site/index.html, or with search: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000"

PORT ?= 8080

run: .venv/.runs ## Start the service on this machine and compare sample photographs; PORT=9000 takes another port
	@$(BIN)/face-comparison models fetch
	@$(BIN)/python -m devtools.demo --port $(PORT)

# The programs that tests run are built first, because no test may take as long as that the first time; where that cannot
# be done, the tests say so; NEEDS_K8S_BINARIES are the folders whose tests run them. By three workers, because much of a test on a
# cluster is waiting: tests/conftest.py says which does what.
NEEDS_K8S_BINARIES = chart cluster e2e network k8s_binaries
test: setup ## Every test, on the real parts that this machine can run; ARGS=tests/unit some of them
	@$(if $(or $(if $(ARGS),,all),$(foreach each,$(NEEDS_K8S_BINARIES),$(findstring tests/$(each),$(ARGS)))),$(BIN)/python -m devtools.k8s.programs build all || true)
	@$(BIN)/pytest --numprocesses 3 $(ARGS)

# Without root, a cluster, a browser and the programs that tests build: what a change to the code needs first.
FAST = tests/unit tests/http tests/agreement tests/docs
test-fast: setup ## The tests that need no root, no cluster and no browser: 2:36 on two idle cores
	@$(BIN)/pytest --numprocesses 2 $(FAST)

# Each distribution with the lowest versions that it declares, in an environment of its own: a bound that is too low fails
# here, and `make check` knows the versions that passed. Left out: a simulation and a measurement that take a third of the
# time, of code that no bound concerns.
LOWEST = build/lowest
test-lowest: lowest-service lowest-operator ## The unit tests with the lowest versions that the packages declare
lowest-%: .venv/.synced
	@$(BIN)/python devtools/src/devtools/lowest.py $* $(UV) $(LOWEST)/$*.txt
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LOWEST)/$*
	@$(UV) export --quiet --locked --only-group dev --no-emit-workspace --no-hashes -o $(LOWEST)/dev.txt
	@$(UV) pip install --quiet --python $(LOWEST)/$*/bin/python --override $(LOWEST)/$*.txt -r $(LOWEST)/dev.txt -r $(LOWEST)/$*.txt -e $* -e devtools
	@$(LOWEST)/$*/bin/pytest --quiet --numprocesses 2 -k "not intervals_hold and not estimate_is_above" tests/unit/$*
	@cp $(LOWEST)/$*.txt tests/lowest/$*.txt

bench: setup ## Compare the service with a plain loop and with OpenCV's own; ARGS=--memory adds 20,000 requests
	@images="$$($(BIN)/python -c 'from devtools.photos import samples; print(*(samples.photographs()[n] for n in samples.BENCH))')"; \
	$(BIN)/face-comparison bench $(ARGS) $$images
	@$(BIN)/python -m devtools.bench_workloads

.PHONY: special-cases
special-cases: setup ## Measure the service with and without its special cases (ADR 6)
	@$(BIN)/python -m devtools.special_cases $(ARGS)

soak: SECONDS = 600
soak: setup ## Good, slow, broken, huge and hostile clients at once for ten minutes; SECONDS=60 shortens, ARGS=--seed=2
	@$(BIN)/python -m devtools.soak --seconds $(SECONDS) $(ARGS)

bench-collections: setup ## Measure collections: search, import, memory, strangers that get a name; ARGS="--sizes 10000 1000000"
	@$(BIN)/python -m devtools.bench_collections $(ARGS)

accuracy: setup ## Measure how sure the default bundle is on real photographs, into docs/data/accuracy.json; ARGS=NAME of another
	@$(BIN)/python -m devtools.accuracy $(ARGS)

.PHONY: int8-bundle
int8-bundle: setup ## Make the recipe of the bundle in int8 again, from the default bundle's
	@$(BIN)/python -m devtools.int8_bundle

photos: .venv/.synced ## Put three photographs to try into build/photos: two of one person, one of another
	@$(BIN)/python -m devtools.photos.samples build/photos

rotation-accuracy: setup ## Measure how well rotated faces are recognized, into docs/data/rotation.json
	@$(BIN)/python -m devtools.rotation

.PHONY: pipeline-accuracy
pipeline-accuracy: setup ## Measure faces found and lost, phantoms and the stability of hashes, into docs/data
	@$(BIN)/python -m devtools.recall
	@$(BIN)/python -m devtools.phantoms
	@$(BIN)/python -m devtools.stability

album-accuracy: setup ## Measure how well an album of 1,000 images finds the right people, into docs/data/album.json
	@$(BIN)/python -m devtools.album_accuracy

# CLUSTER=current REGISTRY=… uses the cluster of the current kubeconfig, one of kind for example: the first choice for those
# who have one. Otherwise a node of its own is started, for which root on Linux is needed; BARE=yes installs nothing on it.
cluster: .venv/.synced ## A real Kubernetes on this machine with the product installed, tried by one image
	@$(BIN)/python -m devtools.local_cluster up $(CLUSTER:%=--cluster=%) $(REGISTRY:%=--registry=%) $(if $(filter-out no,$(BARE)),--bare)

cluster-down: .venv/.synced ## End what `make cluster` started; PURGE=yes forgets its images, too
	@$(BIN)/python -m devtools.local_cluster down $(if $(filter yes,$(PURGE)),--purge)

operator: .venv/.synced ## Run the operator here, for the cluster of the current kubeconfig (its definition: manifests/crd.yaml)
	$(BIN)/face-comparison-operator run $(ARGS)

bench-operator: .venv/.synced ## Measure the operator on a real control plane; ARGS="--resources 100 --rest 5" is quicker
	@$(BIN)/python -m devtools.bench_operator $(ARGS)

.PHONY: album-job
album-job: setup ## Make an album of 2,000 images by an Indexed Job on a real node, with one worker and with two, into docs/data
	@$(BIN)/python -m devtools.k8s.programs build all
	@FACE_COMPARISON_ALBUM_JOB=$(CURDIR)/docs/data/album-job.json $(BIN)/pytest -n0 -p no:cacheprovider tests/e2e/test_album_job.py

fault-matrix: setup ## Break a resource in every way of the fault matrix on a real node, into docs/data; ROWS=name,name some
	@$(BIN)/python -m devtools.k8s.programs build all
	@ROWS=$(ROWS) FACE_COMPARISON_FAULT_MATRIX=$(CURDIR)/docs/data/fault-matrix.json $(BIN)/pytest -n0 -p no:cacheprovider tests/e2e/test_fault_matrix.py

status-agreement: setup ## Compare Ready, URL and reality every second for five minutes of changes on a real node, into docs/data
	@$(BIN)/python -m devtools.k8s.programs build all
	@FACE_COMPARISON_AGREEMENT=$(CURDIR)/docs/data/status-agreement.json $(BIN)/pytest -n0 -p no:cacheprovider tests/e2e/test_agreement.py

golden: .venv/.synced ## Make the golden objects of the operator again; git shows what changed
	@$(BIN)/python -m devtools.golden_objects

SECONDS ?= 60
fuzz: SECONDS = 60
fuzz: setup ## Feed mutated images and bodies to every parser for a minute (SECONDS=600 lengthens); what is found is kept in build/fuzz
	@$(BIN)/python -m devtools.fuzz.fuzzing --seconds $(SECONDS)

report: .venv/.synced ## One page from the last end-to-end run: build/report.html and build/report.md
	@$(BIN)/python -m devtools.report

include release.mk

clean: ## Remove what setup made in this folder
	rm -rf .venv build
