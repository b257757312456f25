# Two targets are all that a newcomer needs: demo and test. `make help` lists the rest.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
BIN         := bin/skidway
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## Build bin/skidway, one static binary.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/skidway

.PHONY: demo
demo: build ## Start a broker, load real data, read it back, kill -9 it in the middle of a load, and check every ack.
	@scripts/demo start

.PHONY: demo-stop
demo-stop: ## Stop the broker that demo left running and delete its data.
	@scripts/demo stop

.PHONY: demo-cluster
demo-cluster: build ## Three brokers under load, kill -9 of one leader after the other, and a check that no ack was broken.
	@scripts/test-deps zookeeper
	@CGO_ENABLED=0 $(GO) build -o bin/numbers ./examples/numbers
	@scripts/demo-cluster start

.PHONY: demo-cluster-stop
demo-cluster-stop: ## Stop the cluster that demo-cluster left running and delete its data.
	@scripts/demo-cluster stop

.PHONY: deps
deps: ## Install what the tests need (a C compiler for the race detector, Python with msgpack, ZooKeeper).
	@scripts/test-deps

.PHONY: test
test: deps lint ## Install what the tests need and run all of them, with the race detector.
	SKIDWAY_PYTHON=$(CURDIR)/bin/venv/bin/python CGO_ENABLED=1 $(GO) test -race -timeout 25m \
		$$($(GO) list ./... | grep -v '/metadata/zk$$')
	# ZooKeeper's client library reads its newest zxid without a lock when it sets watches again, and the race detector says
	# so; the value is overwritten before it is sent (guard.go). So what loses ZooKeeper in this process runs without it.
	$(GO) test -timeout 10m ./metadata/zk
	$(GO) test -timeout 10m -run TestD1ClusterHealth ./client
	# A simulated cluster is one goroutine's: with the race detector 200 of them are enough, without it 1,000 run, and the
	# search through all orders of events.
	$(GO) test -timeout 10m -run 'TestSeeds$$|TestExhaustive' ./internal/sim ./replication

.PHONY: lint
lint: ## gofmt, go vet, staticcheck; a build without cgo.
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags faultfs,failpoints ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/skidway

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (default 30s) each.
	@scripts/fuzz $(or $(FUZZTIME),30s)

.PHONY: crash
crash: ## Power losses under load, ROUNDS of them (default 500), against a real broker process.
	SKIDWAY_CRASH_ROUNDS=$(or $(ROUNDS),500) $(GO) test -count=1 -timeout 0 -run PowerLoss -v ./internal/faultfs/...

.PHONY: sim
sim: ## Simulate clusters under faults, SEEDS of them (default 20000) from FIRST (default 1) on, and search WORLDS.
	$(GO) test -count=1 -timeout 0 -run 'TestSeeds$$' -v ./internal/sim -seeds $(or $(SEEDS),20000) -first $(or $(FIRST),1)
	$(GO) test -count=1 -timeout 0 -run 'TestExhaustive$$' -v ./replication -worlds $(or $(WORLDS),500000)

.PHONY: chaos
chaos: ## Kill, pause, cut and wipe clusters of real processes, more often than test does, and mix faults for DURATION (default 10m).
	SKIDWAY_CHAOS=long,require SKIDWAY_CHAOS_DURATION=$(or $(DURATION),10m) $(GO) test -count=1 -timeout 0 -v ./internal/chaos

.PHONY: bench-kafka
bench-kafka: ## Measure beside Apache Kafka (fetched with Maven) and write the table of docs/benchmarks.md; about an hour.
	@scripts/bench-kafka

.PHONY: bench-cluster
bench-cluster: ## Measure three brokers beside three of Apache Kafka: produce, failover, many partitions; some hours.
	@scripts/bench-cluster

.PHONY: bench-broker
bench-broker: build ## Measure the broker by itself: start, memory, many partitions, bytes written; into docs/benchmarks.md.
	@scripts/bench-broker

.PHONY: compat
compat: ## Run Kafka's clients and tools against a broker (KAFKA=1: against Apache Kafka) into docs/compatibility.md; CLIENTS, CASES.
	@scripts/test-deps compat
	$(GO) run ./compat -clients "$(CLIENTS)" -cases "$(CASES)" $(if $(KAFKA),-kafka)

.PHONY: profile
profile: build ## CPU and heap profiles of broker and client under SCENARIO (default full-1000).
	@scripts/profile $(or $(SCENARIO),full-1000)

.PHONY: mutants
mutants: ## Plant known bugs in a copy of the tree and show the test that finds each.
	@scripts/mutants

.PHONY: govulncheck
govulncheck: ## Check the dependencies against the Go vulnerability database (needs its site).
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...
