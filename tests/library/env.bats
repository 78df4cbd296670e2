# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
# The environment of the programs: missing directories, environment variables, the lock.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	unset MDEVCTL_LOG_STYLE
}

teardown() {
	chmod -R u+rwX "$ROOT"
}

@test "an empty root directory has no devices, definitions, types or scripts" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	export MDEVCTL_ENV_ROOT=$BATS_TEST_TMPDIR/empty
	local words
	for words in "list" "list -d" "list -v" "types" "start-parent-mdevs mtty"; do
		# shellcheck disable=SC2086 # words are words
		run -0 --separate-stderr mdevctl $words
		same ""
		same_stderr ""
	done
	run -0 --separate-stderr mdevctl list -d --dumpjson
	same "[]"
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1"
	fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U1"
	fails 3 "Error: Mediated device $U1 is not defined" mdevctl modify -u "$U1" -a
	fails 3 "Error: Unable to find parent device 'mtty'. No loaded driver supports mediated devices. There is no IOMMU either; it may be disabled in the firmware or on the kernel command line" \
		mdevctl start -p mtty -t mtty-1
	run -0 find "$MDEVCTL_ENV_ROOT"
	same "$MDEVCTL_ENV_ROOT"
}

@test "define creates /etc/mdevctl.d if it does not exist" {
	rm -r "${ROOT:?}/etc/mdevctl.d" "${ROOT:?}/usr"
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	run -0 stat -c %a "$D"
	same 755
}

@test "define does not create /etc" {
	rm -r "${ROOT:?}/etc"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: No such file or directory" \
		mdevctl define -u "$U1" -p mtty -t mtty-1
}

@test "help and version do not require a root directory" {
	export MDEVCTL_ENV_ROOT=/nowhere
	local words
	for words in "--help" "--version" "version" "list --help" "list --version" "define --help" \
		"undefine --help" "modify --help" "start --help" "stop --help" "types --help" \
		"start-parent-mdevs --help"; do
		# shellcheck disable=SC2086 # words are words
		run -0 --separate-stderr mdevctl $words
		[[ -n $output ]]
		same_stderr ""
	done
}

@test "a root directory that does not exist is an error" {
	local program
	for program in "list" "types" "define -p p -t t" "undefine -u $U1" "modify -u $U1 -a" \
		"start -u $U1" "stop -u $U1" "start-parent-mdevs p"; do
		# shellcheck disable=SC2086 # words are words
		MDEVCTL_ENV_ROOT=/nowhere fails 1 \
			"Error: Unable to open MDEVCTL_ENV_ROOT '/nowhere': No such file or directory" \
			mdevctl $program
	done
	: >"$BATS_TEST_TMPDIR/file"
	MDEVCTL_ENV_ROOT=$BATS_TEST_TMPDIR/file fails 1 \
		"Error: Unable to open MDEVCTL_ENV_ROOT '$BATS_TEST_TMPDIR/file': Not a directory" \
		mdevctl list
}

@test "the root directory may be a relative path" {
	definition mtty "$U1" mtty-1
	cd "$BATS_TEST_TMPDIR"
	MDEVCTL_ENV_ROOT=root run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
}

@test "an unreadable definition is reported, and list continues; without a directory, it fails" {
	definition mtty "$U1" mtty-1
	definition matrix "$U2" vfio_ap-passthrough
	chmod 000 "$D/mtty/$U1"
	run -0 --separate-stderr weak mdevctl list -d
	same "$U2 matrix vfio_ap-passthrough manual"
	same_stderr "Warning: Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied"
	chmod 000 "$D/mtty"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied" weak mdevctl list -d
	chmod 755 "$D/mtty"
	chmod 000 "$D"
	fails 1 "Error: Unable to read /etc/mdevctl.d: Permission denied" weak mdevctl list -d
}

