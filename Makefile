# The commands that always work. `make help` lists them.
GO        ?= go
BIN       := bin/engramd
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X main.version=$(VERSION)
ARTIFACTS ?= $(CURDIR)/artifacts
PREFIX    ?= /usr/local
FUZZTIME  ?= 20s

# The race detector needs cgo, and cgo needs a C compiler.
CC_FOUND := $(shell command -v $${CC:-gcc} 2>/dev/null || command -v cc 2>/dev/null)
ifneq ($(CC_FOUND),)
RACE := -race
endif

.DEFAULT_GOAL := help
.PHONY: help run demo build install image-context image image-tools test check lint e2e e2e-docker e2e-host e2e-kubernetes e2e-node bench sizing fuzz clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

run: ## build, and run with agent.yaml of this folder, data in ./.engramd
	$(GO) run ./cmd/engramd run --config agent.yaml

demo: ## build, and see it work: a node, a load and the agent, for about a minute
	$(GO) run ./cmd/engramd demo

build: ## build bin/engramd, and bin/engram-server (engramd node serve under another name)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/engramd
	@ln -sf engramd bin/engram-server

install: build ## install both below PREFIX (/usr/local), with their man pages
	install -D $(BIN) $(DESTDIR)$(PREFIX)/bin/engramd
	ln -sf engramd $(DESTDIR)$(PREFIX)/bin/engram-server
	$(BIN) man $(DESTDIR)$(PREFIX)/share/man/man1

# The images: a binary that needs nothing, and what deploy/Dockerfile puts beside it. CA_ROOTS may be a company's bundle.
IMAGE    ?= engram
DOCKER   ?= docker
CA_ROOTS ?= /etc/ssl/certs/ca-certificates.crt
CONTEXT  := $(CURDIR)/bin/image

