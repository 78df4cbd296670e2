# SPDX-License-Identifier: LGPL-2.1-or-later
# Features of mdev-start and mdev-stop for units: --ensure, --wait, --settle, UUID:PARENT, devices in use.
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export FAKEKERNEL_LOG=$BATS_TEST_TMPDIR/writes
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

start_with_node() {
	running mtty "$U1" mtty-1
	with_node "$U1"
}

@test "start --ensure succeeds without writing anything if the device is running as defined" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	rm "$FAKEKERNEL_LOG"
	run -0 mdevctl start --ensure -u "$U1"
	same ""
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start --ensure fails if the device is running with another type" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	definition mtty "$U1" mtty-2
	run -4 mdevctl start --ensure -u "$U1"
	same "Error: Device exists with different type: $U1 is running with type mtty-1, not mtty-2"
}

@test "start --ensure fails if the device is running on another parent" {
	mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
	definition mtty "$U1" mtty-1
	run -4 mdevctl start --ensure -u "$U1"
	same "Error: Device exists under different parent: $U1 is running on matrix, not on mtty"
}

@test "start without --ensure fails if the device is running" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	run -4 mdevctl start -u "$U1"
	same "Error: Device already exists"
}

@test "start --wait reports what it waited for, and for how long" {
	run -9 mdevctl start -u "$U1" -p absent -t some-type --wait=1
	same "Error: Unable to find parent device 'absent' (waited 1 s)"
	run -9 mdevctl start -u "$U1" -p mtty -t mtty-9 --wait=1
	[[ $output == "Error: Parent mtty does not support mdev type mtty-9"*" (waited 1 s)" ]]
	echo 0 >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	run -9 mdevctl start -u "$U1" -p mtty -t mtty-1 --wait=1
	[[ $output == "Error: No available instances of mtty-1 on mtty"*" (waited 1 s)" ]]
}

@test "start --wait=0 does not wait" {
	run -3 mdevctl start -u "$U1" -p absent -t some-type --wait=0
	same "Error: Unable to find parent device 'absent'"
}

@test "start --wait continues when the parent appears" {
	mdevctl start -u "$U1" -p late -t late-1 --wait=60 3>&- &
	wait_for sleeps $! mdev-start
	add_type late late-1 1 vfio-pci
	wait $!
	run -0 mdevctl list
	same "$U1 late late-1 manual"
}

@test "start --wait continues when an instance becomes available" {
	add_type small small-1 1 vfio-pci
	mdevctl start -u "$U1" -p small -t small-1
	mdevctl start -u "$U2" -p small -t small-1 --wait=60 3>&- &
	wait_for sleeps $! mdev-start
	mdevctl stop -u "$U1"
	wait $!
	run -0 mdevctl list
	same "$U2 small small-1 manual"
}

@test "start --wait does not wait if the device exists" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	run -4 mdevctl start -u "$U1" -p mtty -t mtty-1 --wait=600
	same "Error: Device already exists"
}

@test "start reports that the parent was removed while the device was being created" {
	FAKEKERNEL_FAIL=create=ENODEV run -3 mdevctl start -u "$U1" -p mtty -t mtty-1
	same "Error: Parent mtty is not currently registered for mdev support"
}

@test "start --ensure succeeds if another process was faster" {
	definition mtty "$U1" mtty-1
	add_script callouts rival <<-EOF
		#!/bin/sh
		[ "\$4 \$6" = "pre start" ] || exit 2
		[ -e "$BATS_TEST_TMPDIR/once" ] && exit 0
		: >"$BATS_TEST_TMPDIR/once"
		mdevctl start -u $U1
	EOF
	run -0 mdevctl start --ensure -u "$U1"
	same ""
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
}

# busy: this process starts device U1, like mdev-start, until done: it holds its mark.
busy() {
	mkdir -p "$MARKS"
	echo 1 >"$MARKS/$U1"
	exec {mark}<"$MARKS/$U1"
	LD_PRELOAD='' flock "$mark"
}

done_starting() {
	rm "$MARKS/$U1"
	exec {mark}<&-
}

# locked COMMAND...: runs it while another process starts device U1, which it waits for.
locked() {
	busy
	"$@" {mark}<&- 3>&- &
	wait_for sleeps $! "$1"
	done_starting
	wait $!
}