@test "an unreadable definition is an error if it was specified" {
	definition mtty "$U1" mtty-1
	chmod 000 "$D/mtty/$U1"
	local text="Error: Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied"
	fails 1 "$text" weak mdevctl list -d -u "$U1"
	fails 1 "$text" weak mdevctl start -u "$U1"
	fails 1 "$text" weak mdevctl modify -u "$U1" -a
}

@test "a running device with an unreadable definition is listed, and the definition is reported" {
	definition mtty "$U1" mtty-1 auto
	mdevctl start -u "$U1"
	chmod 000 "$D/mtty/$U1"
	run -0 --separate-stderr weak mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
	same_stderr "Warning: Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied"
}

# --- messages on stderr -----------------------------------------------------------------------------

@test "MDEVCTL_LOG=debug logs what is written to which file" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "assign_adapter": "5"
    }
  ]'
	MDEVCTL_LOG=debug run -0 --separate-stderr mdevctl start -u "$U1"
	same ""
	same_stderr "Debug: Writing $U1 to create of vfio_ap-passthrough on matrix
Debug: Writing '5' to attribute assign_adapter"
}

@test "MDEVCTL_LOG accepts the filters of mdevctl" {
	mkdir -p "$D/mtty"
	: >"$D/mtty/odd"
	local warning="Warning: Can't determine uuid for file 'odd' in /etc/mdevctl.d/mtty" filter
	for filter in warn info debug trace mdevctl=warn mdevctl::mdev=debug error,mdevctl=info nonsense "" \
		WARN off,mdevctl=Debug info,mdevctl=error; do
		MDEVCTL_LOG=$filter run -0 --separate-stderr mdevctl list -d
		same_stderr "$warning"
	done
	for filter in off error mdevctl=error OFF Error,mdevctl=off; do
		MDEVCTL_LOG=$filter run -0 --separate-stderr mdevctl list -d
		same_stderr ""
	done
}

@test "the final error is always printed" {
	MDEVCTL_LOG=off fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U1"
}

@test "no colours are used in a pipe" {
	mkdir -p "$D/mtty"
	: >"$D/mtty/odd"
	TERM=xterm run -3 --separate-stderr mdevctl undefine -u "$U1"
	same_stderr "Error: No devices match the specified uuid"
	TERM=xterm run -0 --separate-stderr mdevctl list -d
	same_stderr "Warning: Can't determine uuid for file 'odd' in /etc/mdevctl.d/mtty"
}

