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

# run_devices N: N running devices.
run_devices() {
	local i
	for ((i = 0; i < $1; i++)); do
		running mtty "$(printf '%08x-0000-4000-8000-000000000000' "$i")" mtty-1
	done
}

@test "stop --all looks for users of all devices at once" {
	run_devices 20
	with_nodes 50
	strace -E "LD_PRELOAD=$LD_PRELOAD" -o "$BATS_TEST_TMPDIR/trace" -e trace=openat mdev-stop --all
	run -0 mdevctl list
	same ""
	local n
	n=$(grep -c '/fd"' "$BATS_TEST_TMPDIR/trace")
	((n <= 51 * 20)) || { echo "$n listings"; return 1; } # once a second; each device: 51 * 40
}

@test "stop --all refuses a device that is opened while it stops another one" {
	running mtty "$U1" mtty-1
	running mtty "$U2" mtty-1
	add_proc
	mkdir -p "$SYS/kernel/iommu_groups/7" "$ROOT/dev/vfio"
	ln -s ../../../../kernel/iommu_groups/7 "$DEVICES/$U2/iommu_group"
	: >"$ROOT/dev/vfio/7"
	add_script callouts guest <<-EOF
		#!/bin/sh
		[ "\$4 \$6 \$(basename \$0)" = "post stop guest" ] && [ ! -e '$BATS_TEST_TMPDIR/pid' ] || exit 0
		LD_PRELOAD= sleep 600 <'$ROOT/dev/vfio/7' >/dev/null 2>&1 3>&- &
		echo \$! >'$BATS_TEST_TMPDIR/pid'
		until [ "\$(cat /proc/\$!/comm)" = sleep ]; do :; done
		ln -s "/proc/\$!" '$PROC'
	EOF
	run -6 --separate-stderr mdevctl stop --all
	local holder
	holder=$(<"$BATS_TEST_TMPDIR/pid")
	kill "$holder"
	same_stderr "Warning: Stop of $U2 on mtty failed: Device $U2 is in use by sleep (PID $holder)
Error: 1 of 2 devices could not be stopped"
	[[ ! -e $DEVICES/$U1 && -e $DEVICES/$U2 ]]
}

@test "stop --all --parent with the name of a card stops the devices of its functions" {
	local i
	for i in 4 5; do
		add_type "0000:41:00.$i" nvidia-46 2 vfio-pci
		ln -s ../../../virtual/card/0000:41:00.0 "$SYS/devices/virtual/0000:41:00.$i/0000:41:00.$i/physfn"
	done
	running 0000:41:00.4 "$U1" nvidia-46
	running 0000:41:00.5 "$U2" nvidia-46
	running mtty "$U3" mtty-1
	run -0 --separate-stderr mdevctl stop --all -p 0000:41:00.0
	same_stderr ""
	run -0 mdevctl list
	same "$U3 mtty mtty-1 manual"
}