@test "start --ensure adopts a device only after its start has completed, including its attributes" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	locked mdev-start --ensure -u "$U1"
}

@test "start --ensure of a transient device that is just being removed says that it is not defined" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	busy
	mdev-start --ensure -u "$U1" {mark}<&- 3>&- 2>"$BATS_TEST_TMPDIR/err" &
	wait_for sleeps $! mdev-start
	mdev-stop -u "$U1" {mark}<&-
	done_starting
	wait $! || status=$?
	same_file "$BATS_TEST_TMPDIR/err" "Error: Device is insufficiently specified: $U1 is not defined, so parent and type are required
"
	((status == 3))
}

@test "two starts of one device take turns" {
	locked mdev-start -u "$U1" -p mtty -t mtty-1
}

@test "a start that takes longer than the lock timeout is not adopted" {
	definition mtty "$U1" mtty-1 auto
	mdevctl start -u "$U1"
	export MDEVCTL_LOCK_TIMEOUT=1
	busy
	local text="Another program has been starting device $U1 for more than 1 s; 'fuser -v /run/mdevctl/$U1' shows it"
	fails 9 "Error: $text" mdevctl start --ensure -u "$U1"
	fails 1 "Warning: Start of $U1 on mtty failed: $text
Error: 1 of 1 devices on mtty could not be started: $U1" mdevctl start-parent-mdevs mtty
	fails 9 "Error: $text" mdevctl start -u "$U1"
	[[ -e $DEVICES/$U1 && -e $MARKS/$U1 ]]
}

@test "a slow start does not block the start of other devices" {
	export MDEVCTL_LOCK_TIMEOUT=1
	busy
	run -0 mdev-start -u "$U2" -p mtty -t mtty-1
	same ""
}

@test "start --settle returns if udev is not running" {
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-1 --settle
	same ""
}

@test "start accepts UUID:PARENT if the UUID is defined under several parents" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	run -1 mdevctl start -u "$U1"
	same "Error: Multiple definitions found for device $U1. Please specify a parent."
	run -0 mdevctl start -u "$U1:matrix"
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual (defined)"
}

@test "UUID:PARENT and a different --parent conflict" {
	run -2 mdevctl start -u "$U1:matrix" -p mtty
	same "Error: Options --uuid and --parent specify different parents
Try 'mdevctl start --help' for more information."
}

@test "stop --ensure succeeds if the device is not running, or not on this parent" {
	run -0 mdevctl stop --ensure -u "$U1"
	same ""
	mdevctl start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl stop --ensure -u "$U1:matrix"
	same ""
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "stop of UUID:PARENT fails if the device is running on another parent" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	run -3 mdevctl stop -u "$U1:matrix"
	same "Error: Device $U1 is not an active mdev"
	run -0 mdevctl stop -u "$U1:mtty"
	same ""
}

