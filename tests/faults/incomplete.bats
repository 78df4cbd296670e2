# SPDX-License-Identifier: LGPL-2.1-or-later
# Incomplete devices: a start that is killed between creating the device and writing its last attribute leaves
# a mark, and a later start with --ensure starts the device again.
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	definition matrix "$U1" vfio_ap-passthrough auto '[{"assign_adapter":"5"},{"assign_domain":"6"}]'
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

# Kills the start of U1 when it writes this attribute.
killed_at() {
	FAKEKERNEL_FAIL=$1=KILL run -137 mdev-start -u "$U1" -p matrix
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
}

complete() {
	same_file "$DEVICES/$U1/assign_adapter" 5
	same_file "$DEVICES/$U1/assign_domain" 6
	[[ ! -e $MARKS/$U1 ]]
}

# A script that handles everything and logs its calls.
note_calls() {
	add_script callouts note <<-EOF
		#!/bin/sh
		[ "\$4" = get ] || echo "\$4 \$6 \$8 \$(cat | tr -d ' \n')" >>'$BATS_TEST_TMPDIR/calls'
		[ "\$4" != get ]
	EOF
}

json='{"mdev_type":"vfio_ap-passthrough","start":"auto","attrs":[{"assign_adapter":"5"},{"assign_domain":"6"}]}'
removed="Warning: The start of device $U1 on matrix was interrupted; the incomplete device was removed"

@test "start --ensure replaces an incomplete device, and tells its scripts that the start had failed" {
	killed_at assign_domain
	note_calls
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same ""
	same_stderr "$removed"
	complete
	same_file "$BATS_TEST_TMPDIR/calls" "post start failure $json
pre start none $json
post start success $json
"
}

@test "start --ensure replaces a device that was killed before its first attribute" {
	killed_at assign_adapter
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same_stderr "$removed"
	complete
}

@test "start-parent-mdevs replaces an incomplete device" {
	killed_at assign_domain
	run -0 --separate-stderr mdevctl start-parent-mdevs matrix
	same_stderr "$removed"
	complete
}

@test "start --ensure replaces an incomplete device of another type" {
	killed_at assign_domain
	definition mtty "$U1" mtty-1
	run -0 --separate-stderr mdevctl start --ensure -u "$U1:mtty"
	same_stderr "$removed"
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
	[[ ! -e $MARKS/$U1 ]]
}

@test "a plain start of an incomplete device says what to do" {
	killed_at assign_domain
	fails 4 "Error: Device already exists, but its start was interrupted and it is incomplete: stop it, or start it with --ensure" \
		mdevctl start -u "$U1"
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
}

@test "stop removes an incomplete device, and its mark" {
	killed_at assign_domain
	run -0 --separate-stderr mdevctl stop -u "$U1"
	same_stderr ""
	[[ ! -e $DEVICES/$U1 && ! -e $MARKS/$U1 ]]
	run -0 --separate-stderr mdevctl start -u "$U1"
	same_stderr ""
	complete
}

@test "a mark without a device means nothing" {
	FAKEKERNEL_FAIL=create=KILL run -137 mdev-start -u "$U1"
	[[ -s $MARKS/$U1 ]]
	run -0 --separate-stderr mdevctl start -u "$U1"
	same_stderr ""
	complete
	mdevctl stop -u "$U1"
	FAKEKERNEL_FAIL=create=KILL run -137 mdev-start -u "$U1"
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same_stderr ""
	complete
}

@test "a start that was killed before it set the mark leaves a complete device alone" {
	mdevctl start -u "$U1"
	mkdir -p "$MARKS"
	: >"$MARKS/$U1"
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same_stderr ""
	complete
}

@test "an incomplete device that is in use is not removed" {
	killed_at assign_domain
	with_node "$U1"
	hold "$NODE"
	fails 6 "Error: The start of device $U1 was interrupted and it is incomplete, but it is in use by sleep (PID $holder)" \
		mdevctl start --ensure -u "$U1"
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
}

@test "a start whose rollback fails leaves a device that is known to be incomplete" {
	FAKEKERNEL_FAIL=assign_domain=EINVAL,remove=EBUSY fails 1 \
		"Error: Failed to write 6 to attribute assign_domain: Invalid argument; and the device could not be removed again: Device or resource busy" \
		mdevctl start -u "$U1"
	[[ -e $DEVICES/$U1 ]]
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same_stderr "$removed"
	complete
}

