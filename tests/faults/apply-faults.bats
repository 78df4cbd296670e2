# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# mdevctl apply that is killed, fails or runs concurrently with others: each definition is complete, and the
# next run has the same result as an undisturbed one. With FAULTS=long (tests/tools/apply-long), programs are
# killed at every system call, rather than only at every second one of those that change something after the lock is
# taken, and races are run for hundreds of rounds.
# shellcheck disable=SC2030,SC2031,SC2034 # a subshell a test; names are for random.bash
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/random.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	F=$BATS_TEST_TMPDIR/host.json
	cat >"$BATS_TEST_TMPDIR/before.json" <<-'END'
		{ "a": { "mdev_type": "mtty-1", "start": "auto", "parents": ["mtty"], "count": 2 },
		  "b": { "mdev_type": "vfio_ap-passthrough", "start": "manual", "parents": ["matrix"],
		         "attrs": [ { "assign_adapter": "1" } ] } }
	END
	# Stops and undefines a/1, modifies and starts b/0, defines and starts c/0.
	cat >"$F" <<-'END'
		{ "a": { "mdev_type": "mtty-1", "start": "auto", "parents": ["mtty"], "count": 1 },
		  "b": { "mdev_type": "vfio_ap-passthrough", "start": "auto", "parents": ["matrix"],
		         "attrs": [ { "assign_adapter": "2" }, { "assign_domain": "3" } ] },
		  "c": { "mdev_type": "mtty-2", "start": "auto", "parents": ["mtty"] } }
	END
	unset LD_PRELOAD
	export MDEVCTL_LOCK_TIMEOUT=600
	fake=(env LD_PRELOAD="$BUILD/fakekernel.so")
	fresh
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/saved"
}

# Creates the state of the host before each fault.
fresh() {
	if [[ -e $BATS_TEST_TMPDIR/saved ]]; then
		rm -rf "$ROOT"
		cp -a "$BATS_TEST_TMPDIR/saved" "$ROOT"
	else
		"${fake[@]}" mdevctl apply "$BATS_TEST_TMPDIR/before.json" >/dev/null
	fi
}

# Prints definitions with their contents, and running devices with their attributes.
state() {
	local file text
	for file in "$D"/*/* "$DEVICES"/*/assign_*; do
		[[ -f $file ]] || continue
		IFS= read -rd '' text <"$file" || true # all of it
		printf '%s\n%s\n' "${file#"$ROOT"}" "$text"
	done
	mdev-list
}

