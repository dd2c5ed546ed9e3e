# The few verbs of the project. Everything runs optimised: a debug build compiles the kernels without optimisation.

.PHONY: build server install install-server uninstall test format lint bench demo docs reference clean

build:
	swift build -c release --product heed

# The server, a package of its own.
server:
	swift build --package-path Server -c release --product heed-serve

# Where `make install` puts the program ($(PREFIX)/bin), its manual page and what completes its words in a shell.
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
MANUAL = $(SHARE)/man/man1/heed.1
BASH_WORDS = $(SHARE)/bash-completion/completions/heed
ZSH_WORDS = $(SHARE)/zsh/site-functions/_heed
FISH_WORDS = $(SHARE)/fish/vendor_completions.d/heed.fish

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin" $(foreach file,$(MANUAL) $(BASH_WORDS) $(ZSH_WORDS) $(FISH_WORDS),"$(dir $(file))")
	install -m 755 .build/release/heed "$(DESTDIR)$(PREFIX)/bin/heed"
	.build/release/heed manual > "$(MANUAL)"
	.build/release/heed completions bash > "$(BASH_WORDS)"
	.build/release/heed completions zsh > "$(ZSH_WORDS)"
	.build/release/heed completions fish > "$(FISH_WORDS)"

install-server: server
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 Server/.build/release/heed-serve "$(DESTDIR)$(PREFIX)/bin/heed-serve"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/heed" "$(DESTDIR)$(PREFIX)/bin/heed-serve" "$(MANUAL)" "$(BASH_WORDS)" "$(ZSH_WORDS)" "$(FISH_WORDS)"

test:
	swift test -c release

format:
	swift format -i -r Package.swift Sources Tests Examples Server/Package.swift Server/Sources Server/Tests

lint:
	swift format lint --strict -r Package.swift Sources Tests Examples Server/Package.swift Server/Sources Server/Tests

bench: build
	.build/release/heed bench train --preset gpt2 --batch 4 --context 64
	.build/release/heed bench gemm

demo:
	swift run -c release heed demo

clean:
	swift package clean

# The course and the reference of every library, for a browser. docc is part of the toolchain, so no build depends on it.
docs: build reference

# The same from what is built already.
reference:
	Scripts/symbol-graphs.sh .build/release .build/symbols
	docc convert Documentation/Course.docc --additional-symbol-graph-dir .build/symbols \
		--fallback-display-name Heed --fallback-bundle-identifier org.heed.course --fallback-bundle-version 1 \
		--warnings-as-errors --transform-for-static-hosting --output-path .build/docs
