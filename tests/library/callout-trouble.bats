# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2154 # bodies are for the scripts to expand; run sets stderr
# Misbehaving scripts, and signals while scripts are running.
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
	export MDEVCTL_CALLOUT_TIMEOUT=60 MDEVCTL_NOTIFIER_TIMEOUT=61 FAKEKERNEL_LATE=$ROOT/late
}

teardown() {
	local pid
	[[ ! -e $ROOT/pids ]] || while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || true
	done <"$ROOT/pids"
}

# Body of a script that hangs after it has reported that it is running; exec, so that no child is left.
FOREVER=': >"$ROOT/ready"; exec sleep 1000'
# An hour passes, and the program is woken up by output, so that it ends the script that hangs.
HOUR='echo >>"$ROOT/late"; echo'
TOO_LONG="$HOUR; exec sleep 1000"

# Scripts that cannot be run

@test "a script whose interpreter does not exist is skipped with a warning each time" {
	printf '#!/missing/interpreter\n' >"$CALLOUTS/a"
	printf '#!/missing/interpreter\n' >"$NOTIFIERS/n"
	chmod 755 "$CALLOUTS/a" "$NOTIFIERS/n"
	script "$CALLOUTS" b
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Unable to run callout script \"$CALLOUTS/a\": its interpreter does not exist
Warning: Unable to run callout script \"$CALLOUTS/a\": its interpreter does not exist
Warning: Unable to run notifier script \"$NOTIFIERS/n\": its interpreter does not exist"
	called "b get capabilities
b pre define
b post define success"
}

@test "an executable file that is neither a program nor a script is skipped with a warning" {
	echo 'exit 1' >"$CALLOUTS/a"
	chmod 755 "$CALLOUTS/a"
	script "$CALLOUTS" b
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Unable to run callout script \"$CALLOUTS/a\": Exec format error
Warning: Unable to run callout script \"$CALLOUTS/a\": Exec format error"
	called "b get capabilities
b pre define
b post define success"
}

@test "a script that cannot be run for lack of resources is not skipped" {
	script "$CALLOUTS" a
	exec 8>>"$CALLOUTS/a" # a program that is open for writing cannot be executed
	run -1 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Error: Unable to run callout script \"$CALLOUTS/a\": Text file busy"
	[[ ! -e $D/mtty ]]
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1 --force
	exec 8>&-
}

@test "a versioned script that can no longer be run is a refusal" {
	versioned a '"define"' '"pre"'
	sed -i '/echo .{"supports/a sed -i 1s,bash,missing, "$0"' "$CALLOUTS/a"
	script "$CALLOUTS" b
	run -7 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Unable to run callout script \"$CALLOUTS/a\": its interpreter does not exist
Error: No reply from callout script \"$CALLOUTS/a\""
	called "a get capabilities"
}

# Scripts that are terminated by a signal

@test "if a script is terminated by a signal, a warning is printed and the next one is called" {
	script "$CALLOUTS" a '[[ $event == get ]] || kill -SEGV $$'
	script "$CALLOUTS" b
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Segmentation fault)"
	called "a get capabilities
b get capabilities
a pre define
b pre define
b post define success"
}

@test "a script that is terminated by a signal in capabilities is not versioned" {
	versioned a '"define"' '"pre"'
	sed -i '/echo .{"supports/a kill -KILL $$' "$CALLOUTS/a"
	script "$CALLOUTS" b '[[ $event == get ]] || exit 1'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Killed)"
	called "a get capabilities
b get capabilities
a pre define
a post define success"
}

@test "a versioned script that is terminated by a signal is a refusal" {
	versioned a '"define"' '"pre"' 'kill -KILL $$'
	script "$CALLOUTS" b
	run -7 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Killed)
Error: No reply from callout script \"$CALLOUTS/a\""
	[[ ! -e $D/mtty ]]
}

