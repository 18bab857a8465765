# The engines that the tests run against, in .tools: fetched once, checked by
# checksum (npm) or by version (pip). A stamp carries the checksum of the lock
# file, so a changed pin installs again and an unchanged one costs nothing. Of
# what moto[server] names, requirements.txt has what the services need that we
# ask: the rest, most of it by size, is for CloudFormation, GraphQL and Lambda.

ENGINES := internal/ddbtest/engines
ENGINE_STAMP := .tools/.dynoxide.$(firstword $(shell cksum < $(ENGINES)/package-lock.json))
MOTO_STAMP := .tools/.moto.$(firstword $(shell cksum < $(ENGINES)/requirements.txt))
PYTHON ?= python3

.PHONY: engines
engines: $(ENGINE_STAMP) $(MOTO_STAMP)

$(ENGINE_STAMP):
	mkdir -p .tools
	cp $(ENGINES)/package.json $(ENGINES)/package-lock.json .tools/
	npm ci --prefix .tools --no-audit --no-fund --loglevel=error
	rm -f .tools/.dynoxide.*
	touch $@

$(MOTO_STAMP):
	mkdir -p .tools
	rm -rf .tools/moto
	$(PYTHON) -m venv .tools/moto
	.tools/moto/bin/pip install --quiet --no-compile --disable-pip-version-check -r $(ENGINES)/requirements.txt
	rm -f .tools/.moto.*
	touch $@
