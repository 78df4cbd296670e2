# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices are not taken for unused where users may exist that cannot be seen.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; bats sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	running mtty "$U1" mtty-1
	VISIBLE="not all processes are visible (must be root on the host)"
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

# Gives the device a group, too, whose node the fake kernel lets only one process open.
with_group() {
	mkdir -p "$SYS/kernel/iommu_groups/7" "$ROOT/dev/vfio"
	ln -s ../../../../kernel/iommu_groups/7 "$DEVICES/$U1/iommu_group"
	rm -f "$ROOT/dev/vfio/7"
	: >"$ROOT/dev/vfio/7"
}

# maybe WHY COMMAND...: stop, or COMMAND stop, refuses the device for this reason.
maybe() {
	local why=$1
	shift
	fails 6 "Error: Device $U1 may be in use: $why" "$@" mdev-stop -u "$U1"
	[[ -e $DEVICES/$U1 ]]
}

# unknown: status does not know, either.
unknown() {
	[[ $("$@" mdev-status --json 2>/dev/null | jq '.parents[].devices[].in_use') == null ]]
}

# stops [COMMAND...]: stop, or COMMAND stop, removes the device.
stops() {
	run -0 --separate-stderr "$@" mdev-stop -u "$U1"
	same_stderr ""
	[[ ! -e $DEVICES/$U1 ]]
}

# opens ARGUMENT... <PYTHON: a process, $holder, runs this in an empty directory and lives on.
opens() {
	local code=$BATS_TEST_TMPDIR/opens.py
	mkdir "$BATS_TEST_TMPDIR/empty"
	{
		echo 'import os, sys, time'
		cat
		echo 'os.mkdir(sys.argv[1] + "/ready")'
		echo 'time.sleep(600)'
	} >"$code"
	(cd "$BATS_TEST_TMPDIR/empty" && LD_PRELOAD='' exec python3 "$code" "$@" </dev/null 3>&-) &
	holder=$!
	wait_for test -e "$1/ready"
}

@test "stop refuses a device with its own node in a container, as there are processes outside" {
	with_node "$U1"
	ln -sfn 'pid:[4026532000]' "$PROC/self/ns/pid"
	maybe "$VISIBLE"
	unknown
}

@test "stop refuses a device with its own node if /proc hides processes" {
	with_node "$U1"
	mv "$PROC/1" "$PROC/2"
	maybe "$VISIBLE"
	unknown
}

@test "stop refuses a device with its own node if the files of a process cannot be listed" {
	with_node "$U1"
	mkdir -p "$PROC/100/fd"
	chmod 000 "$PROC/100/fd"
	run -6 --separate-stderr weak mdev-stop -u "$U1"
	[[ $stderr == "Error: Device $U1 may be in use: unable to read /proc/100/fd: Permission denied"* ]]
	unknown weak
	chmod 755 "$PROC/100/fd"
	stops
}

@test "stop refuses a device with its own node without a /proc" {
	with_node "$U1"
	rm -r "$PROC"
	maybe "unable to read /proc: No such file or directory"
	unknown
}

@test "stop refuses a device whose node is missing in /dev" {
	with_node "$U1"
	mkdir -p "$SYS/class/vfio-dev/vfio7"
	rm "$NODE"
	maybe "its device node is missing in /dev (run it on the host, not in a container)"
	rmdir "$SYS/class/vfio-dev/vfio7" # by the kernel, which has removed it
	stops
}

@test "stop refuses a device if a process has a device open that the kernel does not identify" {
	with_node "$U1"
	mkdir -p "$PROC/100/fd"
	echo dpdk >"$PROC/100/comm"
	ln -s 'anon_inode:[vfio-device]' "$PROC/100/fd/9"
	maybe "dpdk (PID 100) has a device open, and it is unknown which one"
	unknown
}

@test "in a container, stop removes a device whose group is free, as no guest can have opened it" {
	with_node "$U1"
	with_group
	ln -sfn 'pid:[4026532000]' "$PROC/self/ns/pid"
	unknown
	stops
}

@test "stop refuses a device whose node is open even if its group is free" {
	with_node "$U1"
	with_group
	hold "$NODE"
	fails 6 "Error: Device $U1 is in use by sleep (PID $holder)" mdev-stop -u "$U1"
}

@test "stop refuses a device whose group cannot be opened unless all processes are visible" {
	with_group
	add_proc
	chmod 000 "$ROOT/dev/vfio/7"
	stops weak
	running mtty "$U1" mtty-1
	with_group
	chmod 000 "$ROOT/dev/vfio/7"
	ln -sfn 'pid:[4026532000]' "$PROC/self/ns/pid"
	maybe "$VISIBLE" weak
}

@test "files in directories that are too deep for a path do not prevent stop" {
	with_node "$U1"
	opens "$PROC" <<-'END'
		for i in range(20):
		    os.mkdir("x" * 250)
		    os.chdir("x" * 250)
		os.open("file", os.O_CREAT)
		os.symlink("/proc/%d" % os.getpid(), sys.argv[1] + "/100")
	END
	stops
}

@test "stop --wait ends in time even if a user has opened millions of files" {
	local start
	with_node "$U1"
	opens "$PROC" <<-'END'
		n = 0
		try:
		    while True:
		        n = os.dup(0)
		except OSError:
		    pass
		for pid in range(100, 100 + 20000000 // n):
		    os.symlink("/proc/%d" % os.getpid(), sys.argv[1] + "/%d" % pid)
	END
	start=$SECONDS
	fails 9 "Error: Device $U1 may be in use: checking the files of all processes takes too long (waited 1 s)" \
		mdev-stop --wait=1 -u "$U1"
	((SECONDS - start < 10))
}
