# capi-vip-allocator. `make` lists the targets.

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE ?= $(shell git log -1 --format=%cI 2>/dev/null)
VERSION_PACKAGE := github.com/gorizond/capi-vip-allocator/internal/version
LDFLAGS := -s -w -X $(VERSION_PACKAGE).buildVersion=$(VERSION) -X $(VERSION_PACKAGE).buildCommit=$(COMMIT) -X $(VERSION_PACKAGE).buildDate=$(DATE)
PLANE := $(GO) run ./test/env/plane/cmd/plane
TEST := $(TOOL) gotestsum --format testname --
# Fixes the operations of the chaos tests, so that a change is judged by its own effects; `make chaos` draws others.
FIXED := CHAOS_SEED=$(or $(CHAOS_SEED),1)
# Packages whose tests start control planes, or measure. They run one after the other, so that each has the machine to
# itself. Those left out have their own targets.
ON_PLANE = $(filter-out %/e2e/providers %/perf/soak,$(shell $(GO) list ./test/env/... ./test/e2e/... ./test/perf/...))
# Modules besides the main one that have code; the others only say what to build.
MODULES := $(strip $(foreach mod,$(shell git ls-files '*/go.mod'),$(if $(wildcard $(dir $(mod))*.go),$(patsubst %/,%,$(dir $(mod))))))
# Tests of crashes, faults, load and size, whose results do not depend on Cluster API's version. For a change they run
# on the current versions, every night on all (test-matrix).
SAME_ON_ALL := \
	TestAPIServerRestart TestClocksOfOthers TestCrashPoints TestDeadWatch TestEditedAllTheTime TestEtcdRestored TestFoughtOver \
	TestHooksUnderLoad TestKilled TestLargestObjects TestManagedFieldsAreLost TestManyPools TestNamesAtTheirLimits TestRestore \
	TestTopologyUnderLoad TestTwoOperators TestWithoutProvider
space := $(subst ,, )

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the operator and the kubectl plugin into bin/
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: generate
generate: ## Write the generated code anew
	$(TOOL) controller-gen object paths=./internal/capi

.PHONY: plane
plane: ## Build the real control planes that the tests run on (cached)
	$(PLANE) build

.PHONY: demo
demo: ## Watch Clusters get their VIPs on the real control plane; KEEP=1 leaves it up
	@hack/demo.sh $(if $(KEEP),--keep)

.PHONY: recording
recording: ## Record the demo anew for the documentation, as docs/images/demo.svg
	hack/record-demo.sh

.PHONY: test
test: plane ## Run all tests but those of installing, on the current versions of Cluster API and the IPAM provider
	$(MAKE) --no-print-directory -j2 --output-sync=line test-unit test-soak
	$(MAKE) --no-print-directory test-bootstrap
	$(MAKE) --no-print-directory test-plane

.PHONY: test-unit
test-unit: ## Run the tests that need no control plane, with the race detector
	CGO_ENABLED=1 $(TEST) -short -race -count=1 ./...

.PHONY: test-soak
test-soak: ## Run the short form of soak
	$(TEST) -count=1 -run TestSoak ./test/perf/soak

.PHONY: test-plane
test-plane: plane ## Run the tests on a control plane, of the current versions or of PLANE_STACK
	$(FIXED) $(TEST) -count=1 -p 1 -timeout 45m $(ON_PLANE)

.PHONY: test-compat
test-compat: plane ## Run the tests whose result depends on versions, on the oldest supported ones or on PLANE_STACK and PLANE_KUBERNETES
	PLANE_STACK=$(or $(PLANE_STACK),capi-v1.10) $(TEST) -count=1 -p 1 -timeout 45m -skip '^($(subst $(space),|,$(strip $(SAME_ON_ALL))))$$' ./test/e2e/acceptance/... ./test/e2e/kubectl/...

.PHONY: test-versions
test-versions: ## Run the tests on the versions of PLANE_STACK=capi-v1.13 and PLANE_KUBERNETES=v1.36, which are built first
	$(PLANE) build --stack $(or $(PLANE_STACK),capi-v1.14)
	CHAOS_MINUTES=$(or $(CHAOS_MINUTES),1) $(FIXED) $(TEST) -count=1 -p 1 -timeout 60m $(ON_PLANE)

