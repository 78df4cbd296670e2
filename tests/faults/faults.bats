# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Nothing is lost: whatever is killed, fails, fills up or disappears, each definition is either the old or the
# new one, and the caller is informed. Programs are killed at every second system call after the root directory is
# opened, and errors are injected into every second one that uses files (use_seed); with FAULTS=long
# (tests/tools/faults-long), programs are killed at every system call from the start, and all kinds of errors are
# injected.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # inner scripts; a subshell a test; bats sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	use_seed
	make_world "$BATS_TEST_TMPDIR/root"
	unset LD_PRELOAD
	# Forty writers, each of which syncs a file on a slow disk.
	export MDEVCTL_LOCK_TIMEOUT=600
	fresh
}

# Ends what a failed test left in the background.
teardown() {
	touch "$BATS_TEST_TMPDIR/done"
}

# Creates two parents with definitions, the state before each fault.
fresh() {
	rm -rf "$D"
	mkdir -p "$D"/{mtty,matrix}
	definition mtty "$U1" mtty-1 manual '[
    {
      "color": "red"
    }
  ]'
	definition matrix "$U2" vfio_ap-passthrough auto
}

# state NAME: sets the variable to all definitions with their contents.
state() {
	local file text all=
	for file in "$D"/*/*; do
		[[ -f $file ]] || continue
		IFS= read -rd '' text <"$file" || true # all of it
		all+=${file#"$D"}$'\n'$text$'\n'
	done
	printf -v "$1" %s "$all"
}

# calls PATTERN COMMAND...: prints "NAME N" for each system call: the Nth call with that name.
# brk() is left out: it returns no errors, and an injected one would be taken for an address.
calls() {
	local pattern=$1 all=
	shift
	[[ -z ${FAULTS:-} || $pattern != . ]] || all=1
	[[ -z ${FAULTS:-} ]] || pattern=.
	strace -o "$BATS_TEST_TMPDIR/calls" "$@" >/dev/null 2>&1
	awk -v all="$all" -v pattern="$pattern" '
		match($0, /^[a-z0-9_]+\(/) {
			name = substr($0, 1, RLENGTH - 1)
			n[name]++
			if (/O_PATH/)
				all = 1
			if (all && name ~ pattern && name !~ /^(brk|execve|exit_group)$/)
				print name, n[name]
		}' "$BATS_TEST_TMPDIR/calls"
}

# inject NAME N FAULT COMMAND...: injects the fault into the Nth call with that name.
inject() {
	local name=$1 n=$2 fault=$3
	shift 3
	strace -qqq -o /dev/null -e "trace=$name" -e "inject=$name:$fault:when=$n" "$@"
}

# Readers succeed, and the next change on a parent cleans up.
goes_on() {
	local parent err=$BATS_TEST_TMPDIR/err
	mdev-list -d >/dev/null 2>"$err" || return 1
	for parent in new mtty; do
		mdev-define -u "44444444-4444-4444-8444-444444444444" -p "$parent" -t t 2>>"$err" || return 1
	done
	! compgen -G "$D/.mdevctl.*" && ! compgen -G "$D/*/.mdevctl.*" && [[ ! -s $err ]]
}

# survives_kills COMMAND...: killed at any system call, it leaves either the old or the new state.
survives_kills() {
	untraced kill_at_each "$@"
}

