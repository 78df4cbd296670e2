# SPDX-License-Identifier: LGPL-2.1-or-later
# The tasks of mdev-howto(7) do what they show. VERBOSE=1 tests/tools/check tests/project/howto.bats prints a transcript.
# shellcheck disable=SC2034 # man.bash uses uuids
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/man.bash

OTHER=9b5a0f2e-73a3-4d6b-bf5c-6f3d1c0a7e52
FIRST="Creating the devices of a host"

setup() {
	export LC_ALL=C.UTF-8
	make_world "$BATS_TEST_TMPDIR/root"
	rm -r "$SYS"/class/mdev_bus/* "$SYS"/devices/virtual/*
	for parent in 0000:41:00.0 0000:81:00.0; do
		add_type $parent nvidia-222 16 vfio-pci "GRID T4-1Q"
		add_type $parent nvidia-223 8 vfio-pci "GRID T4-2Q"
		add_type $parent nvidia-224 4 vfio-pci "GRID T4-4Q"
	done
	other_programs
	UNITS=$ROOT/etc/systemd/system
	mkdir -p "$UNITS"
	install -m 644 -t "$UNITS" "$TOP"/units/*.service
}

# task TITLE [EVENT...]: runs the blocks of the first task and of this one. An event is a function that is run
# before a block of this task; ":" is none.
task() {
	local -A uuids=() # of replay_block
	local title=$1 block verbose=
	shift
	transcribe "== $title"
	[[ $title != "$FIRST" ]] || verbose=${VERBOSE:-} # only its own test shows it
	cd "$HOST/cwd" || return
	PATH=$HOST:$PATH
	while IFS= read -r -d '' block; do
		VERBOSE=$verbose replay_block "$block" || return
	done < <(example_blocks "$TOP/man/mdev-howto.7" '#$' "$FIRST")
	[[ $title != "$FIRST" ]] || return 0
	while IFS= read -r -d '' block; do
		(($# == 0)) || {
			[[ $1 == : ]] || transcribe "($1)"
			"$1" || return
			shift
		}
		replay_block "$block" || return
	done < <(example_blocks "$TOP/man/mdev-howto.7" '#$' "$title")
	(($# == 0))
}

# What happens to the host.

# boot: running devices are lost, and those of parents that are present are started.
boot() {
	local parent
	rm -rf "$SYS/bus/mdev/devices" "$SYS"/devices/virtual/*/????????-* "$ROOT/run/mdevctl"
	mkdir "$SYS/bus/mdev/devices"
	for parent in "$SYS"/class/mdev_bus/*; do
		echo 4 >"$parent/mdev_supported_types/nvidia-224/available_instances"
		mdev-autostart "${parent##*/}"
	done
}

card_taken_out() {
	mv "$SYS/class/mdev_bus/0000:81:00.0" "$ROOT"
	boot
}

card_put_back() {
	mv "$ROOT/0000:81:00.0" "$SYS/class/mdev_bus"
	boot
}

card_repaired() {
	card_taken_out
	card_put_back
}

card_in_another_slot() {
	rm -r "$SYS/class/mdev_bus/0000:81:00.0" "$SYS/devices/virtual/0000:81:00.0"
	add_type 0000:a1:00.0 nvidia-224 4 vfio-pci "GRID T4-4Q"
	boot
}

# A device that is not in a set.
other_defined() {
	definition 0000:81:00.0 $OTHER nvidia-224 auto
}

other_running() {
	other_defined
	mdevctl start -u $OTHER
}

# Another device has the last instance of a card.
full_card() {
	mdevctl stop -u d5a59ac1-370b-518b-94f9-f454bd402b98
	echo 1 >"$SYS/class/mdev_bus/0000:81:00.0/mdev_supported_types/nvidia-224/available_instances"
	mdevctl start -u $OTHER -p 0000:81:00.0 -t nvidia-224
}

other_upgraded() {
	definition 0000:41:00.0 $OTHER nvidia-224
}