@test "a script or notifier that is terminated by a signal after the change causes a warning" {
	script "$CALLOUTS" a '[[ $event != post ]] || kill -KILL $$'
	script "$NOTIFIERS" n 'kill -TERM $$'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Killed)
Warning: notifier script \"$NOTIFIERS/n\" was terminated by a signal (Terminated)"
	[[ -e $D/mtty/$U1 ]]
}

@test "an attribute reply of a script that was terminated by a signal is ignored" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $action != attributes ]] || { echo "[{\"a\":\"1\"}]"; kill -KILL $$; }'
	run -0 mdevctl list -v
	same "Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Killed)
$U1 mtty mtty-1 manual"
}

# Scripts that hang

@test "a script that hangs in pre is terminated, which is a refusal" {
	script "$CALLOUTS" a "[[ \$event != pre ]] || { echo busy >&2; $TOO_LONG; }"
	script "$CALLOUTS" b
	script "$NOTIFIERS" n
	run -9 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "a: busy
Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	[[ ! -e $D/mtty ]]
	called "a get capabilities
b get capabilities
a pre define
n notify define"
}

@test "a script that hangs in pre can be overridden with --force" {
	script "$CALLOUTS" a "[[ \$event != pre ]] || { $TOO_LONG; }"
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1 --force
	same "Warning: Forcing operation 'define' despite callout failure. Error was: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	called "a get capabilities
a pre define
a post define success"
}

@test "a script that accepts only after its time limit has refused" {
	script "$CALLOUTS" a '[[ $event != pre ]] || {
		exec 2>/dev/null # bash reports how sleep ended
		trap "exit 0" TERM
		'"$HOUR"'
		while :; do sleep 0.05; done
	}'
	run -9 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
}

@test "a script that ignores SIGTERM is killed with its children" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { trap "" TERM; sleep 1000 & echo $! >"$ROOT/pids"; '"$HOUR"'; wait; }'
	run -9 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	wait_for is_gone "$(<"$ROOT/pids")"
}

# A zombie is acceptable: the process that inherits it may reap it later.
is_gone() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:.*\(Z\|X\)' "/proc/$1/status"
}

@test "a script that hangs in post or notify causes a warning, and the change is made" {
	script "$CALLOUTS" a "[[ \$event != post ]] || { $TOO_LONG; }"
	printf '#!/bin/sh\n%s\n' "$TOO_LONG" >"$NOTIFIERS/m"
	chmod 755 "$NOTIFIERS/m"
	script "$NOTIFIERS" n
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\"
Warning: Timed out after 61 s waiting for notifier script \"$NOTIFIERS/m\""
	[[ -e $D/mtty/$U1 ]]
	called "a get capabilities
a pre define
a post define success
n notify define success"
}

@test "a script that hangs in capabilities is treated as unversioned" {
	script "$CALLOUTS" a "[[ \$event != get ]] || { $TOO_LONG; }"
	versioned b '"define"' '"pre"'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	called "a get capabilities
b get capabilities
b pre define"
}

@test "a script that hangs in capabilities does not prevent a versioned one from reporting attributes" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a "$TOO_LONG"
	versioned b '"attributes"' '"get"' 'echo "[{\"a\":\"1\"}]"'
	run -0 mdevctl list -v
	same "Warning: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\"
$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"1\"}"
}

@test "a script that hangs when reporting attributes is called once, not for each device of a list" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	mdevctl start -u "$U2" -p mtty -t mtty-1
	script "$CALLOUTS" a "[[ \$action != attributes ]] || { $TOO_LONG; }"
	run -0 --separate-stderr mdevctl list -v
	same "$U1 mtty mtty-1 manual
$U2 mtty mtty-1 manual"
	local limit="Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	output=$stderr same "Warning: Unable to get the attributes of $U1: $limit
Warning: Unable to get the attributes of $U2: $limit"
	called "a get capabilities
a get attributes"
}

@test "if capabilities time out and no script is versioned, list does not request attributes" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a "[[ \$event != get ]] || { $TOO_LONG; }"
	run -0 mdevctl list -v
	local limit="Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
	same "Warning: $limit
