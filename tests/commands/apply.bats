# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl apply: from the description in a file to the state of the host
# shellcheck disable=SC2030,SC2031,SC2154 # a subshell a test; bats sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

# Devices 0 to 4 of set "a", and the first ones of "b" (RFC 9562, version 5).
A0=90c08216-e599-54cb-8550-d553ae288629
A1=f5c10516-50b2-5aac-9af1-c2f5b685af46
A2=6be88150-0f33-5d36-b15f-f0b5e9185dfe
A3=fc1fd08f-4b9f-544f-8742-c2ee54d6e938
A4=681e1cc6-7446-5e85-abae-74edf044de18
C0=988919a7-8925-5fab-adc7-4b7078149c8b
B0=cc67be9a-1455-5b10-ac2a-b5f41e9a2b46
B1=2e2ae045-b055-5ba0-94f9-7eb9e3957c7b

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
	F=$BATS_TEST_TMPDIR/host.json
}

# sets MEMBER...: writes a file with these sets.
sets() {
	local IFS=,
	printf '{ %s }' "$*" >"$F"
}

# set_of NAME COUNT [PARENTS [TYPE [START [MORE]]]]: prints a member of the file.
set_of() {
	printf '"%s": { "mdev_type": "%s", "start": "%s", "parents": [%s], "count": %s%s }' "$1" \
		"${4:-mtty-1}" "${5:-auto}" "${3:-\"mtty\"}" "$2" "${6:+, $6}"
}

# applies TEXT [STDERR]: apply succeeds and prints this, and a dry run has printed the same before.
applies() {
	run --separate-stderr mdevctl apply --dry-run "$F"
	same "$1"
	same_stderr "${2:-}"
	[[ $status == "$([[ -n $1 ]] && echo 10 || echo 0)" ]]
	run -0 --separate-stderr mdevctl apply "$F"
	same "$1"
	same_stderr "${2:-}"
}

# applies_in_part STATUS TEXT STDERR: the same, but the host does not match the description afterwards.
applies_in_part() {
	run "-$1" --separate-stderr mdevctl apply --dry-run "$F"
	same "$2"
	same_stderr "$3"
	run "-$1" --separate-stderr mdevctl apply "$F"
	same "$2"
	same_stderr "$3"
}

# json FILTER STATUS [OPTION...]: filters the object that apply --json prints.
json() {
	local filter=$1 wanted=$2
	shift 2
	run "-$wanted" --separate-stderr mdevctl apply --json "$@" "$F"
	output=$(jq -c "$filter" <<<"$output")
}

# A function of a card: add_function NAME CARD TYPE [TITLE]
add_function() {
	add_type "$1" "$3" 1 vfio-pci "${4:-}"
	mkdir -p "$SYS/devices/virtual/$2/$2"
	ln -sfn "../../$2/$2" "$SYS/devices/virtual/$1/$1/physfn"
}

# Two GPUs of different models: one with three functions, one with two.
make_cards() {
	local i
	for i in 4 5 6; do
		add_function "0000:41:00.$i" 0000:41:00.0 nvidia-700 "GRID 2C"
	done
	for i in 4 5; do
		add_function "0000:81:00.$i" 0000:81:00.0 nvidia-900 "GRID 2C"
	done
}

# use UUID: another process has the device open until the test ends or calls release.
use() {
	with_node "$1"
	hold "$NODE"
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

# --- Sets -----------------------------------------------------------------------------------------------

@test "apply defines and starts the devices of a set, and changes nothing the second time" {
	sets "$(set_of a 2)"
	applies "define   $A0 mtty mtty-1 a/0
start    $A0 mtty mtty-1 a/0
define   $A1 mtty mtty-1 a/1
start    $A1 mtty mtty-1 a/1"
	run -0 mdevctl list
	same "$A0 mtty mtty-1 auto (defined)
$A1 mtty mtty-1 auto (defined)"
	same_file "$D/mtty/$A0" '{
  "mdev_type": "mtty-1",
  "start": "auto",
  "attrs": [],
  "set": "a/0",
  "mdev_type_name": "Single port serial"
}'
	applies ""
}

@test "apply only defines manual devices, with their attributes" {
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough manual \
		'"attrs": [{"assign_adapter": "5"}, {"assign_domain": "6"}]')"
	applies "define   $A0 matrix vfio_ap-passthrough a/0"
	run -0 mdevctl list -dv
	same "$A0 matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_domain\":\"6\"}"
	applies ""
}

@test "apply reads standard input" {
	# shellcheck disable=SC2016 # for the inner shell
	run -0 --separate-stderr bash -c 'echo "$1" | mdevctl apply -' - "{ $(set_of a 1) }"
	same "define   $A0 mtty mtty-1 a/0
start    $A0 mtty mtty-1 a/0"
}

@test "a set grows by the next indexes, and shrinks from the highest" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	sets "$(set_of a 3)"
	applies "define   $A1 mtty mtty-1 a/1
start    $A1 mtty mtty-1 a/1
define   $A2 mtty mtty-1 a/2
start    $A2 mtty mtty-1 a/2"
	sets "$(set_of a 1)"
	applies "stop     $A2 mtty mtty-1 a/2
undefine $A2 mtty mtty-1 a/2
stop     $A1 mtty mtty-1 a/1
undefine $A1 mtty mtty-1 a/1"
	run -0 mdevctl list -d
	same "$A0 mtty mtty-1 auto (active)"
}

@test "a set with 0 devices is removed, and requires no other keys" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	definition mtty "$U1" mtty-1
	sets '"a": { "count": 0 }'
	applies "stop     $A0 mtty mtty-1 a/0
undefine $A0 mtty mtty-1 a/0"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	applies ""
}

@test "sets that are not in the file, and other devices, are not changed" {
	sets "$(set_of a 1)" "$(set_of b 1)"
	mdevctl apply "$F"
	running mtty "$U1" mtty-2
	definition mtty "$U2" mtty-1 auto
	sets "$(set_of b 1)"
	applies ""
	run -0 mdevctl list
	same "$U1 mtty mtty-2 manual
$A0 mtty mtty-1 auto (defined)
$B0 mtty mtty-1 auto (defined)"
}

@test "a set is renamed by giving the old name no devices" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	sets '"a": { "count": 0 }' "$(set_of b 1)"
	applies "stop     $A0 mtty mtty-1 a/0
undefine $A0 mtty mtty-1 a/0
define   $B0 mtty mtty-1 b/0
start    $B0 mtty mtty-1 b/0"
}

@test "a definition that differs is modified, its label is written again, and unknown members are preserved" {
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough manual)"
	mdevctl apply "$F"
	sed -i 's|"set": "a/0"|"note": 1.50|' "$D/matrix/$A0"
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough manual '"attrs": [{"assign_adapter": "7"}]')"
	applies "modify   $A0 matrix vfio_ap-passthrough a/0"
	same_file "$D/matrix/$A0" '{
  "mdev_type": "vfio_ap-passthrough",
  "start": "manual",
  "attrs": [
    {
      "assign_adapter": "7"
    }
  ],
  "note": 1.50,
  "set": "a/0",
  "mdev_type_name": "VFIO AP Passthrough Device"
}'
	applies ""
}

@test "a running device whose definition changes is not restarted" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	sets "$(set_of a 1 '"mtty"' mtty-2)"
	local why="Warning: Device $A0 on mtty is running with type mtty-1; type mtty-2 takes effect at its \
next start"
	applies "modify   $A0 mtty mtty-2 a/0" "$why"
	run -0 mdevctl list
	same "$A0 mtty mtty-1 auto (defined)"
	applies "" "$why"
}

