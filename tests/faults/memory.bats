# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Out of memory: a change that has begun is completed, including its scripts; otherwise, it is not begun.
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

# Prints the state of the kernel and the definitions, and the holders of marks.
state() {
	(cd "$ROOT" && find etc/mdevctl.d sys/bus/mdev/devices run ! -name .lock ! -type d | sort &&
		cat etc/mdevctl.d/*/* sys/bus/mdev/devices/*/assign_* 2>/dev/null) || true
}

# survives PREPARE COMMAND...: with increasing memory, from none until it succeeds, the command changes
# either nothing or everything, and post follows each pre.
survives() {
	local prepare=$1 limit status=1 before after tries=0 begun=0
	shift
	"$prepare"
	before=$(state)
	"$@"
	after=$(state)
	local step=3000
	for ((limit = 0; status > 0; limit += step)); do
		((limit != 60000)) || limit=$((8 * 1024 * 1024)) step=500 # required for the reserve
		((limit < 9 * 1024 * 1024))
		"$prepare"
		rm -f "$CALLS"
		status=0
		NOMEMORY=$limit LD_PRELOAD="$BUILD/fakekernel.so $BUILD/nomemory.so" "$@" \
			2>"$BATS_TEST_TMPDIR/err" || status=$?
		tries=$((tries + 1))
		output="status $status with $limit bytes: $(<"$BATS_TEST_TMPDIR/err") $(state)"
		((status < 10)) || return 1
		[[ $(state) == "$before" || $(state) == "$after" ]] || return 1
		[[ ! -e $CALLS ]] || begun=$((begun + 1))
		[[ ! -e $CALLS || $(<"$CALLS") == "pre none"$'\n'"post "@(success|failure) ]] || return 1
		[[ $(state) != "$after" || $(tail -n 1 "$CALLS") == "post success" ]] || return 1
	done
	((tries > 5 && begun > 0))
}

attrs='[{"assign_adapter":"5"},{"assign_domain":"6"}]'

defined() {
	rm -rf "${DEVICES:?}"/* "${SYS:?}"/devices/virtual/matrix/matrix/"$U1" "${D:?}"/*
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