# on_terminal COMMAND: prints its output on a terminal, as one line of visible text.
on_terminal() {
	run script -qec "$1" /dev/null
	output=${output//$'\r'/}
	output=${output//$'\033'/^}
}

@test "colours are used on a terminal, but not with NO_COLOR or on a dumb terminal" {
	local plain="Error: No devices match the specified uuid"
	local coloured="^[1;31mError:^[0m No devices match the specified uuid"
	export TERM=xterm
	on_terminal "mdevctl undefine -u $U1"
	same "$coloured"
	NO_COLOR=1 on_terminal "mdevctl undefine -u $U1"
	same "$plain"
	NO_COLOR='' on_terminal "mdevctl undefine -u $U1"
	same "$coloured"
	TERM=dumb on_terminal "mdevctl undefine -u $U1"
	same "$plain"
	MDEVCTL_LOG_STYLE=never on_terminal "mdevctl undefine -u $U1"
	same "$plain"
}

@test "MDEVCTL_LOG_STYLE=always uses colours in a pipe, but not with NO_COLOR" {
	MDEVCTL_LOG_STYLE=always fails 3 $'\033[1;31mError:\033[0m No devices match the specified uuid' \
		mdevctl undefine -u "$U1"
	NO_COLOR=1 MDEVCTL_LOG_STYLE=always fails 3 "Error: No devices match the specified uuid" \
		mdevctl undefine -u "$U1"
}

@test "a closed stderr changes neither the exit status nor any file" {
	definition mtty "$U1" mtty-1
	run -4 bash -c "mdevctl define -u $U1 -p mtty -t mtty-2 2>&-"
	run -0 bash -c "mdevctl define -u $U2 -p mtty -t mtty-2 <&- >&- 2>&-"
	same_file "$D/mtty/$U2" '{
  "mdev_type": "mtty-2",
  "start": "manual",
  "attrs": []
}'
}

@test "an invalid time limit is ignored with a warning" {
	local name value
	for name in MDEVCTL_CALLOUT_TIMEOUT MDEVCTL_NOTIFIER_TIMEOUT MDEVCTL_LOCK_TIMEOUT; do
		for value in "" x 0 -1 1x 86401 99999999999999999999; do
			export "$name=$value"
			run -0 --separate-stderr mdevctl list
			same_stderr "Warning: Ignoring $name=$value: not a number of seconds from 1 to 86400"
			unset "$name"
		done
		export "$name=86400"
		run -0 --separate-stderr mdevctl list
		same_stderr ""
		unset "$name"
	done
}

@test "writers time out if another process holds the lock" {
	definition mtty "$U1" mtty-1
	export MDEVCTL_LOCK_TIMEOUT=1
	local text="Another process has held the lock on /etc/mdevctl.d/.lock for more than 1 s; use 'fuser -v /etc/mdevctl.d/.lock' to find it"
	exec {lock}>"$D/.lock"
	flock "$lock"
	fails 9 "Error: $text" mdevctl modify -u "$U1" -a
	fails 9 "Error: $text" mdevctl define -u "$U2" -p mtty -t mtty-1
	fails 9 "Warning: Undefine of $U1 on parent mtty failed with error: $text
Error: Undefine failed" mdevctl undefine -u "$U1"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	exec {lock}<&-
}

@test "readers, start and stop do not take the lock" {
	definition mtty "$U1" mtty-1
	export MDEVCTL_LOCK_TIMEOUT=1
	exec {lock}>"$D/.lock"
	flock "$lock"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	run -0 mdevctl start -u "$U1"
	run -0 mdevctl stop -u "$U1"
	exec {lock}<&-
}

@test "a writer gets the lock as soon as it is released" {
	definition mtty "$U1" mtty-1
	exec {lock}>"$D/.lock"
	flock "$lock"
	mdevctl modify -u "$U1" -a {lock}<&- 3>&- &
	wait_for sleeps $! mdev-modify
	exec {lock}<&-
	wait $!
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto"
}

# A writer waits for a lock file, which COMMAND takes away, so that another writer can make and lock a new one.
lock_is_taken_anew() { # COMMAND...
	local old new status=0
	definition mtty "$U1" mtty-1
	exec {old}>"$D/.lock"
	flock "$old"
	MDEVCTL_LOCK_TIMEOUT=3 mdevctl modify -u "$U1" -a {old}<&- 3>&- 2>"$BATS_TEST_TMPDIR/err" &
	wait_for sleeps $! mdev-modify
	"$@"
	exec {new}>"$D/.lock"
	flock "$new"
	exec {old}<&-
	wait $! || status=$?
	((status == 9))
	same_file "$BATS_TEST_TMPDIR/err" "Error: Another process has held the lock on /etc/mdevctl.d/.lock for more than 3 s; use 'fuser -v /etc/mdevctl.d/.lock' to find it
"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	exec {new}<&-
}

@test "a lock file that is removed while a writer waits for it is taken anew" {
	lock_is_taken_anew rm "$D/.lock"
}

@test "a lock file that is moved away while a writer waits for it is taken anew" {
	lock_is_taken_anew mv "$D/.lock" "$D/.lock.old"
}

@test "a script may call mdevctl after the change" {
	# It does nothing when it is called for its own modify.
	add_script notifiers list <<EOF
#!/bin/sh
[ "\$6" = modify ] && exit 0
mdevctl modify -u $U1 -m && mdevctl list -d >'$BATS_TEST_TMPDIR/seen'
EOF
	MDEVCTL_LOCK_TIMEOUT=2 run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1 --auto
	same_stderr ""
	same_file "$BATS_TEST_TMPDIR/seen" "$U1 mtty mtty-1 manual
"
}
