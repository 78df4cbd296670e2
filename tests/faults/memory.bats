# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Out of memory: the program says so and ends. Its change is made or not, or a start is marked as interrupted and
# repeated. That post follows pre is promised only while there is memory for it.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	CALLS=$BATS_TEST_TMPDIR/calls
	add_script callouts note <<-EOF
		#!/bin/sh
		[ "\$4" != get ] || exit 1
		echo "\$4 \$8" >>'$CALLS'
	EOF
}

# state NAME: sets the variable to the state of the kernel and the definitions, and the marks of interrupted starts.
state() {
	local file text all=
	for file in "$D"/{,*/}{,.mdevctl}* "$DEVICES"/* "$DEVICES"/*/assign_* "$ROOT/run"/{,*/}*; do
		[[ -e $file && (! -d $file || -L $file) ]] || continue
		text=
		[[ -d $file ]] || IFS= read -rd '' text <"$file" || true # all of it
		all+="${file#"$ROOT"} $text"$'\n'
	done
	printf -v "$1" %s "$all"
}

# survives PREPARE COMMAND...: the command runs out of memory at its first allocation, at its second one, and so
# on until there are enough.
survives() {
	untraced run_out_of_memory "$@"
}

run_out_of_memory() {
	local prepare=$1 n status=1 before after now message called between=0 err=$BATS_TEST_TMPDIR/err
	shift
	"$prepare"
	state before
	"$@"
	state after
	for ((n = 0; status > 0; n++)); do
		"$prepare"
		: >"$CALLS"
		status=0
		NOMEMORY=$n LD_PRELOAD="$BUILD/fakekernel.so $BUILD/nomemory.so" "$@" 2>"$err" || status=$?
		read -rd '' message <"$err" || true
		read -rd '' called <"$CALLS" || true
		state now
		output="status $status after $n allocations: $message $called $now"
		[[ $status == 0 || "$status $message" == "1 Error: Out of memory" ]] || return 1
		[[ $called != *post* || $called == "pre none"$'\n'"post "@(success|failure) ]] || return 1
		[[ $called != "pre none" ]] || between=$((between + 1))
		if [[ $now == *run/mdevctl/* ]]; then
			[[ $status == 1 ]] || return 1
			mdev-start --ensure -u "$U1" 2>/dev/null || return 1
			state now
		fi
		[[ $now == "$before" || $now == "$after" ]] || return 1
	done
	[[ $now == "$after" && $called == "pre none"$'\n'"post success" ]]
	((n > 50 && between > 0))
}

attrs='[{"assign_adapter":"5"},{"assign_domain":"6"}]'

defined() {
	rm -rf "${DEVICES:?}"/* "${SYS:?}"/devices/virtual/matrix/matrix/"$U1" "${D:?}"/* "${MARKS:?}"/*
	definition matrix "$U1" vfio_ap-passthrough auto "$attrs"
}

started() {
	defined
	mdev-start -u "$U1"
	rm -f "$CALLS"
}

nothing() {
	defined
	rm -rf "${D:?}"/*
}

@test "memory: start" {
	survives defined mdev-start -u "$U1"
}

@test "memory: autostart" {
	survives defined mdev-autostart matrix
}

@test "memory: stop" {
	survives started mdev-stop -u "$U1"
}

@test "memory: define" {
	survives nothing mdev-define -u "$U1" -p matrix -t vfio_ap-passthrough
}

@test "memory: modify" {
	survives defined mdev-modify -u "$U1" --addattr assign_domain --value 7
}

@test "memory: undefine" {
	survives defined mdev-undefine -u "$U1"
}
