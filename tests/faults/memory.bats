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

# Prints the state of the kernel and the definitions, and the marks of interrupted starts.
state() {
	(cd "$ROOT" && find etc/mdevctl.d sys/bus/mdev/devices run ! -name .lock ! -type d | sort &&
		cat etc/mdevctl.d/*/* sys/bus/mdev/devices/*/assign_* 2>/dev/null) || true
}

# survives PREPARE COMMAND...: the command runs out of memory at its first allocation, at its second one, and so
# on until there are enough.
survives() {
	local prepare=$1 n status=1 before after between=0
	shift
	"$prepare"
	before=$(state)
	"$@"
	after=$(state)
	for ((n = 0; status > 0; n++)); do
		"$prepare"
		: >"$CALLS"
		status=0
		NOMEMORY=$n LD_PRELOAD="$BUILD/fakekernel.so $BUILD/nomemory.so" "$@" \
			2>"$BATS_TEST_TMPDIR/err" || status=$?
		output="status $status after $n allocations: $(<"$BATS_TEST_TMPDIR/err") $(<"$CALLS") $(state)"
		[[ $status == 0 || "$status $(<"$BATS_TEST_TMPDIR/err")" == "1 Error: Out of memory" ]] || return 1
		[[ $(<"$CALLS") != *post* || $(<"$CALLS") == "pre none"$'\n'"post "@(success|failure) ]] || return 1
		[[ $(<"$CALLS") != "pre none" ]] || between=$((between + 1))
		if [[ $(state) == *run/mdevctl/* ]]; then
			[[ $status == 1 ]] || return 1
			mdev-start --ensure -u "$U1" 2>/dev/null || return 1
		fi
		[[ $(state) == "$before" || $(state) == "$after" ]] || return 1
	done
	[[ $(state) == "$after" && $(<"$CALLS") == "pre none"$'\n'"post success" ]]
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
