# Chart, image, release, and the tests of installing. Included by the Makefile.

RELEASE := cd hack/release && $(GO) run . -root $(CURDIR) -commit "$(COMMIT)" -date "$(DATE)"$(if $(REPOSITORY), -repository $(REPOSITORY))
IN_INSTALL := cd test/install &&
# The version of what is built without a tag; a release names its own.
DEV_VERSION := v1.0.0-dev

.PHONY: chart
chart: ## Pack the chart into dist/
	$(RELEASE) -version $(or $(filter v%,$(VERSION)),$(DEV_VERSION)) chart

.PHONY: manifests
manifests: ## Write the manifests for kubectl, clusterctl and Turtles into dist/
	$(RELEASE) -version $(or $(filter v%,$(VERSION)),$(DEV_VERSION)) manifests

.PHONY: image
image: ## Make the image of all platforms in dist/, without registry or daemon
	$(RELEASE) -version $(or $(filter v%,$(VERSION)),$(DEV_VERSION)) image

.PHONY: push
push: ## Push the image of all platforms to its registry, or to REPOSITORY, with the credentials of docker login
	$(RELEASE) -version $(VERSION) push

.PHONY: push-manifests
push-manifests: ## Push the manifests as an artifact for fetchConfig.oci, beside the image of the registry or of REPOSITORY
	$(RELEASE) -version $(VERSION) push-manifests

.PHONY: release
release: ## Make a release in dist/: make release VERSION=v1.0.0
	$(RELEASE) -version $(VERSION) all

.PHONY: chart-docs
chart-docs: ## Write the chart's reference of values anew
	cd hack/release && $(GO) run . -root $(CURDIR) values

.PHONY: chart-golden
chart-golden: ## Write the golden manifests of the chart anew
	$(IN_INSTALL) $(GO) test ./chart -update

.PHONY: chart-test
chart-test: ## Test the chart: values, manifests, schema, alerts
	hack/install-tools.sh
	$(IN_INSTALL) $(GO) tool -modfile=$(CURDIR)/tools/go.mod gotestsum --format testname -- -count=1 ./chart

.PHONY: install-programs
install-programs: ## Build the installers that the tests run (cached)
	$(IN_INSTALL) $(GO) run ./internal/programs/cmd/build

.PHONY: test-install
test-install: plane install-programs ## Test chart, release and every way of installing, with the real installers
	hack/install-tools.sh
	$(IN_INSTALL) $(GO) tool -modfile=$(CURDIR)/tools/go.mod gotestsum --format testname -- -count=1 -p 1 -timeout 40m ./...