Warning: Unable to get the attributes of $U1: $limit
$U1 mtty mtty-1 manual"
	called "a get capabilities"
}

@test "modify --live fails if it times out" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	echo '{"mdev_type":"mtty-1","start":"auto"}' >"$ROOT/json"
	versioned a '"modify"' '"live"' "$TOO_LONG"
	run -9 mdevctl modify -u "$U1" -p mtty --live --jsonfile "$ROOT/json"
	same "Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\""
}

# Scripts and their pipes

# $ROOT/json: larger than the capacity of a pipe.
long_json() {
	local value
	value=$(printf '%4000s' '' | tr ' ' x)
	{
		printf '{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"1"}'
		for _ in {1..100}; do printf ',{"a":"%s"}' "$value"; done
		printf ']}'
	} >"$ROOT/json"
}

@test "a script does not need to read its stdin, regardless of its size" {
	local body
	long_json
	for body in ':' 'exec <&-' 'exec <&- >&- 2>&-' 'head -c 1 >/dev/null'; do
		printf '#!/bin/sh\n%s\necho "$4" >>"$ROOT/calls"\nexit 0\n' "$body" >"$CALLOUTS/a"
		cp "$CALLOUTS/a" "$NOTIFIERS/n"
		chmod 755 "$CALLOUTS/a" "$NOTIFIERS/n"
		run -0 mdevctl define -u "$U1" -p mtty --jsonfile "$ROOT/json"
		same ""
		called "get
pre
post
notify"
		rm "$D/mtty/$U1"
	done
}

@test "a script can read a large stdin completely" {
	long_json
	script "$CALLOUTS" a 'printf "%s" "$input" >"$ROOT/$event"'
	run -0 mdevctl define -u "$U1" -p mtty --jsonfile "$ROOT/json"
	cmp "$ROOT/json" "$ROOT/pre"
	cmp "$ROOT/json" "$ROOT/post"
}

@test "a script may write a gigabyte to stdout, and megabytes on stderr are truncated" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { head -c 1G /dev/zero; head -c 5M /dev/zero >&2; exit 1; }'
	script "$NOTIFIERS" n 'head -c 5M /dev/zero; head -c 5M /dev/zero >&2'
	export MDEVCTL_CALLOUT_TIMEOUT=600
	mdevctl define -u "$U1" -p mtty -t mtty-1 2>"$ROOT/stderr" || code=$?
	[[ $code == 7 ]]
	output=$(tail -n 1 "$ROOT/stderr") same "Error: Script '\"$CALLOUTS/a\"' failed with status '1'"
	output=$(head -n 1 "$ROOT/stderr" | wc -c) same $((1024 * 1024 + 4)) # "a: " and a newline
	called "a get capabilities
a pre define
n notify define"
}

@test "a background process that keeps the pipes open is not waited for" {
	local body='sleep 1000 & echo $! >>"$ROOT/pids"'
	script "$CALLOUTS" a "$body"
	script "$NOTIFIERS" n "$body"
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
a pre define
a post define success
n notify define success"
	local pid
	while read -r pid; do
		kill -0 "$pid" # it was not killed
	done <"$ROOT/pids"
}

@test "a background process that writes forever is not waited for" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { yes & echo $! >"$ROOT/pids"; }'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
}

@test "NULs on stderr do not hide the text that follows" {
	script "$CALLOUTS" a '[[ $event != pre ]] || printf "a\0b" >&2'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "a: a?b"
}

# Signals

# in_background COMMAND...: runs it with the signal dispositions of a command on a terminal; output to
# $ROOT/output.
in_background() {
	ulimit -c 0
	env --default-signal "$@" >"$ROOT/output" 2>&1 3>&- &
	PID=$!
	echo "$PID" >>"$ROOT/pids"
}