@test "a running device whose start mode changes is not reported, as nothing else changes" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	sets "$(set_of a 1 '"mtty"' mtty-1 manual)"
	applies "modify   $A0 mtty mtty-1 a/0"
	echo "[{\"mtty\":[{\"$A0\":{\"mdev_type\":\"mtty-1\",\"start\":\"auto\"}}]}]" >"$F"
	applies "modify   $A0 mtty mtty-1"
	echo "[{\"mtty\":[{\"$A0\":{\"mdev_type\":\"mtty-1\",\"start\":\"auto\",
		\"attrs\":[{\"power/control\":\"on\"}]}}]}]" >"$F"
	applies "modify   $A0 mtty mtty-1" \
		"Warning: Device $A0 is running; the change takes effect at its next start"
}

@test "an incomplete device is replaced, so its changes are not announced for later" {
	local removed="Warning: The start of device $A0 on matrix was interrupted; the incomplete device was removed"
	definition matrix "$A0" vfio_ap-passthrough auto '[{"assign_adapter":"5"}]'
	FAKEKERNEL_FAIL=assign_adapter=KILL run -137 mdev-start -u "$A0"
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough auto '"attrs": [{"assign_domain":"7"}]')"
	run -10 --separate-stderr mdevctl apply --dry-run "$F"
	same_stderr ""
	run -0 --separate-stderr mdevctl apply "$F"
	same "modify   $A0 matrix vfio_ap-passthrough a/0
start    $A0 matrix vfio_ap-passthrough a/0"
	same_stderr "$removed"
	applies ""
	[[ $(cat "$DEVICES/$A0/assign_domain") == 7 ]]
}

@test "a stopped device is started, and an undefined one is defined" {
	sets "$(set_of a 2)"
	mdevctl apply "$F"
	mdevctl stop -u "$A0"
	mdevctl undefine -u "$A1"
	applies "start    $A0 mtty mtty-1 a/0
define   $A1 mtty mtty-1 a/1"
	applies ""
}

@test "an invalid definition of the set is replaced" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	echo '{' >"$D/mtty/$A0"
	applies "modify   $A0 mtty mtty-1 a/0" \
		"Warning: Device $A0 (a/0) is running; the change takes effect at its next start"
	applies ""
}

@test "a surplus device in use is reported, and removed by the next run" {
	sets "$(set_of a 2)"
	mdevctl apply "$F"
	use "$A1"
	sets "$(set_of a 1)"
	applies_in_part 6 "" "Warning: Device $A1 (a/1) is in use by sleep (PID $holder)
Error: 1 device to be stopped is in use"
	run -0 mdevctl list -d
	same "$A0 mtty mtty-1 auto (active)
$A1 mtty mtty-1 auto (active)"
	release
	applies "stop     $A1 mtty mtty-1 a/1
undefine $A1 mtty mtty-1 a/1"
}

@test "apply gives up on a device that another process keeps defining on another parent" {
	add_script callouts 1 <<-END
		#!/bin/sh
		[ "\$4 \$6" = "pre define" ] || exit 2
		mkdir -p $D/other
		ln -sf nowhere $D/other/$A0
	END
	sets "$(set_of a 1)"
	run -4 --separate-stderr mdevctl apply "$F"
	[[ $stderr == *"Unable to define $A0 on mtty: Device $A0 was defined on other by another process"* ]]
	[[ ! -e $D/mtty/$A0 && ! -e $DEVICES/$A0 ]]
}

@test "apply looks for users of all devices to be stopped at once" {
	sets "$(set_of a 20)"
	run -0 mdevctl apply "$F"
	with_nodes 50
	sets "$(set_of a 0)"
	strace -E "LD_PRELOAD=$LD_PRELOAD" -o "$BATS_TEST_TMPDIR/trace" -e trace=openat mdev-apply "$F"
	run -0 mdevctl list
	same ""
	local n
	n=$(grep -c '/fd"' "$BATS_TEST_TMPDIR/trace")
	((n <= 51 * 20)) || { echo "$n listings"; return 1; } # once a second; each device: 51 * 60
}

@test "a dry run that cannot see all processes says that a surplus device may be in use" {
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	with_node "$A0"
	sets "$(set_of a 0)"
	mkdir -p "$PROC/100/fd"
	chmod 000 "$PROC/100/fd"
	run -10 --separate-stderr weak mdevctl apply --dry-run "$F"
	same "stop     $A0 mtty mtty-1 a/0
undefine $A0 mtty mtty-1 a/0"
	local hint=''
	((EUID == 0)) || hint=" (must be root)"
	local why="1 device to be stopped may be in use$hint"
	same_stderr "Warning: $why"
	run -10 --separate-stderr weak mdevctl apply --dry-run --json "$F"
	[[ $(jq -r '.problems[].error' <<<"$output") == "$why" ]]
	running mtty "$A1" mtty-1
	definition mtty "$A1" mtty-1
	mkdir "$DEVICES/$A1/vfio-dev"
	cp -r "$DEVICES/$A0/vfio-dev/vfio7" "$DEVICES/$A1/vfio-dev"
	run -10 --separate-stderr weak mdevctl apply --dry-run "$F"
	same_stderr "Warning: ${why/1 device/2 devices}"
	chmod 755 "$PROC/100/fd"
	run -10 --separate-stderr mdevctl apply --dry-run "$F"
	same_stderr ""
}

@test "apply --wait makes the other changes, and waits until a surplus device is not in use" {
	sets "$(set_of a 2)"
	mdevctl apply "$F"
	use "$A1"
	sets "$(set_of a 1)" "$(set_of b 1)"
	run -6 --separate-stderr mdevctl apply --wait=1 "$F"
	same "define   $B0 mtty mtty-1 b/0
start    $B0 mtty mtty-1 b/0"
	mdevctl apply --wait=60 "$F" >"$BATS_TEST_TMPDIR/out" 3>&- &
	local apply=$!
	wait_for sleeps "$apply" mdev-apply
	release
	wait "$apply"
	same_file "$BATS_TEST_TMPDIR/out" "stop     $A1 mtty mtty-1 a/1
undefine $A1 mtty mtty-1 a/1
"
}

@test "apply --prune removes the sets that are not in the file, and nothing else" {
	sets "$(set_of a 1)" "$(set_of b 2)"
	mdevctl apply "$F"
	definition mtty "$U1" mtty-1
	definition mtty "$C0" mtty-1 # of set "c", but has no label that says so
	running matrix "$U2" vfio_ap-passthrough
	sets "$(set_of b 1)"
	run -10 mdevctl apply --dry-run --prune "$F"
	run -0 --separate-stderr mdevctl apply --prune "$F"
	same "$(printf '%s\n' "stop     $B1 mtty mtty-1 b/1" "undefine $B1 mtty mtty-1 b/1" \
		"stop     $A0 mtty mtty-1 a/0" "undefine $A0 mtty mtty-1 a/0")"
	run -0 mdevctl list -d
	same "$(printf '%s\n' "$U1 mtty mtty-1 manual" "$B0 mtty mtty-1 auto (active)" \
		"$C0 mtty mtty-1 manual" | LC_ALL=C sort)"
	run -0 --separate-stderr mdevctl apply --prune "$F"
	same ""
	echo '{}' >"$F"
	run -0 mdevctl apply --prune "$F"
	same "stop     $B0 mtty mtty-1 b/0
undefine $B0 mtty mtty-1 b/0"
	[[ -e $DEVICES/$U2 ]]
	# Several sets are removed in the order of their names, each once.
	sets "$(set_of b 1)" "$(set_of a 2 '"mtty"' mtty-1 manual)"
	mdevctl apply "$F"
	echo '{}' >"$F"
	run -0 mdevctl apply --prune "$F"
	same "undefine $A1 mtty mtty-1 a/1
undefine $A0 mtty mtty-1 a/0
stop     $B0 mtty mtty-1 b/0
undefine $B0 mtty mtty-1 b/0"
}

