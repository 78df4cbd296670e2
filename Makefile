# SPDX-License-Identifier: LGPL-2.1-or-later
# Targets: all, install, uninstall, clean; deps, demo, check, check-sanitizers, check-long, lint, check-vm,
# check-cross, check-s390x, dist, deb, check-deb, bench, fuzz; see README.md.

VERSION      ?= 2.2.0
DESTDIR      ?=
PREFIX       ?= /usr
SBINDIR      ?= $(PREFIX)/sbin
# Programs that only other programs of this package run.
LIBEXECDIR   ?= $(PREFIX)/libexec/mdev-tools
MANDIR       ?= $(PREFIX)/share/man
RULESDIR     ?= $(PREFIX)/lib/udev/rules.d
UNITDIR      ?= $(PREFIX)/lib/systemd/system
CATALOGDIR   ?= $(PREFIX)/lib/systemd/catalog
TMPFILESDIR  ?= $(PREFIX)/lib/tmpfiles.d
BASHCOMPDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR   ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR  ?= $(PREFIX)/share/fish/vendor_completions.d
# Directories used by mdevctl: other packages install scripts there, so they do not depend on PREFIX.
CONFDIR      ?= /etc/mdevctl.d
SCRIPTDIR    ?= /usr/lib/mdevctl/scripts.d
# External programs that the udev rules run, with their full paths.
SYSTEMCTL    ?= /usr/bin/systemctl
TIMEOUT      ?= /usr/bin/timeout

CC           ?= gcc
BUILD        ?= build
# V=1 shows the build commands.
V            ?=
say           = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-6s %s\n' $(1) $@; )
CFLAGS       ?= -O2 -g
CPPFLAGS     ?=
# "no" builds without libsystemd; journal entries are sent to syslog(3) instead.
JOURNAL      ?= yes
LDFLAGS      ?=
WARNINGS     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
                -Wwrite-strings -Wformat=2
HARDENING    ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
ALL_CFLAGS   := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Isrc/lib -DVERSION='"$(VERSION)"' \
                -DSBINDIR='"$(SBINDIR)"' -DLIBEXECDIR='"$(LIBEXECDIR)"' $(if $(filter no,$(JOURNAL)),-DNO_JOURNAL) \
                $(WARNINGS) $(HARDENING) -fPIE -ffunction-sections -fdata-sections $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections $(LDFLAGS)
LIBS         := -lcjson -luuid -ludev $(if $(filter no,$(JOURNAL)),,-lsystemd) -lsmartcols
# The programs that list load libcjson themselves, when it is needed (lazy-cjson.c).
LIST_LIBS    := -ldl

PROGRAMS     := mdev-define mdev-undefine mdev-modify mdev-start mdev-stop mdev-list mdev-types \
                mdev-status mdev-autostart mdev-apply
