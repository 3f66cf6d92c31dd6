# Everything one does with this repository. Each verb installs what it needs, as root, on a bare
# Debian 12 or 13 (scripts/setup), and may be run again at any time.
.DEFAULT_GOAL := help
.PHONY: help demo test build bench lint fuzz package clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

demo: build ## a tour in a minute: deploy, call, put away mid-call, bring back, kill -9
	@scripts/demo build/release/godwit

test: ## build for development and run every test
	@scripts/setup --tests
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev --no-label-summary

build: ## build the optimised program, build/release/godwit
	@scripts/setup
	cmake --preset release
	cmake --build --preset release --target godwit godwit-wire

bench: build ## measure Godwit beside its peers and print the table
	@bench/run

lint: ## check format, floors, texts, and clang-tidy on what changed (SINCE=commit)
	@scripts/setup
	@tools/lint $(SINCE)

fuzz: ## replay the corpora and fuzz every parser of foreign bytes
	@scripts/setup
	cmake --workflow --preset fuzz

package: build ## make a .deb in build/release
	cpack --preset release

clean: ## remove everything that was built
	rm -rf build
