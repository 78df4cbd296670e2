# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# What is sent to the journal, and to systemd as the status of a service.
# shellcheck disable=SC2016,SC2154 # bodies are for the scripts to expand; run sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
}

# The directories of the fake root in their places: only changes in / are logged.
# heard SOCKET COMMAND...: runs the command there, and prints the datagrams that $ROOT/SOCKET has received.
heard() {
	unset LD_PRELOAD
	mkdir -p "$ROOT/dev"
	# /dev/null and similar files come last: bash and python have opened the files they require.
	env -u MDEVCTL_ENV_ROOT unshare "$NAMESPACE" python3 -c 'import os, socket, struct, subprocess, sys
root, name = sys.argv[1:3]
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
os.makedirs(os.path.dirname(root + name), exist_ok=True)
log.bind(root + name)
for place in "etc", "run", "sys", "dev":
    subprocess.run(["mount", "--bind", root + "/" + place, "/" + place], check=True)
status = subprocess.run(sys.argv[3:], stderr=subprocess.PIPE).returncode
log.setblocking(False)

def fields(entry):
    while entry:
        name, entry = entry.split(b"\n", 1)
        if b"=" in name:
            yield name.decode()
        else: # of a value with newlines, the length precedes it
            n, = struct.unpack("<Q", entry[:8])
            yield "%s=%s" % (name.decode(), repr(entry[8:8 + n].decode()))
            assert entry[8 + n:9 + n] == b"\n"
            entry = entry[9 + n:]

try:
    while True:
        got = log.recv(1 << 20)
        print(*fields(got), "", sep="\n")
except BlockingIOError:
    sys.exit(status)' "$ROOT" "$@"
}

@test "the journal gets a change with the fields of its device" {
	need_mounts
	run -0 heard /run/systemd/journal/socket "$BUILD/mdev-define" -u "$U1" -p mtty -t mtty-1
	same "MESSAGE=Done: define $U1, type mtty-1 on mtty
PRIORITY=6
SYSLOG_IDENTIFIER=mdevctl
MDEV_UUID=$U1
MDEV_PARENT=mtty
MDEV_TYPE=mtty-1
MDEV_ACTION=define"
}

@test "the journal gets what a script says in entries of their own, and a failure as an error" {
	need_mounts
	script "$OLD/callouts" a '[[ $event != pre ]] || { printf "one\ntwo" >&2; exit 1; }'
	run -7 heard /run/systemd/journal/socket "$BUILD/mdev-define" -u "$U1" -p mtty -t mtty-1
	output=$(grep -E '^(MESSAGE|PRIORITY)=' <<<"$output")
	same "MESSAGE=a: one
PRIORITY=5
MESSAGE=two
PRIORITY=5
MESSAGE=Failed to define $U1 on mtty: Script '\"/etc/mdevctl.d/scripts.d/callouts/a\"' failed with status '1'
PRIORITY=3"
}

@test "each kind of failure has a MESSAGE_ID, which the catalog explains" {
	local id status statuses=()
	# The statuses in error.h for which a change is logged as failed: not success, wrong usage, or a comparison.
	while read -r status; do
		statuses+=("$status")
	done < <(sed -n 's/^\tSTATUS_\([A-Z_]*\) = \([13-9]\|1[1-9]\),.*/\1/p' "$TOP/src/lib/base/error.h")
	((${#statuses[@]} == 8))
	for status in "${statuses[@]}"; do
		id=$(sed -n "s/^\t\[STATUS_$status\] = \"\([0-9a-f]\{32\}\)\",/\1/p" "$TOP/src/lib/host/journal.c")
		[[ $id ]] || { echo "no MESSAGE_ID for $status"; return 1; }
		grep -A1 -xF -- "-- $id" "$TOP/units/mdev-tools.catalog" | grep -q '^Subject: ..*' ||
			{ echo "not in the catalog: $status"; return 1; }
	done
	[[ $(grep -c '^-- ' "$TOP/units/mdev-tools.catalog") == "${#statuses[@]}" ]]
	# systemd accepts it.
	mkdir -p "$BATS_TEST_TMPDIR/c/usr/lib/systemd/catalog" "$BATS_TEST_TMPDIR/c/var/lib/systemd/catalog"
	cp "$TOP/units/mdev-tools.catalog" "$BATS_TEST_TMPDIR/c/usr/lib/systemd/catalog"
	unset LD_PRELOAD
	run -0 journalctl --root="$BATS_TEST_TMPDIR/c" --update-catalog
	run -0 journalctl --root="$BATS_TEST_TMPDIR/c" --dump-catalog
	[[ $output == *"Subject: No instance of a type of mediated devices is available"* ]]
}

@test "a failure is logged with the MESSAGE_ID of its kind" {
	need_mounts
	run -3 heard /run/systemd/journal/socket "$BUILD/mdev-start" -u "$U1" -p mtty -t mtty-9
	[[ $output == *"MDEV_ACTION=start
MESSAGE_ID=$(sed -n 's/.*STATUS_NOT_FOUND\] = "\(.*\)",/\1/p' "$TOP/src/lib/host/journal.c")"* ]]
	rm "$ROOT/run/systemd/journal/socket"
	run -0 heard /run/systemd/journal/socket "$BUILD/mdev-define" -u "$U1" -p mtty -t mtty-1
	[[ $output != *MESSAGE_ID* ]]
}

@test "systemd is told how far autostart is" {
	local name
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	# An abstract name, and one of a file.
	for name in "@mdev-$BATS_ROOT_PID-$BATS_TEST_NUMBER-$RANDOM" "$BATS_TEST_TMPDIR/notify"; do
		run -0 python3 -c 'import socket, subprocess, sys, os
name = sys.argv[1]
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("\0" + name[1:] if name[0] == "@" else name)
subprocess.run(sys.argv[2:], check=True, env=dict(os.environ, NOTIFY_SOCKET=name))
log.setblocking(False)
try:
    while True:
        print(log.recv(4096).decode())
except BlockingIOError:
    pass' "$name" mdev-autostart mtty
		same "STATUS=Starting 1 of 2: $U1
STATUS=Starting 2 of 2: $U2
STATUS=All 2 devices are running"
	done
	# Of another kind, without a listener, and too long: none of them matters.
	for name in vsock:2:1234 '' "$BATS_TEST_TMPDIR/nobody" "/$(printf '%0200d' 1)"; do
		NOTIFY_SOCKET=$name run -0 mdev-autostart mtty
		same ""
	done
}

@test "the journal gets that an incomplete device was removed as a warning, and its new start as done" {
	need_mounts
	definition mtty "$U1" mtty-1
	running mtty "$U1" mtty-1
	mkdir -p "$MARKS"
	echo 1 >"$MARKS/$U1" # its start was killed
	run -0 heard /run/systemd/journal/socket env LD_PRELOAD="$BUILD/fakekernel.so" \
		"$BUILD/mdev-start" --ensure -u "$U1"
	output=$(grep -E '^(MESSAGE|PRIORITY)=' <<<"$output")
	same "MESSAGE=The start of device $U1 on mtty was interrupted; the incomplete device was removed
PRIORITY=4
MESSAGE=Done: start $U1, type mtty-1 on mtty
PRIORITY=6"
}
