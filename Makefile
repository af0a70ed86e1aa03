# Everything a contributor does, by name. A fresh clone passes
# `make build test lint` with nothing but Go installed (and a C compiler for the
# race detector; without one the tests run without it). Python 3 is needed for
# the two tools written in it: test/cli (in `make compat`) and test/bench.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO   ?= go
BIN  := $(CURDIR)/bin
NAME := nats-lite
MODULE := github.com/nats-lite/nats-lite

# The stock CLI and the server we compare with, at the versions that the
# conformance tools were made for.
CLI_VERSION  := v0.5.1
PEER_VERSION := v2.15.2

# The version is written in the source; a build adds the commit it was made from.
COMMIT  ?= $(shell git rev-parse --short=7 HEAD 2>/dev/null)
LDFLAGS := $(if $(COMMIT),-X $(MODULE)/server.commit=$(COMMIT))

# Without a C compiler Go has no cgo, and without cgo no race detector.
RACE ?= $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && echo -race)

FUZZTIME  ?= 60s
SIM_SEEDS ?= 2000
SIM_FIRST ?= 1
KILLS     ?= 200
CHAOS_TIME    ?= 10m
CHAOS_SEED    ?= 1
CHAOS_SERVERS ?= 3
CHAOS_BINARY  ?= $(BIN)/$(NAME)
CHAOS_FAULTS  ?= kill,pause,partition,one-way,wipe,flip,truncate
CHAOS_FLAGS   ?=
MUTANTS   ?=
PKGS      ?= ./...
SCENARIOS ?= core
ROUNDS    ?= 4
CONFIG    ?= conf/nats-lite.conf

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/nats-lite, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/$(NAME) ./cmd/$(NAME)

.PHONY: run
run: build ## build it and run it with conf/nats-lite.conf (or CONFIG=file)
	$(BIN)/$(NAME) -c $(CONFIG)

.PHONY: cluster
cluster: build ## build it and run the three servers of conf/cluster on this machine, until Ctrl-C
	conf/cluster/run $(BIN)/$(NAME)

.PHONY: test
test: ## run all tests, with the race detector (PKGS=./server/proto for some)
	$(GO) test $(RACE) -timeout 5m $(PKGS)
	$(if $(RACE),$(GO) test -run 'Alloc|Damage|PowerCut' $(PKGS)) # which the race detector would spoil, or slow down too much

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s) each
	.ci/fuzz $(FUZZTIME) $(PKGS)

.PHONY: sim
sim: sim-raft sim-assets sim-jetstream ## run SIM_SEEDS (2,000) clusters, and lives of a JetStream server, with faults from seeds (SIM_FIRST is the first one), and cut the power everywhere

.PHONY: sim-raft
sim-raft: ## the clusters alone
	$(GO) test ./test/sim -count 1 -timeout 60m -v -run TestSeeds -sim.seeds=$(SIM_SEEDS) -sim.first=$(SIM_FIRST)

.PHONY: sim-assets
sim-assets: ## clusters whose groups are streams, consumers and their assignments
	$(GO) test ./test/sim -count 1 -timeout 60m -v -run TestJetStream -sim.seeds=$(SIM_SEEDS) -sim.first=$(SIM_FIRST)

.PHONY: sim-jetstream
sim-jetstream: ## the JetStream server alone
	$(GO) test ./server/jetstream -count 1 -timeout 60m -v -run TestPowerCuts -power.all
	$(GO) test ./server/jetstream -count 1 -timeout 120m -v -run TestLives -sim.seeds=$(SIM_SEEDS) -sim.first=$(SIM_FIRST)

.PHONY: kill
kill: ## kill a server under load, KILLS (200) times, and check what it had promised
	$(GO) test ./test -count 1 -timeout 60m -v -run '^TestKills$$' -kill.rounds=$(KILLS)

.PHONY: chaos
chaos: build ## run CHAOS_SERVERS (3) processes under load and CHAOS_FAULTS for CHAOS_TIME (10m), and check what they had promised (CHAOS_SEED, CHAOS_BINARY, CHAOS_FLAGS; partitions need root on Linux)
	$(GO) test ./test/chaos -count 1 -timeout 0 -v -run '^TestChaos$$' -chaos.binary=$(abspath $(CHAOS_BINARY)) -chaos.time=$(CHAOS_TIME) \
		-chaos.seed=$(CHAOS_SEED) -chaos.servers=$(CHAOS_SERVERS) -chaos.faults=$(CHAOS_FAULTS) $(CHAOS_FLAGS)

.PHONY: mutants
mutants: ## put faults into the source, one at a time, and show that the tests catch each (MUTANTS=regexp of names or files)
	$(GO) run ./test/mutants -run '$(MUTANTS)'

.PHONY: bench
bench: build $(BIN)/nats-server $(BIN)/nats ## compare load figures with nats-server (needs Python 3; SCENARIOS, ROUNDS)
	test/bench/compare --a $(BIN)/$(NAME) --b $(BIN)/nats-server --nats $(BIN)/nats --scenarios $(SCENARIOS) --rounds $(ROUNDS)

.PHONY: compat
compat: build $(BIN)/nats ## run all conformance tests known to pass (needs Python 3)
	.ci/compat all

.PHONY: compat-quick
compat-quick: build $(BIN)/nats ## run the fast groups of them (needs Python 3)
	.ci/compat quick

.PHONY: compat-record
compat-record: build $(BIN)/nats ## run all conformance tests and renew test/compat-passing.txt (or GROUPS="natsgo:core cli:flags")
	.ci/compat record $(GROUPS)

.PHONY: lint
lint: $(BIN)/golangci-lint ## run the linters and check the formatting
	$(BIN)/golangci-lint run $(PKGS)

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## format the code
	$(BIN)/golangci-lint fmt

.PHONY: tidy-check
tidy-check: ## check that go.mod and go.sum hold what the code needs, and only that
	$(GO) mod tidy -diff
	$(GO) mod verify

.PHONY: cover
cover: ## run all tests and write cover.html
	$(GO) test -coverprofile=cover.out -coverpkg=./... $(PKGS)
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(BIN) cover.out cover.html

# The linter's version is in a module of its own, so that go.mod has only what
# the server is made of.
$(BIN)/golangci-lint: .ci/tools/go.mod .ci/tools/go.sum
	cd .ci/tools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/nats:
	GOBIN=$(BIN) $(GO) install github.com/nats-io/natscli/nats@$(CLI_VERSION)

$(BIN)/nats-server:
	GOBIN=$(BIN) $(GO) install github.com/nats-io/nats-server/v2@$(PEER_VERSION)
