# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests in C: the unit tests of modules, and the corpus of each fuzz target.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

@test "modules: every unit test passes" {
	local test found=0
	for test in "$TOP"/tests/unit/*.c; do
		run -0 "$BUILD/unit/$(basename "$test" .c)"
		found=1
	done
	((found))
}

@test "modules: every fuzz target passes for its corpus" {
	local target name found=0
	for target in "$TOP"/tests/fuzz/fuzz_*.c; do
		name=$(basename "$target" .c)
		name=${name#fuzz_}
		run -0 "$BUILD/fuzz/$name" "$TOP/tests/fuzz/corpus/$name"/*
		found=1
	done
	((found))
}
