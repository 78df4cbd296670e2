# SPDX-License-Identifier: LGPL-2.1-or-later
# What users did, as public reports tell it, and what should have come of it. One test a kind.
# shellcheck disable=SC2154 # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	add_type 0000:41:00.0 nvidia-259 4 vfio-pci "GRID RTX6000-4Q"
	add_type 0000:41:00.0 nvidia-300 2 vfio-pci "GRID T4-8Q"
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw "I/O subchannel (Non-QDIO)"
	export MDEVCTL_LOG=info # hints, as on a terminal
}

teardown() {
	[[ -z ${holder:-} ]] || kill "$holder" 2>/dev/null || true
}

# no_parent NAME HINT: start, define, list and types suggest the right name.
no_parent() {
	run -3 --separate-stderr mdevctl start -u "$U1" -p "$1" -t nvidia-259
	same_stderr "Error: Unable to find parent device '$1'. Did you mean '$2'?"
	run -0 --separate-stderr mdevctl define -u "$U1" -p "$1" -t nvidia-259
	[[ $stderr == *"Did you mean '$2'?" ]]
	mdevctl undefine -u "$U1"
	for command in "types" "list" "list -d"; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr mdevctl $command -p "$1"
		same ""
		same_stderr "Hint: Unable to find parent device '$1'. Did you mean '$2'?"
	done
}

@test "a user gives libvirt's name of a PCI parent" {
	no_parent pci_0000_41_00_0 0000:41:00.0
}

@test "a user gives libvirt's name of a subchannel" {
	no_parent css_0_0_0313 0.0.0313
}

@test "a user gives libvirt's name of a device as its parent" {
	no_parent "mdev_${U1//-/_}_0000_41_00_0" 0000:41:00.0
}

@test "a user gives the address that lspci prints" {
	no_parent 41:00.0 0000:41:00.0
}

@test "a user gives the address that nvidia-smi prints" {
	no_parent 00000000:41:00.0 0000:41:00.0
}

@test "a user gives libvirt's name of a device as a UUID" {
	wrong_usage "Option '--uuid' has invalid value 'mdev_${U1//-/_}_matrix': not a UUID. Did you mean '$U1'?" \
		stop --uuid="mdev_${U1//-/_}_matrix"
}

@test "a user gives a value that is no UUID" {
	wrong_usage "Option '--uuid' has invalid value 'not-a-uuid': not a UUID" list --uuid not-a-uuid
}

@test "a user gives a type by its human-readable name" {
	run -0 --separate-stderr mdevctl start -u "$U1" -p 0000:41:00.0 -t "GRID RTX6000-4Q"
	same_stderr ""
	run -0 mdevctl list
	same "$U1 0000:41:00.0 nvidia-259 manual"
}

