# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl stop / mdev-stop. Devices in use are in wait.bats.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export FAKEKERNEL_LOG=$BATS_TEST_TMPDIR/writes
}

@test "stop removes the device and prints nothing" {
	running mtty "$U1" mtty-1
	rm "$FAKEKERNEL_LOG"
	run -0 --separate-stderr mdevctl stop -u "$U1"
	same ""
	same_stderr ""
	same_file "$FAKEKERNEL_LOG" "devices/virtual/mtty/mtty/$U1/remove 1
"
	run -0 mdevctl list
	same ""
}

@test "stop does not change other devices or definitions" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	running mtty "$U2" mtty-1
	run -0 mdevctl stop -u "$U1"
	run -0 mdevctl list
	same "$U2 mtty mtty-1 manual"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
}

@test "stop of a device that is not running fails" {
	definition mtty "$U1" mtty-1
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1"
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1" --force
	fails 3 "Error: Device $U2 is not an active mdev" mdevctl stop -u "$U2"
}

@test "stop --ensure of a device that is not running succeeds" {
	run -0 --separate-stderr mdevctl stop -u "$U1" --ensure
	same ""
	same_stderr ""
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "stop UUID:PARENT stops the device only on that parent" {
	running mtty "$U1" mtty-1
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1:matrix"
	run -0 mdevctl stop -u "$U1:matrix" --ensure
	[[ -e $DEVICES/$U1 ]]
	run -0 mdevctl stop -u "$U1:mtty"
	[[ ! -e $DEVICES/$U1 ]]
}

@test "stop reports why the kernel fails to remove a device" {
	running mtty "$U1" mtty-1
	FAKEKERNEL_FAIL=remove=EBUSY fails 1 \
		"Error: Error removing device $U1: Device or resource busy" mdevctl stop -u "$U1"
	[[ -e $DEVICES/$U1 ]]
}

@test "stop reports that the device was removed in the meantime" {
	running mtty "$U1" mtty-1
	FAKEKERNEL_FAIL=remove=ENODEV fails 3 "Error: Device $U1 is not an active mdev" \
		mdevctl stop -u "$U1"
	FAKEKERNEL_FAIL=remove=ENOENT fails 3 "Error: Device $U1 is not an active mdev" \
		mdevctl stop -u "$U1"
}

@test "stop --ensure succeeds if another process was faster" {
	running mtty "$U1" mtty-1
	FAKEKERNEL_FAIL=remove=VANISH run -0 --separate-stderr mdevctl stop -u "$U1" --ensure
	same_stderr ""
	[[ ! -e $DEVICES/$U1 ]]
}

@test "stop works without definitions and script directories" {
	running mtty "$U1" mtty-1
	rm -r "${ROOT:?}/etc" "${ROOT:?}/usr"
	run -0 --separate-stderr mdevctl stop -u "$U1"
	same_stderr ""
	[[ ! -e $DEVICES/$U1 ]]
}