image-context: build ## all that the images are built of, in bin/image (no Docker needed)
	rm -rf $(CONTEXT) && install -d $(CONTEXT)/data $(CONTEXT)/rootfs/etc/ssl/certs $(CONTEXT)/rootfs/etc/engramd && install -d -m 1777 $(CONTEXT)/rootfs/tmp
	install -D $(BIN) $(CONTEXT)/rootfs/usr/local/bin/engramd
	ln -s engramd $(CONTEXT)/rootfs/usr/local/bin/engram-server
	install -m 644 $(CA_ROOTS) $(CONTEXT)/rootfs/etc/ssl/certs/ca-certificates.crt
	install -m 644 deploy/image/agent.yaml $(CONTEXT)/rootfs/etc/engramd/agent.yaml
	install -m 644 deploy/image/passwd deploy/image/group $(CONTEXT)/rootfs/etc
	install -m 644 deploy/Dockerfile deploy/Dockerfile.tools $(CONTEXT)
	install -D -t $(CONTEXT)/scripts scripts/*.sh
	touch $(CONTEXT)/data/.keep

image: image-context ## the container image engram:latest
	$(DOCKER) build -q -t $(IMAGE):latest --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) \
		--build-arg CREATED=$$(git log -1 --format=%cI) $(CONTEXT)

image-tools: image ## engram:tools, the image with sh, curl and smoke_test.sh (takes busybox and curl from this machine, a Debian)
	deploy/image/tools.sh $(CONTEXT)/tools
	$(DOCKER) build -q -t $(IMAGE):tools --build-arg BASE=$(IMAGE):latest -f $(CONTEXT)/Dockerfile.tools $(CONTEXT)

test: ## all tests that need Go alone (with the race detector where a C compiler is found)
ifeq ($(RACE),)
	@echo "no C compiler found: testing without the race detector (make check requires one)"
endif
	$(GO) test $(RACE) -timeout 15m ./...

check: lint ## formatting, vet, staticcheck, go fix, tidy, vulnerabilities, race tests
ifeq ($(RACE),)
	@echo "make check needs the race detector, and that needs a C compiler: install gcc" >&2; exit 1
endif
	@$(MAKE) --no-print-directory test

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w these: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@$(GO) fix -diff ./... || { echo "run: go fix ./..." >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) mod verify

e2e: e2e-docker e2e-host e2e-kubernetes e2e-node ## everything on real systems (root; installs what it needs from Debian's packages)

e2e-docker: build ## the loop on a real Docker daemon, logs in ./artifacts
	@mkdir -p $(ARTIFACTS)
	ENGRAMD_E2E=docker ENGRAMD_ARTIFACTS=$(ARTIFACTS) ENGRAMD_BIN=$(CURDIR)/$(BIN) \
		$(GO) test -count=1 -p 1 -parallel 3 -timeout 60m -run E2E ./actuators/... ./agent/... ./testenv/...

e2e-host: build ## systemd, cgroup v2, NUMA and Docker on a host of its own, an emulated machine (its image is made once, in 2 minutes)
	@mkdir -p $(ARTIFACTS)
	ENGRAMD_E2E=host ENGRAMD_ARTIFACTS=$(ARTIFACTS) \
		$(GO) test -count=1 -v -timeout 60m -run E2E ./testenv/host

e2e-kubernetes: build ## a whole Kubernetes node, in namespaces of its own (its programs are built once, in 5 minutes)
	@mkdir -p $(ARTIFACTS)
	ENGRAMD_E2E=kubernetes ENGRAMD_ARTIFACTS=$(ARTIFACTS) ENGRAMD_BIN=$(CURDIR)/$(BIN) \
		$(GO) test -count=1 -p 1 -parallel 4 -timeout 60m -run E2E ./actuators/kubernetes/... ./deploy/kubernetes/... ./testenv/kubernetes/... ./testenv/kubeloop/...

e2e-node: build ## the memory node with the guide's commands, WordNet, cut power and full memory, and engramd looking after it
	@mkdir -p $(ARTIFACTS)
	ENGRAMD_E2E=node ENGRAMD_ARTIFACTS=$(ARTIFACTS) ENGRAMD_BIN=$(CURDIR)/$(BIN) \
		$(GO) test -count=1 -p 1 -timeout 60m -run E2E ./node/... ./testenv/node ./testenv/nodeloop ./testenv/demo

# What `engramd node bench` is told: sizes that are measured in some minutes. Those of docs/benchmarks.md:
# make bench NODE_BENCH='--memories 10000,100000,1000000 --spread-memories 5000000'
NODE_BENCH ?= --memories 10000,100000 --vectors 20000 --duration 2s --sustained 10s

bench: build ## the speed bounds of docs/benchmarks.md, measured
	$(GO) test -run '^$$' -bench 'Tick|Decide' -benchmem -cpu 1 ./agent ./agent/telemetry ./policy
	$(GO) test -run '^$$' -bench Resident -cpu 1 ./agent/telemetry
	$(GO) test -run '^$$' -bench 'Idle' -cpu 1 ./agent/telemetry
	$(GO) test -run '^$$' -bench 'Remember|Open' ./node
	$(GO) test -run '^$$' -bench . ./node/spread
	$(BIN) node bench $(NODE_BENCH)
	ENGRAMD_BIN=$(CURDIR)/$(BIN) $(GO) test -run '^$$' -bench AgentBeside -benchtime 1x ./testenv/node

sizing: ## the report of docs/sizing.md with its pictures: make sizing TRACES=<folder of recordings>
	cd testenv/replay && $(GO) run . --docs $(CURDIR)/docs $(abspath $(wildcard $(TRACES)/*.csv))

fuzz: ## every fuzz target for FUZZTIME (20s) each, and damaged pages and cuts of power that nobody has chosen (root, FUSE)
	ENGRAMD_E2E=node ENGRAMD_FLIP_SEED=$$(date +%s) $(GO) test -count=1 -v -run TestE2EStructuralFlips ./node/store
	ENGRAMD_E2E=node ENGRAMD_POWERCUT_SECONDS=300 $(GO) test -count=1 -v -run TestE2EPowerCut ./node/powerfail
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg || exit 1; \
		done; \
	done

clean: ## remove what was built here
	rm -rf bin artifacts .engramd