@test "apply --prune rejects a list of definitions, and ends if a definition that may be of a set is unreadable" {
	echo '[]' >"$F"
	fails 8 "Error: Invalid $F: --prune is for sets, and this is a list of definitions" \
		mdevctl apply --prune "$F"
	definition mtty "$A0" mtty-1
	chmod 000 "$D/mtty/$A0"
	sets "$(set_of b 1)"
	run -1 --separate-stderr weak mdevctl apply --prune "$F"
	[[ $stderr == "Error: Unable to read /etc/mdevctl.d/mtty/$A0: Permission denied"* ]]
}

# upgrade: after a driver upgrade, the numbers of the types are others.
upgrade() {
	echo "GRID T4-1B" >"$SYS/class/mdev_bus/gpu/mdev_supported_types/nvidia-223/name"
	add_type gpu nvidia-225 4 vfio-pci "${1:-GRID T4-2Q}"
}

@test "after a driver upgrade, a set given by the name of its type gets the number that this name has now" {
	add_type gpu nvidia-223 4 vfio-pci "GRID T4-2Q"
	sets "$(set_of a 1 '"gpu"' "GRID T4-2Q")"
	mdevctl apply "$F"
	upgrade
	local why="Warning: Device $A0 on gpu is running with type nvidia-223; type nvidia-225 takes effect at its \
next start"
	applies "modify   $A0 gpu nvidia-225 a/0" "$why"
	mdevctl stop -u "$A0"
	applies "start    $A0 gpu nvidia-225 a/0"
	run -0 jq -r '.mdev_type, .mdev_type_name' "$D/gpu/$A0"
	same "nvidia-225
GRID T4-2Q"
}

@test "after a driver upgrade, a set given by the number of its type is not changed, and every run says so" {
	local why="Warning: Set 'a': type nvidia-223 of parent gpu was 'GRID T4-2Q' and is now 'GRID T4-1B'"
	add_type gpu nvidia-223 4 vfio-pci "GRID T4-2Q"
	sets "$(set_of a 2 '"gpu"' nvidia-223)"
	mdevctl apply "$F"
	upgrade "GRID T4-4Q"
	applies "" "$why; no type has that name"
	upgrade
	applies "" "$why; that name is now type nvidia-225"
	sets "$(set_of a 2 '"gpu"' nvidia-223 manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	applies "" "$why; that name is now type nvidia-225"
	sets "$(set_of a 2 '"gpu"' nvidia-225 manual)"
	mdevctl apply "$F" 2>/dev/null
	run -0 jq -r .mdev_type_name "$D/gpu/$A0"
	same "GRID T4-2Q"
}

# --- Parents --------------------------------------------------------------------------------------------

@test "devices are created on the card with the fewest devices, on its first function with room" {
	make_cards
	sets "$(set_of a 4 '"0000:*"' "GRID 2C" manual)"
	applies "define   $A0 0000:41:00.4 nvidia-700 a/0
define   $A1 0000:81:00.4 nvidia-900 a/1
define   $A2 0000:41:00.5 nvidia-700 a/2
define   $A3 0000:81:00.5 nvidia-900 a/3"
	sets "$(set_of a 5 '"0000:*"' "GRID 2C" manual)"
	applies "define   $A4 0000:41:00.6 nvidia-700 a/4"
}

@test "fill fills one parent before the next, in the order of the set" {
	add_type card1 t 2 vfio-pci
	add_type card2 t 2 vfio-pci
	sets "$(set_of a 3 '"card2", "card1"' t auto '"spread": "fill"')"
	applies "define   $A0 card2 t a/0
start    $A0 card2 t a/0
define   $A1 card2 t a/1
start    $A1 card2 t a/1
define   $A2 card1 t a/2
start    $A2 card1 t a/2"
}

@test "other devices, and definitions that are not running, take room" {
	add_type card1 t 2 vfio-pci
	add_type card2 t 2 vfio-pci
	running card1 "$U1" t
	definition card1 "$U2" t
	sets "$(set_of a 2 '"card*"' t manual)"
	applies "define   $A0 card2 t a/0
define   $A1 card2 t a/1"
}

@test "types of a parent share its resources" {
	make_cards
	add_type 0000:41:00.4 nvidia-701 1 vfio-pci "GRID 4C"
	definition 0000:41:00.4 "$U1" nvidia-701
	sets "$(set_of a 1 '"0000:41:00.[45]"' nvidia-700 manual)"
	applies "define   $A0 0000:41:00.5 nvidia-700 a/0"
	# 24 ports, 20 of them taken: two devices of two ports fit.
	sets "$(set_of b 20 '"mtty"' mtty-1)" "$(set_of a 3 '"mtty"' mtty-2)"
	run -5 mdevctl apply --dry-run "$F"
	[[ $output == *"Set 'a': 1 of 3 devices have no available instance of mtty-2"* ]]
}

