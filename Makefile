# `make` says what there is to make. Every tool is pinned here and lands in
# .tools, in a directory of the Go version that built it: a changed pin or a new
# Go builds again, anything else is free.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The compiler collects its garbage less often: a fifth less time from nothing.
COMPILE := GOGC=400 go

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOLS := .tools/bin/$(shell go env GOVERSION)

STATICCHECK := $(TOOLS)/staticcheck@v0.8.2
GOVULNCHECK := $(TOOLS)/govulncheck@v1.8.0
ACTIONLINT := $(TOOLS)/actionlint@v1.7.12
GOLANGCI := $(TOOLS)/golangci-lint@v2.15.0
GORELEASER := $(TOOLS)/goreleaser@v2.16.0

WORKFLOWS := $(wildcard .github/workflows/*.yml examples/github/*.yml)

-include internal/ddbtest/engines/engines.mk

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## bin/dynamo
	$(COMPILE) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/dynamo

engines: ## the pinned DynamoDB engines of the tests, into .tools

.PHONY: demo
demo: build $(ENGINE_STAMP) ## copies a table between two local accounts and shows what happens
	go run -trimpath ./internal/ddbtest/demo -dynamo bin/dynamo

.PHONY: test
test: engines format vet staticcheck modules vulnerabilities workflows platforms ## everything that CI runs, set-up and all
	@echo '== go test -race, the slowest first'
	$(COMPILE) build -race ./...
	go test -race -vet=off -timeout 20m ./table $$(go list ./... | grep -v /internal/torture)
	@echo '== the short form of the torture suite, alone: it has limits of time'
	go test -vet=off -timeout 20m ./internal/torture

.PHONY: lint
lint: $(GOLANGCI) $(GORELEASER) ## golangci-lint, and the release's own check
	$(GOLANGCI) run ./...
	$(GORELEASER) check

.PHONY: torture
torture: engines ## the long form of internal/torture: three quarters of an hour of faults, kills and mutants
	go test -vet=off -run TestHundredThousand ./table
	go run ./internal/torture all

.PHONY: bench
bench: build ## measures, and writes docs/benchmarks.md
	go run ./internal/bench -out docs/benchmarks.md

.PHONY: clean
clean: ## removes all that make has made
	rm -rf bin dist .tools

# The parts of `make test`, each of which can be asked for alone.

.PHONY: format
format:
	@echo '== gofmt'
	@unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then printf 'gofmt would change:\n%s\n' "$$unformatted"; exit 1; fi

.PHONY: vet
vet:
	@echo '== go vet'
	$(COMPILE) vet ./...

.PHONY: staticcheck
staticcheck: $(STATICCHECK)
	@echo '== staticcheck'
	$(STATICCHECK) ./...

.PHONY: modules
modules:
	@echo '== modules'
	go mod tidy -diff
	go mod verify

# Exit 3 is a vulnerability that the code reaches. A database that cannot be
# reached is no finding: it is said, and the rest goes on.
.PHONY: vulnerabilities
vulnerabilities: $(GOVULNCHECK)
	@echo '== govulncheck'
	@code=0; out=$$($(GOVULNCHECK) ./... 2>&1) || code=$$?; \
	if [ $$code -ne 0 ] && grep -q 'fetching vulnerabilities:' <<<"$$out"; then \
		echo 'govulncheck was NOT RUN: its database cannot be reached from here'; \
	else \
		printf '%s\n' "$$out"; exit $$code; \
	fi

.PHONY: workflows
workflows: $(ACTIONLINT)
	@echo '== actionlint'
	$(ACTIONLINT) -shellcheck= -pyflakes= $(WORKFLOWS)

# Examples and commands compile, here and where else a release runs: there
# without optimization, which takes longer and finds no more errors. Of what a
# release has for darwin only these packages are not linux's as they are.
.PHONY: platforms
platforms:
	@echo '== builds'
	$(COMPILE) build ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(COMPILE) build -gcflags='all=-N -l' ./internal/archive ./internal/runs
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(COMPILE) build -gcflags='all=-N -l' -o /dev/null ./cmd/dynamo

# Tools.

$(STATICCHECK): tool = honnef.co/go/tools/cmd/staticcheck
$(GOVULNCHECK): tool = golang.org/x/vuln/cmd/govulncheck
$(ACTIONLINT): tool = github.com/rhysd/actionlint/cmd/actionlint
$(GOLANGCI): tool = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(GORELEASER): tool = github.com/goreleaser/goreleaser/v2

$(STATICCHECK) $(GOVULNCHECK) $(ACTIONLINT) $(GOLANGCI) $(GORELEASER):
	GOBIN='$(CURDIR)/$(@D)' $(COMPILE) install $(tool)@$(lastword $(subst @, ,$@))
	mv $(firstword $(subst @, ,$@)) $@
