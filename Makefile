# SPDX-License-Identifier: Apache-2.0
#
# The front door: meson and ninja do the work.
#   make            builds build/release/src/cmd/holdfast
#   make demo       a pair on this machine, both failure scenarios, then it stays up (ARGS=--once: ends after the play)
#   make test       unit, integration, browser and failure tests
#   make check      unit tests only
#   make upgrades   pairs of former programs become pairs of this one, under load: root, 8 minutes (ARGS="-k 47d7cab")
#   make test-fresh  the same on minimal Debian 12 and 13 that have nothing of it, and a pair under systemd on each: root, 6 minutes (ARGS=--keep)
#   make nightly    all that the gate takes a sample of, the whole sweep and half an hour of soak: a night
#   make histories  many histories of several nodes, each merged in every way: an hour (HISTORIES=50000)
#   make model      what faults and orders make of a pair, deeper than make check goes: an hour
#   make bench      throughput, seconds from fault to first emergency answer, of a change of roles, of a merge
#   make bench-searches  what people who search in 100,000 accounts take from everybody else: a pair, 64 connections (ARGS="--seconds 20")
#   make bench-merge  how fast what was read in emergency is merged, and what users of the primary notice (ARGS="--events 100000")
#   make soak      random faults for MINUTES=3 with SEED=1 (PARALLEL=1 pairs at once, NODES=2)
#   make sweep      every outside call fails once at each place, in units and in a pair: hours (ARGS="--minutes 20")
#   make web        the console's files anew, after a change of web/src: node 18 or later, npm
#   make install    PREFIX=/usr/local DESTDIR=

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
ARGS ?=
MINUTES ?= 3
PARALLEL ?= 1
NODES ?= 2
PYTHON ?= /usr/bin/python3
BUILD ?= build/release
TESTBUILD ?= build/test

.PHONY: all demo histories model nightly test upgrades test-fresh check sweep bench bench-failover bench-changeover bench-merge bench-searches soak web fmt lint install uninstall clean deps

# Whatever root's umask is: Holdfast leaves root and starts its processes from this file.
all: $(BUILD)/build.ninja
	umask 022 && ninja -C $(BUILD) -j$(JOBS) src/cmd/holdfast

# A folder whose set-up broke half-way has no build.ninja: begin anew.
$(BUILD)/build.ninja: | need-build
	@rm -rf $(BUILD)
	meson setup $(BUILD) --buildtype=release -Db_ndebug=false -Ddebug=true

# The program under test has named fault points and a shiftable clock; -Werror holds everywhere but on users' machines.
$(TESTBUILD)/build.ninja: | need-build
	@rm -rf $(TESTBUILD)
	meson setup $(TESTBUILD) --buildtype=debugoptimized -Dwerror=true -Dfaults=true

.PHONY: need-build
need-build:
	@tools/deps.sh --check build

deps:
	tools/deps.sh build test lint

demo:
	tools/deps.sh build
	$(MAKE) --no-print-directory all
	$(PYTHON) tools/demo.py --holdfast $(BUILD)/src/cmd/holdfast $(ARGS)

test:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	$(PYTHON) tools/run_tests.py --build $(TESTBUILD) --jobs $(JOBS) unit it web ha failover-short $(ARGS)

check: $(TESTBUILD)/build.ninja
	$(PYTHON) tools/run_tests.py --build $(TESTBUILD) --jobs $(JOBS) unit $(ARGS)

test-fresh:
	tools/deps.sh build test
	$(PYTHON) test/fresh/fresh.py $(ARGS)

upgrades:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	$(PYTHON) tools/run_tests.py --build $(TESTBUILD) --jobs $(JOBS) upgrade $(ARGS)

nightly:
	WHOLE=1 .ci/run
	$(MAKE) --no-print-directory histories
	$(MAKE) --no-print-directory model
	$(MAKE) --no-print-directory soak MINUTES=30 PARALLEL=4
	$(MAKE) --no-print-directory sweep