@test "a driver that accepts a removal but does nothing is an error" {
	mdevctl start -u "$U1"
	FAKEKERNEL_FAIL=remove=NOTHING fails 1 \
		"Error: Error removing device $U1: its driver accepted the removal but did nothing" \
		mdevctl stop -u "$U1"
	complete
	mdevctl stop -u "$U1"
	FAKEKERNEL_FAIL=assign_domain=EINVAL,remove=NOTHING fails 1 \
		"Error: Failed to write 6 to attribute assign_domain: Invalid argument; and the device could not be removed again: its driver accepted the removal but did nothing" \
		mdevctl start -u "$U1"
}

@test "a removal is an error if it cannot be determined whether the device is gone" {
	mdevctl start -u "$U1"
	FAKEKERNEL_FAIL=remove=NOTHING fails 1 "Error: Error removing device $U1: Input/output error" \
		strace -qq -o /dev/null -P "sys/bus/mdev/devices/$U1" -e inject=%stat,%lstat,%fstat:error=EIO \
		mdev-stop -u "$U1"
	complete
	mdevctl stop -u "$U1"
	FAKEKERNEL_FAIL=assign_domain=EINVAL,remove=NOTHING fails 1 \
		"Error: Failed to write 6 to attribute assign_domain: Invalid argument; and the device could not be removed again: Input/output error" \
		strace -qq -o /dev/null -P "sys/bus/mdev/devices/$U1" -e inject=%stat,%lstat,%fstat:error=EIO \
		mdev-start -u "$U1"
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
}

@test "a driver that accepts a creation but does nothing is an error, and no UUID is printed" {
	FAKEKERNEL_FAIL=create=NOTHING fails 3 \
		"Error: Device $U2 was accepted by the kernel but does not exist: its driver did nothing, or it was removed immediately" \
		mdevctl start -u "$U2" -p mtty -t mtty-1
	FAKEKERNEL_FAIL=create=NOTHING run -3 --separate-stderr mdevctl start -p mtty -t mtty-1
	same ""
}

# no_mark WHY: a start without a mark has said so, with this reason.
no_mark() {
	same_stderr "Warning: Unable to create a file in /run/mdevctl: $1; if the start is interrupted, the device remains incomplete, and this is not detected"
}

@test "start works without a mark where /run cannot be written, and says so" {
	rmdir "$ROOT/run"
	run -0 --separate-stderr mdevctl start -u "$U1"
	no_mark "No such file or directory"
	complete
	mdevctl stop -u "$U1"
	mkdir -m 555 "$ROOT/run"
	run -0 --separate-stderr weak mdev-start -u "$U1"
	no_mark "Permission denied"
	complete
	mdevctl stop -u "$U1"
	chmod 755 "$ROOT/run"
	: >"$ROOT/run/mdevctl"
	run -0 --separate-stderr mdevctl start -u "$U1"
	no_mark "Not a directory"
}

# closed COMMAND...: runs it without standard output and error.
closed() {
	"$@" >&- 2>&-
}

@test "without standard output and error, nothing is written into the mark or another file" {
	MDEVCTL_LOG=debug FAKEKERNEL_FAIL=assign_domain=KILL run -137 closed mdev-start -u "$U1"
	output=$(od -An -tx1 "$MARKS/$U1") same " 00"
	MDEVCTL_LOG=debug run -0 closed mdev-start --ensure -u "$U1"
	complete
	run -1 closed mdev-list
}

@test "a kernel log that never ends does not hold up a start" {
	mkdir "$ROOT/dev"
	ln -s /dev/zero "$ROOT/dev/kmsg"
	FAKEKERNEL_FAIL=create=EIO fails 1 \
		"Error: Failed to create mdev $U1, type vfio_ap-passthrough on matrix: Input/output error" \
		timeout 60 mdev-start -u "$U1"
}

@test "autostart without marks says so once" {
	rmdir "$ROOT/run"
	definition matrix "$U2" vfio_ap-passthrough auto
	run -0 --separate-stderr mdevctl start-parent-mdevs matrix
	no_mark "No such file or directory"
}

