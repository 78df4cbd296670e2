# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# What the variables of the Makefile apply to: one make, not those that it runs.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	cd "$TOP" || return 1
	unset MAKEFLAGS MAKELEVEL MFLAGS
	mapfile -t variables < <(sed -n 's/^\([A-Z_]*\) *?=.*/\1/p' Makefile)
	((${#variables[@]} > 20))
	printf 'probe:\n\t@env\n' >"$BATS_TEST_TMPDIR/probe.mk"
}

@test "an inner make gets no variable of the Makefile from the command line" {
	run -0 make -s -f Makefile -f "$BATS_TEST_TMPDIR/probe.mk" "${variables[@]/%/=stray}" probe
	output=$(grep stray <<<"$output" || true) same ""
}

@test "an inner make gets no variable of the Makefile from the environment" {
	run -0 env "${variables[@]/%/=stray}" make -s -f Makefile -f "$BATS_TEST_TMPDIR/probe.mk" probe
	output=$(grep stray <<<"$output" || true) same ""
}

@test "debian/rules passes on no variable of the Makefile from the environment but those of the compiler" {
	# Like dpkg-buildpackage, which runs it with the package's Makefile in the current directory.
	cp Makefile "$BATS_TEST_TMPDIR"
	mkdir "$BATS_TEST_TMPDIR/debian"
	printf 'Source: x\n' >"$BATS_TEST_TMPDIR/debian/control"
	cp packaging/debian/changelog "$BATS_TEST_TMPDIR/debian"
	cd "$BATS_TEST_TMPDIR"
	run -0 env "${variables[@]/%/=stray}" make -s -f "$TOP/packaging/debian/rules" -f probe.mk probe
	output=$(grep stray <<<"$output" | LC_ALL=C sort) same "CC=stray
CFLAGS=stray
CPPFLAGS=stray
LDFLAGS=stray"
}

@test "make deb keeps the directory that BUILD names, other than its deb" {
	# A repository of its own, as a tree that the tests run in may be none; dpkg-buildpackage begins with clean.
	local build=$BATS_TEST_TMPDIR/build
	mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/source/packaging" "$build"
	printf '#!/bin/sh\nexec make clean\n' >"$BATS_TEST_TMPDIR/bin/dpkg-buildpackage"
	chmod 755 "$BATS_TEST_TMPDIR/bin/dpkg-buildpackage"
	cp -r Makefile "$BATS_TEST_TMPDIR/source"
	cp -r packaging/debian "$BATS_TEST_TMPDIR/source/packaging"
	cd "$BATS_TEST_TMPDIR/source"
	git init -q
	git add .
	git -c user.name=test -c user.email=test@localhost commit -qm test
	: >"$build/mine"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 make -s deb BUILD="$build" CFLAGS=stray
	[[ -f $build/mine && -f $(echo "$build"/deb/mdev-tools_*.orig.tar.gz) ]]
}
