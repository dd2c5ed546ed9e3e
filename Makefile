# The few verbs of the project. Everything runs optimised: a debug build compiles the kernels without optimisation.

.PHONY: build install test format lint bench demo clean

build:
	swift build -c release --product heed

# Where `make install` puts the program: $(PREFIX)/bin.
PREFIX ?= /usr/local

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 .build/release/heed "$(DESTDIR)$(PREFIX)/bin/heed"

test:
	swift test -c release

format:
	swift format -i -r Package.swift Sources Tests

lint:
	swift format lint --strict -r Package.swift Sources Tests

bench: build
	.build/release/heed bench train --preset gpt2 --batch 4 --context 64
	.build/release/heed bench gemm

demo:
	swift run -c release heed demo

clean:
	swift package clean
