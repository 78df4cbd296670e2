# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # each test is a shell of its own; bats sets stderr
# What the logs say about a device or a parent: the journal, which systemd-journal-remote makes, and /dev/kmsg.
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/hosts.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export LC_ALL=C.UTF-8
}

BOOT=11112222333344445555666677778888

# entry SECONDS FIELD...: prints a journal entry in the export format, SECONDS after the host was booted, which
# was at 08:00 of a day. A field "NAME" without a value has it from stdin, which may have newlines.
entry() {
	local time=$((1796025600 + $1)) field
	printf '__REALTIME_TIMESTAMP=%s000000\n__MONOTONIC_TIMESTAMP=%s000000\n_BOOT_ID=%s\n' "$time" "$1" "$boot"
	shift
	for field; do
		if [[ $field == *=* ]]; then
			printf '%s\n' "$field"
		else
			python3 -c 'import struct, sys
value = sys.stdin.buffer.read()
sys.stdout.buffer.write(sys.argv[1].encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")' "$field"
		fi
	done
	echo
}

# ours SECONDS TEXT, kernel SECONDS TEXT, daemon SECONDS NAME TEXT [UID]: entries of these origins.
ours() {
	entry "$1" "MESSAGE=$2" _UID=0 _PID=703 SYSLOG_IDENTIFIER=mdevctl "MDEV_UUID=${3:-$U1}" MDEV_PARENT=mtty
}

kernel() {
	entry "$1" "MESSAGE=$2" _TRANSPORT=kernel SYSLOG_IDENTIFIER=kernel
}

daemon() {
	entry "$1" "MESSAGE=$3" "_UID=${4:-0}" _PID=9 "_COMM=$2" "SYSLOG_IDENTIFIER=$2"
}

# add_journal: the host has the journal of these entries (stdin), and was booted with the ID $BOOT.
add_journal() {
	local directory=$ROOT/var/log/journal/0123456789abcdef0123456789abcdef
	mkdir -p "$directory" "$PROC/sys/kernel/random"
	sed -E 's/(.{8})(.{4})(.{4})(.{4})/\1-\2-\3-\4-/' <<<"$BOOT" >"$PROC/sys/kernel/random/boot_id"
	LD_PRELOAD='' /lib/systemd/systemd-journal-remote -o "$directory/system.journal" - 2>/dev/null
}

export TZ=UTC boot=$BOOT

@test "a device that does not run is explained by the host and by the logs, oldest first" {
	two_gpus
	definition 0000:41:00.5 "$U3" nvidia-700 auto
	add_running 0000:41:00.5 "$U2" nvidia-701
	{
		boot=99992222333344445555666677778888 kernel 1 "$U3: another boot"
		ours 2 "Failed to start $U3 on 0000:41:00.5: No available instances" "$U3"
		kernel 3 "vfio_mdev $U3: Adding to iommu group 7"
		kernel 3 "[nvidia-vgpu-vfio] $U3: start failed. status: 0x0"
		kernel 3 "vfio_mdev $U3: Removing from iommu group 7"
		kernel 4 "something else"
		daemon 5 nvidia-vgpu-mgr "error: vmiop_log: $U3 failed"
		daemon 6 libvirtd "internal error: $U3"
		daemon 7 libvirtd "forged: $U3" 1000
		daemon 8 sshd "not a daemon of devices: $U3"
		ours 9 "of another device" "$U2"
		entry 10 "MESSAGE=forged as well" _UID=1000 "MDEV_UUID=$U3"
	} | add_journal
	run -0 --separate-stderr mdevctl status -u "$U3"
	same "    Device: $U3
     State: missing: no available instances
   Defined: auto, nvidia-700 (NVIDIA A100-4C) on 0000:41:00.5
    Parent: 0000:41:00.5, driver nvidia, card 0000:41:00.0
 Instances: 0 of nvidia-700 free; running there: $U2 (nvidia-701)
       Log: Nov 30 08:00:02 mdevctl[703]: Failed to start $U3 on 0000:41:00.5: No available instances
            Nov 30 08:00:03 kernel: [nvidia-vgpu-vfio] $U3: start failed. status: 0x0
            Nov 30 08:00:05 nvidia-vgpu-mgr[9]: error: vmiop_log: $U3 failed
            Nov 30 08:00:06 libvirtd[9]: internal error: $U3"
	same_stderr ""
	valid mdevctl status --json -u "$U3"
	[[ $(jq -c '.parents[].devices[].log[1]' "$BATS_TEST_TMPDIR/json") == \
		'{"time":"2026-11-30T08:00:03Z","source":"kernel","text":"[nvidia-vgpu-vfio] '"$U3"': start failed. status: 0x0"}' ]]
}

@test "the newest ten entries are shown, and those of the device are found however much there is" {
	local i
	definition mtty "$U1" mtty-1
	{
		for i in {1..12}; do
			ours "$i" "message $i"
		done
		for i in {20..400}; do
			kernel "$i" "noise"
		done
	} | add_journal
	run -0 mdevctl status -u "$U1"
	[[ ${lines[4]} == " Instances: "* && ${lines[5]} == "       Log: Nov 30 08:00:03 "*"message 3" ]]
	[[ ${lines[14]} == "            Nov 30 08:00:12 "*"message 12" && ${#lines[@]} == 15 ]]
}

@test "entries of one moment are shown in the order of the journal" {
	local i
	definition mtty "$U1" mtty-1
	{
		ours 1 "message 1"
		kernel 1 "$U1: message 2"
		ours 1 "message 3"
		daemon 1 libvirtd "$U1: message 4"
		kernel 1 "$U1: message 5"
		ours 1 "message 6"
	} | add_journal
	run -0 mdevctl status -u "$U1"
	[[ $(grep -o 'message .' <<<"$output") == $'message 1\nmessage 2\nmessage 3\nmessage 4\nmessage 5\nmessage 6' ]]
}

@test "the newest ten of the entries of one moment are shown" {
	local i
	definition mtty "$U1" mtty-1
	for i in {1..6}; do
		kernel 1 "$U1: message $((2 * i - 1))"
		ours 1 "message $((2 * i))"
	done | add_journal
	run -0 mdevctl status -u "$U1"
	[[ $(grep -o 'message .*' <<<"$output") == "$(printf 'message %s\n' {3..12})" ]]
	rm -r "$ROOT/var/log/journal"
	mkdir -p "$ROOT/dev"
	printf "3,%s,1000000,-;mtty: $U1: message %s\n" 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11 12 12 >"$ROOT/dev/kmsg"
	run -0 mdevctl status -u "$U1"
	[[ $(grep -o 'message .*' <<<"$output") == "$(printf 'message %s\n' {3..12})" ]]
}

@test "without a journal, messages of the kernel are read from its log" {
	definition mtty "$U1" mtty-1
	mkdir -p "$ROOT/dev"
	printf '%s\n' "3,1,1000000,-;mtty: $U1: refused" " SUBSYSTEM=mdev" "14,2,2000000,-;a process wrote $U1" \
		"6,3,3000000,-;something else" "garbage $U1" ";;; $U1" >"$ROOT/dev/kmsg"
	run -0 mdevctl status -u "$U1"
	[[ ${lines[5]} == "       Log: "*" kernel: mtty: $U1: refused" ]]
	((${#lines[@]} == 6))
	chmod 000 "$ROOT/dev/kmsg"
	MDEVCTL_LOG=info run -0 --separate-stderr weak mdevctl status -u "$U1"
	same_stderr "Hint: The log may be incomplete: kernel messages cannot be read"
	valid weak mdevctl status --json -u "$U1"
	[[ $(jq -r .unseen "$BATS_TEST_TMPDIR/json") == *"kernel messages cannot be read" ]]
}

@test "a parent is shown with what the logs say about it" {
	kernel 1 "mtty: no more ports" | add_journal
	run -0 mdevctl status --noheadings -p mtty
	[[ ${lines[0]} == mtty* && ${lines[-1]} == "       Log: Nov 30 08:00:01 kernel: mtty: no more ports" ]]
}

@test "malicious text in logs is harmless in all forms" {
	local bad=$'\033[2J\xc2\x9b31m\xff\x7f'
	definition mtty "$U1" mtty-1
	{
		entry 1 _UID=0 "MDEV_UUID=$U1" MESSAGE <<<"$bad"$'\n\n'"MESSAGE=second line"
		entry 2 _UID=0 "MDEV_UUID=$U1" "MESSAGE=$U1" SYSLOG_IDENTIFIER <<<"$bad"$'\nx'
		kernel 3 "$bad $U1"
		kernel 4 "$U1 $(printf 'x%.0s' {1..65536})"
		entry 5 _UID=0 "MDEV_UUID=$U1" "MESSAGE="
		entry 6 _UID=0 "MDEV_UUID=$U1"
		entry 7 _UID=0 _PID "_COMM=libvirtd" "MESSAGE=$U1" <<<"$bad"
		entry 8 _UID=0 "MDEV_UUID=$U1" MESSAGE <<<"$(head -c 20000 /dev/zero | tr '\0' '\377')"
	} | add_journal
	valid mdevctl status --json -u "$U1"
	run -1 unprintable "$BATS_TEST_TMPDIR/json"
	[[ $(jq '.parents[].devices[].log | length' "$BATS_TEST_TMPDIR/json") == 6 ]]
	mdevctl status -u "$U1" >"$BATS_TEST_TMPDIR/out" 2>&1
	run -1 unprintable "$BATS_TEST_TMPDIR/out"
	[[ $(awk 'length > 700' "$BATS_TEST_TMPDIR/out") == "" && $(wc -l <"$BATS_TEST_TMPDIR/out") == 11 ]]
	# A journal that is none.
	head -c 100000 /dev/urandom >"$ROOT/var/log/journal/0123456789abcdef0123456789abcdef/system.journal"
	MDEVCTL_LOG=info run -0 mdevctl status -u "$U1"
	[[ $output == *"Hint: The log may be incomplete: there is no journal that can be read"* ]]
}
