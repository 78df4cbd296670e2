#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Other managers (KubeVirt, device plugins, LXD, scripts of vendors) create and remove devices through sysfs
# without asking. Their devices are never changed, and whatever they do while a program runs, it ends with a
# report that is right.

bats_require_minimum_version 1.5.0
. "$BATS_TEST_DIRNAME/../lib/world.bash"

F1=f1111111-1111-4111-8111-111111111111
F2=f2222222-2222-4222-8222-222222222222

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	TYPES=mdev_supported_types
	add_type mtty mtty-9 1 vfio-pci
	cat >"$BATS_TEST_TMPDIR/foreign" <<-EOF
		put() { printf %s "\$2" | dd of="\$1" conv=notrunc status=none; }
		create() { put "$SYS/class/mdev_bus/\$1/$TYPES/\$2/create" "\$3"; }
		remove() { put "$DEVICES/\$1/remove" 1; }
		unbind() { mv "$SYS/class/mdev_bus/\$1" "$BATS_TEST_TMPDIR/unbound"; }
		bind() { mv "$BATS_TEST_TMPDIR/unbound" "$SYS/class/mdev_bus/\$1"; }
	EOF
	# shellcheck source=/dev/null
	. "$BATS_TEST_TMPDIR/foreign"
}

# meanwhile EVENT ACTION COMMANDS: another manager runs them, once, when scripts are called for this.
meanwhile() {
	add_script callouts meanwhile <<-EOF
		#!/bin/bash
		[[ "\$4 \$6" == '$1 $2' && ! -e '$BATS_TEST_TMPDIR/done' ]] || exit 2
		: >'$BATS_TEST_TMPDIR/done'
		. '$BATS_TEST_TMPDIR/foreign'
		$3
		exit 0
	EOF
}

# The devices of the kernel: "UUID PARENT TYPE" each
kernel() {
	local link
	for link in "$DEVICES"/*; do
		[[ ! -L $link ]] || echo "${link##*/} $(basename "$(dirname "$(readlink -f "$link")")")" \
			"$(basename "$(readlink "$link/mdev_type")")"
	done
}

now() {
	run -0 kernel
	same "$1"
}

@test "start reports that another manager has taken the last instance" {
	meanwhile pre start "create mtty mtty-9 $F1"
	fails 5 "Error: No available instances of mtty-9 on mtty; running devices: $F1 (mtty-9)" \
		mdevctl start -u "$U1" -p mtty -t mtty-9
	now "$F1 mtty mtty-9"
}

@test "start reports that another manager has used the UUID, and leaves its device alone" {
	definition matrix "$U1" vfio_ap-passthrough manual '[{"assign_adapter":"5"}]'
	meanwhile pre start "create matrix vfio_ap-passthrough $U1"
	fails 4 "Error: Device already exists" mdevctl start -u "$U1"
	now "$U1 matrix vfio_ap-passthrough"
	same_file "$DEVICES/$U1/assign_adapter" ""
}

@test "start --ensure does not take a device of another manager for its own if it differs" {
	definition matrix "$U1" vfio_ap-passthrough
	meanwhile pre start "create mtty mtty-1 $U1"
	run -4 mdevctl start --ensure -u "$U1"
	now "$U1 mtty mtty-1"
}

@test "stop reports that another manager has removed the device" {
	running mtty "$U1" mtty-1
	meanwhile pre stop "remove $U1"
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1"
	rm "$BATS_TEST_TMPDIR/done"
	running mtty "$U1" mtty-1
	run -0 mdevctl stop --ensure -u "$U1"
	same ""
}

@test "stop does not remove a device that another manager has created with the UUID meanwhile" {
	running mtty "$U1" mtty-1
	meanwhile pre stop "remove $U1; create matrix vfio_ap-passthrough $U1"
	fails 3 "Error: Device $U1 is not an active mdev" mdevctl stop -u "$U1"
	now "$U1 matrix vfio_ap-passthrough"
	rm "$BATS_TEST_TMPDIR/done"
	remove "$U1"
	running mtty "$U1" mtty-1
	meanwhile pre stop "remove $U1; create mtty mtty-2 $U1"
	run -0 mdevctl stop --ensure -u "$U1"
	now "$U1 mtty mtty-2"
}

@test "autostart starts the devices that it can, and leaves those of another manager alone" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	definition mtty "$U3" mtty-1 auto
	meanwhile pre start "create mtty mtty-2 $U2"
	fails 1 "Warning: Start of $U2 on mtty failed: Device exists with different type: $U2 is running with type mtty-2, not mtty-1
Error: 1 of 3 devices on mtty could not be started: $U2" mdev-autostart mtty
	now "$U1 mtty mtty-1
$U2 mtty mtty-2
$U3 mtty mtty-1"
}