# Each definition is either the old or the new one.
whole() {
	local file
	for file in "$D"/*/*; do
		[[ ! -f $file ]] || cmp -s "$file" "${file/"$ROOT"/$BATS_TEST_TMPDIR/saved}" ||
			cmp -s "$file" "${file/"$ROOT"/$BATS_TEST_TMPDIR/after}" || {
			echo "$file:"
			cat "$file"
			return 1
		}
	done
}

# Prints "NAME N" for each system call of apply: the Nth call with that name. Calls of the fake kernel while
# a file in sysfs is open for writing are excluded: the kernel would not be killed.
calls() {
	local pattern='^(openat|openat2|mkdirat|write|fsync|flock|renameat|renameat2|unlinkat|rmdir)$'
	[[ -z ${FAULTS:-} ]] || pattern=.
	strace -o "$BATS_TEST_TMPDIR/calls" -E LD_PRELOAD="$BUILD/fakekernel.so" mdev-apply "$F" >/dev/null
	awk -v all="${FAULTS:-}" -v pattern="$pattern" '
		match($0, /^[a-z0-9_]+\(/) {
			name = substr($0, 1, RLENGTH - 1)
			n[name]++
			if (/apply\.lock/)
				all = 1
			if (/openat2\(|"create", O_WRONLY/) {
				inside = $NF
			} else if (inside != "" && $0 ~ "^close\\(" inside "\\)") {
				inside = ""
			} else if (inside != "") {
				next
			}
			if (all && name ~ pattern && name !~ /^(execve|exit_group)$/)
				print name, n[name]
		}' "$BATS_TEST_TMPDIR/calls"
}

# recovers CAUSE: afterwards, each definition is complete, and another run has the expected result.
recovers() {
	local status=0 now
	whole || status=1
	"${fake[@]}" mdev-apply "$F" >/dev/null 2>"$BATS_TEST_TMPDIR/err" || status=$?
	now=$(state)
	if ((status)) || [[ $now != "$wanted" ]]; then
		printf '%s, exit status %s:\n%s\n' "$1" "$status" "$now"
		cat "$BATS_TEST_TMPDIR/err"
		return 1
	fi
}

@test "apply that is killed at any system call leaves complete definitions, and the next run continues" {
	untraced kill_at_each
}

kill_at_each() {
	local call name n rule all wanted
	use_seed
	mapfile -t all < <(calls)
	wanted=$(state)
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/after"
	((${#all[@]} > 80))
	half_of all
	for call in "${all[@]}"; do
		name=${call% *} n=${call#* }
		fresh
		{ strace -qqq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n" \
			-E LD_PRELOAD="$BUILD/fakekernel.so" mdev-apply "$F" || true; } >/dev/null 2>&1
		recovers "killed at $name $n"
	done
	# Before the kernel has created or removed a device, and before it has an attribute.
	for rule in create remove assign_adapter assign_domain; do
		fresh
		FAKEKERNEL_FAIL=$rule=KILL run -137 "${fake[@]}" mdev-apply "$F"
		recovers "killed at $rule"
	done
}

# rounds SHORT: prints how often a race is run.
rounds() {
	[[ -z ${FAULTS:-} ]] && echo "$1" || echo 300
}

# ended PID NAME STATUS...: it exited with one of these.
ended() {
	local pid=$1 name=$2 status=0
	shift 2
	wait "$pid" || status=$?
	[[ " $* " == *" $status "* ]] || { echo "$name: exit status $status"; cat "$BATS_TEST_TMPDIR/err"; return 1; }
}

# No device is defined or running twice, all definitions are valid, and no temporary file is left.
sound() {
	run -0 bash -c 'mdev-list -d | cut -d " " -f 1 | sort | uniq -d'
	[[ -z $output ]]
	run -0 --separate-stderr mdev-list -d --dumpjson
	[[ -z $stderr && -z $(find "$D" -name '.mdevctl.tmp*') ]]
}

@test "of two concurrent runs, each makes its changes, and the host matches the description" {
	local round
	export LD_PRELOAD=$BUILD/fakekernel.so
	for round in $(seq "$(rounds 10)"); do
		fresh
		: >"$BATS_TEST_TMPDIR/err"
		mdev-apply "$F" >/dev/null 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		one=$!
		mdev-apply "$F" >/dev/null 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		ended $one apply 0
		ended $! apply 0
		run -0 mdev-apply --dry-run "$F"
		[[ -z $output ]]
		sound
	done
}

@test "apply and concurrent commands on the same devices lose nothing, and the next run succeeds" {
	local round a1 b0
	a1=$(find "$D/mtty" -type f -printf "%f\n" | LC_ALL=C sort | head -n 1)
	b0=$(find "$D/matrix" -type f -printf "%f\n")
	export LD_PRELOAD=$BUILD/fakekernel.so
	for round in $(seq "$(rounds 10)"); do
		fresh
		: >"$BATS_TEST_TMPDIR/err"
		mdev-apply "$F" >/dev/null 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		pids=($!)
		{ mdev-modify -u "$b0" --addattr assign_domain --value "$round" 3>&- & } 2>/dev/null
		pids+=($!)
		mdev-undefine -u "$a1" 2>/dev/null 3>&- &
		pids+=($!)
		mdev-define -u "$a1" -p mtty -t mtty-1 --auto 2>/dev/null 3>&- &
		pids+=($!)
		mdev-start -u "$b0" -p matrix 2>/dev/null 3>&- &
		pids+=($!)
		mdev-stop -u "$a1" 2>/dev/null 3>&- &
		pids+=($!)
		ended "${pids[0]}" apply 0
		ended "${pids[1]}" modify 0
		ended "${pids[2]}" undefine 0 3
		ended "${pids[3]}" define 0 4
		ended "${pids[4]}" start 0 4
		ended "${pids[5]}" stop 0 3
		sound
		mdev-apply "$F" >/dev/null 2>"$BATS_TEST_TMPDIR/err" || { cat "$BATS_TEST_TMPDIR/err"; return 1; }
		run -0 mdev-apply --dry-run "$F"
		[[ -z $output ]]
		sound
	done
}

@test "apply ends whatever drivers, scripts and other programs do, and the run after the next changes nothing" {
	local seed=${SEED:-$((SRANDOM % 1000000000))} rounds n
	export LD_PRELOAD=$BUILD/fakekernel.so
	MISHAPS=$BATS_TEST_TMPDIR/mishaps OUT=$BATS_TEST_TMPDIR/out
	for n in $(seq 0 $(($(rounds 15) - 1))); do
		echo "SEED=$((seed + n)) repeats this host, and those after it"
		random_apply $((seed + n))
	done
}