# ended CODE: waits for it to exit with this status, which is 128 plus the signal if it was terminated by one.
ended() {
	local code=0
	wait "$PID" || code=$?
	output=$code same "$1"
}

@test "a signal during pre terminates the script, the change is not made, and notifiers are run" {
	local signal number
	script "$CALLOUTS" a "[[ \$event != pre ]] || { $FOREVER; }"
	script "$CALLOUTS" b
	script "$NOTIFIERS" n
	while read -r signal number; do
		rm -f "$ROOT/ready"
		in_background mdevctl start -u "$U1" -p mtty -t mtty-1 --force
		wait_for test -e "$ROOT/ready"
		kill -s "$signal" "$PID"
		ended $((128 + number))
		[[ ! -e $DEVICES/$U1 ]]
		called "a get capabilities
b get capabilities
a pre start
n notify start"
	done <<'END'
TERM 15
INT 2
HUP 1
QUIT 3
ALRM 14
USR1 10
USR2 12
XCPU 24
VTALRM 26
PROF 27
END
}

@test "a signal that a script survives in pre still aborts the change, and post is run" {
	script "$CALLOUTS" a '[[ $event != pre ]] || {
		trap "exit 0" TERM
		: >"$ROOT/ready"
		while :; do sleep 0.05; done
	}'
	script "$NOTIFIERS" n
	in_background mdevctl start -u "$U1" -p mtty -t mtty-1
	wait_for test -e "$ROOT/ready"
	kill -TERM "$PID"
	ended 143
	[[ ! -e $DEVICES/$U1 ]]
	called "a get capabilities
a pre start
a post start failure
n notify start failure"
}

@test "after a signal in pre, no other script is called, even if the first one does not handle the device" {
	script "$CALLOUTS" a '[[ $event != pre ]] || {
		trap "exit 2" TERM
		: >"$ROOT/ready"
		while :; do sleep 0.05; done
	}'
	script "$CALLOUTS" b
	in_background mdevctl start -u "$U1" -p mtty -t mtty-1
	wait_for test -e "$ROOT/ready"
	kill -TERM "$PID"
	ended 143
	called "a get capabilities
b get capabilities
a pre start"
}

@test "a signal during capabilities aborts the change before pre" {
	script "$CALLOUTS" a "[[ \$event != get ]] || { $FOREVER; }"
	script "$NOTIFIERS" n
	in_background mdevctl start -u "$U1" -p mtty -t mtty-1
	wait_for test -e "$ROOT/ready"
	kill -TERM "$PID"
	ended 143
	called "a get capabilities
n notify start"
}

@test "after a signal during the change, the change is completed, and post and notify are run" {
	local signal number
	script "$CALLOUTS" a
	script "$NOTIFIERS" n
	while read -r signal number; do
		rm -f "$ROOT/log"
		: >"$ROOT/busy"
		FAKEKERNEL_BUSY=$ROOT/busy FAKEKERNEL_LOG=$ROOT/log \
			in_background mdevctl start -u "$U1" -p mtty -t mtty-1
		wait_for test -e "$ROOT/log" # create has been written
		kill -s "$signal" "$PID"
		rm "$ROOT/busy"
		ended $((128 + number))
		[[ -e $DEVICES/$U1 ]]
		called "a get capabilities
a pre start
a post start success
n notify start success"
		mdevctl stop -u "$U1"
		called "a get capabilities
a pre stop
a post stop success
n notify stop success"
	done <<'END'
TERM 15
INT 2
HUP 1
QUIT 3
ALRM 14
USR1 10
USR2 12
XCPU 24
VTALRM 26
PROF 27
PIPE 13
END
}

@test "a signal ends a start that waits for its JSON input" {
	mkfifo "$ROOT/fifo"
	exec {fd}<>"$ROOT/fifo"
	in_background mdev-start -p mtty --jsonfile="$ROOT/fifo"
	wait_for sleeps "$PID" mdev-start
	kill -TERM "$PID"
	timeout 60 tail --pid="$PID" -f /dev/null # it reads for ever
	ended 143
	exec {fd}>&-
}

