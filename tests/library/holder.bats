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

# many_files: processes of user 1000 have 6 million files open.
many_files() {
	opens "$PROC" <<-'END'
		n = 0
		try:
		    while True:
		        n = os.dup(0)
		except OSError:
		    os.close(n)
		for pid in range(100, 100 + 6000000 // n):
		    os.mkdir(sys.argv[1] + "/%d" % pid)
		    os.symlink("/proc/%d/fd" % os.getpid(), sys.argv[1] + "/%d/fd" % pid)
		    with open(sys.argv[1] + "/%d/status" % pid, "w") as f:
		        f.write("Name:\tx\nUid:\t1000\t0\t0\t0\n")
	END
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
	many_files
	start=$SECONDS
	fails 9 "Error: Device $U1 may be in use: checking the files of all processes takes too long (waited 1 s)" \
		mdev-stop --wait=1 -u "$U1"
	((SECONDS - start < 10))
}

@test "an ordinary user cannot hide who uses a device with millions of open files" {
	with_node "$U1"
	many_files
	local many=$holder
	hold "$NODE"
	mv "$PROC/$holder" "$PROC/99999999"
	fails 9 "Error: Device $U1 is in use by sleep (PID 99999999) (waited 1 s)" mdev-stop --force --wait=1 -u "$U1"
	fails 6 "Error: Device $U1 is in use by sleep (PID 99999999)" mdev-stop --force -u "$U1"
	kill "$many"
}

@test "stop --force removes a device although a user has opened millions of files" {
	with_node "$U1"
	many_files
	run -9 mdev-stop --wait=1 -u "$U1"
	FAKEKERNEL_FAST=10 run -0 --separate-stderr mdev-stop --force --wait=1 -u "$U1"
	same_stderr ""
	[[ ! -e $DEVICES/$U1 ]]
}

@test "stop --force removes a device that may be in use" {
	with_node "$U1"
	ln -sfn 'pid:[4026532000]' "$PROC/self/ns/pid"
	maybe "$VISIBLE"
	run -0 --separate-stderr mdev-stop --force -u "$U1"
	same_stderr ""
	[[ ! -e $DEVICES/$U1 ]]
}

@test "the time that other processes take does not count for a pass over all processes" {
	with_node "$U1"
	run -0 --separate-stderr strace -o /dev/null -E "LD_PRELOAD=$LD_PRELOAD" \
		-e inject=getdents64:delay_enter=1500000:when=1 mdev-stop --wait=1 -u "$U1"
	same_stderr ""
}

@test "stop names the guest of a QEMU that uses the device" {
	with_node "$U1"
	cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/qemu-system-x86_64"
	mkdir -p "$PROC/4711"
	hold "$NODE"
	rm "$PROC/$holder"
	cp -r "/proc/$holder/fdinfo" "$PROC/4711/" 2>/dev/null || true
	mkdir "$PROC/4711/fd"
	ln -s "$NODE" "$PROC/4711/fd/0"
	echo qemu-system-x86 >"$PROC/4711/comm"
	printf '/usr/bin/qemu-system-x86_64\0-name\0guest=vm7,debug-threads=on\0' >"$PROC/4711/cmdline"
	fails 6 "Error: Device $U1 is in use by vm7 (PID 4711)" mdev-stop -u "$U1"
}

# confined COMMAND...: runs it as a security policy allows libvirt's daemon to, and sets DENIED.
confined() {
	rm -f "$BATS_TEST_TMPDIR/denied"
	LD_PRELOAD="$BUILD/confined.so $LD_PRELOAD" CONFINED_LOG=$BATS_TEST_TMPDIR/denied "$@"
}

denied() {
	sort "$BATS_TEST_TMPDIR/denied" 2>/dev/null | uniq -c | sed 's/^ *//'
}

# Process 1 and two others, which are not ancestors, exist.
with_processes() {
	add_proc
	mkdir -p "$PROC/100/fd" "$PROC/101/fd"
}

@test "a confined stop removes a device whose group is free, and asks for nothing that is denied" {
	with_group
	with_processes
	stops confined
	output=$(denied) same "1 run/mdevctl/$U1"
}

@test "a confined stop removes a device of which its caller, like libvirt, has the group open" {
	with_group
	ln -s /proc "$ROOT/proc"
	exec {fd}<"$ROOT/dev/vfio/7"
	stops confined
	exec {fd}<&-
	output=$(denied) same "2 pidfd_getfd
1 run/mdevctl/$U1"
}

@test "a confined stop of a device with its own node ends its pass at the first process that is denied" {
	with_group
	with_node "$U1"
	with_processes
	stops confined
	(($(denied | grep -c /fd) <= 2)) # before and after scripts
}

@test "a confined stop refuses a device whose group another process has open" {
	with_group
	with_processes
	# shellcheck disable=SC2217 # it keeps the group open
	LD_PRELOAD='' sleep 600 <"$ROOT/dev/vfio/7" >/dev/null 2>&1 3>&- &
	holder=$!
	wait_for executes "$holder" sleep
	fails 6 "Error: Device $U1 is in use by a process that is not visible ($ROOT/dev/vfio/7 is busy)" \
		confined mdev-stop -u "$U1"
}

@test "the walk ends at the process that has the group open" {
	with_group
	hold "$ROOT/dev/vfio/7"
	mv "$PROC/$holder" "$PROC/2"
	mkdir -p "$PROC"/{100..400}/fd
	strace -E "LD_PRELOAD=$LD_PRELOAD" -o "$BATS_TEST_TMPDIR/trace" -e trace=openat mdev-stop -u "$U1" || status=$?
	((status == 6))
	local all
	all=$(grep -c '/fd"' "$BATS_TEST_TMPDIR/trace")
	((all < 300)) || { echo "all were visited: $all"; return 1; }
}

@test "a confined start creates the device, and says that it has no mark" {
	mdev-stop -u "$U1"
	run -0 --separate-stderr confined mdev-start -u "$U1" -p mtty -t mtty-1
	same ""
	same_stderr "Warning: Unable to create a file in /run/mdevctl: Permission denied; if the start is interrupted, \
the device remains incomplete, and this is not detected"
	[[ -d $DEVICES/$U1 ]]
	output=$(denied) same "1 dev/kmsg
1 run/mdevctl/$U1"
}

@test "a confined list shows running devices" {
	run -0 --separate-stderr confined mdev-list
	same "$U1 mtty mtty-1 manual"
	same_stderr ""
	output=$(denied) same ""
}