HELPERS      := mdev-show
LIB_OBJECTS  := $(patsubst src/lib/%.c,$(BUILD)/lib/%.o,$(wildcard src/lib/*/*.c))
UNITS        := $(wildcard units/*.service)
RULES        := $(wildcard rules.d/*.rules)
PAGES        := $(wildcard man/*.[578])
PAGE_PATHS   := $(foreach page,$(PAGES),$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
                $(MANDIR)/man5/mdev-autostart@.service.5
# bash and fish search for completion files by command name; zsh finds the names inside the file. The files that
# are not links have a name that no other package uses, unlike mdevctl.
COMPLETED    := mdevctl lsmdev $(filter-out mdev-list,$(PROGRAMS))
COMPLETIONS  := $(BASHCOMPDIR)/mdev-list $(COMPLETED:%=$(BASHCOMPDIR)/%) $(ZSHCOMPDIR)/_mdevctl \
                $(FISHCOMPDIR)/mdev-list.fish $(COMPLETED:%=$(FISHCOMPDIR)/%.fish)

# Variables are for this make only. An inner one, of a package or a test, would take BUILD for the directory to
# clean, or CFLAGS for those of its release.
MAKEOVERRIDES =
unexport $(shell sed -n 's/^\([A-Z_]*\) *?=.*/\1/p' $(firstword $(MAKEFILE_LIST)))

all: $(PROGRAMS:%=$(BUILD)/%) $(HELPERS:%=$(BUILD)/%) $(BUILD)/mdevctl $(BUILD)/lsmdev

$(BUILD)/lib/%.o: src/lib/%.c | $(BUILD)/lib
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: src/%.c | $(BUILD)/lib
	$(call say,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libmdev.a: $(LIB_OBJECTS)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(filter-out %/mdev-list,$(PROGRAMS:%=$(BUILD)/%) $(HELPERS:%=$(BUILD)/%)): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libmdev.a
	$(call say,LINK)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libmdev.a $(LIBS)

# The front-end includes list: see mdevctl.c.
$(BUILD)/mdevctl: $(BUILD)/mdevctl.o
$(BUILD)/mdev-list $(BUILD)/mdevctl: $(BUILD)/mdev-list.o $(BUILD)/lazy-cjson.o $(BUILD)/libmdev.a
	$(call say,LINK)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libmdev.a $(LIST_LIBS)

$(BUILD)/lsmdev: | $(BUILD)/lib
	@ln -sf mdev-list $@

$(BUILD)/lib:
	@mkdir -p $@

# Rules, units and completion contain the default paths, which are replaced with the configured ones.
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(CATALOGDIR) $(DESTDIR)$(RULESDIR) $(DESTDIR)$(TMPFILESDIR) \
		$(DESTDIR)$(CONFDIR) $(DESTDIR)$(SCRIPTDIR)/callouts $(DESTDIR)$(SCRIPTDIR)/notifiers
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) $(BUILD)/mdevctl $(DESTDIR)$(SBINDIR)
	install -m 755 $(HELPERS:%=$(BUILD)/%) $(DESTDIR)$(LIBEXECDIR)
	ln -sf mdev-list $(DESTDIR)$(SBINDIR)/lsmdev
	install -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)
	install -m 644 units/mdev-tools.catalog $(DESTDIR)$(CATALOGDIR)
	install -m 644 $(RULES) $(DESTDIR)$(RULESDIR)
	install -m 644 packaging/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/mdev-tools.conf
	install -d $(sort $(dir $(PAGE_PATHS:%=$(DESTDIR)%) $(COMPLETIONS:%=$(DESTDIR)%)))
	for page in $(PAGES); do install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}; done
	ln -sf mdev@.service.5 $(DESTDIR)$(MANDIR)/man5/mdev-autostart@.service.5
	install -m 644 src/completion/mdevctl.bash $(DESTDIR)$(BASHCOMPDIR)/mdev-list
	install -m 644 src/completion/mdevctl.zsh $(DESTDIR)$(ZSHCOMPDIR)/_mdevctl
	install -m 644 src/completion/mdevctl.fish $(DESTDIR)$(FISHCOMPDIR)/mdev-list.fish
	for name in $(COMPLETED); do \
		ln -sf mdev-list $(DESTDIR)$(BASHCOMPDIR)/$$name; \
		ln -sf mdev-list.fish $(DESTDIR)$(FISHCOMPDIR)/$$name.fish; \
	done
	sed -i -e 's|/usr/bin/systemctl|$(SYSTEMCTL)|g; s|/usr/bin/timeout|$(TIMEOUT)|g' \
		-e 's|/usr/sbin|$(SBINDIR)|g' \
		$(UNITS:units/%=$(DESTDIR)$(UNITDIR)/%) $(RULES:rules.d/%=$(DESTDIR)$(RULESDIR)/%) \
		$(DESTDIR)$(BASHCOMPDIR)/mdev-list $(DESTDIR)$(ZSHCOMPDIR)/_mdevctl \
		$(DESTDIR)$(FISHCOMPDIR)/mdev-list.fish

# Definitions and third-party scripts are kept.
uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(SBINDIR)/%) $(DESTDIR)$(SBINDIR)/mdevctl $(DESTDIR)$(SBINDIR)/lsmdev
	rm -f $(HELPERS:%=$(DESTDIR)$(LIBEXECDIR)/%)
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(LIBEXECDIR)
	rm -f $(UNITS:units/%=$(DESTDIR)$(UNITDIR)/%)
	rm -f $(DESTDIR)$(CATALOGDIR)/mdev-tools.catalog
	rm -f $(DESTDIR)$(TMPFILESDIR)/mdev-tools.conf $(RULES:rules.d/%=$(DESTDIR)$(RULESDIR)/%)
	rm -f $(PAGE_PATHS:%=$(DESTDIR)%) $(COMPLETIONS:%=$(DESTDIR)%)
	-rmdir -p --ignore-fail-on-non-empty $(DESTDIR)$(SCRIPTDIR)/callouts $(DESTDIR)$(SCRIPTDIR)/notifiers
	rm -f $(DESTDIR)$(CONFDIR)/.lock $(DESTDIR)$(CONFDIR)/.apply.lock
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(CONFDIR)

clean:
	rm -rf $(BUILD)

# Simulates the kernel for the tests and the demo (see tests/lib/fakekernel.c).
$(BUILD)/fakekernel.so: tests/lib/fakekernel.c | $(BUILD)/lib
	$(call say,CC)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARNINGS) -Wno-unknown-warning-option -Wno-format-truncation \
		-shared -fPIC -o $@ $< -ldl