@test "a file size limit is an error like any other" {
	printf '{"mdev_type":"mtty-1","start":"manual","attrs":[{"a":"%03000d"}]}' 1 >"$ROOT/json"
	run -1 bash -c "ulimit -f 1; exec mdev-define -u $U1 -p mtty --jsonfile '$ROOT/json'"
	same "Error: Unable to write /etc/mdevctl.d/mtty/$U1: File too large"
	[[ -z $(ls -A "$D/mtty") ]]
}

@test "start prints the UUID that it generated though a signal ends it" {
	local signal
	for signal in TERM QUIT USR1; do
		rm -f "$ROOT/log"
		: >"$ROOT/busy"
		FAKEKERNEL_BUSY=$ROOT/busy FAKEKERNEL_LOG=$ROOT/log \
			in_background mdev-start -p mtty -t mtty-1
		wait_for test -e "$ROOT/log"
		kill -s "$signal" "$PID"
		rm "$ROOT/busy"
		ended $((128 + $(kill -l "$signal")))
		run -0 cat "$ROOT/output"
		[[ $output == "$(ls "$DEVICES")" && $output == ????????-*-???????????? ]]
		mdev-stop -u "$output"
	done
}

# live_signal EVENT ACTION: modifies the device and its definition, and sends SIGTERM while the script is run
# with these, which it survives.
live_signal() {
	versioned a '"modify"' '"pre","post","live"' "[[ \"\$event \$action\" != '$1 $2' || -e \$ROOT/ready ]] || {
		trap '' TERM
		: >\"\$ROOT/ready\"
		until [[ -e \$ROOT/go ]]; do sleep 0.02; done
	}"
	in_background mdev-modify -u "$U1" -p mtty --live --defined --jsonfile="$ROOT/json"
	wait_for test -e "$ROOT/ready"
	kill -TERM "$PID"
	: >"$ROOT/go"
}

live_and_defined_world() {
	definition mtty "$U1" mtty-1
	running mtty "$U1" mtty-1
	printf '{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"1"}]}' >"$ROOT/json"
	script "$NOTIFIERS" n
	: >"$ROOT/calls"
}

@test "after a signal while a running device is modified, its definition is modified as well" {
	live_and_defined_world
	live_signal live modify
	ended 143
	run -0 cat "$ROOT/output"
	same ""
	called "a get capabilities
a live modify
n notify modify
a pre modify
a post modify success
n notify modify success"
	run -0 mdev-list -dv
	same "$U1 mtty mtty-1 auto (active)
  Attrs:
    @{0}: {\"a\":\"1\"}"
}

@test "after a signal in pre, modify --live --defined tries again, as the device has been modified" {
	live_and_defined_world
	live_signal pre modify
	ended 143
	run -0 cat "$ROOT/output"
	same ""
	called "a get capabilities
a live modify
n notify modify
a pre modify
a post modify failure
n notify modify failure
a pre modify
a post modify success
n notify modify success"
	run -0 mdev-list -d
	same "$U1 mtty mtty-1 auto (active)"
}

# has_begun N: whether the script has begun to hang for the Nth time.
has_begun() {
	[[ $(find "$ROOT" -name 'in-*' | wc -l) == "$1" ]]
}

@test "modify --live --defined says that only the device was modified, also if two signals end it" {
	live_and_defined_world
	versioned a '"modify"' '"pre","live"' '[[ $event != pre ]] || exit 3'
	run -7 mdev-modify -u "$U1" -p mtty --live --defined --jsonfile="$ROOT/json"
	same "Error: Script '\"$CALLOUTS/a\"' failed with status '3'; only the running device was modified"
	versioned a '"modify"' '"pre","live"' '[[ $event != pre ]] || { : >"$ROOT/in-$$"; exec sleep 600; }'
	in_background mdev-modify -u "$U1" -p mtty --live --defined --jsonfile="$ROOT/json"
	local n
	for n in 1 2; do
		wait_for has_begun "$n"
		kill -TERM "$PID"
	done
	ended 143
	run -0 cat "$ROOT/output"
	same "Warning: Interrupted by signal 15 (Terminated); only the running device was modified"
	run -0 mdev-list -d
	same "$U1 mtty mtty-1 manual (active)"
}

@test "modify --live --defined does not modify the device if its definition is a link" {
	live_and_defined_world
	mv "$D/mtty/$U1" "$ROOT/target"
	ln -s "$ROOT/target" "$D/mtty/$U1"
	versioned a
	run -1 mdev-modify -u "$U1" -p mtty --live --defined --jsonfile="$ROOT/json"
	[[ $output == "Error: "*link*"$ROOT/target"* ]]
	called ""
}

@test "define prints the UUID that it generated though a signal ends it" {
	local option last
	for option in --auto --start; do
		last=start
		[[ $option == --start ]] || last=define
		script "$CALLOUTS" a "[[ \"\$event \$action\" != 'post $last' ]] || {
			: >\"\$ROOT/ready\"
			until [[ -e \$ROOT/go ]]; do sleep 0.02; done
		}"
		rm -f "$ROOT/ready" "$ROOT/go"
		in_background mdev-define -p mtty -t mtty-1 $option
		wait_for test -e "$ROOT/ready"
		kill -TERM "$PID"
		: >"$ROOT/go"
		ended 143
		run -0 cat "$ROOT/output"
		[[ $output == "$(ls "$D/mtty")" && $output == ????????-*-???????????? ]]
		mdev-undefine -u "$output"
	done
}

