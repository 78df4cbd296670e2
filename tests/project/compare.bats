# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Compares our programs with the released mdevctl 1.4.0; differences are listed in
# tests/compare/differences.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup_file() {
	export MISSING
	MISSING=$("$TOP/tests/compare/fetch" "$BUILD/released") || : "${MISSING:=unknown reason}"
}

# compare NAME...: compares the sequences in these files of tests/compare/sequences.
compare() {
	[[ -z $MISSING ]] || skip "$MISSING"
	run "$TOP/tests/compare/run" "$BUILD/released" "${@/#/$TOP/tests/compare/sequences/}"
	echo "# compare $*: ${lines[-1]}" >&3
	((status == 0)) || { echo "$output" && return 1; }
}

@test "compare: reading definitions" {
	compare definitions
}

@test "compare: define, modify and undefine" {
	compare define modify undefine
}

@test "compare: start, stop and start-parent-mdevs" {
	compare start stop autostart
}

@test "compare: list and types" {
	compare list types
}

@test "compare: callouts and notifiers" {
	compare callouts
}

@test "compare: command lines, and those of libvirt" {
	compare options libvirt
}

@test "compare: every sequence has a unique title, and every listed difference has a sequence and a reason" {
	cd "$TOP/tests/compare"
	output=$(sed -n 's/^== //p' sequences/* | sort | uniq -d) same ""
	output=$(comm -13 <(sed -n 's/^== //p' sequences/* | sort) <(sed -n 's/^== //p' differences | sort)) same ""
	output=$(sed -n 's/^== //p' differences | sort | uniq -d) same ""
	output=$(awk '/^== / { title = $0; getline; if (!/^why: .../) print title }' differences) same ""
}

@test "compare: all sequence files are run" {
	output=$(sed -n 's/^\tcompare //p' "$BATS_TEST_FILENAME" | tr ' ' '\n' | sort) same "$(ls "$TOP/tests/compare/sequences")"
}