.PHONY: test-matrix
test-matrix: ## Run the tests on all combinations of versions, or on those with ONLY=capi-v1.13 in them; takes hours
	hack/test-matrix.sh $(ONLY)

.PHONY: test-upgrade
test-upgrade: ## Upgrade Cluster API and the IPAM provider below an operator that runs, and the operator, among 50 Clusters; prints figures
	ACCEPTANCE_UPGRADE=1 $(GO) test -count=1 -v -timeout 60m -run TestUpgrade ./test/e2e/acceptance

.PHONY: chaos
chaos: plane ## Random operations and faults for CHAOS_MINUTES=10, or CHAOS_COUNT cases, from CHAOS_SEED on; prints figures
	CHAOS_MINUTES=$(or $(CHAOS_MINUTES),$(if $(CHAOS_COUNT),,10)) $(GO) test -count=1 -v -timeout 24h ./test/e2e/chaos

.PHONY: test-bootstrap
test-bootstrap: ## Go from a pool to what a machine starts with, with the real kubeadm providers on fake infrastructure
	$(PLANE) build --stack=capi-v1.14 --providers=kubeadm
	$(TEST) -count=1 -timeout 20m -run TestBootstrapData ./test/e2e/providers

.PHONY: test-providers
test-providers: ## Go from pools to bootstrap data with the real kubeadm, RKE2 and vSphere providers; PROVIDERS_LATE=20 Clusters come late
	$(PLANE) build --stack=capi-v1.14 --providers=kubeadm,vsphere,rke2
	$(GO) test -count=1 -v -timeout 100m ./test/e2e/providers

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## Feed hostile input to everything that parses, each for FUZZTIME=1m
	hack/fuzz.sh $(FUZZTIME)

.PHONY: test-docs
test-docs: plane ## Run the commands of the documentation; UPDATE=1 writes their output into the pages
	$(TEST) -count=1 ./test/e2e/docs
	$(TEST) -count=1 -timeout 20m ./test/e2e/docs/commands $(if $(UPDATE),-update)

UI_TEST := cd test/e2e/ui && BROWSER_REQUIRED=1 $(GO) test -count=1 -timeout 20m

.PHONY: test-ui
test-ui: plane ## Look at the pages of kubectl vip ui in Chromium, which is installed if need be; keeps pictures in dist/screenshots
	hack/install-chromium.sh
	SCREENSHOTS=$(CURDIR)/dist/screenshots && export SCREENSHOTS && $(UI_TEST) ./...

.PHONY: screenshots
screenshots: plane ## Take the pictures of the pages that the documentation shows anew
	hack/install-chromium.sh
	PICTURES=$(CURDIR)/docs/images && export PICTURES && $(UI_TEST) -run '^TestUI$$' .

.PHONY: bench
bench: build plane ## Measure; prints figures
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(GO) run ./test/perf bench

.PHONY: scale
scale: plane ## Measure with up to 10,000 Clusters; prints figures
	$(GO) run ./test/perf scale

.PHONY: soak
soak: ## Let 100,000 Clusters come and go and look for what they leave behind in memory
	$(GO) run ./test/perf soak

.PHONY: lint
lint: ## Check style, imports and known mistakes
	$(TOOL) golangci-lint run ./...
	@set -e; for module in $(MODULES); do echo "lint $$module"; cd $(CURDIR)/$$module; \
		$(GO) tool -modfile=$(CURDIR)/tools/go.mod golangci-lint run -c $(CURDIR)/.golangci.yml ./...; done

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) golangci-lint fmt ./...

.PHONY: vuln
vuln: build ## Look for known vulnerabilities in the code, and in the programs that image and plugin hold (asks the Go vulnerability database)
	$(TOOL) govulncheck ./...
	$(TOOL) govulncheck -mode=binary bin/capi-vip-allocator
	$(TOOL) govulncheck -mode=binary bin/kubectl-vip

.PHONY: verify
verify: ## Check that generated code and go.mod are up to date
	hack/verify.sh . $(MODULES)

include hack/install.mk

.PHONY: ci
ci: ## What a change must pass, in one: style, generated code, races, and the tests on both ends of the versions
	hack/ci.sh

.PHONY: presubmit
presubmit: ci test-install ## What continuous integration runs: that, and the installers

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin dist