@test "a signal during post is not forwarded to the script, which may hold a lock" {
	script "$CALLOUTS" a '[[ $event != post ]] || {
		: >"$ROOT/ready"
		until [[ -e $ROOT/go ]]; do sleep 0.02; done
		: >"$ROOT/finished"
	}'
	script "$NOTIFIERS" n
	in_background mdevctl define -u "$U1" -p mtty -t mtty-1
	wait_for test -e "$ROOT/ready"
	kill -TERM "$PID"
	: >"$ROOT/go"
	ended 143
	[[ -e $ROOT/finished && -e $D/mtty/$U1 ]]
	called "a get capabilities
a pre define
a post define success
n notify define success"
}

@test "with nohup, SIGHUP has no effect" {
	script "$CALLOUTS" a '[[ $event != pre ]] || {
		: >"$ROOT/ready"
		until [[ -e $ROOT/go ]]; do sleep 0.02; done
	}'
	in_background nohup mdevctl define -u "$U1" -p mtty -t mtty-1
	wait_for test -e "$ROOT/ready"
	kill -HUP "$PID"
	: >"$ROOT/go"
	ended 0
	[[ -e $D/mtty/$U1 ]]
}

@test "exit statuses are collected even if the caller ignores SIGCHLD" {
	script "$CALLOUTS" a '[[ $event != pre ]] || exit 1'
	run -7 env --ignore-signal=CHLD mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Error: Script '\"$CALLOUTS/a\"' failed with status '1'"
}

@test "ap-check: the lock is released after a signal during the change" {
	versioned ap-check '"start"' '"pre","post"' 'if [[ $event == pre ]]; then
	echo $PPID >"$ROOT/ap.lock"
else
	[[ $(cat "$ROOT/ap.lock") != "$PPID" ]] || rm "$ROOT/ap.lock"
fi'
	: >"$ROOT/busy"
	FAKEKERNEL_BUSY=$ROOT/busy FAKEKERNEL_LOG=$ROOT/log \
		in_background mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
	wait_for test -e "$ROOT/log"
	[[ -e $ROOT/ap.lock ]]
	kill -TERM "$PID"
	rm "$ROOT/busy"
	ended 143
	[[ ! -e $ROOT/ap.lock && -e $DEVICES/$U1 ]]
}