@test "types of a parent that do not share its resources are all used by one run" {
	add_type card one 1 vfio-pci
	add_type card two 1 vfio-pci
	sets "$(set_of a 1 '"card"' one)" "$(set_of b 1 '"card"' two)"
	run -5 mdevctl apply --dry-run "$F" # shared resources are assumed
	run -0 --separate-stderr mdevctl apply "$F"
	same "define   $A0 card one a/0
start    $A0 card one a/0
define   $B0 card two b/0
start    $B0 card two b/0"
	same_stderr ""
	applies ""
	sets "$(set_of a 0 '"card"' one)" "$(set_of b 0 '"card"' two)"
	mdevctl apply "$F"
	add_type card two 3 vfio-pci
	sets "$(set_of a 1 '"card"' one)" "$(set_of b '"max"' '"card"' two)"
	mdevctl apply "$F"
	applies ""
	run -0 mdevctl list
	[[ ${#lines[@]} == 4 ]]
}

@test "max is the number of instances" {
	make_cards
	sets "$(set_of a '"max"' '"0000:81*"' "GRID 2C")"
	applies "define   $A0 0000:81:00.4 nvidia-900 a/0
start    $A0 0000:81:00.4 nvidia-900 a/0
define   $A1 0000:81:00.5 nvidia-900 a/1
start    $A1 0000:81:00.5 nvidia-900 a/1"
	applies ""
	add_function 0000:81:00.6 0000:81:00.0 nvidia-900 "GRID 2C"
	applies "define   $A2 0000:81:00.6 nvidia-900 a/2
start    $A2 0000:81:00.6 nvidia-900 a/2"
}

@test "sets with max leave room for the others" {
	make_cards
	sets "$(set_of a '"max"' '"0000:81*"' "GRID 2C" manual)" \
		"$(set_of b 1 '"0000:81*"' "GRID 2C" manual)"
	applies "define   $B0 0000:81:00.4 nvidia-900 b/0
define   $A0 0000:81:00.5 nvidia-900 a/0"
	applies ""
}

@test "devices that do not fit are not tried, and the exit status shows it" {
	local told="Warning: Set 'a': 1 of 4 devices have no available instance of GRID 2C; other \
devices: 1 of set 'b', 1 not in any set of this file
Error: 1 of 5 devices are missing"
	make_cards
	running 0000:81:00.4 "$U1" nvidia-900
	sets "$(set_of b 1 '"0000:81*"' "GRID 2C")"
	mdevctl apply "$F"
	sets "$(set_of b 1 '"0000:81*"' "GRID 2C")" "$(set_of a 4 '"0000:*"' "GRID 2C")"
	applies_in_part 5 "define   $A0 0000:41:00.4 nvidia-700 a/0
start    $A0 0000:41:00.4 nvidia-700 a/0
define   $A1 0000:41:00.5 nvidia-700 a/1
start    $A1 0000:41:00.5 nvidia-700 a/1
define   $A2 0000:41:00.6 nvidia-700 a/2
start    $A2 0000:41:00.6 nvidia-700 a/2" "$told"
	applies_in_part 5 "" "$told"
}

# waits N OF SET PARENT: the warning about devices whose parent is not present.
waits() {
	echo "Warning: $1 of $2 devices of set '$3' wait$( (($1 > 1)) || echo s) for parent $4, which is not present"
}

@test "a set is spread over parents given by name that are not present, and every run says so" {
	sets "$(set_of a 4 '"later", "mtty"')"
	applies "define   $A0 later mtty-1 a/0
define   $A1 mtty mtty-1 a/1
start    $A1 mtty mtty-1 a/1
define   $A2 later mtty-1 a/2
define   $A3 mtty mtty-1 a/3
start    $A3 mtty mtty-1 a/3" "$(waits 2 4 a later)"
	applies "" "$(waits 2 4 a later)"
	json '[.changed, .status, .problems]' 0
	same "[false,0,[{\"status\":0,\"error\":\"2 of 4 devices of set 'a' wait for parent later, which is not \
present\"}]]"
	add_type later mtty-1 1 vfio-pci
	applies "undefine $A2 later mtty-1 a/2
start    $A0 later mtty-1 a/0
define   $A2 mtty mtty-1 a/2
start    $A2 mtty mtty-1 a/2"
	applies ""
}

@test "eight devices on two parents that are not present yet are four and four, of a card and of a pattern" {
	sets "$(set_of a 8 '"0000:41:00.0", "0000:81:00.0"' t)"
	run -0 --separate-stderr mdevctl apply "$F"
	same_stderr "$(waits 4 8 a 0000:41:00.0)
$(waits 4 8 a 0000:81:00.0)"
	run -0 bash -c 'mdevctl list -d | cut -d " " -f 2 | sort | uniq -c | tr -s " "'
	same " 4 0000:41:00.0
 4 0000:81:00.0"
	add_type 0000:41:00.0 t 16 vfio-pci
	sets "$(set_of a 8 '"0000:*"' t)"
	run -10 --separate-stderr mdevctl apply --dry-run "$F"
	same_stderr "$(waits 4 8 a 0000:81:00.0)"
	[[ ${#lines[@]} == 4 ]]
}

@test "fill uses parents that are not present after the others" {
	add_type card t 1 vfio-pci
	sets "$(set_of a 3 '"absent1", "card", "absent2"' t manual '"spread": "fill"')"
	applies "define   $A0 card t a/0
define   $A1 absent1 t a/1
define   $A2 absent1 t a/2" "$(waits 2 3 a absent1)"
}

@test "a device is not moved only because its parent is absent" {
	add_type card t 2 vfio-pci
	sets "$(set_of a 2 '"card", "mtt*"' t)"
	mdevctl apply "$F"
	mdevctl stop -u "$A0"
	mdevctl stop -u "$A1"
	rm "$SYS/class/mdev_bus/card"
	applies "" "$(waits 2 2 a card)"
	sets "$(set_of a 2 '"c*"' t)"
	applies "" "$(waits 2 2 a card)"
}

@test "the number of manual devices is not limited by instances" {
	add_type card1 t 4 vfio-pci
	sets "$(set_of a 6 '"card1"' t manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	[[ ${#lines[@]} == 6 ]]
	same_stderr ""
	applies ""
	# What is too much is shared, too.
	make_cards
	sets "$(set_of b 9 '"0000:*"' "GRID 2C" manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	run -0 bash -c 'mdevctl list -d | grep 0000: | cut -d " " -f 2 | sort | uniq -c | tr -s " "'
	same " 2 0000:41:00.4
 2 0000:41:00.5
 1 0000:41:00.6
 2 0000:81:00.4
 2 0000:81:00.5"
}

@test "of two sets with max on the same parents, the second one says that it gets nothing" {
	add_type card1 t 2 vfio-pci
	sets "$(set_of a '"max"' '"card1"' t)" "$(set_of b '"max"' '"card1"' t)"
	applies "define   $A0 card1 t a/0
start    $A0 card1 t a/0
define   $A1 card1 t a/1
start    $A1 card1 t a/1" "Warning: Set 'b': no instances left"
	applies "" "Warning: Set 'b': no instances left"
}

@test "a device whose parent no longer matches moves to another one" {
	add_type card1 t 2 vfio-pci
	add_type card2 t 2 vfio-pci
	sets "$(set_of a 1 '"card1"' t)"
	mdevctl apply "$F"
	sets "$(set_of a 1 '"card2"' t)"
	applies "stop     $A0 card1 t a/0
undefine $A0 card1 t a/0
define   $A0 card2 t a/0
start    $A0 card2 t a/0"
}

@test "a device in use whose parent no longer matches is not changed" {
	add_type card2 mtty-1 2 vfio-pci
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	use "$A0"
	sets "$(set_of a 1 '"card2"')"
	applies_in_part 6 "" "Warning: Device $A0 (a/0) is in use by sleep (PID $holder)
Error: 1 device to be stopped is in use"
}

@test "a set with max does not define a device again that is in use on another parent" {
	add_type card2 mtty-1 2 vfio-pci
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	use "$A0"
	sets "$(set_of a '"max"' '"card2"')"
	applies_in_part 6 "define   $A1 card2 mtty-1 a/1
start    $A1 card2 mtty-1 a/1
define   $A2 card2 mtty-1 a/2
start    $A2 card2 mtty-1 a/2" "Warning: Device $A0 (a/0) is in use by sleep (PID $holder)
Error: 1 device to be stopped is in use"
	applies_in_part 6 "" "Warning: Device $A0 (a/0) is in use by sleep (PID $holder)
Error: 1 device to be stopped is in use"
}

@test "the parent on which a device is running is kept, and its other definitions are removed" {
	add_type card t 2 vfio-pci
	definition card "$A0" mtty-1 auto
	definition absent "$A0" mtty-1 auto
	running mtty "$A0" mtty-1
	rm "$SYS/class/mdev_bus/card"
	sets "$(set_of a 1 '"card", "mtty", "absent"')"
	applies "undefine $A0 absent mtty-1 a/0
undefine $A0 card mtty-1 a/0
define   $A0 mtty mtty-1 a/0"
	applies ""
}

@test "a device without an available instance on its parent moves to another one" {
	add_type card1 t 1 vfio-pci
	add_type card2 t 1 vfio-pci
	definition card1 "$A0" t auto
	running card1 "$U1" t
	sets "$(set_of a 1 '"card1", "card2"' t)"
	applies "undefine $A0 card1 t a/0
define   $A0 card2 t a/0
start    $A0 card2 t a/0"
}

@test "a device without an available instance on any parent remains defined" {
	add_type card1 t 1 vfio-pci
	definition card1 "$A0" t auto
	running card1 "$U1" t
	sed -i 's|\[\]|[], "set": "a/0"|' "$D/card1/$A0"
	sets "$(set_of a 1 '"card1"' t)"
	applies_in_part 5 "" "Warning: Set 'a': 1 of 1 devices have no available instance of t; other \
devices: 1 not in any set of this file
Error: 1 of 1 devices are missing"
	[[ -e $D/card1/$A0 ]]
}

@test "if the driver rejects an instance that it reported, the device moves to another parent" {
	add_type card1 t 2 vfio-pci
	add_type card2 t 2 vfio-pci
	sets "$(set_of a 2 '"card1", "card2"' t auto '"spread": "fill"')"
	FAKEKERNEL_FAIL="create:$A0=EUSERS" run -5 --separate-stderr mdevctl apply "$F"
	same "define   $A0 card1 t a/0
undefine $A0 card1 t a/0
define   $A0 card2 t a/0"
	same_stderr "Warning: Set 'a': 2 of 2 devices have no available instance of t
Error: 2 of 2 devices are missing"
	run -0 mdevctl list -d
	same "$A0 card2 t auto"
}

@test "an apply ends if the driver rejects one device, and another one runs without a definition" {
	sets "$(set_of a 2)"
	mdevctl apply "$F"
	mdevctl stop -u "$A0"
	mdevctl undefine -u "$A1"
	FAKEKERNEL_FAIL="create:$A0=EUSERS" run -5 --separate-stderr timeout 60 mdevctl apply "$F"
	same "define   $A1 mtty mtty-1 a/1"
	same_stderr "Warning: Set 'a': 1 of 2 devices have no available instance of mtty-1
Error: 1 of 2 devices are missing"
	applies "start    $A0 mtty mtty-1 a/0"
}

@test "an apply ends if the driver rejects one device, and another one is incomplete" {
	local set
	set=$(set_of a 2 '"matrix"' vfio_ap-passthrough auto '"attrs": [{"assign_domain":"7"}]')
	sets "$set"
	mdevctl apply "$F"
	mdevctl stop -u "$A0"
	mdevctl stop -u "$A1"
	FAKEKERNEL_FAIL=assign_domain=KILL run -137 mdev-start -u "$A1"
	FAKEKERNEL_FAIL="create:$A0=EUSERS" run -5 --separate-stderr timeout 60 mdevctl apply "$F"
	same "start    $A1 matrix vfio_ap-passthrough a/1"
	# The incomplete device is not replaced either.
	mdevctl stop -u "$A1"
	FAKEKERNEL_FAIL=assign_domain=KILL run -137 mdev-start -u "$A1"
	FAKEKERNEL_FAIL="create=EUSERS" run -5 --separate-stderr timeout 60 mdevctl apply "$F"
	same ""
	applies "start    $A0 matrix vfio_ap-passthrough a/0
start    $A1 matrix vfio_ap-passthrough a/1"
}

@test "a type without available_instances has room until a start fails, but none for max" {
	add_type card1 t 1 vfio-pci
	rm "$SYS/class/mdev_bus/card1/mdev_supported_types/t/available_instances"
	sets "$(set_of a 1 '"card1"' t manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	same "define   $A0 card1 t a/0"
	local unread="Warning: Type t of card1: Unable to read available_instances: No such file or directory"
	local unknown="Warning: Set 'b': the number of instances of t on card1 is not known, so no devices are added there"
	sets "$(set_of b '"max"' '"card1"' t manual)"
	applies "" "$unread
$unknown"
	add_type card2 t 1 vfio-pci
	sets "$(set_of b '"max"' '"card1", "card2", "absent"' t manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	same "define   $B0 card2 t b/0"
	applies "" "$unread
$(unused b absent)
$unknown"
	sets "$(set_of b '"max"' '"absent"' t manual)"
	run -0 --separate-stderr mdevctl apply "$F"
	same "undefine $B0 card2 t b/0"
	applies "" "$unread
$(unused b absent)"
}

# --- Failures -------------------------------------------------------------------------------------------

@test "a failure of one device does not end the run, and determines the exit status" {
	sets "$(set_of a 3)"
	FAKEKERNEL_FAIL="create:$A1=EIO" run -1 --separate-stderr mdevctl apply "$F"
	same "define   $A0 mtty mtty-1 a/0
start    $A0 mtty mtty-1 a/0
define   $A1 mtty mtty-1 a/1
define   $A2 mtty mtty-1 a/2
start    $A2 mtty mtty-1 a/2"
	same_stderr "Warning: Unable to start $A1 on mtty: Failed to create mdev $A1, type mtty-1 on mtty: \
Input/output error
Error: 1 change failed"
	applies "start    $A1 mtty mtty-1 a/1"
}

@test "a refused definition is reported with the output of the script" {
	versioned check '"define"' '"pre"' "echo 'not today' >&2; exit 1"
	sets "$(set_of a 1)"
	run -7 --separate-stderr mdevctl apply "$F"
	same ""
	[[ $stderr == *"Warning: Unable to define $A0 on mtty: "*"Error: 1 change failed" ]]
	[[ ! -e $D/mtty ]]
}

@test "a modification that a script refuses is retried after the others" {
	sets "$(set_of a 2 '"matrix"' vfio_ap-passthrough manual '"attrs": [{"assign_adapter": "1"}]')"
	mdevctl apply "$F"
	# Adapter 2 is rejected while the other device has adapter 1.
	versioned check '"modify"' '"pre"' "[[ \$uuid != $A0 ]] || ! grep -q '\"1\"' \"$D/matrix/$A1\""
	sets "$(set_of a 2 '"matrix"' vfio_ap-passthrough manual '"attrs": [{"assign_adapter": "2"}]')"
	run -0 --separate-stderr mdevctl apply "$F"
	same "modify   $A1 matrix vfio_ap-passthrough a/1
modify   $A0 matrix vfio_ap-passthrough a/0"
	applies ""
}

@test "apply calls pre, post and notify for each change before the next one" {
	versioned check
	script "$NOTIFIERS" note
	sets "$(set_of a 1)"
	mdevctl apply --dry-run "$F" || [[ $? == 10 ]]
	called ""
	mdevctl apply "$F"
	called "check get capabilities
check pre define
check post define success
note notify define success
check pre start
check post start success
note notify start success"
}

# nothing_done STATUS TEXT: apply fails with this error, and the host does not change.
nothing_done() {
	fails "$1" "Error: $2" mdevctl apply "$F"
	fails "$1" "Error: $2" mdevctl apply --dry-run "$F"
	run -0 find "$D" -type f ! -name '.*'
	same ""
}

@test "an invalid, missing or empty file is rejected, and nothing is changed" {
	sets "$(set_of a 1)" "$(set_of b 1 '"mtty"' mtty-1 auto '"coutn": 2')"
	nothing_done 8 "Invalid $F: set 'b': unknown key 'coutn'. Did you mean 'count'?"
	: >"$F"
	nothing_done 8 "Invalid JSON in $F: unexpected end at line 1 column 1"
	rm "$F"
	nothing_done 1 "Unable to read file \"$F\": No such file or directory"
	wrong_usage "Argument FILE is required" apply --dry-run
}

@test "standard input is called so in messages" {
	fails 8 "Error: Invalid JSON in standard input: unexpected end at line 1 column 1" \
		mdevctl apply - </dev/null
	fails 8 "Error: Invalid standard input: not a list of parents" mdevctl apply - <<<"[1]"
	fails 1 "Error: Unable to read standard input: Bad file descriptor" \
		bash -c 'mdevctl apply - <&-'
	fails 8 "Error: Invalid standard input: invalid json, 'mdev_type' is missing" \
		mdevctl define -u "$U1" -p mtty --jsonfile=- <<<"{}"
}

@test "directories that cannot be those of parents are rejected, and nothing is changed" {
	sets "$(set_of b 1)" "$(set_of a 1 '"scripts.d"')"
	nothing_done 8 "Invalid $F: set 'a': invalid parent name 'scripts.d' in 'parents'"
	echo "[{\".git\":[{\"$U1\":{\"mdev_type\":\"mtty-1\",\"start\":\"manual\"}}]}]" >"$F"
	nothing_done 8 "Invalid $F: invalid parent name '.git'"
}

@test "a file of 50 MB is rejected" {
	head -c 50000000 /dev/zero | tr '\0' ' ' >"$F"
	nothing_done 8 "Unable to read file \"$F\": File too large"
}

@test "a list with an invalid definition is rejected, and nothing is changed" {
	echo "[{\"mtty\":[{\"$U1\":{\"mdev_type\":\"mtty-1\",\"start\":\"auto\"}},{\"$U2\":{}}]}]" >"$F"
	nothing_done 8 "Invalid $F: device '$U2' of 'mtty': invalid json, 'mdev_type' is missing"
}

@test "a type or parent that does not exist is rejected, and nothing is changed" {
	sets "$(set_of b 1)" "$(set_of a 1 '"mtty"' mtty-3)"
	nothing_done 3 "Set 'a': 'mdev_type': Parent mtty does not support mdev type mtty-3. It supports mtty-1 \
(Single port serial), mtty-2 (Dual port serial)"
	sets "$(set_of b 1)" "$(set_of a 1 '"pci*", "0000:*"')"
	nothing_done 3 "Set 'a': no parent that matches 'parents' supports type mtty-1"
	sets "$(set_of b 1)" "$(set_of a 1 '"later*"' "Quad port serial")"
	nothing_done 3 "Set 'a': no present parent in 'parents' supports type 'Quad port serial'; \
a human-readable name is looked up only on present parents"
	add_type mtty mtty-4 6 vfio-pci "Dual port serial"
	sets "$(set_of b 1)" "$(set_of a 1 '"mt*"' "Dual port serial")"
	nothing_done 3 "Set 'a': 'mdev_type': Parent mtty has several types with the name 'Dual port serial': \
mtty-2, mtty-4"
}

@test "a misspelt type or parent in the file gets the hint that start gives" {
	add_type 0000:41:00.0 nvidia-222 16 vfio-pci "GRID T4-1Q"
	add_type 0000:41:00.0 nvidia-223 8 vfio-pci "GRID T4-2Q"
	sets "$(set_of a 1 '"0000:41:00.0"' "GRID P4-2Q")"
	nothing_done 3 "Set 'a': 'mdev_type': Parent 0000:41:00.0 does not support mdev type GRID P4-2Q. Did you mean \
'GRID T4-2Q'?"
	sets "$(set_of a 1 '"0000:*"' "GRID P4-2Q")"
	nothing_done 3 "Set 'a': 'mdev_type': Parent 0000:41:00.0 does not support mdev type GRID P4-2Q. Did you mean \
'GRID T4-2Q'?"
	sets "$(set_of a 1 '"41:00.0"' nvidia-222)"
	applies "define   $A0 41:00.0 nvidia-222 a/0" \
		"$(waits 1 1 a 41:00.0). Did you mean '0000:41:00.0'?"
	applies "" "$(waits 1 1 a 41:00.0). Did you mean '0000:41:00.0'?"
	# Parents with other numbers are other devices, and drivers are not what the file is about.
	sets "$(set_of a 1 '"0000:81:00.0"' nvidia-222)"
	applies "undefine $A0 41:00.0 nvidia-222 a/0
define   $A0 0000:81:00.0 nvidia-222 a/0" "$(waits 1 1 a 0000:81:00.0)"
	rm -r "$SYS"/class/mdev_bus/*
	applies "" "$(waits 1 1 a 0000:81:00.0)"
	rm -r "${D:?}/0000:81:00.0"
	applies "define   $A0 0000:81:00.0 nvidia-222 a/0" "$(waits 1 1 a 0000:81:00.0)"
}

# unused SET PARENT [WHY]: the warning about a parent on which a set cannot place devices.
unused() {
	echo "Warning: Set '$1': no devices are placed on parent $2, which is ${3:-not present}"
}

@test "a set given by the name of its type names the parents that are not present, in every run" {
	make_cards
	local all="define   $A0 0000:81:00.4 nvidia-900 a/0
define   $A1 0000:81:00.4 nvidia-900 a/1"
	sets "$(set_of a 2 '"41:00.4", "0000:81:00.4"' "GRID 2C" manual)"
	applies "$all" "$(unused a 41:00.4). Did you mean '0000:41:00.4'?"
	applies "" "$(unused a 41:00.4). Did you mean '0000:41:00.4'?"
	json '[.changed, .status, .problems]' 0
	same "[false,0,[{\"status\":0,\"error\":\"Set 'a': no devices are placed on parent 41:00.4, which is not \
present. Did you mean '0000:41:00.4'?\"}]]"
	sets "$(set_of a 2 '"mtyt", "0000:81:00.4"' "GRID 2C" manual)"
	applies "" "$(unused a mtyt). Did you mean 'mtty'?"
	# A parent of the set is not what was meant by another one, and a name that is defined is right.
	sets "$(set_of a 2 '"0000:81:00.9", "0000:*"' "GRID 2C" manual)"
	applies "" "$(unused a 0000:81:00.9)"
	sets "$(set_of a 2 '"mtyt", "0000:81:00.4"' "GRID 2C" manual)"
	definition mtyt "$U1" t
	applies "" "$(unused a mtyt)"
	mkdir -p "$SYS/bus/pci/devices/0000:91:00.0" "$SYS/bus/pci/drivers/vfio-pci"
	ln -s ../../drivers/vfio-pci "$SYS/bus/pci/devices/0000:91:00.0/driver"
	sets "$(set_of a 2 '"0000:91:00.0", "0000:81:00.4"' "GRID 2C" manual)"
	applies "" "$(unused a 0000:91:00.0 "bound to vfio-pci")"
}

@test "a set given by the name of its type waits for parents given by name if none of them is present" {
	make_cards
	sets "$(set_of a 2 '"later", "41:00.4"' "GRID 2C")" "$(set_of b 1)"
	local why
	why="$(unused a later)
$(unused a 41:00.4). Did you mean '0000:41:00.4'?"
	applies "define   $B0 mtty mtty-1 b/0
start    $B0 mtty mtty-1 b/0" "$why"
	applies "" "$why"
	sets "$(set_of a '"max"' '"later"' "GRID 2C")"
	applies "" "$(unused a later)"
	add_type later nvidia-800 1 vfio-pci "GRID 2C"
	applies "define   $A0 later nvidia-800 a/0
start    $A0 later nvidia-800 a/0"
}

@test "a parent that is not present, where devices of a set given by the name of its type remain, is named once" {
	make_cards
	sets "$(set_of a 2 '"0000:41:00.4", "0000:81:00.4"' "GRID 2C" manual)"
	mdevctl apply "$F"
	rm "$SYS/class/mdev_bus/0000:41:00.4"
	applies "" "$(waits 1 2 a 0000:41:00.4)"
}

@test "a parent that is bound to another driver is reported as such, also in the first run" {
	mkdir -p "$SYS/bus/pci/devices/0000:81:00.0" "$SYS/bus/pci/drivers/vfio-pci"
	ln -s ../../drivers/vfio-pci "$SYS/bus/pci/devices/0000:81:00.0/driver"
	sets "$(set_of a 1 '"0000:81:00.0"' nvidia-222)"
	local why="Warning: 1 of 1 devices of set 'a' waits for parent 0000:81:00.0, which is bound to vfio-pci"
	applies "define   $A0 0000:81:00.0 nvidia-222 a/0" "$why"
	applies "" "$why"
}

@test "if part of the host cannot be read, nothing is changed" {
	definition matrix "$U1" vfio_ap-passthrough
	chmod 000 "$D/matrix"
	sets "$(set_of a 1)"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same ""
	[[ $stderr == *"Error: Unable to read /etc/mdevctl.d/matrix: Permission denied"* ]]
	chmod 755 "$D/matrix"
	rm -r "$D/matrix"
	definition mtty "$A0" mtty-1
	chmod 000 "$D/mtty/$A0"
	run -1 --separate-stderr weak mdevctl apply "$F"
	[[ $stderr == "Error: Unable to read /etc/mdevctl.d/mtty/$A0: Permission denied"* ]]
	[[ $(find "$D" -type f ! -name '.*') == "$D/mtty/$A0" ]]
}

@test "a definition of another device that cannot be read ends the run where a device would be placed" {
	definition mtty "$U1" mtty-1
	definition matrix "$U2" vfio_ap-passthrough
	chmod 000 "$D/mtty/$U1"
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough manual)"
	run -0 --separate-stderr weak mdevctl apply "$F"
	sets "$(set_of b 1)" "$(set_of a 2 '"matrix"' vfio_ap-passthrough manual)"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same ""
	[[ $stderr == "Error: Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied"* ]]
	chmod 000 "$D/matrix/$U2"
	sets "$(set_of a 1 '"matrix"' vfio_ap-passthrough manual)"
	run -0 --separate-stderr weak mdevctl apply "$F"
	same ""
}

@test "a definition that becomes unreadable during the run is a failure, and no change by another process" {
	versioned check '"define","start"' '"pre","post"' \
		"[[ \"\$action \$event \$uuid\" != \"define post $A0\" ]] || chmod 000 $D/mtty/$A0"
	sets "$(set_of a 2)"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same "define   $A0 mtty mtty-1 a/0
define   $A1 mtty mtty-1 a/1
start    $A1 mtty mtty-1 a/1"
	[[ $stderr == "Warning: Unable to start $A0 on mtty: Unable to read /etc/mdevctl.d/mtty/$A0: Permission denied"*"
Error: 1 change failed" ]]
}

@test "if it is not known whether an undefined device was started in the meantime, apply fails" {
	sets "$(set_of a 1 '"mtty"' mtty-1 manual)"
	mdevctl apply "$F"
	versioned check '"undefine"' '"pre","post"' "[[ \$event != post ]] || chmod 000 $DEVICES"
	sets "$(set_of a 0)"
	run -1 --separate-stderr weak mdevctl apply "$F"
	chmod 755 "$DEVICES"
	same "undefine $A0 mtty mtty-1 a/0"
	[[ $stderr == "Error: Unable to read /sys/bus/mdev/devices: Permission denied"* ]]
}

@test "apply says once how many devices may be in use, if only root can see it" {
	((EUID == 0)) || skip "must be root"
	sets "$(set_of a 3)"
	mdevctl apply "$F"
	with_node "$A0"
	mkdir -p "$PROC/100/fd"
	chmod 000 "$PROC/100/fd"
	local uuid
	for uuid in "$A1" "$A2"; do
		mkdir -p "$DEVICES/$uuid/vfio-dev"
		cp -r "$DEVICES/$A0/vfio-dev/vfio7" "$DEVICES/$uuid/vfio-dev"
	done
	chmod a+x "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}"
	sets "$(set_of a 0)"
	local user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	((EUID == 0)) || user=()
	"${user[@]}" test -x "$ROOT" -a -r "$BUILD/mdevctl" || skip "nobody cannot run $BUILD/mdevctl"
	run -6 --separate-stderr "${user[@]}" mdevctl apply "$F"
	same ""
	same_stderr "Error: 3 devices to be stopped may be in use (must be root)"
	((EUID == 0)) || return 0
	run -6 --separate-stderr weak mdevctl apply "$F"
	[[ ${#stderr_lines[@]} == 4 && $stderr == *"may be in use: "*"Error: 3 devices to be stopped may be in use" ]]
}

@test "a device does not leave a parent whose types cannot be read" {
	local types=$SYS/devices/virtual/mtty/mtty/mdev_supported_types
	add_type card mtty-1 2 vfio-pci
	sets "$(set_of a 1 '"mtty", "card"')"
	mdevctl apply "$F"
	chmod 000 "$types"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same ""
	[[ $stderr == *"Error: Set 'a': Unable to read the types of parent mtty" ]]
	mdevctl list -d --dumpjson >"$F"
	chmod 755 "$types"
	mdevctl stop -u "$A0"
	chmod 000 "$types"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same ""
	[[ $stderr == *"Device $A0 cannot be started: Unable to read the types of parent mtty"* ]]
	chmod 755 "$types"
	chmod 000 "$SYS/class/mdev_bus"
	run -1 --separate-stderr weak mdevctl apply "$F"
	same_stderr "Error: Unable to read /sys/class/mdev_bus: Permission denied"
	chmod 755 "$SYS/class/mdev_bus"
	applies "start    $A0 mtty mtty-1"
}

@test "only one apply runs at a time" {
	sets "$(set_of a 1)"
	: >"$D/.apply.lock"
	MDEVCTL_LOCK_TIMEOUT=1 run -9 --separate-stderr env LD_PRELOAD= flock "$D/.apply.lock" \
		mdevctl apply "$F"
	same_stderr "Error: Another process has held the lock on /etc/mdevctl.d/.apply.lock for more than \
1 s; use 'fuser -v /etc/mdevctl.d/.apply.lock' to find it"
	[[ $(stat -c %a "$D/.apply.lock") == 600 ]]
}

@test "a termination signal ends the run between two devices" {
	versioned check '"define"' '"pre","post"' "[[ \$event != post || \$uuid != $A1 ]] || kill -TERM \$PPID"
	sets "$(set_of a 3 '"mtty"' mtty-1 manual)"
	json '[.changed, .status, .error, [.changes[].uuid]]' 1
	same "[true,1,\"Interrupted by signal 15 (Terminated)\",[\"$A0\",\"$A1\"]]"
	same_stderr "Error: Interrupted by signal 15 (Terminated)"
	run -0 mdevctl list -d
	same "$A0 mtty mtty-1 manual
$A1 mtty mtty-1 manual"
	sets "$(set_of a 3 '"mtty"' mtty-1 manual)"
	rm "$CALLOUTS/check"
	applies "define   $A2 mtty mtty-1 a/2"
}

# --- Output ---------------------------------------------------------------------------------------------

@test "apply --json always prints one object" {
	sets "$(set_of a 1)"
	json '[.changed, .status, .error, [.changes[] | [.action, .uuid, .parent, .mdev_type, .set,
		.index, .before, .after.start, .status, .error]]]' 10 --dry-run
	same "[true,10,null,[[\"define\",\"$A0\",\"mtty\",\"mtty-1\",\"a\",0,null,\"auto\",0,null],\
[\"start\",\"$A0\",\"mtty\",\"mtty-1\",\"a\",0,{\"mdev_type\":\"mtty-1\",\"start\":\"auto\",\"attrs\":[],\"set\":\"a/0\",\
\"mdev_type_name\":\"Single port serial\"},\"auto\",0,null]]]"
	FAKEKERNEL_FAIL=create=EIO json '[.changed, .status, .error, [.changes[] | [.action, .status, .error]]]' 1
	same "[true,1,\"1 change failed\",[[\"define\",0,null],[\"start\",1,\"Failed to create mdev $A0, type \
mtty-1 on mtty: Input/output error\"]]]"
	json '[.changed, .changes[].action]' 0
	same '[true,"start"]'
	json . 0
	same '{"version":1,"changed":false,"status":0,"error":null,"changes":[],"problems":[]}'
	sets "$(set_of a 100)"
	json '[.status, .error, .problems]' 5 --dry-run
	same "[5,\"76 of 100 devices are missing\",[{\"status\":5,\"error\":\"Set 'a': 76 of 100 devices have \
no available instance of mtty-1\"}]]"
	echo '{' >"$F"
	json '[.changed, .status, .error, .changes]' 8
	same "[false,8,\"Invalid JSON in $F: unexpected end at line 2 column 1\",[]]"
}

@test "a change is printed when it has been made, even to a file or a pipe" {
	export out=$BATS_TEST_TMPDIR/out
	add_script callouts seen <<'END'
#!/bin/sh
case "$*" in *pre*start*) grep -q "^define .* a/0$" "$out" ;; *) exit 2 ;; esac
END
	sets "$(set_of a 1)"
	mdevctl apply "$F" >"$out"
	run -0 cat "$out"
	same "define   $A0 mtty mtty-1 a/0
start    $A0 mtty mtty-1 a/0"
}

@test "on a terminal, apply shows its progress" {
	sets "$(set_of a 2)"
	run -0 command script -qec "mdevctl apply '$F' >'$BATS_TEST_TMPDIR/out'" /dev/null
	same $'\r1 of 4 changes\r2 of 4 changes\r3 of 4 changes\r4 of 4 changes\r\E[K'
	same_file "$BATS_TEST_TMPDIR/out" "define   $A0 mtty mtty-1 a/0
start    $A0 mtty mtty-1 a/0
define   $A1 mtty mtty-1 a/1
start    $A1 mtty mtty-1 a/1
"
	sets "$(set_of a 1)"
	run -0 command script -qec "mdevctl apply '$F'" /dev/null
	same "stop     $A1 mtty mtty-1 a/1"$'\r'"
undefine $A1 mtty mtty-1 a/1"$'\r'
}

# --- Definitions ----------------------------------------------------------------------------------------

@test "the output of list --dumpjson is accepted unchanged" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" gone
	definition matrix "$U2" vfio_ap-passthrough manual '[{"assign_adapter":"5"},{"assign_domain":"6"}]'
	definition absent "$U3" other auto
	mdevctl start -u "$U1"
	mdevctl list -d --dumpjson >"$F"
	applies "" "Warning: 1 of 4 devices waits for parent absent, which is not present"
	mdevctl stop -u "$U1"
	rm -r "${D:?}/matrix" "$D/mtty" "$D/absent"
	applies "define   $U3 absent other
define   $U2 matrix vfio_ap-passthrough
define   $U1 mtty mtty-1
start    $U1 mtty mtty-1
define   $U2 mtty gone" "Warning: 1 of 4 devices waits for parent absent, which is not present"
	mdevctl list -d --dumpjson | cmp - "$F"
	applies "" "Warning: 1 of 4 devices waits for parent absent, which is not present"
}

@test "a manual device that is listed on a parent that is not present is defined, with a warning" {
	definition absent "$U1" other manual
	mdevctl list -d --dumpjson >"$F"
	rm -r "$D/absent"
	applies "define   $U1 absent other" "Warning: Parent absent is not present"
	applies ""
}

@test "the output of list --dumpjson restores the devices of sets with their labels" {
	local set
	set=$(set_of a 1)
	sets "$set"
	mdevctl apply "$F"
	mdevctl list -d --dumpjson >"$F"
	run -0 jq -c '.[0].mtty[0][]' "$F"
	same '{"mdev_type":"mtty-1","start":"auto","attrs":[],"set":"a/0","mdev_type_name":"Single port serial"}'
	applies ""
	mdevctl stop -u "$A0"
	rm -r "$D/mtty"
	applies "define   $A0 mtty mtty-1
start    $A0 mtty mtty-1"
	mdevctl list -d --dumpjson | cmp - "$F"
	run -0 mdevctl status --json
	run -0 jq -r '.parents[].devices[].set' <<<"$output"
	same a/0
	# A label and the name of the type that were lost are written again, in both forms of the file.
	definition mtty "$A0" mtty-1 auto
	applies "modify   $A0 mtty mtty-1"
	mdevctl list -d --dumpjson | cmp - "$F"
	sets "$set"
	applies ""
	definition mtty "$A0" mtty-1 auto
	applies "modify   $A0 mtty mtty-1 a/0"
	applies ""
}

@test "apply --json of a list shows the members of sets in all changes, also in starts" {
	local filter='[.changes[] | .action, (.before, .after | (.set, .mdev_type_name)?)]'
	local start='"start","a/0","Single port serial","a/0","Single port serial"'
	sets "$(set_of a 1)"
	mdevctl apply "$F"
	mdevctl list -d --dumpjson >"$F"
	mdevctl stop -u "$A0"
	json "$filter" 10 --dry-run
	same "[$start]"
	mdevctl undefine -u "$A0"
	json "$filter" 10 --dry-run
	same "[\"define\",null,null,\"a/0\",\"Single port serial\",$start]"
	json "$filter" 0
	same "[\"define\",null,null,\"a/0\",\"Single port serial\",$start]"
}

@test "definitions that differ are modified, and those that are not listed are kept" {
	definition mtty "$U1" mtty-1
	definition mtty "$U2" mtty-1
	echo "[{\"mtty\":[{\"$U1\":{\"mdev_type\":\"mtty-2\",\"start\":\"auto\",\"attrs\":[]}}]}]" >"$F"
	applies "modify   $U1 mtty mtty-2
start    $U1 mtty mtty-2"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 auto (active)
$U2 mtty mtty-1 manual"
	applies ""
}

@test "a listed device that cannot be started on its parent is reported" {
	definition mtty "$U1" mtty-3 auto
	add_type card t 1 vfio-pci
	running card "$U3" t
	definition card "$U2" t auto
	mdevctl list -d --dumpjson >"$F"
	applies_in_part 3 "" \
		"Warning: Device $U2 cannot be started: No available instances of t on card; running devices: $U3 (t)
Warning: Device $U1 cannot be started: Parent mtty does not support mdev type mtty-3. It supports mtty-1 (Single \
port serial), mtty-2 (Dual port serial)
Error: 1 change failed; 1 of 2 devices are missing"
	definition matrix "$U3" vfio_ap-passthrough auto
	mdevctl list -d -p matrix --dumpjson >"$F"
	applies_in_part 4 "" \
		"Warning: Device $U3 cannot be started on matrix: it is running on card
Error: 1 change failed"
}

@test "a UUID that is listed under several parents is started on the first one that is present" {
	definition absent "$U1" mtty-1 auto
	definition mtty "$U1" mtty-1 auto
	definition matrix "$U1" vfio_ap-passthrough auto
	mdevctl list -d --dumpjson >"$F"
	applies "start    $U1 matrix vfio_ap-passthrough"
	applies ""
}

@test "a UUID that is listed under several parents is missing only if none of them can start it" {
	definition matrix "$U1" other auto
	definition mtty "$U1" mtty-1 auto
	mdevctl list -d --dumpjson >"$F"
	applies "start    $U1 mtty mtty-1"
	applies ""
	mdevctl stop -u "$U1"
	echo 0 >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	applies_in_part 3 "" "Warning: Device $U1 cannot be started: Parent matrix does not support mdev type other. \
It supports vfio_ap-passthrough (VFIO AP Passthrough Device)
Warning: Device $U1 cannot be started: No available instances of mtty-1 on mtty
Error: 1 change failed; 1 of 2 devices are missing"
}
