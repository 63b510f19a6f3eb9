# Everything happens in .venv; `make demo` and `make test` set it up on first use.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
FUZZ = --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: demo test ext lint bench micro docs spec asan fuzz fuzz-asan sim clean

demo: ext            ## Run the exchange on simulated order flow for half a minute.
	$(VENV)/bin/hourglass demo $(ARGS)

test: ext            ## Build and run the whole test suite.
	$(RUN) -m pytest $(ARGS)

$(VENV)/ready: pyproject.toml bootstrap.sh
	sh bootstrap.sh $(PYTHON) $(VENV)
	touch $@

ext: $(VENV)/ready   ## Build what has changed in ext/.
	@echo "building the core ..."
	@$(RUN) setup.py -q build_ext --inplace

lint: ext            ## Style, types and Cython warnings.
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint ext/*.pyx ext/*.pxd
	mkdir -p build/lint && $(RUN) -m cython -3 -Werror -Wextra -o build/lint/ ext/*.pyx
	$(RUN) -m mypy.stubtest --ignore-disjoint-bases --ignore-unused-allowlist --allowlist tests/stubtest-allowlist.txt \
	    ext.core ext.book ext.codec ext.depth ext.encoder ext.frames ext.history ext.journal ext.journal_writer ext.link ext.market ext.router ext.streams

bench: ext           ## Run every benchmark (about ten minutes); SMALL=1 only shows that they run.
	$(RUN) -m bench $(if $(SMALL),--small) $(ARGS)

micro: ext           ## Time single calls; compare two commits with ARGS="--benchmark-autosave --benchmark-compare".
	$(RUN) -m pytest bench --benchmark-enable --benchmark-only $(ARGS)

docs: ext            ## Check that every spec rule has a test and every generated page is up to date.
	$(RUN) -m tests.spec_coverage
	$(RUN) -m docs.pictures.draw --check
	$(RUN) -m docs.wire.write --check

spec: ext            ## Print every rule of docs/spec with its tests; fail on a rule without one.
	$(RUN) -m tests.spec_coverage

asan: $(VENV)/ready  ## The core's tests under the address and undefined-behaviour sanitizers.
	sh tests/asan.sh $(RUN)

fuzz: ext            ## Feed the wire changed bytes; SECONDS=60 SEED=7 ARGS="--target session".
	$(RUN) -m tests.fuzz.run $(FUZZ)

fuzz-asan: $(VENV)/ready  ## The same under the sanitizers.
	sh tests/asan.sh $(RUN) fuzz $(FUZZ)

sim: ext             ## Run commands of all kinds through both cores, everything checked; SEED=7 COMMANDS=1000000.
	$(RUN) -m tests.model.sim --commands $(or $(COMMANDS),1000000) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean:
	rm -rf build ext/*.c ext/*.so $(VENV)
