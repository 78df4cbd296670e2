# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/tools/demo, which `make demo` runs
bats_require_minimum_version 1.5.0
load ../lib/world.bash

@test "the demo succeeds and leaves nothing behind" {
	mkdir "$BATS_TEST_TMPDIR/tmp"
	TMPDIR=$BATS_TEST_TMPDIR/tmp run -0 "$TOP/tests/tools/demo"
	[[ $output == *"Finally, show a definition"* ]]
	[[ -z $(ls "$BATS_TEST_TMPDIR/tmp") ]]
}

@test "the demo has no colours in a pipe, nor with NO_COLOR" {
	run -0 "$TOP/tests/tools/demo"
	[[ $output != *$'\033'* ]]
	NO_COLOR=1 run -0 script -qec "$TOP/tests/tools/demo" /dev/null
	[[ $output != *$'\033'* ]]
}

@test "the demo has colours on a terminal" {
	TERM=xterm run -0 env -u NO_COLOR script -qec "$TOP/tests/tools/demo" /dev/null
	[[ $output == *$'\033[1m# mdevctl types'* ]]
}