@test "a user writes a driver's value as echo does" {
	definition 0000:41:00.0 "$U1" nvidia-259
	run -0 --separate-stderr mdevctl modify -u "$U1" --addattr=nvidia/vgpu_params --value=frame_rate_limiter=0
	same_stderr "Hint: NVIDIA's driver is reported to ignore the last character of nvidia/vgpu_params; in bash, --value=\$'frame_rate_limiter=0\\n' appends a newline"
	run -0 --separate-stderr mdevctl modify -u "$U1" --delattr
	run -0 --separate-stderr mdevctl modify -u "$U1" --addattr=nvidia/vgpu_params --value=$'frame_rate_limiter=0\n'
	same_stderr ""
	run -0 mdevctl list -d -v
	same "$U1 0000:41:00.0 nvidia-259 manual
  Attrs:
    @{0}: {\"nvidia/vgpu_params\":\"frame_rate_limiter=0\\n\"}"
}

@test "a user starts a device whose UUID runs elsewhere" {
	running mtty "$U1" mtty-1
	fails 4 "Error: Device exists under different parent: $U1 is running on mtty, not on matrix" \
		mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
	fails 4 "Error: Device exists with different type: $U1 is running with type mtty-1, not mtty-2" \
		mdevctl start -u "$U1" -p mtty -t mtty-2
}

@test "a user starts a device on a host whose driver has no mediated devices" {
	rm -r "$SYS/class/mdev_bus"
	mkdir -p "$SYS/bus/pci/devices/0000:41:00.4/nvidia"
	: >"$SYS/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type"
	fails 3 "Error: Unable to find parent device '0000:41:00.4'. The NVIDIA driver of this host does not use mediated devices: to create a vGPU, write the number of its type to /sys/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type, and assign the PCI device to a guest" \
		mdevctl start -u "$U1" -p 0000:41:00.4 -t nvidia-700
}

@test "a user makes a running device start at boot that is not defined" {
	running mtty "$U1" mtty-1
	fails 3 "Error: Mediated device $U1 is not defined. It is running; 'mdevctl define -u $U1' makes it persistent" \
		mdevctl modify -u "$U1" --auto
}

@test "a user ensures that a device runs which is not defined" {
	running mtty "$U1" mtty-1
	run -0 --separate-stderr mdevctl start --ensure -u "$U1"
	same_stderr ""
	run -0 --separate-stderr mdevctl start --ensure -u "$U1" -p mtty
	same_stderr ""
	run -3 --separate-stderr mdevctl start --ensure -u "$U1" -p matrix
	run -3 --separate-stderr mdevctl start --ensure -u "$U2"
}

# --- define --start, stop --all -------------------------------------------------------------------------

@test "a user defines a device and starts it at once" {
	run -0 --separate-stderr mdevctl define --start --auto -u "$U1" -p mtty -t mtty-1
	same ""
	same_stderr ""
	run -0 mdevctl list
	same "$U1 mtty mtty-1 auto (defined)"
	run -0 mdevctl define --start -p mtty -t mtty-2
	[[ $output =~ ^[0-9a-f-]{36}$ ]]
	run -0 mdevctl list -u "$output"
	[[ $output == *"mtty mtty-2 manual (defined)" ]]
}

@test "define --start leaves no definition if the device cannot be started" {
	echo 0 >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	fails 5 "Error: No available instances of mtty-1 on mtty" \
		mdevctl define --start -u "$U1" -p mtty -t mtty-1
	fails 3 "Error: Unable to find parent device 'mtti'. Did you mean 'mtty'?" \
		mdevctl define --start -p mtti -t mtty-1
	echo '{"mdev_type":"vfio_ap-passthrough","start":"auto","attrs":[{"nosuch":"1"}]}' >"$ROOT/json"
	fails 1 "Error: Invalid attribute 'nosuch'" \
		mdevctl define --start -u "$U1" -p matrix --jsonfile "$ROOT/json"
	run -0 mdevctl list -d
	same ""
	run -0 mdevctl list
	same ""
}

@test "define --start of what is defined already changes nothing" {
	definition mtty "$U1" mtty-1
	fails 4 "Error: Device $U1 on mtty already defined" \
		mdevctl define --start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
}

@test "define --start makes a running device persistent" {
	running mtty "$U1" mtty-1
	run -0 --separate-stderr mdevctl define --start -u "$U1"
	same_stderr ""
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
}

@test "a user stops everything, or all of a parent" {
	running mtty "$U1" mtty-1
	running mtty "$U2" mtty-1
	running matrix "$U3" vfio_ap-passthrough
	run -0 --separate-stderr mdevctl stop --all --parent=mtty
	same_stderr ""
	run -0 mdevctl list
	same "$U3 matrix vfio_ap-passthrough manual"
	run -0 --separate-stderr mdevctl stop --all
	same_stderr ""
	run -0 mdevctl list
	same ""
	run -0 --separate-stderr mdevctl stop --all
	same_stderr ""
}

@test "stop --all goes on after a device that is in use, and says so" {
	running mtty "$U1" mtty-1
	running mtty "$U2" mtty-1
	with_node "$U1"
	hold "$NODE"
	run -6 --separate-stderr mdevctl stop --all
	same_stderr "Warning: Stop of $U1 on mtty failed: Device $U1 is in use by sleep (PID $holder)
Error: 1 of 2 devices could not be stopped"
	release
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

# --- JSON that people write -----------------------------------------------------------------------------

# mistake WORDS LINE COLUMN SHOWN < TEXT: the message names the mistake, and marks it in the line.
mistake() {
	cat >"$ROOT/json"
	fails 8 "Error: Invalid JSON in $ROOT/json: $1 at line $2 column $3
  $4
  $(printf '%*s' $(($3 - 1)) '')^" mdevctl define -p mtty --jsonfile "$ROOT/json"
}

@test "a user forgets that JSON has no comma at the end" {
	mistake "trailing comma" 1 45 '{ "mdev_type": "nvidia-300", "start": "auto", }' \
		<<<'{ "mdev_type": "nvidia-300", "start": "auto", }'
	mistake "trailing comma" 4 14 '  "attrs": [],' <<'END'
{
  "mdev_type": "nvidia-300",
  "start": "auto",
  "attrs": [],
}
END
	mistake "trailing comma" 1 3 '[1, ]' <<<'[1, ]'
}

@test "a user leaves out a comma, a colon or a quote" {
	mistake "missing comma" 2 28 '  "mdev_type": "nvidia-300"' <<'END'
{
  "mdev_type": "nvidia-300"
  "start": "auto"
}
END
	mistake "missing comma" 1 9 '[{"a":1}{}]' <<<'[{"a":1}{}]'
	mistake "missing colon" 1 14 '{ "mdev_type" "t" }' <<<'{ "mdev_type" "t" }'
	mistake "unterminated string" 1 16 '{ "mdev_type": "t }' < <(printf '{ "mdev_type": "t }')
	mistake "control character" 1 20 '{ "mdev_type": "t }' <<<'{ "mdev_type": "t }'
}

@test "a user writes JSON as another language" {
	mistake "name without quotes" 2 3 '  mdev_type: "nvidia-300"' <<'END'
{
  mdev_type: "nvidia-300"
}
END
	mistake "single quotes instead of double quotes" 1 3 "{ 'mdev_type': 1 }" <<<"{ 'mdev_type': 1 }"
	mistake "single quotes instead of double quotes" 1 16 "{ \"mdev_type\": 'a' }" <<<"{ \"mdev_type\": 'a' }"
	mistake "comment" 1 3 '{ // the card' <<<'{ // the card
}'
	mistake "comment" 1 1 '# the card' <<<'# the card
{}'
	mistake "comment" 1 3 '{ /* a */ }' <<<'{ /* a */ }'
	mistake "true, false or null in capital letters" 1 8 '{ "x": True }' <<<'{ "x": True }'
	mistake "name without quotes" 1 3 '{ true: 1 }' <<<'{ true: 1 }'
	mistake "true, false or null in capital letters" 1 3 '{ NULL: 1 }' <<<'{ NULL: 1 }'
	mistake "text without quotes" 1 16 '{ "mdev_type": nvidia-300 }' <<<'{ "mdev_type": nvidia-300 }'
}

@test "the mark stands below the mistake in long lines, after tabs and after other letters" {
	local long
	long=$(printf '%0100d' 0)
	printf '{"gr\303\274\303\237e":\t"x" "y"}' >"$ROOT/json"
	fails 8 "Error: Invalid JSON in $ROOT/json: missing comma at line 1 column 16
  $(printf '{"gr\303\274\303\237e": "x" "y"}')
               ^" mdevctl define -p mtty --jsonfile "$ROOT/json"
	printf '{"%s":"x" "%s"}' "$long" "$long" >"$ROOT/json"
	run -8 --separate-stderr mdevctl define -p mtty --jsonfile "$ROOT/json"
	[[ ${stderr_lines[1]} == *'0":"x" "0'* ]]
	[[ ${stderr_lines[2]} == "$(printf '%62s^' '')" ]]
}

# --- Definitions in the wrong place ---------------------------------------------------------------------

@test "a user puts a definition into the wrong directory, or gives it another name" {
	definition mtty "$U1" mtty-1
	cp "$D/mtty/$U1" "$D/$U2"
	cp "$D/mtty/$U1" "$D/$U3.json"
	cp "$D/mtty/$U1" "$D/mtty/$U2.json"
	: >"$D/README"
	: >"$D/.hidden"
	run -0 --separate-stderr mdevctl list -d
	same "$U1 mtty mtty-1 manual"
	same_stderr "Warning: Ignoring /etc/mdevctl.d/$U2: a definition belongs in the directory of its parent, /etc/mdevctl.d/PARENT/$U2
Warning: Ignoring /etc/mdevctl.d/$U3.json: a definition belongs in the directory of its parent, /etc/mdevctl.d/PARENT/$U3
Warning: Can't determine uuid for file '$U2.json' in /etc/mdevctl.d/mtty; rename it to $U2"
}

@test "define --start that is ended by a signal leaves no definition and says so" {
	local status=0
	add_script callouts slow <<-EOF
		#!/bin/bash
		[[ "\$4 \$6" != "pre start" ]] || { : >'$ROOT/started'; exec sleep 600; }
	EOF
	mdevctl define --start -u "$U1" -p mtty -t mtty-1 2>"$ROOT/err" 3>&- &
	wait_for test -e "$ROOT/started"
	kill -TERM $!
	wait $! || status=$?
	((status == 143))
	same_file "$ROOT/err" "Warning: Interrupted by signal 15 (Terminated)
"
	run -0 mdevctl list -d
	same ""
	run -0 mdevctl list
	same ""
}

# --- A host with two cards --------------------------------------------------------------------------------

# A host with two cards and eight desktops on them.
two_cards() {
	local card
	rm -r "$SYS"/class/mdev_bus/* "$SYS"/devices/virtual/*
	for card in 0000:41:00.0 0000:81:00.0; do
		add_type $card nvidia-222 16 vfio-pci "GRID T4-1Q"
		add_type $card nvidia-223 8 vfio-pci "GRID T4-2Q"
	done
	cat >"$ROOT/host.json" <<-'END'
		{
		  "desktops": {
		    "mdev_type": "GRID T4-2Q",
		    "start": "auto",
		    "parents": ["0000:41:00.0", "0000:81:00.0"],
		    "count": 8
		  }
		}
	END
}

@test "a user sees what a new host has" {
	two_cards
	run -0 --separate-stderr env LC_ALL=C mdevctl status
	same_stderr ""
	same "NAME         STATE START DETAILS
0000:41:00.0
\`-2 types                2 with free instances
0000:81:00.0
\`-2 types                2 with free instances"
}

@test "a user applies the description of a host whose card has vanished" {
	local wait="4 of 8 devices of set 'desktops' wait for parent 0000:81:00.0, which is not present"
	two_cards
	mdevctl apply "$ROOT/host.json"
	mdevctl stop --all --parent=0000:81:00.0
	rm "$SYS/class/mdev_bus/0000:81:00.0"
	for _ in 1 2; do
		run -0 --separate-stderr mdevctl apply "$ROOT/host.json"
		same ""
		same_stderr "Warning: $wait"
	done
	sed -i 's/"0000:41:00.0", "0000:81:00.0"/"0000:*"/' "$ROOT/host.json"
	run -0 --separate-stderr mdevctl apply --dry-run --json "$ROOT/host.json"
	run -0 jq -c .problems <<<"$output"
	same "[{\"status\":0,\"error\":\"$wait\"}]"
	run -10 mdevctl status --check
	((${#lines[@]} == 4))
}

@test "a user keeps the definitions of a card elsewhere, with a link" {
	two_cards
	mkdir -p "$ROOT/srv/card"
	ln -s ../../srv/card "$D/0000:41:00.0"
	mdevctl define -u "$U1" -p 0000:41:00.0 -t nvidia-222
	run -0 --separate-stderr mdevctl list -d
	same "$U1 0000:41:00.0 nvidia-222 manual"
	same_stderr ""
	[[ -f $ROOT/srv/card/$U1 ]]
}

@test "a user changes only the type of a device, by its name" {
	two_cards
	definition 0000:41:00.0 "$U1" nvidia-222 auto
	run -0 --separate-stderr mdevctl modify -u "$U1" -t "GRID T4-2Q"
	same ""
	same_stderr ""
	run -0 mdevctl list -d
	same "$U1 0000:41:00.0 nvidia-223 auto"
}

@test "a user defines a device with a part of the name of its type" {
	two_cards
	run -0 --separate-stderr mdevctl define -u "$U1" -p 0000:41:00.0 -t T4-2Q
	[[ $stderr == *"does not support mdev type T4-2Q. Did you mean 'GRID T4-2Q'?" ]]
}
