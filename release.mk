# What a release consists of, made in build/release; RELEASE.md says in which order. Nothing here publishes anything
# unless PUSH=yes: then images and chart go to REGISTRY.
.PHONY: wheels images chart-package sbom release

RELEASE := build/release
VERSION := $(shell sed -n 's/^appVersion: //p' charts/face-comparison/Chart.yaml)
# Not a default of REGISTRY itself, which means something to other targets, too.
IMAGES_AT = $(or $(REGISTRY),localhost)
PLATFORMS ?= linux/amd64,linux/arm64
CONTAINER ?= $(firstword $(foreach each,docker podman,$(if $(shell command -v $(each)),$(each))))
HELM ?= $$($(BIN)/python -m devtools.k8s.programs path helm)
# The time of the commit, so that one commit makes the same bytes again.
EPOCH = SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0)

# Where a package or the chart is built from: a copy with the project's addresses, once there are some.
SOURCE = .venv/tools/bin/python devtools/src/devtools/published_source.py --copies $(RELEASE)/source \
  --home "$(PROJECT_URL)" --docs "$(PROJECT_DOCS)"

wheels: $(UV) ## Build wheels and source archives of the packages; PROJECT_URL=… and PROJECT_DOCS=… are their addresses
	@rm -rf $(RELEASE)/python $(RELEASE)/source
	@for package in service operator client; do \
	  folder=$$($(SOURCE) $$package); \
	  for target in sdist wheel; do \
	    (export $(EPOCH); cd $$folder; $(CURDIR)/.venv/tools/bin/hatchling build --target $$target \
	      --directory $(CURDIR)/$(RELEASE)/python >/dev/null 2>hatchling.log || { cat hatchling.log; exit 1; }; \
	      rm hatchling.log); \
	  done; \
	done
	@rm -rf $(RELEASE)/source
	@ls $(RELEASE)/python

LABELS = $(if $(PROJECT_URL),--label org.opencontainers.image.source=$(PROJECT_URL))

# With PUSH=yes for every platform, with SBOM and provenance beside each image; otherwise for this machine's, to try.
images: ## Build the container images; REGISTRY=… names them, PUSH=yes builds for PLATFORMS and pushes
	@test -n "$(CONTAINER)" || { echo "docker or podman is needed to build images; CONTAINER=… names another program"; exit 1; }
	@for target in operator service service-gpu; do \
	  name=$(IMAGES_AT)/face-comparison/$$target:$(VERSION); \
	  echo "building $$name"; \
	  if test "$(PUSH)" = yes; then \
	    $(CONTAINER) buildx build --platform $(PLATFORMS) --target $$target --tag $$name \
	      $(LABELS) --sbom=true --provenance=mode=max --push .; \
	  else \
	    $(CONTAINER) build --target $$target --tag $$name $(LABELS) .; \
	  fi; \
	done

chart-package: .venv/.synced ## Package the chart into build/release/charts; PUSH=yes pushes it to oci://REGISTRY/charts
	@rm -rf $(RELEASE)/charts $(RELEASE)/source
	@$(HELM) package $$($(SOURCE) charts/face-comparison) --destination $(RELEASE)/charts
	@rm -rf $(RELEASE)/source
	@test "$(PUSH)" != yes || $(HELM) push $(RELEASE)/charts/face-comparison-$(VERSION).tgz oci://$(IMAGES_AT)/charts

sbom: .venv/.synced ## List what each image holds (CycloneDX) into build/release/sbom
	@rm -rf $(RELEASE)/sbom
	@$(BIN)/python -m devtools.release sbom --uv $(UV) --out $(RELEASE)/sbom

release: .venv/.synced ## Everything of a release but the images, with checksums and provenance, into build/release
	@$(BIN)/python -m devtools.release check
	@$(MAKE) --no-print-directory wheels chart-package sbom
	@cp manifests/install.yaml manifests/crd.yaml $(RELEASE)/
	@$(BIN)/python -m devtools.release provenance --out $(RELEASE)
	@cat $(RELEASE)/SHA256SUMS