@test "stop fails immediately if the device is in use, and reports by which process" {
	start_with_node
	hold "$NODE"
	run -6 mdevctl stop -u "$U1"
	same "Error: Device $U1 is in use by sleep (PID $holder)"
	run -6 mdevctl stop --force -u "$U1"
	same "Error: Device $U1 is in use by sleep (PID $holder)"
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

# Gives the device its own group, whose node the fake kernel lets only one process open.
start_with_group() {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	mkdir -p "$SYS/kernel/iommu_groups/7" "$ROOT/dev/vfio"
	ln -s "$SYS/kernel/iommu_groups/7" "$DEVICES/$U1/iommu_group"
	: >"$ROOT/dev/vfio/7"
	ln -s /proc "$ROOT"
}

@test "stop refuses a device whose group another process has open" {
	start_with_group
	rm "$PROC"
	hold "$ROOT/dev/vfio/7"
	fails 6 "Error: Device $U1 is in use by sleep (PID $holder)" mdevctl stop -u "$U1"
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "stop takes a group that its caller has open for no use of the device" {
	start_with_group
	exec {fd}<"$ROOT/dev/vfio/7"
	run -0 --separate-stderr mdevctl stop -u "$U1"
	same ""
	same_stderr ""
	exec {fd}<&-
	[[ ! -e $DEVICES/$U1 ]]
}

@test "stop refuses a device that its caller has open" {
	start_with_node
	rm -r "$PROC"
	ln -s /proc "$ROOT"
	# shellcheck disable=SC2016 # for the inner shell
	run -6 bash -c 'exec 9<"$1"; mdevctl stop -u "$2" 9<&-; status=$?; echo "$$"; exit $status' - \
		"$NODE" "$U1"
	same "Error: Device $U1 is in use by bash (PID ${lines[1]})
${lines[1]}"
}

@test "a file with the same name in another mount namespace does not count as use of a device" {
	need_mounts
	start_with_node
	# shellcheck disable=SC2016 # for the inner shell
	LD_PRELOAD='' unshare "$NAMESPACE" bash -c 'mount -t tmpfs none "$1/dev" && mkdir -p "${2%/*}" &&
		: >"$2" && exec sleep 600 <"$2"' - "$ROOT" "$NODE" 3>&- &
	holder=$!
	wait_for executes "$holder" sleep
	ln -s "/proc/$holder" "$PROC"
	[[ $(readlink "/proc/$holder/fd/0") == "$NODE" ]] || skip "paths of other mount namespaces differ in a chroot"
	run -0 mdevctl stop -u "$U1"
	same ""
}

@test "the name of a process that uses a device is not printed raw" {
	start_with_node
	cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/"$'\e[31mevil'
	# shellcheck disable=SC2217 # it only has to have it open
	LD_PRELOAD='' "$BATS_TEST_TMPDIR/"$'\e[31mevil' 600 <"$NODE" 3>&- &
	holder=$!
	wait_for executes "$holder" $'\e[31mevil'
	ln -s "/proc/$holder" "$PROC"
	run -6 mdevctl stop -u "$U1"
	same "Error: Device $U1 is in use by ?[31mevil (PID $holder)"
}

tried_thrice() {
	(($(wc -l <"$FAKEKERNEL_LOG") >= 3))
}

@test "start --wait waits while the kernel is still removing an older device" {
	local started=$SECONDS
	export FAKEKERNEL_FAIL=create=EEXIST
	mdevctl start -u "$U1" -p mtty -t mtty-1 --wait=600 3>&- &
	wait_for tried_thrice
	((SECONDS - started >= 2)) # once per second
	kill -TERM $!
	wait $! || status=$?
	((status == 143))
	run -4 mdevctl start -u "$U1" -p mtty -t mtty-1 --wait=1
	same "Error: Device already exists"
}

@test "a signal terminates a writer that waits for the lock, and nothing is changed" {
	exec {lock}>"$D/.lock"
	LD_PRELOAD='' flock "$lock"
	mdevctl define -u "$U1" -p mtty -t mtty-1 {lock}<&- 3>&- 2>"$BATS_TEST_TMPDIR/stderr" &
	wait_for puts_off_term $! mdev-define
	kill -TERM $!
	wait $! || status=$?
	((status == 143))
	exec {lock}<&-
	[[ ! -e $D/mtty ]]
}

@test "a signal terminates a start that waits for another one, and no device is created" {
	busy
	mdev-start -u "$U1" -p mtty -t mtty-1 3>&- &
	wait_for puts_off_term $! mdev-start
	kill -TERM $!
	wait $! || status=$?
	((status == 143))
	[[ ! -e $FAKEKERNEL_LOG && ! -e $DEVICES/$U1 ]]
}

@test "stop --wait times out" {
	start_with_node
	hold "$NODE"
	run -9 mdevctl stop --wait=1 -u "$U1"
	same "Error: Device $U1 is in use by sleep (PID $holder) (waited 1 s)"
}

@test "stop --wait continues when the device is released" {
	start_with_node
	hold "$NODE"
	mdevctl stop --wait=60 -u "$U1" 3>&- &
	wait_for sleeps $! mdev-stop
	kill "$holder"
	wait $!
	run -0 mdevctl list
	same ""
}

@test "the message of a driver that rejects an operation is quoted" {
	mkdir -p "$ROOT/dev"
	echo '3,1,1,-;fake: an older message' >"$ROOT/dev/kmsg"
	FAKEKERNEL_FAIL=create=EIO run -1 mdevctl start -u "$U1" -p mtty -t mtty-1
	same "Error: Failed to create mdev $U1, type mtty-1 on mtty: Input/output error (kernel: fake: $U1 refused)"
}

@test "the reason of a driver for rejecting an attribute is quoted, not the removal that follows" {
	mkdir -p "$ROOT/dev"
	: >"$ROOT/dev/kmsg"
	definition matrix "$U1" vfio_ap-passthrough manual '[{"assign_domain": "6"}, {"assign_adapter": "9"}]'
	FAKEKERNEL_FAIL=assign_adapter=EADDRINUSE run -1 mdevctl start -u "$U1"
	same "Error: Failed to write 9 to attribute assign_adapter: Address already in use (kernel: fake: 9 refused)"
	run -0 grep -c "iommu group" "$ROOT/dev/kmsg"
	same 2
}

@test "if a driver logs no reason, creation and removal of the device are not quoted" {
	mkdir -p "$ROOT/dev"
	: >"$ROOT/dev/kmsg"
	definition matrix "$U1" vfio_ap-passthrough manual '[{"nothing": "6"}]'
	run -1 mdevctl start -u "$U1"
	same "Error: Invalid attribute 'nothing'"
	run -0 grep -c "iommu group" "$ROOT/dev/kmsg"
	same 2
}

# Regardless of other log messages, the quoted reason is that of the driver.
only_the_reason_with() {
	mkdir -p "$ROOT/dev"
	: >"$ROOT/dev/kmsg"
	FAKEKERNEL_SAY=$1$'\n' FAKEKERNEL_FAIL=create=EIO run -1 mdevctl start -u "$U1" -p mtty -t mtty-1
	same "Error: Failed to create mdev $U1, type mtty-1 on mtty: Input/output error (kernel: ${2:-fake: $U1 refused})"
}

@test "messages about a crashing process are not quoted, regardless of its name" {
	only_the_reason_with "6,2,2,-;mtty[4711]: segfault at 0 ip 0000 sp 0000 error 4 in mtty[1000+1000]"
	only_the_reason_with "6,2,2,-;traps: mtty[4711] trap invalid opcode ip:1 sp:2 error:0 in ${U1}[1+1]"
	only_the_reason_with "6,2,2,-;x[1]: segfault at 0 ip 0000 sp 0000 error 4 in $U1: trust me[1+1]"
	only_the_reason_with "4,2,2,-;process './$U1' started with executable stack"
}

@test "messages that processes write to the kernel log are not quoted" {
	only_the_reason_with "11,2,2,-;fake: $U1 is fine"
	only_the_reason_with "12,2,2,-;$U1: is fine"$'\n DEVICE=+mdev:'"$U1"
}

@test "kernel messages about other devices are not quoted" {
	only_the_reason_with "3,2,2,-;fake: $U2 refused"
	only_the_reason_with "3,2,2,-;mtty 1: broken"$'\n SUBSYSTEM=mtty\n DEVICE=+mtty:mtty1'
	only_the_reason_with "3,2,2,-;vfio_mdev ${U1}0: broken"
}

# Newer kernels (6.12, not 6.1) name the device first.
@test "what the kernel adds when a driver has rejected a device is not quoted" {
	only_the_reason_with "3,2,2,-;mtty $U1: probe with driver mtty failed with error -5"$'\n SUBSYSTEM=mdev\n DEVICE=+mdev:'"$U1"
	only_the_reason_with "4,2,2,-;mtty: probe of $U1 failed with error -5"
}

@test "kernel messages about the device or its parent are quoted" {
	only_the_reason_with "3,2,2,c;broken"$'\n SUBSYSTEM=mdev\n DEVICE=+mdev:'"$U1" broken
	only_the_reason_with "4,2,2,-,caller=T1;mtty: busy"$'\n SUBSYSTEM=mtty\n DEVICE=+mtty:mtty' "mtty: busy"
	only_the_reason_with "3,2,2,-;[nvidia-vgpu-vfio] $U1: start failed" "[nvidia-vgpu-vfio] $U1: start failed"
	only_the_reason_with "3,2,2,-;$U1: start failed" "$U1: start failed"
}

@test "without a kernel message, nothing is quoted" {
	mkdir -p "$ROOT/dev"
	FAKEKERNEL_FAIL=create=EIO run -1 mdevctl start -u "$U1" -p mtty -t mtty-1
	same "Error: Failed to create mdev $U1, type mtty-1 on mtty: Input/output error"
	echo "3,1,1,-;fake: $U1 of long ago" >"$ROOT/dev/kmsg"
	FAKEKERNEL_FAIL=create:$U2=EIO run -0 mdevctl start -u "$U1" -p mtty -t mtty-1
	same ""
}