# Other ones each day, as many processes as processors: an hour.
HISTORIES = 50000
histories:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	ninja -C $(TESTBUILD) -j$(JOBS) test/merge/merge
	day=$$(date +%Y%m%d00000); n=$$(($(HISTORIES) / $(JOBS))); for i in $$(seq 0 $$(($(JOBS) - 1))); do echo $$((day + i * n)); done | \
	  xargs -P $(JOBS) -I SEED $(TESTBUILD)/test/merge/merge --cases $$n --seed SEED $(ARGS)

# An hour and some GiB at most.
model:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	ninja -C $(TESTBUILD) -j$(JOBS) test/model/model
	$(TESTBUILD)/test/model/model --nodes 2 --acts 8 --middle 8 --few --seconds 900 --megabytes 3000 $(ARGS)
	$(TESTBUILD)/test/model/model --nodes 2 --acts 8 --seconds 1200 --megabytes 3000 $(ARGS)
	$(TESTBUILD)/test/model/model --nodes 3 --acts 6 --seconds 1200 --megabytes 3000 $(ARGS)

sweep:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	ninja -C $(TESTBUILD) -j$(JOBS) all meson-test-prereq
	$(PYTHON) test/it/sweep.py --build $(TESTBUILD) --go-on $(ARGS)

bench: all
	tools/deps.sh build test
	ninja -C $(BUILD) -j$(JOBS) bench-programs
	$(PYTHON) test/bench/bench.py --build $(BUILD) $(ARGS)
	$(MAKE) --no-print-directory bench-searches bench-failover bench-changeover bench-merge

bench-searches: all
	tools/deps.sh build test
	$(PYTHON) test/bench/searches.py --build $(BUILD) $(ARGS)

bench-changeover: all
	$(PYTHON) test/ha/changeover.py --holdfast $(BUILD)/src/cmd/holdfast $(ARGS)

bench-merge: all
	$(PYTHON) test/ha/merging.py --holdfast $(BUILD)/src/cmd/holdfast $(ARGS)

bench-failover: all
	$(PYTHON) test/ha/failover.py --holdfast $(BUILD)/src/cmd/holdfast --runs 20 $(ARGS)

soak:
	tools/deps.sh build test
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	ninja -C $(TESTBUILD) -j$(JOBS) src/cmd/holdfast
	$(PYTHON) test/ha/soak.py --holdfast $(TESTBUILD)/src/cmd/holdfast --minutes $(MINUTES) --parallel $(PARALLEL) --nodes $(NODES) $(if $(SEED),--seed $(SEED)) $(ARGS)

# The console's files, which are committed: node and npm are needed for a change of web/src alone.
web: $(TESTBUILD)/build.ninja
	ninja -C $(TESTBUILD) -j$(JOBS) src/cmd/holdfast
	$(TESTBUILD)/src/cmd/holdfast docs openapi | tools/web_types.py >web/src/openapi.ts
	cd web && npm ci --ignore-scripts && npm run check && npm run build

fmt:
	tools/check_format.sh --fix
	tools/check_python.sh --fix
	$(PYTHON) tools/check_docs.py --fix

lint:
	tools/deps.sh build lint
	$(PYTHON) tools/check_layers.py
	$(PYTHON) tools/check_build.py
	$(PYTHON) tools/check_migrations.py
	$(PYTHON) tools/check_docs.py
	$(PYTHON) tools/check_commits.py || [ $$? -eq 77 ]
	$(PYTHON) tools/check_tests.py
	$(PYTHON) tools/check_columns.py
	tools/check_format.sh
	tools/check_python.sh
	$(MAKE) --no-print-directory $(TESTBUILD)/build.ninja
	tools/check_tidy.sh --build $(TESTBUILD) $(ARGS)

install: all
	packaging/install.sh $(BUILD)/src/cmd/holdfast "$(PREFIX)" "$(DESTDIR)"

uninstall:
	packaging/install.sh --remove "$(PREFIX)" "$(DESTDIR)"

clean:
	rm -rf build
