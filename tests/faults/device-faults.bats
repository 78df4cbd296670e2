# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Devices are complete or known to be incomplete, and post follows each pre callout, regardless of where a
# program is killed and which system call fails. The kernel is a separate process, which completes each
# request. Faults are injected into every second system call (use_seed) while the mark of the device exists, or after
# the device starts to be removed, or after /proc is opened to find its users; with FAULTS=long
# (tests/tools/faults-long), programs are killed at every system call from the start, and errors are injected after
# the root directory is opened, except into close() and brk(), which return no errors. Each test prints the
# number of faults.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; use_seed sets seed
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	use_seed
	make_world "$BATS_TEST_TMPDIR/root"
	PRELOAD=$LD_PRELOAD
	unset LD_PRELOAD
	export FAKEKERNEL_ATOMIC=$BATS_TEST_TMPDIR/kernel MDEVCTL_LOCK_TIMEOUT=600
	: >"$FAKEKERNEL_ATOMIC"
	CALLS=$BATS_TEST_TMPDIR/calls
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
	add_script callouts note <<-EOF
		#!/bin/sh
		[ "\$4" != get ] || exit 1
		read -r _
		echo "\$4 \$6" >>'$CALLS'
	EOF
	definition matrix "$U1" vfio_ap-passthrough auto '[{"assign_adapter":"5"},{"assign_domain":"6"}]'
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

# preloaded COMMAND...: runs it on the fake kernel.
preloaded() {
	LD_PRELOAD=$PRELOAD "$@"
}

# inject NAME N FAULT COMMAND...: injects the fault into the Nth call with that name.
inject() {
	local name=$1 n=$2 fault=$3
	shift 3
	strace -E "LD_PRELOAD=$PRELOAD" -qqq -o /dev/null -e "trace=$name" \
		-e "inject=$name:$fault:when=$n" "$@"
}