kill_at_each() {
	local call all old new now
	state old
	mapfile -t all < <(calls . "$@")
	state new
	((${#all[@]} > 30)) && [[ $old != "$new" ]]
	half_of all
	for call in "${all[@]}"; do
		fresh
		inject "${call% *}" "${call#* }" signal=KILL "$@" >/dev/null 2>&1 || true
		state now
		if [[ $now != "$old" && $now != "$new" ]] || ! goes_on; then
			printf 'killed at %s:\n%s\n' "$call" "$now"
			return 1
		fi
	done
}

# survives_errors ERRNO PATTERN COMMAND...: if a system call whose name matches fails with this error, the
# command either fails with one sentence and changes nothing, or succeeds completely.
survives_errors() {
	untraced fail_at_each "$@"
}

fail_at_each() {
	local errno=$1 calls=$2 call all old new now status message
	shift 2
	state old
	mapfile -t all < <(calls "$calls" "$@")
	state new
	((${#all[@]} > 2)) && [[ $old != "$new" ]]
	half_of all
	for call in "${all[@]}"; do
		fresh
		status=0
		inject "${call% *}" "${call#* }" "error=$errno" "$@" >/dev/null 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
		state now
		read -rd '' message <"$BATS_TEST_TMPDIR/stderr" || true # all of it
		if ! ended_well || ! goes_on; then
			printf '%s at %s: exit status %s, %s\n%s\n' "$errno" "$call" "$status" "$message" "$now"
			return 1
		fi
	done
}

# Success and the new state, or an error, last of all, and the old state.
ended_well() {
	if ((status == 0)); then
		[[ $now == "$new" ]]
	else
		local lines=$'\n'$message
		((status < 10)) && [[ $now == "$old" && ${lines##*$'\n'} == "Error: "* ]] &&
			[[ ${lines%$'\n'Error: *} != *$'\n'Error* ]]
	fi
}

define=(mdev-define -u "$U3" -p new -t t)
modify=(mdev-modify -u "$U1" --addattr a --value b)
undefine=(mdev-undefine -u "$U1" -p mtty)

@test "define killed at any system call defines all or nothing" {
	survives_kills "${define[@]}"
}

@test "modify killed at any system call leaves the old definition or the new one" {
	survives_kills "${modify[@]}"
}

@test "undefine killed at any system call removes all or nothing" {
	survives_kills "${undefine[@]}"
}

writing="^(mkdirat|openat|write|fsync|renameat|renameat2)$"
using="^(mkdirat|openat|read|write|getdents64|newfstatat|flock|fsync|renameat|renameat2|unlinkat)$"

@test "define reports a full disk and defines nothing" {
	survives_errors ENOSPC "$writing" "${define[@]}"
}

@test "define reports an I/O error and defines nothing" {
	survives_errors EIO "$using" "${define[@]}"
}

@test "modify reports a full disk and changes nothing" {
	survives_errors ENOSPC "$writing" "${modify[@]}"
}

@test "modify reports an I/O error and changes nothing" {
	survives_errors EIO "$using" "${modify[@]}"
}

@test "an interrupted modify continues or reports it" {
	survives_errors EINTR "^(read|write|flock|fsync)$" "${modify[@]}"
}

@test "interrupted define and undefine continue or report it" {
	survives_errors EINTR "^(read|write|flock|fsync)$" "${define[@]}"
	fresh
	survives_errors EINTR "^(read|write|flock|fsync)$" "${undefine[@]}"
}

@test "a lack of file descriptors changes nothing" {
	survives_errors EMFILE "^openat$" "${define[@]}"
	fresh
	survives_errors EMFILE "^openat$" "${modify[@]}"
	fresh
	survives_errors EMFILE "^openat$" "${undefine[@]}"
}

@test "undefine reports an I/O error and removes nothing" {
	survives_errors EIO "$using" "${undefine[@]}"
}

@test "a definition that cannot be synced is written with a warning" {
	run -0 --separate-stderr inject fsync 2 error=EIO "${modify[@]}"
	same_stderr "Warning: Unable to sync /etc/mdevctl.d/mtty, so a power failure may revert this change: Input/output error"
	[[ $(<"$D/mtty/$U1") == *'"a": "b"'* ]]
}

@test "a definition that cannot be written is unchanged, and no temporary file is left" {
	local before
	state before
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: No space left on device" \
		inject fsync 1 error=ENOSPC "${modify[@]}"
	state now
	[[ $now == "$before" && -z $(find "$D" -name ".mdevctl.*") ]]
}

@test "a writer fails if it cannot open the lock" {
	strace -o "$BATS_TEST_TMPDIR/calls" -e trace=openat "${modify[@]}"
	fresh
	n=$(grep -n '"etc/mdevctl.d/.lock", O' "$BATS_TEST_TMPDIR/calls" | sed -n '1s/:.*//p')
	fails 1 "Error: Unable to lock /etc/mdevctl.d/.lock: Too many open files" \
		inject openat "$n" error=EMFILE "${modify[@]}"
}

# at PATH ERRNO COMMAND...: the path, relative to the root, cannot be opened.
at() {
	local path=$1 errno=$2
	shift 2
	strace -E "LD_PRELOAD=$BUILD/fakekernel.so" -qq -o /dev/null -P "$path" -e "inject=openat:error=$errno" "$@"
}

@test "a type that cannot be opened is not taken for one that does not exist" {
	local type=sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1
	fails 1 "Error: Failed to create mdev $U2, type mtty-1 on mtty: Too many open files" \
		at $type EMFILE mdev-start -u "$U2" -p mtty -t mtty-1
	fails 1 "Error: Failed to create mdev $U2, type mtty-1 on mtty: Input/output error" \
		at $type EIO mdev-start -u "$U2" -p mtty -t mtty-1
	fails 3 "Error: Parent mtty is not currently registered for mdev support" \
		at $type ENOENT mdev-start -u "$U2" -p mtty -t mtty-1
}

@test "a definition that cannot be read is not taken for a changed one" {
	local failed="Failed to create mdev $U2, type mtty-1 on mtty: Input/output error; and the definition of $U2"
	FAKEKERNEL_FAIL=create=EIO \
		fails 1 "Error: $failed could not be removed again: Unable to read /etc/mdevctl.d/mtty/$U2: Input/output error" \
		at "etc/mdevctl.d/mtty/$U2" EIO mdev-define --start -u "$U2" -p mtty -t mtty-1
}

@test "forty concurrent writers of a definition lose no change, and readers never see partial changes" {
	local i writers=()
	(
		while [[ ! -e $BATS_TEST_TMPDIR/done ]]; do
			mdevctl list -d --dumpjson -u "$U1" >"$BATS_TEST_TMPDIR/list" &&
				jq -e .mdev_type "$BATS_TEST_TMPDIR/list" >/dev/null || exit 1
		done
	) 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	reader=$!
	for i in {1..40}; do
		mdevctl modify -u "$U1" --addattr "attr$i" --value "$i" 3>&- &
		writers+=($!)
	done
	for i in "${writers[@]}"; do
		wait "$i"
	done
	touch "$BATS_TEST_TMPDIR/done"
	wait "$reader"
	[[ ! -s $BATS_TEST_TMPDIR/err ]]
	run -0 jq -c '[.attrs[] | to_entries[] | select(.key != "color") | .key == "attr" + .value] |
		[length, all]' "$D/mtty/$U1"
	same "[40,true]"
	[[ $(jq -r '.attrs[] | keys[]' "$D/mtty/$U1" | sort -u | wc -l) == 41 ]]
}

@test "of forty processes that define the same device, one succeeds" {
	local i writers=() done=0
	for i in {1..40}; do
		mdevctl define -u "$U3" -p mtty -t "type$i" 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		writers+=($!)
	done
	for i in "${writers[@]}"; do
		wait "$i" && done=$((done + 1))
	done
	[[ $done == 1 ]]
	run -0 sort -u "$BATS_TEST_TMPDIR/err"
	same "Error: Device $U3 on mtty already defined"
}

@test "define and undefine that race for the directory of a parent both succeed" {
	local i pids
	for i in {1..10}; do
		mdevctl define -u "$U3" -p raced -t t
		mdevctl undefine -u "$U3" 3>&- &
		pids=($!)
		mdevctl define -u "$U1" -p raced -t t 3>&- &
		pids+=($!)
		wait "${pids[0]}"
		wait "${pids[1]}"
		[[ -e $D/raced/$U1 && ! -e $D/raced/$U3 ]]
		mdevctl undefine -u "$U1" -p raced
		[[ ! -e $D/raced ]]
	done
}

@test "define works on file systems without RENAME_NOREPLACE, such as NFS" {
	run -0 inject renameat2 1 error=EINVAL mdev-define -u "$U2" -p mtty -t mtty-2
	same ""
	run -0 mdev-list -d -u "$U2" -p mtty
	same "$U2 mtty mtty-2 manual"
	run -0 find "$D" -name '.mdevctl.*'
	same ""
	# The race that the exclusive rename prevents: the file is created after the check.
	add_script callouts rival <<-EOF
		#!/bin/sh
		[ "\$4 \$6" = "pre define" ] || exit 2
		echo theirs >"$D/mtty/$U3"
	EOF
	run -4 inject renameat2 1 error=EINVAL mdev-define -u "$U3" -p mtty -t mtty-2
	same "Error: Device $U3 on mtty already defined"
	run -0 cat "$D/mtty/$U3"
	same theirs
}

# in_mounts SCRIPT: runs it as root in its own mount namespace.
in_mounts() {
	unshare "$NAMESPACE" bash -euc "$1"
}

@test "on a full disk nothing is lost, and commands succeed again after space is freed" {
	need_mounts
	export D
	run -0 in_mounts '
		mount -t tmpfs -o size=64k tmpfs "$D"
		mdev-define -u "$U1" -p mtty -t old
		cat /dev/zero >"$D/ballast" 2>/dev/null || true
		for command in "mdev-modify -u $U1 --auto" "mdev-define -u $U2 -p mtty -t t"; do
			status=0
			$command 2>&1 || status=$?
			echo "exit status $status"
		done
		mdev-list -d
		rm "$D/ballast"
		mdev-modify -u "$U1" --auto
		mdev-list -d
		find "$D" -name ".mdevctl.*"'
	same "Error: Unable to write /etc/mdevctl.d/mtty/$U1: No space left on device
exit status 1
Error: Unable to write /etc/mdevctl.d/mtty/$U2: No space left on device
exit status 1
$U1 mtty old manual
$U1 mtty old auto"
}

@test "on a read-only disk, readers work and writers report the reason" {
	need_mounts
	export D
	run -0 in_mounts '
		mount --bind "$D" "$D"
		mount -o remount,bind,ro "$D"
		mdev-list -d -p mtty
		for command in "mdev-modify -u $U1 --auto" "mdev-define -u $U3 -p mtty -t t" \
			"mdev-undefine -u $U1"; do
			status=0
			$command 2>&1 || status=$?
			echo "exit status $status"
		done'
	same "$U1 mtty mtty-1 manual
Error: Unable to write /etc/mdevctl.d/mtty/$U1: Read-only file system
exit status 1
Error: Unable to write /etc/mdevctl.d/mtty/$U3: Read-only file system
exit status 1
Warning: Undefine of $U1 on parent mtty failed with error: Failed to remove file \
/etc/mdevctl.d/mtty/$U1: Read-only file system
Error: Undefine failed
exit status 1"
}

@test "ordinary users can read definitions, but cannot change them" {
	((EUID == 0)) || skip "needs root to become nobody"
	local before nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	"${nobody[@]}" "$BUILD/mdev-list" -V || skip "nobody cannot run $BUILD/mdev-list"
	state before
	run -0 "${nobody[@]}" mdev-list -d -p mtty
	same "$U1 mtty mtty-1 manual"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Permission denied (must be root)" \
		"${nobody[@]}" mdev-modify -u "$U1" --auto
	fails 1 "Error: Unable to write /etc/mdevctl.d/new/$U3: Permission denied (must be root)" \
		"${nobody[@]}" "${define[@]}"
	run -1 "${nobody[@]}" "${undefine[@]}"
	same "Warning: Undefine of $U1 on parent mtty failed with error: Failed to remove file \
/etc/mdevctl.d/mtty/$U1: Permission denied (must be root)
Error: Undefine failed"
	state now
	[[ $now == "$before" ]]
}

@test "an unreadable directory of a parent is reported, and nothing is taken for a complete list" {
	chmod 000 "$D/mtty"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied" weak mdev-list -d
	chmod 755 "$D/mtty"
}

@test "a program without free file descriptors reports it and changes nothing" {
	local n told=0 before
	state before
	for n in {4..12}; do # bats has some open, and the loader needs one
		run --separate-stderr bash -c "ulimit -n $n; ${modify[*]} || exit \$((\$? % 126))"
		((status > 0)) || break
		state now
		[[ $now == "$before" && $stderr == *@("Too many open files"|"Error 24")* ]]
		[[ $stderr != *"Too many"* ]] || told=$((told + 1))
	done
	((status == 0 && told > 1))
}

@test "short reads and writes change nothing" {
	local want
	"${modify[@]}"
	state want
	fresh
	LD_PRELOAD=$BUILD/fakekernel.so FAKEKERNEL_SHORT=1 "${modify[@]}"
	state now
	[[ $now == "$want" ]]
	LD_PRELOAD=$BUILD/fakekernel.so FAKEKERNEL_SHORT=1 run -0 mdev-list -d -v -u "$U1"
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"color\":\"red\"}
    @{1}: {\"a\":\"b\"}"
}

# --- Devices ------------------------------------------------------------------------------------------

# An AP device with two attributes, on the fake kernel.
ap() {
	definition matrix "$U1" vfio_ap-passthrough manual '[{"assign_adapter":"5"},{"assign_domain":"6"}]'
	export LD_PRELOAD=$BUILD/fakekernel.so
}

@test "a type that temporarily does not exist is waited for" {
	local calls=$BATS_TEST_TMPDIR/calls start=(mdev-start -u "$U1" -p matrix)
	ap
	mkdir "$MARKS" # the first start would create it, with more calls than the next
	strace -E LD_PRELOAD="$LD_PRELOAD" -o "$calls" -e trace=openat "${start[@]}"
	mdev-stop -u "$U1"
	n=$(grep -n 'types/vfio_ap-passthrough", O_[^"]*O_PATH' "$calls" | sed -n '1s/:.*//p')
	fails 3 "Error: Parent matrix is not currently registered for mdev support" \
		strace -E LD_PRELOAD="$LD_PRELOAD" -o /dev/null -e trace=openat \
		-e inject=openat:error=ENOENT:when="$n" "${start[@]}"
	[[ ! -e $DEVICES/$U1 ]]
	strace -E LD_PRELOAD="$LD_PRELOAD" -o /dev/null -e trace=openat \
		-e inject=openat:error=ENOENT:when="$n" "${start[@]}" --wait=60
	[[ -e $DEVICES/$U1 ]]
}

@test "start that is killed before the device is created leaves no device" {
	ap
	FAKEKERNEL_FAIL=create=KILL run -137 mdev-start -u "$U1" -p matrix
	run -0 mdevctl list
	same ""
	mdevctl start -u "$U1" -p matrix
}

@test "a device that is removed while its attributes are written is reported, and nothing is left" {
	ap
	FAKEKERNEL_FAIL=assign_domain=VANISH fails 3 \
		"Error: Device $U1 was removed while it was being started" \
		mdevctl start -u "$U1" -p matrix
	[[ -z $(ls "$DEVICES") ]]
	same_file "$SYS/class/mdev_bus/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances" \
		"65536
"
}

@test "a start whose device was removed does not remove a new device with the same UUID" {
	ap
	FAKEKERNEL_FAIL=assign_domain=REPLACE fails 3 \
		"Error: Device $U1 was removed while it was being started" mdevctl start -u "$U1" -p matrix
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual (defined)"
}

@test "start --wait retries if the device is removed while its attributes are written" {
	ap
	FAKEKERNEL_FAIL=assign_domain=VANISH_ONCE run -0 mdevctl start --wait=60 -u "$U1" -p matrix
	same_file "$DEVICES/$U1/assign_domain" 6
}

@test "a device that disappears before it is removed is reported" {
	ap
	running matrix "$U1" vfio_ap-passthrough
	FAKEKERNEL_FAIL=remove=VANISH fails 3 "Error: Device $U1 is not an active mdev" \
		mdevctl stop -u "$U1"
}

@test "devices that come and go during list are listed completely or not at all" {
	local i changer
	export LD_PRELOAD=$BUILD/fakekernel.so
	mdev-start -u "$U3" -p mtty -t mtty-2
	for i in {1..30}; do
		mdev-start -u "$U2" -p mtty -t mtty-1 || exit 1
		mdev-stop -u "$U2" || exit 1
	done 3>&- &
	changer=$!
	while kill -0 $changer 2>/dev/null; do
		run -0 mdev-list
		[[ $output == "$U3 mtty mtty-2 manual" ||
			$output == "$U2 mtty mtty-1 manual"$'\n'"$U3 mtty mtty-2 manual" ]]
	done
	wait $changer
}

@test "when starts race for instances, as many succeed as are available, and the others report it" {
	local i pids=() started=0 type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-2
	export LD_PRELOAD=$BUILD/fakekernel.so
	echo 3 >"$type/available_instances"
	for i in {1..8}; do
		FAKEKERNEL_DELAY=50 mdev-start -u "0000000$i-0000-4000-8000-000000000000" -p mtty -t mtty-2 \
			2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && started=$((started + 1))
	done
	[[ $started == 3 && $(<"$type/available_instances") == 0 ]]
	[[ $(find "$DEVICES" -type l | wc -l) == 3 ]]
	run -0 sed "s/; running devices: .*//" "$BATS_TEST_TMPDIR/err" # the list depends on the race
	[[ $(sort -u <<<"$output") == "Error: No available instances of mtty-2 on mtty" ]]
	((${#lines[@]} == 5))
}

@test "of ten starts of one device one succeeds, and the device gets its attributes" {
	local i pids=() started=0
	ap
	for i in {1..10}; do
		FAKEKERNEL_DELAY=20 mdev-start -u "$U1" -p matrix 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && started=$((started + 1))
	done
	[[ $started == 1 ]]
	run -0 sort -u "$BATS_TEST_TMPDIR/err"
	same "Error: Device already exists"
	same_file "$DEVICES/$U1/assign_adapter" 5
	same_file "$DEVICES/$U1/assign_domain" 6
}