# Limits what the programs can allocate and access (see tests/lib/nomemory.c, tests/lib/confined.c).
$(BUILD)/nomemory.so $(BUILD)/confined.so: $(BUILD)/%.so: tests/lib/%.c | $(BUILD)/lib
	$(call say,CC)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARNINGS) -shared -fPIC -o $@ $< -ldl

# Unit tests in C: each tests/unit/X.c is a program that prints what failed.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*.c))
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libmdev.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libmdev.a $(LIBS)

# Builds each fuzz target as a program that replays files; `make fuzz` generates new input with libFuzzer.
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(BUILD)/libmdev.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_CFLAGS) -fexceptions $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

test-programs: all $(BUILD)/fakekernel.so $(BUILD)/nomemory.so $(BUILD)/confined.so $(UNIT_TESTS) $(FUZZ_TARGETS)


.PHONY: all install uninstall clean test-programs
-include $(wildcard $(BUILD)/*.d $(BUILD)/lib/*/*.d)

# --- Targets for developers ------------------------------------------------------------------------

# Build dependencies; everything else is required only for the tests.
DEPS_BUILD := gcc make libc6-dev libcjson-dev uuid-dev libudev-dev libsystemd-dev libsmartcols-dev
DEPS_CHECK := systemd-journal-remote bats debhelper python3 mandoc man-db strace valgrind systemd udev jq util-linux procps zsh \
              fish bash-completion git ansible-core musl-tools
DEPS_LONG  := qemu-system-common xfsprogs e2fsprogs acl
DEPS_LINT  := bats git clang clang-format clang-tidy cppcheck shellcheck mandoc rpm rpmlint
DEPS_DEB   := git build-essential pkgconf debhelper dpkg-dev fakeroot lintian rpm mmdebstrap bats jq procps \
              python3 strace
DEPS_TREE  := git mmdebstrap $(if $(ARCH),arch-test)
DEPS_CROSS := mmdebstrap dpkg-dev make crossbuild-essential-$(ARCH)
DEPS_FUZZ  := clang libclang-rt-dev
DEPS_VM    := qemu-system-x86 git mmdebstrap e2fsprogs busybox-static cpio
DEPS_S390X := qemu-system-misc gcc-s390x-linux-gnu e2fsprogs cpio xz-utils kmod

# Installs missing packages that the other goals require (all if there is none), or prints the command.
DEPS_OF    := $(filter-out deps,$(MAKECMDGOALS))
deps_if     = $(if $(DEPS_OF),$(if $(filter $(1),$(DEPS_OF)),$(2)),$(2))
DEPS       := $(sort $(DEPS_BUILD) $(call deps_if,check bench,$(if $(SUITE),$(DEPS_TREE),$(DEPS_CHECK))) \
              $(call deps_if,check-sanitizers check-long,$(DEPS_CHECK)) \
              $(call deps_if,check-long,$(DEPS_LONG)) $(call deps_if,lint,$(DEPS_LINT)) \
              $(call deps_if,deb check-deb,$(DEPS_DEB)) $(call deps_if,fuzz,$(DEPS_FUZZ)) \
              $(call deps_if,check-vm,$(DEPS_VM)) $(call deps_if,check-s390x,$(DEPS_S390X)) \
              $(if $(ARCH),$(call deps_if,check-cross,$(DEPS_CROSS))))
deps:
	@missing=$$(for p in $(DEPS); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | \
		grep -q 'ok installed' || printf '%s ' $$p; done); \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing \
			>/dev/null; \
	else \
		echo "Missing packages; install them with:"; \
		echo "  sudo apt-get install --no-install-recommends $$missing"; exit 1; \
	fi

# The tarball of a release, from which all packages are built: the committed files.
DIST := $(BUILD)/mdev-tools-$(VERSION).tar.gz
dist:
	mkdir -p $(BUILD)
	git archive --prefix=mdev-tools-$(VERSION)/ --output=$(DIST:.gz=) HEAD
	gzip -nf $(DIST:.gz=)

# Builds a Debian package of it with Debian's tools, in $(BUILD)/deb.
DEB := $(BUILD)/deb/mdev-tools
deb: dist
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb
	cp $(DIST) $(DEB)_$(VERSION).orig.tar.gz
	tar -xzf $(DEB)_$(VERSION).orig.tar.gz -C $(BUILD)/deb
	cp -r $(DEB)-$(VERSION)/packaging/debian $(DEB)-$(VERSION)
	cd $(DEB)-$(VERSION) && MAKEFLAGS= dpkg-buildpackage --no-sign

# In trees of two releases, or of SUITE. The tests run when the package is built there.
check-deb: export DEB_BUILD_OPTIONS := nocheck
check-deb: deb
	BUILD=$(abspath $(BUILD)) tests/tools/packages $(SUITE)