driver_upgraded() {
	local types
	for types in "$SYS"/class/mdev_bus/*/mdev_supported_types; do
		cp -r "$types/nvidia-224" "$types/nvidia-324"
		echo "NVIDIA T4-4Q" >"$types/nvidia-324/name"
		echo "NVIDIA T4-1B" >"$types/nvidia-224/name"
	done
	boot
}

reinstalled() {
	boot
	mdevctl stop --all
	rm -r "${D:?}"/*
}

# unit NAME: installs the unit that the page shows below this name.
unit() {
	awk -v "name=$1.service" '$1 == ".Pa" { on = $2 == "/etc/systemd/system/" name }
		on && /^\.Bd/ { inside = 1; next }
		inside && /^\.Ed/ { exit }
		inside' "$TOP/man/mdev-howto.7" >"$UNITS/$1.service"
}

# units_are_valid NAME...
units_are_valid() {
	rm -rf "$UNITS"/*.wants "$UNITS"/*.requires # links to /etc
	sed -i "s|/usr/sbin/|$BUILD/|; s|/usr/lib/nvidia/.*|/bin/true|" "$UNITS"/*.service
	run -0 env -u LD_PRELOAD -u MDEVCTL_ENV_ROOT SYSTEMD_UNIT_PATH="$UNITS:" systemd-analyze verify \
		--man=no "${@/#/$UNITS/}"
	same ""
}

@test "mdev-howto(7): each task is run by a test" {
	while read -r title; do
		grep -q "task \(\"$title\"\|\"\$FIRST\"$\)" "$BATS_TEST_FILENAME" || { echo "not run: $title"; return 1; }
	done < <(sed -n 's/^\.Ss //p' "$TOP/man/mdev-howto.7")
}

@test "mdev-howto(7): creating the devices of a host" {
	task "$FIRST"
}

@test "mdev-howto(7): creating one device for one guest" {
	task "Creating one device for one guest"
}

@test "mdev-howto(7): creating more or fewer devices" {
	task "Creating more or fewer devices"
}

@test "mdev-howto(7): finding out why a device is not running" {
	task "Finding out why a device is not running" full_card
	run -0 mdevctl status --check
}

@test "mdev-howto(7): taking a card out for repair" {
	task "Taking a card out for repair" : card_repaired
	run -0 mdevctl status --check
	run -0 mdevctl list -p 0000:41:00.0
	((${#lines[@]} == 2))
}

@test "mdev-howto(7): running without a card for some time" {
	task "Running without a card for some time" : card_taken_out card_put_back
}

@test "mdev-howto(7): changing the address of a card" {
	task "Changing the address of a card" card_in_another_slot other_defined
}

@test "mdev-howto(7): upgrading a driver that changes its types" {
	task "Upgrading a driver that changes its types" : driver_upgraded other_upgraded
	run -0 mdevctl status --check
	same ""
	run -0 mdevctl list -u $OTHER
	same "$OTHER 0000:41:00.0 nvidia-324 auto (defined)"
}

@test "mdev-howto(7): saving and restoring the devices of a host" {
	task "Saving and restoring the devices of a host" : reinstalled
	run -0 mdevctl status --check
}

@test "mdev-howto(7): migrating guests between hosts" {
	task "Migrating guests between hosts"
}

@test "mdev-howto(7): suspending the host" {
	unit mdev-sleep
	task "Suspending the host"
	[[ -L $UNITS/sleep.target.requires/mdev-sleep.service ]]
	units_are_valid mdev-sleep.service
}

@test "mdev-howto(7): waiting for MIG, SR-IOV and the vGPU manager" {
	unit nvidia-sriov
	task "Waiting for MIG, SR-IOV and the vGPU manager"
	mkdir -p "$UNITS/mdev@.service.d" "$UNITS/mdev-autostart@.service.d"
	example_blocks "$TOP/man/mdev-howto.7" '[' "Waiting for MIG, SR-IOV and the vGPU manager" | {
		read -r -d '' drop_in
		tee "$UNITS/mdev@.service.d/nvidia.conf" >"$UNITS/mdev-autostart@.service.d/nvidia.conf" <<<"$drop_in"
	}
	printf '[Service]\nExecStart=/bin/true\n' >"$UNITS/nvidia-vgpu-mgr.service"
	units_are_valid nvidia-sriov.service "mdev@$U1.service" mdev-autostart@card.service
}

@test "mdev-howto(7): removing devices" {
	task "Removing devices" : : other_running
	run -0 mdevctl list
	same ""
	run -0 mdevctl list -d
	same ""
}
