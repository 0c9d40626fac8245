# The names that INTERFACE fixes. Each target installs what it lacks (tools/install-packages), so a bare Debian 12 with
# make suffices. The work is done by the scripts in tools/.
.DEFAULT_GOAL := help
.PHONY: help run test build bench fuzz tidy format deb clean
ONCE ?=
SECONDS_EACH ?= 600

help:
	@sed -n 's/^## //p' Makefile

## make run [ONCE=1]       build, make a demo server in ./demo, send a message through it and show it
run:
	@tools/install-packages packages/build.txt
	@POSTRIDER_TESTS=OFF tools/build release postrider
	@tools/demo $(if $(filter-out 0,$(ONCE)),--once)

## make test               build four ways and run every test
test:
	@tools/install-packages packages/build.txt packages/test.txt
	@tools/fetch-peers packages/peers.txt
	@tools/run-tests

## make build              the release binary, build/release/postrider
build:
	@tools/install-packages packages/build.txt
	@POSTRIDER_TESTS=OFF tools/build release postrider

## make bench              benchmarks, side by side with peers
bench:
	@tools/install-packages packages/build.txt packages/test.txt
	@tools/bench

## make fuzz [SECONDS_EACH=600]   every fuzz target for that long
fuzz:
	@tools/install-packages packages/build.txt packages/test.txt
	@tools/build fuzz fuzz_programs
	@tools/fuzz-run --each --seconds $(SECONDS_EACH)

## make tidy               clang-tidy over src/
tidy:
	@tools/install-packages packages/build.txt packages/test.txt packages/tidy.txt
	@tools/tidy

## make format             clang-format over all sources
format:
	@tools/install-packages packages/tidy.txt
	@find src tests fuzz bench \( -name '*.cpp' -o -name '*.hpp' \) -print0 | xargs -0 clang-format-19 -i

## make deb                build/postrider_VERSION_ARCH.deb
deb: build
	@tools/make-deb

## make clean              remove build/ (the demo's mail in demo/ stays)
clean:
	@rm -rf build