demo: all $(BUILD)/fakekernel.so
	@BUILD=$(abspath $(BUILD)) tests/tools/demo

# Tests the programs as shipped; TESTS are the files to run. SUITE=trixie: in a tree of that Debian release,
# ARCH=i386: for that architecture.
TESTS        =
check: $(if $(SUITE),,test-programs)
	@BUILD=$(abspath $(BUILD)) $(if $(SUITE),ARCH=$(ARCH) tests/tools/check-in $(SUITE),tests/tools/check) $(TESTS)

# The same tests of programs that are built to find faults of memory. gcc brings its sanitizers along; static, so that the
# fake kernel can still be preloaded.
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -static-libasan
check-sanitizers:
	$(MAKE) V=$(V) CC=gcc BUILD=$(BUILD)/asan HARDENING= CFLAGS="$(SANITIZE)" test-programs
	@ASAN_OPTIONS=detect_leaks=1:verify_asan_link_order=0 BUILD=$(abspath $(BUILD))/asan \
		tests/tools/check $$(grep -L '^# not with sanitizers' tests/project/*.bats tests/faults/*.bats \
			tests/library/*.bats tests/commands/*.bats)

# Replays the writes to a disk (see tests/lib/replay.c).
$(BUILD)/replay: tests/lib/replay.c | $(BUILD)/lib
	$(call say,CC)$(CC) -std=gnu11 -O2 $(WARNINGS) -o $@ $<

# Before a release: kills the programs at every system call, lets the power fail, and repeats what races; takes
# hours.
check-long: test-programs $(BUILD)/replay
	@BUILD=$(abspath $(BUILD)) tests/tools/faults-long
	@BUILD=$(abspath $(BUILD)) tests/tools/apply-long
	@BUILD=$(abspath $(BUILD)) tests/tools/power-failures

# For contributors: checks formatting and warnings of the compilers and static analysers of Debian 12.
lint:
	@BUILD=$(abspath $(BUILD)) tests/tools/check tests/lint/*.bats

# The sanitizer keeps 200 bytes for each thread that fuzz_cli ends: 3 GiB in half an hour.
FUZZ_SECONDS ?= 1800
FUZZ_FLAGS   := -O1 -g -fexceptions -fno-sanitize-recover=all -fsanitize=address,undefined
fuzz:
	$(MAKE) V=$(V) CC=clang HARDENING= CFLAGS="$(FUZZ_FLAGS),fuzzer-no-link" BUILD=$(BUILD)/fuzzing \
		$(BUILD)/fuzzing/libmdev.a
	@set -ex; for target in $(notdir $(FUZZ_TARGETS)); do \
		mkdir -p $(BUILD)/fuzzing/$$target; \
		clang $(filter-out -O2 $(HARDENING),$(ALL_CFLAGS)) $(FUZZ_FLAGS),fuzzer \
			-o $(BUILD)/fuzzing/fuzz_$$target tests/fuzz/fuzz_$$target.c \
			$(BUILD)/fuzzing/libmdev.a -Wl,--as-needed $(LIBS); \
		$(BUILD)/fuzzing/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
			-print_final_stats=1 -rss_limit_mb=4096 -artifact_prefix=$(BUILD)/fuzzing/$$target- \
			$(BUILD)/fuzzing/$$target tests/fuzz/corpus/$$target; \
	done

# Cross builds for an architecture that this machine cannot run, with warnings as errors: ARCH=armhf.
check-cross:
	@BUILD=$(abspath $(BUILD)) tests/tools/check-cross $(ARCH)

# Tests on the kernels of Debian 12 and 13; SUITE=sid selects one release.
check-vm:
	SUITE=$(SUITE) tests/system/run

# Cross builds for s390x and tests on an emulated machine with Debian's kernel.
check-s390x:
	tests/s390x/build-image
	@rm -rf $(BUILD)/s390x/payload
	$(MAKE) install V=$(V) BUILD=$(BUILD)/s390x/programs DESTDIR=$(abspath $(BUILD))/s390x/payload PREFIX=/usr \
		CC="s390x-linux-gnu-gcc --sysroot=$(abspath $(BUILD))/s390x/tree"
	tests/s390x/run

# Checks speed, size and memory against their limits, as ratios (tests/bench/run).
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
$(BENCH): $(BUILD)/bench/%: tests/bench/%.c
	mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

bench: all $(BENCH) $(BUILD)/fakekernel.so
	@BUILD=$(abspath $(BUILD)) tests/bench/run

.PHONY: deps demo check check-sanitizers check-long lint fuzz bench check-vm check-cross check-s390x dist deb check-deb