absent() {
	rm -rf "${DEVICES:?}"/* "${SYS:?}/devices/virtual/matrix/matrix/$U1" "${MARKS:?}" "$CALLS"
}

# The device is left as it is if it is complete.
present() {
	look
	if [[ $device != complete || -e $MARKS/$U1 ]]; then
		absent
		preloaded mdev-start -u "$U1"
	fi
	: >"$CALLS"
}

# Waits until the kernel has completed all requests, and sets device: none, complete, or part.
look() {
	local adapter='' domain=''
	flock 9 9<"$FAKEKERNEL_ATOMIC"
	device=none
	[[ -e $DEVICES/$U1 ]] || return 0
	read -r adapter <"$DEVICES/$U1/assign_adapter" || true # no newline
	read -r domain <"$DEVICES/$U1/assign_domain" || true
	device=part
	[[ $adapter != 5 || $domain != 6 ]] || device=complete
}

# Post follows each pre.
paired() {
	local event n=0
	[[ ! -e $CALLS ]] || while read -r event _; do
		[[ $event == pre ]] && n=$((n + 1)) || n=$((n - 1))
	done <"$CALLS"
	((n == 0))
}

# The command has printed one error.
one_error() {
	[[ $'\n'$message == *$'\n'Error:* && $'\n'$message != *$'\n'Error:*$'\n'Error:* ]]
}

# calls COMMAND...: prints "NAME N" for each system call for fault injection: the Nth call with that name.
calls() {
	strace -E "LD_PRELOAD=$PRELOAD" -o "$BATS_TEST_TMPDIR/trace" "$@" >/dev/null 2>&1 || true
	awk -v long="${FAULTS:-}" -v kind="$kind" -v first="${FIRST:-mkdirat.*run.mdevctl|openat.*mdev.devices.*O_PATH}" '
		match($0, /^[a-z0-9_]+\(/) {
			name = substr($0, 1, RLENGTH - 1)
			n[name]++
			if (long && (/O_PATH/ || kind == "kill"))
				hit = 1
			if ($0 ~ first)
				hit = 1
			if (name == "execve" && kind != "kill")
				hit = 0 # the loader of mdev-show crashes if mmap() fails
			if (hit && name !~ /^(execve|exit_group|futex)$/ &&
			    (kind == "kill" || name !~ /^(open|fork|waitid|readlink|close|brk)$/))
				print name, n[name]
			if (!long && /unlinkat/)
				hit = 0
		}' "$BATS_TEST_TMPDIR/trace"
}

# each PREPARE FAULT JUDGE COMMAND...: injects the fault at half of these calls, and judges the result: status,
# device and message.
each() {
	untraced inject_each "$@"
}

inject_each() {
	local prepare=$1 fault=$2 judge=$3 call all n status message part=0
	local kind=${fault%%=*}
	[[ $fault != signal=* ]] || kind='kill'
	shift 3
	"$prepare"
	mapfile -t all < <(calls "$@")
	n=${#all[@]}
	((n > 8))
	half_of all
	for call in "${all[@]}"; do
		"$prepare"
		status=0
		inject "${call% *}" "${call#* }" "$fault" "$@" >"$OUT" 2>"$ERR" || status=$?
		read -rd '' message <"$ERR" || true # all of it
		look
		[[ $device != part ]] || part=$((part + 1))
		"$judge" || {
			echo "$fault at $call: exit status $status, device $device"
			cat "$ERR" "$CALLS"
			return 1
		}
	done
	echo "# $fault in $*: ${#all[@]} faults of $n, $part incomplete devices, 0 of them taken for complete, seed $seed" >&3
}

# A later start with --ensure makes the device complete.
heals() {
	preloaded mdev-start --ensure -u "$U1" 2>>"$ERR" && look && [[ $device == complete && ! -e $MARKS/$U1 ]]
}

# Killed: a partial device may exist, but does not count as complete.
killed() {
	((status == 137 || status == 0)) && heals
}

# The signal was deferred, or arrived before anything was done.
put_off() {
	((status > 128 || status == 0)) ||
		[[ $status == 1 && ${message##*$'\n'} == "Error: Interrupted by signal"* ]] || return 1
	[[ $device != part ]] && paired && heals
}

# The command did everything or nothing, or reported that it could not undo it, which later commands detect.
start_failed() {
	paired || return 1
	if ((status == 0)); then
		[[ $device == complete ]] || return 1
	else
		((status < 10)) && one_error || return 1
		# or did all, and could not tell what
		[[ $device == none || $message == *"could not be removed again"* ||
			$message == *"Failed to write to standard output"* ]] || return 1
	fi
	heals
}

stop_failed() {
	paired || return 1
	if ((status == 0)); then
		[[ $device == none ]]
	else
		((status < 10)) && one_error || return 1
		# or it was removed, which could not be checked
		[[ $device == complete || $device == none && $message == *"Error removing device"* ]]
	fi
}

stop_killed() {
	((status > 128 || status == 0)) && [[ $device != part ]] && heals
}

@test "start that is killed at any system call leaves no incomplete device that counts as complete" {
	each absent signal=KILL killed mdev-start -u "$U1"
}

@test "start that gets SIGQUIT at any system call leaves no incomplete device, and post is run" {
	each absent signal=QUIT put_off mdev-start -u "$U1"
}

@test "start whose system calls fail leaves no incomplete device, and post is run" {
	local errno
	for errno in EMFILE ENOMEM EIO ENOSYS; do
		each absent "error=$errno" start_failed mdev-start -u "$U1"
	done
}

@test "autostart that is killed at any system call leaves no incomplete device that counts as complete" {
	each absent signal=KILL killed mdev-autostart matrix
}

@test "autostart that gets SIGQUIT at any system call leaves no incomplete device, and post is run" {
	each absent signal=QUIT put_off mdev-autostart matrix
}

@test "autostart whose system calls fail leaves no incomplete device, and post is run" {
	local errno
	for errno in EMFILE ENOMEM EIO ENOSYS; do
		each absent "error=$errno" start_failed mdev-autostart matrix
	done
}

# The host already matches the description, except that the device is running.
described() {
	mdev-list -d --dumpjson >"$BATS_TEST_TMPDIR/host.json"
}

@test "apply killed anywhere leaves no incomplete device that is taken for complete" {
	described
	each absent signal=KILL killed mdev-apply "$BATS_TEST_TMPDIR/host.json"
}

@test "apply that is sent SIGQUIT anywhere leaves no incomplete device, and post runs" {
	described
	each absent signal=QUIT put_off mdev-apply "$BATS_TEST_TMPDIR/host.json"
}

@test "apply whose system calls fail leaves no incomplete device, and post runs" {
	local errno
	described
	for errno in EMFILE ENOMEM EIO ENOSYS; do
		each absent "error=$errno" start_failed mdev-apply "$BATS_TEST_TMPDIR/host.json"
	done
}

# In each round, six programs start, stop or ensure the device; two of them are killed if they are still
# running then.
@test "programs that race and are killed leave no incomplete device that counts as complete" {
	local rounds=15 round n pids pid status killed=0 incomplete=0 dies after command
	local commands=("mdev-start -u $U1" "mdev-stop -u $U1" "mdev-start --ensure -u $U1"
		"mdev-autostart matrix")
	[[ -z ${FAULTS:-} ]] || rounds=300
	export FAKEKERNEL_DELAY=20 # long enough for a killer, on a fast machine too
	absent
	for ((round = 0; round < rounds; round++)); do
		pids=()
		for ((n = 0; n < 6; n++)); do
			dies=()
			printf -v after 0.%03d $((1 + RANDOM % 25))
			((n % 3 > 0)) || dies=(timeout --foreground -s KILL "$after")
			command=${commands[RANDOM % 4]}
			# shellcheck disable=SC2086 # a command's words
			preloaded "${dies[@]}" $command >/dev/null 2>&1 3>&- &
			pids+=($!)
		done
		for pid in "${pids[@]}"; do
			status=0
			wait "$pid" || status=$?
			output=$status
			[[ $status == @(?|124|137) ]] || same "a status of its own, or killed"
			((status < 10)) || killed=$((killed + 1))
		done
		look
		[[ $device != part ]] || incomplete=$((incomplete + 1))
		: >"$ERR"
		heals || {
			echo "round $round: device $device"
			cat "$ERR"
			return 1
		}
	done
	((killed > rounds / 3))
	echo "# $((rounds * 6)) programs, $killed killed, $incomplete incomplete devices, 0 of them taken for complete, seed $seed" >&3
}

@test "stop that is killed at any system call leaves the whole device or nothing" {
	each present signal=KILL stop_killed mdev-stop -u "$U1"
}

@test "stop that gets SIGQUIT at any system call leaves the whole device or nothing, and post is run" {
	each present signal=QUIT put_off mdev-stop -u "$U1"
}

@test "stop whose system calls fail reports it or removes the device, and post is run" {
	local errno
	for errno in EMFILE ENOMEM EIO ENOSYS; do
		each present "error=$errno" stop_failed mdev-stop -u "$U1"
	done
}

# A process has the node of the device open.
held() {
	[[ ! -e $DEVICES/$U1 ]] || return 0
	present
	with_node "$U1"
	hold "$NODE"
}

stays() {
	((status > 0 && status < 10)) && [[ $device == complete ]]
}

@test "stop whose system calls fail does not remove a device in use" {
	local FIRST='openat.*"proc"' errno
	for errno in EMFILE ${FAULTS:+EIO ENOMEM}; do
		each held "error=$errno" stays mdev-stop -u "$U1"
	done
}

used_or_unknown() {
	((status < 10)) && ! grep -q '"in_use": false' "$OUT"
}

@test "status whose system calls fail does not show a device in use as unused" {
	local FIRST='openat.*"proc"' errno
	for errno in EMFILE ${FAULTS:+EIO ENOMEM}; do
		each held "error=$errno" used_or_unknown mdev-status --json --uuid="$U1"
	done
}

@test "post that cannot be run for lack of file descriptors is tried again" {
	absent
	run -0 --separate-stderr inject pipe2 7 error=EMFILE mdev-start -u "$U1" # after three each for get and pre
	same_stderr ""
	same_file "$CALLS" "pre start
post start
"
	look
	[[ $device == complete ]]
}

@test "scripts that cannot be found for lack of file descriptors or memory are not skipped" {
	local errno n word
	absent
	strace -E "LD_PRELOAD=$PRELOAD" -o "$BATS_TEST_TMPDIR/trace" -e trace=openat mdev-start -u "$U1"
	n=$(grep -n 'usr/lib/mdevctl/scripts.d/callouts"' "$BATS_TEST_TMPDIR/trace" | sed -n '1s/:.*//p')
	while read -r errno word; do
		absent
		fails 1 "Error: Unable to read $ROOT/usr/lib/mdevctl/scripts.d/callouts: $word" \
			inject openat "$n" "error=$errno" mdev-start -u "$U1"
		look
		[[ $device == none ]]
	done <<<"EMFILE Too many open files
ENOMEM Cannot allocate memory
EIO Input/output error"
}