@test "a parent whose driver is replaced meanwhile is reported" {
	definition mtty "$U1" mtty-1 auto
	meanwhile pre start "unbind mtty"
	fails 3 "Error: Unable to find parent device 'mtty'" mdevctl start -u "$U1"
	run -0 mdevctl types
	[[ $output != *mtty* ]]
	bind mtty
	run -0 mdevctl start -u "$U1"
	now "$U1 mtty mtty-1"
}

# describe COUNT [TYPE]
describe() {
	echo '{ "set": { "mdev_type": "'"${2:-mtty-1}"'", "start": "auto", "parents": ["mtty"], "count": '"$1"' } }' \
		>"$BATS_TEST_TMPDIR/host.json"
}

@test "apply reports an instance that another manager has taken, and does the rest when it is free" {
	describe 1 mtty-9
	meanwhile pre start "create mtty mtty-9 $F1"
	run -5 --separate-stderr mdevctl apply "$BATS_TEST_TMPDIR/host.json"
	same_stderr "Warning: Set 'set': 1 of 1 devices have no available instance of mtty-9; other devices: 1 not in any set of this file
Error: 1 of 1 devices are missing"
	now "$F1 mtty mtty-9"
	remove "$F1"
	run -0 mdevctl apply "$BATS_TEST_TMPDIR/host.json"
	[[ $(kernel) == *" mtty mtty-9" ]]
	run -0 mdevctl apply --dry-run "$BATS_TEST_TMPDIR/host.json"
	same ""
}

@test "apply succeeds if another manager removes a device first, and leaves other devices alone" {
	describe 3
	mdevctl apply "$BATS_TEST_TMPDIR/host.json"
	create mtty mtty-1 "$F1"
	describe 0
	meanwhile pre stop "remove \${10}"
	run -0 --separate-stderr mdevctl apply "$BATS_TEST_TMPDIR/host.json"
	same_stderr ""
	now "$F1 mtty mtty-1"
}

# One of the steps of another manager, which has two devices of its own, and uses a UUID of ours. What it has
# created, and nobody else may remove, is in the array theirs.
foreign_step() {
	local uuids=("$F1" "$F2" "$U1") uuid parent=matrix type=vfio_ap-passthrough
	uuid=${uuids[RANDOM % 3]}
	case $((RANDOM % 8)) in
	0)
		unbind matrix
		sleep 0.01
		bind matrix
		;;
	[1-3]) ! remove "$uuid" || unset "theirs[$uuid]" ;;
	*)
		if ((RANDOM % 3 == 0)) && [[ $uuid != "$U1" ]]; then
			parent=card type=card-1
		fi
		! create $parent $type "$uuid" || theirs[$uuid]="$uuid $parent $type"
		;;
	esac 2>/dev/null
}

# our_step COMMAND STATUS...: the command ends in time, with one of these statuses.
our_step() {
	local status=0 wanted
	# shellcheck disable=SC2086 # a command's words
	timeout -s KILL 60 $1 >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	for wanted in "${@:2}"; do
		((status != wanted)) || return 0
	done
	echo "exit status $status of: $1"
	cat "$BATS_TEST_TMPDIR/out"
	return 1
}

@test "in any order of steps of other managers and ours, each command is right and their devices stay" {
	local -A theirs=()
	local n pid ours others uuid steps=60 file=$BATS_TEST_TMPDIR/host.json
	use_seed
	[[ -z ${FAULTS:-} ]] || steps=1000
	definition mtty "$U1" mtty-1
	add_type card card-1 1 vfio-pci
	definition card "$U2" card-1 auto
	for ((n = 0; n < steps; n++)); do
		describe $((RANDOM % 4))
		ours=$((RANDOM % 8)) others=$((RANDOM % 6))
		case $ours in
		0) our_step "mdevctl start -u $U1" 0 3 4 ;;
		1) our_step "mdevctl start --ensure -u $U1" 0 1 3 4 ;;
		2) our_step "mdevctl start -u $U2" 0 4 5 ;;
		3) our_step "mdevctl stop -u $U2" 0 3 ;;
		4) our_step "mdev-autostart card" 0 1 ;;
		5) our_step "mdevctl apply $file" 0 ;;
		6) our_step "mdevctl list" 0 ;;
		7) our_step "mdevctl status" 0 ;;
		esac 3>&- &
		pid=$!
		for ((; others > 0; others--)); do
			foreign_step
		done
		wait $pid
		for uuid in "${!theirs[@]}"; do
			[[ $(kernel) == *"${theirs[$uuid]}"* ]] || { echo "step $n: ${theirs[$uuid]} is gone"; return 1; }
		done
	done
	describe 3
	our_step "mdevctl apply $file" 0
	run -0 mdevctl apply --dry-run "$file"
	same ""
	echo "# $steps commands, seed $seed" >&3
}
