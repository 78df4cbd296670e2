# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl start-parent-mdevs / mdev-autostart
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export FAKEKERNEL_LOG=$BATS_TEST_TMPDIR/writes
	TYPES=devices/virtual/mtty/mtty/mdev_supported_types
}

@test "start-parent-mdevs starts the auto devices of a parent in the order of their UUIDs" {
	definition mtty "$U3" mtty-1 auto
	definition mtty "$U1" mtty-2 auto
	definition mtty "$U2" mtty-1 manual
	definition matrix "$U2" vfio_ap-passthrough auto
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same ""
	same_stderr ""
	same_file "$FAKEKERNEL_LOG" "$TYPES/mtty-2/create $U1
$TYPES/mtty-1/create $U3
"
	run -0 mdevctl list
	same "$U1 mtty mtty-2 auto (defined)
$U3 mtty mtty-1 auto (defined)"
}

@test "start-parent-mdevs writes attributes" {
	definition matrix "$U1" vfio_ap-passthrough auto '[
    {
      "assign_adapter": "5"
    }
  ]'
	run -0 mdevctl start-parent-mdevs matrix
	same_file "$DEVICES/$U1/assign_adapter" 5
}

@test "start-parent-mdevs of a parent without definitions does nothing" {
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same ""
	same_stderr ""
	run -0 --separate-stderr mdevctl start-parent-mdevs nosuch
	same_stderr ""
	definition mtty "$U1" mtty-1 manual
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same_stderr ""
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start-parent-mdevs counts running devices as started, and runs no script for them" {
	definition mtty "$U1" mtty-1 auto
	mdevctl start -u "$U1"
	rm "$FAKEKERNEL_LOG"
	add_script callouts note <<<"#!/bin/sh
echo \"\$*\" >>'$BATS_TEST_TMPDIR/calls'"
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same ""
	same_stderr ""
	[[ ! -e $FAKEKERNEL_LOG && ! -e $BATS_TEST_TMPDIR/calls ]]
}

@test "start-parent-mdevs continues after a failure, reports it, and finally fails" {
	definition mtty "$U1" mtty-9 auto
	definition mtty "$U2" mtty-2 auto
	definition mtty "$U3" mtty-1 auto
	FAKEKERNEL_FAIL=create:$U2=EIO fails 1 \
		"Warning: Start of $U1 on mtty failed: Parent mtty does not support mdev type mtty-9. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)
Warning: Start of $U2 on mtty failed: Failed to create mdev $U2, type mtty-2 on mtty: Input/output error
Error: 2 of 3 devices on mtty could not be started: $U1, $U2" mdevctl start-parent-mdevs mtty
	run -0 mdevctl list
	same "$U3 mtty mtty-1 auto (defined)"
}

@test "start-parent-mdevs ends without a failure if the driver removes its parent meanwhile" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	definition mtty "$U3" mtty-1 auto
	add_script notifiers remove <<<"#!/bin/sh
rm '$SYS/class/mdev_bus/mtty'"
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same ""
	same_stderr "Warning: Start of $U2 on mtty failed: Unable to find parent device 'mtty'
Warning: Parent mtty was removed while its devices were started"
}

@test "start-parent-mdevs reports a device that is running with a different type" {
	running mtty "$U1" mtty-2
	definition mtty "$U1" mtty-1 auto
	fails 1 "Warning: Start of $U1 on mtty failed: Device exists with different type: $U1 is running with type mtty-2, not mtty-1
Error: 1 of 1 devices on mtty could not be started: $U1" mdevctl start-parent-mdevs mtty
}

@test "start-parent-mdevs starts the other devices if a definition is invalid" {
	definition mtty "$U2" mtty-1 auto
	: >"$D/mtty/$U1"
	fails 1 "Warning: Start of $U1 on mtty failed: Invalid JSON in /etc/mdevctl.d/mtty/$U1: unexpected end at line 1 column 1
Error: 1 of 2 devices on mtty could not be started: $U1" mdevctl start-parent-mdevs mtty
	run -0 mdevctl list
	same "$U2 mtty mtty-1 auto (defined)"
}

@test "start-parent-mdevs ignores invalid definitions of other parents" {
	definition mtty "$U2" mtty-1 auto
	mkdir "$D/matrix"
	: >"$D/matrix/$U1"
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same_stderr ""
	[[ -e $DEVICES/$U2 ]]
}

@test "start-parent-mdevs reports the devices for which no instances are available" {
	echo 1 >"$SYS/$TYPES/mtty-1/available_instances"
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	fails 1 "Warning: Start of $U2 on mtty failed: No available instances of mtty-1 on mtty; running devices: $U1 (mtty-1)
Error: 1 of 2 devices on mtty could not be started: $U2" mdevctl start-parent-mdevs mtty
	run -0 mdevctl list
	same "$U1 mtty mtty-1 auto (defined)"
}

@test "start-parent-mdevs of a parent that does not exist reports each device" {
	definition gone "$U1" mtty-1 auto
	fails 1 "Warning: Start of $U1 on gone failed: Unable to find parent device 'gone'
Error: 1 of 1 devices on gone could not be started: $U1" mdevctl start-parent-mdevs gone
}

@test "autostart does once what does not depend on the device" {
	local n i last='' calls=$BATS_TEST_TMPDIR/calls
	for n in 2 9; do
		for ((i = 0; i < n; i++)); do
			definition mtty "0000000$i-0000-4000-8000-000000000000" mtty-1 auto
		done
		rm -rf "${MARKS:?}"
		strace -qqq -o "$calls" -E LD_PRELOAD="$LD_PRELOAD" -e trace=rt_sigaction,mkdirat mdev-autostart mtty
		[[ -e $DEVICES/0000000$((n - 1))-0000-4000-8000-000000000000 ]]
		mdev-stop --all
		[[ -z $last ]] || output=$(wc -l <"$calls") same "$last"
		last=$(wc -l <"$calls")
	done
}