@test "a device that is being started by a program with another /run is not adopted" {
	local other=$BATS_TEST_TMPDIR/other
	mkdir -p "$other/run"
	ln -s "$ROOT"/{etc,sys,usr} "$other"
	: >"$BATS_TEST_TMPDIR/slow"
	FAKEKERNEL_SLOW=$BATS_TEST_TMPDIR/slow mdev-start -u "$U1" 3>&- &
	wait_for test -s "$MARKS/$U1"
	wait_for test -e "$DEVICES/$U1/assign_domain"
	export MDEVCTL_ENV_ROOT=$other MDEVCTL_LOCK_TIMEOUT=1
	local text="Another program has been starting device $U1 for more than 1 s; 'fuser -v /sys/class/mdev_bus/matrix/mdev_supported_types/vfio_ap-passthrough/create' shows it"
	fails 9 "Error: $text" mdev-start --ensure -u "$U1"
	fails 9 "Error: $text" mdev-start -u "$U1"
	run -1 mdev-autostart matrix
	definition matrix "$U2" vfio_ap-passthrough
	run -0 mdev-start -u "$U2" # is not held up by it
	rm "$BATS_TEST_TMPDIR/slow"
	wait $!
	run -0 --separate-stderr mdev-start --ensure -u "$U1"
	same_stderr ""
	complete
}

@test "a stop looks for users again after the scripts agreed, and then refuses" {
	running mtty "$U2" mtty-1
	with_node "$U2"
	add_script callouts note <<-EOF
		#!/bin/sh
		[ "\$4" != get ] || exit 1
		echo "\$4 \$6 \$8" >>'$BATS_TEST_TMPDIR/calls'
		[ "\$4" != pre ] || {
			exec 4<'$NODE' # before the script ends, which does not wait for its child
			LD_PRELOAD= sleep 600 >/dev/null 2>&1 3>&- &
			echo \$! >'$BATS_TEST_TMPDIR/pid'
			until [ "\$(cat /proc/\$!/comm)" = sleep ]; do :; done
			ln -s "/proc/\$!" '$PROC'
		}
	EOF
	run -6 --separate-stderr mdevctl stop -u "$U2"
	holder=$(<"$BATS_TEST_TMPDIR/pid")
	same_stderr "Error: Device $U2 is in use by sleep (PID $holder)"
	[[ -e $DEVICES/$U2 ]]
	same_file "$BATS_TEST_TMPDIR/calls" "pre stop none
post stop failure
"
}

@test "a signal while an incomplete device is removed does not keep its scripts from hearing of the end" {
	killed_at assign_domain
	note_calls
	: >"$BATS_TEST_TMPDIR/busy"
	FAKEKERNEL_LOG=$BATS_TEST_TMPDIR/log FAKEKERNEL_BUSY=$BATS_TEST_TMPDIR/busy mdev-start --ensure -u "$U1" \
		2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for test -e "$BATS_TEST_TMPDIR/log" # remove has been written
	kill -TERM $!
	rm "$BATS_TEST_TMPDIR/busy"
	wait $! || status=$?
	((status == 143))
	same_file "$BATS_TEST_TMPDIR/calls" "post start failure $json
"
	[[ ! -e $DEVICES/$U1 && ! -e $MARKS/$U1 ]]
}

@test "start --ensure does not complete an undefined device, as it does not know its attributes" {
	rm -r "$D/matrix"
	printf %s "$json" >"$BATS_TEST_TMPDIR/json"
	FAKEKERNEL_FAIL=assign_adapter=KILL run -137 mdev-start -u "$U1" -p matrix --jsonfile "$BATS_TEST_TMPDIR/json"
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
	fails 4 "Error: Device $U1 is running, but its start was interrupted and it is incomplete; it is not defined, so stop it and start it again" \
		mdevctl start --ensure -u "$U1"
	[[ -e $MARKS/$U1 ]]
	run -0 --separate-stderr mdevctl start --ensure -u "$U1" -p matrix --jsonfile "$BATS_TEST_TMPDIR/json"
	complete
}

@test "a start closes each file once" {
	strace -E "LD_PRELOAD=$LD_PRELOAD" -o "$BATS_TEST_TMPDIR/trace" -e trace=close mdev-start -u "$U1"
	run -1 grep EBADF "$BATS_TEST_TMPDIR/trace"
}
