# SPDX-License-Identifier: LGPL-2.1-or-later
# Messages that suggest what to do next; those that mdevctl has as well are tested with their commands.
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# suggests WORD COMMAND...: stderr asks "Did you mean 'WORD'?"; WORD is empty for no suggestion.
suggests() {
	local wanted=$1
	shift
	"$@" 2>"$BATS_TEST_TMPDIR/stderr" && return 1
	run -0 sed -n "s/.*Did you mean '\(.*\)'?.*/\1/p" "$BATS_TEST_TMPDIR/stderr"
	same "$wanted"
}

@test "the most similar command is suggested for a misspelt one" {
	suggests start mdevctl strat
	suggests undefine mdevctl undefin
	suggests types mdevctl TYPES
	suggests modify mdevctl mod
	suggests stop mdevctl help stpo
	suggests "" mdevctl frobnicate
	suggests "" mdevctl x
	suggests "" mdevctl ""
}

@test "the most similar option of the program is suggested for a misspelt one" {
	suggests --parent mdevctl types --parnet=mtty
	suggests --dumpjson mdevctl list --dump
	suggests --settle mdevctl start --setle
	suggests "" mdevctl define --settle
	suggests "" mdevctl list --x
}

@test "the most similar parent is suggested for a misspelt one" {
	add_type 0000:41:00.4 nvidia-63 4 vfio-pci
	suggests matrix mdevctl start -p matirx -t x
	suggests 0000:41:00.4 mdevctl start -p 0000:41:00.5 -t x
	suggests 0000:41:00.4 mdevctl start -p 000:41:00.4 -t x
	suggests 0000:41:00.4 mdevctl start -p 41:00.4 -t x # as printed by lspci
	suggests "" mdevctl start -p 0000:c8:3b.7 -t x
	suggests "" mdevctl start -p t -t x
}

@test "the most similar type of the parent is suggested for a misspelt one" {
	suggests vfio_ap-passthrough mdevctl start -p matrix -t vfio-ap-passthrough
	suggests mtty-2 mdevctl start -p mtty -t mty-2
	suggests "" mdevctl start -p matrix -t mtty-1
	suggests "" mdevctl start -p mtty -t "$(printf 'x%.0s' {1..255})"
}

@test "a type number is answered with what the parent supports, never with another number" {
	local card=0000:41:00.0
	add_type $card nvidia-222 16 vfio-pci "GRID T4-1Q"
	add_type $card nvidia-223 8 vfio-pci "GRID T4-2Q"
	add_type $card nvidia-224 4 vfio-pci "GRID T4-4Q"
	fails 3 "Error: Parent $card does not support mdev type nvidia-63. It supports nvidia-222 (GRID T4-1Q), nvidia-223 (GRID T4-2Q), nvidia-224 (GRID T4-4Q)" \
		mdevctl start -u "$U1" -p $card -t nvidia-63
	suggests "" mdevctl start -p $card -t nvidia-22
	suggests "" mdevctl start -p $card -t "GRID T4-3Q"
	suggests nvidia-222 mdevctl start -p $card -t nvdia-222
	suggests "GRID T4-4Q" mdevctl start -p $card -t T4-4Q
	suggests "GRID T4-4Q" mdevctl start -p $card -t "grid T4-4Q"
	suggests "GRID T4-2Q" mdevctl start -p $card -t "GRID P4-2Q"
	for i in 1 2 3 4 5 6 7; do
		add_type $card "nvidia-30$i" 4 vfio-pci "$(printf 'x%.0s' {1..100})"
	done
	fails 3 "Error: Parent $card does not support mdev type x. It supports nvidia-222 (GRID T4-1Q), nvidia-223 (GRID T4-2Q), nvidia-224 (GRID T4-4Q), nvidia-301, nvidia-302, nvidia-303, nvidia-304, nvidia-305 and 2 more" \
		mdevctl start -u "$U1" -p $card -t x
	rm -r "$SYS/class/mdev_bus/mtty/mdev_supported_types"/*
	fails 3 "Error: Parent mtty does not support mdev type x. It does not support any types" \
		mdevctl start -u "$U1" -p mtty -t x
}

@test "a parent that definitions exist for is not misspelt" {
	add_type 0000:41:00.0 nvidia-222 16 vfio-pci
	definition 0000:c1:00.0 "$U1" nvidia-222
	fails 3 "Error: Unable to find parent device '0000:c1:00.0'" mdevctl start -u "$U1"
	fails 3 "Error: Unable to find parent device '0000:c1:00.0'" \
		mdevctl start -u "$U2" -p 0000:c1:00.0 -t nvidia-222
	mdevctl undefine -u "$U1"
	fails 3 "Error: Unable to find parent device '0000:c1:00.0'. Did you mean '0000:41:00.0'?" \
		mdevctl start -u "$U2" -p 0000:c1:00.0 -t nvidia-222
}

# pci NAME [DRIVER]: adds a PCI device that is not a parent.
pci() {
	mkdir -p "$SYS/bus/pci/devices/$1"
	[[ -z ${2:-} ]] || ln -sfn "../../drivers/$2" "$SYS/bus/pci/devices/$1/driver"
}

# no_parent NAME TEXT: all commands that need the parent say what it is instead; status also in its tree.
no_parent() {
	local text="Unable to find parent device '$1'. $2"
	fails 3 "Error: $text" mdevctl start -u "$U2" -p "$1" -t t
	fails 3 "Error: $text" mdevctl define --start -u "$U2" -p "$1" -t t
	hint "$text" mdevctl types -p "$1"
	hint "$text" mdevctl list -p "$1"
	fails 3 "Error: $text" mdevctl status -p "$1"
	hint_once "The device cannot be started yet: $text" mdevctl define -u "$U2" -p "$1" -t t
	fails 3 "Error: $text" mdevctl start -u "$U2"
	mdevctl modify -u "$U2" --auto
	fails 1 "Warning: Start of $U2 on $1 failed: $text
Error: 1 of 1 devices on $1 could not be started: $U2" mdevctl start-parent-mdevs "$1"
	run -10 mdevctl status --check
	same "missing $U2 $1 t: parent ${3:-not present}"
	run -0 mdevctl status --noheadings -p "$1"
	[[ ${lines[0]} == "$1 "*" ${3:-not present}" ]]
	mdevctl undefine -u "$U2"
}

@test "a PCI device that is not a parent is answered with what it is" {
	local card=0000:41:00.0 vendor="to use it as a parent,"
	pci $card
	no_parent $card "$card has no driver; $vendor load the driver of its vendor" "without driver"
	pci $card vfio-pci
	no_parent $card "$card is bound to vfio-pci; $vendor bind it to the driver of its vendor" "bound to vfio-pci"
	pci $card nouveau
	no_parent $card "$card is bound to nouveau; $vendor bind it to the driver of its vendor" "bound to nouveau"
	pci $card e1000e
	no_parent $card "$card is bound to e1000e, which offers no mediated devices for it" "bound to e1000e"
	pci $card i915
	no_parent $card "$card is bound to i915, but GVT-g is not enabled: boot with i915.enable_gvt=1, and load the module kvmgt" \
		"bound to i915"
	pci $card nvidia
	no_parent $card "$card is bound to nvidia, but the module nvidia_vgpu_vfio is not loaded: mediated devices require the vGPU driver for hosts" \
		"bound to nvidia"
	mkdir -p "$SYS/module/nvidia_vgpu_vfio"
	no_parent $card "$card is bound to nvidia, which offers no types for it; in MIG mode, create GPU instances first" \
		"bound to nvidia"
	echo 0x030200 >"$SYS/bus/pci/devices/$card/class"
	echo 16 >"$SYS/bus/pci/devices/$card/sriov_totalvfs"
	echo 0 >"$SYS/bus/pci/devices/$card/sriov_numvfs"
	no_parent $card "Graphics card $card has no virtual functions enabled, but its driver may support types only on these; see /sys/bus/pci/devices/$card/sriov_numvfs" \
		"bound to nvidia"
	echo 16 >"$SYS/bus/pci/devices/$card/sriov_numvfs"
	add_type 0000:41:00.4 nvidia-222 16 vfio-pci
	ln -s ../$card "$SYS/devices/virtual/0000:41:00.4/0000:41:00.4/physfn"
	fails 3 "Error: Unable to find parent device '41:00.0'. $card is a card whose virtual functions are the parents, for example '0000:41:00.4'" \
		mdevctl start -u "$U1" -p 41:00.0 -t t
}

@test "the crypto adapters of an IBM Z are answered with their parent" {
	mkdir -p "$SYS/bus/ap/devices/05.0004"
	no_parent 05.0004 "05.0004 is a cryptographic adapter or a queue of one: bind its queues to vfio_ap, and use the parent 'matrix'"
	rm "$SYS/class/mdev_bus/matrix"
	no_parent matrix "It exists only while the module vfio_ap is loaded"
}

@test "if no instances are available, three devices of the parent are listed" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1
	for i in 1 2 3 4 5; do
		mdevctl start -u "${U1%1}$i" -p mtty -t mtty-2
	done
	mdevctl start -u "$U3" -p matrix -t vfio_ap-passthrough
	echo 0 >"$type/available_instances"
	fails 5 "Error: No available instances of mtty-1 on mtty; running devices: ${U1%1}1 (mtty-2), ${U1%1}2 (mtty-2), ${U1%1}3 (mtty-2) and 2 more" \
		mdevctl start -u "$U2" -p mtty -t mtty-1
}

# hint TEXT COMMAND...: prints the hint with MDEVCTL_LOG=info and on a terminal, and nothing otherwise.
hint() {
	local wanted=$1
	shift
	run -0 --separate-stderr env MDEVCTL_LOG=info "$@"
	same_stderr "Hint: $wanted"
	run -0 --separate-stderr "$@"
	same_stderr ""
	run -0 --separate-stderr env MDEVCTL_LOG=off script -qec "$*" /dev/null
	[[ ${lines[*]} != *Hint* ]]
	run -0 --separate-stderr env NO_COLOR=1 script -qec "$*" /dev/null
	[[ ${lines[*]} == *"Hint: $wanted"* ]]
}

# Like hint with MDEVCTL_LOG=info, for commands that can be run only once.
hint_once() {
	run -0 --separate-stderr env MDEVCTL_LOG=info "${@:2}"
	same ""
	same_stderr "Hint: $1"
}

@test "types: if nothing is printed on stdout, a hint explains why" {
	mkdir -p "$SYS/class/iommu/dmar0"
	hint "Unable to find parent device 'mtyt'. Did you mean 'mtty'?" mdevctl types -p mtyt
	hint "Unable to find parent device 'other'" mdevctl types -p other
	rm "$SYS/class/mdev_bus"/*
	hint "The loaded drivers have no device that supports types" mdevctl types
	rm -r "$SYS/class/mdev_bus"
	hint "No loaded driver supports mediated devices" mdevctl types
	hint "Unable to find parent device 'mtty'. No loaded driver supports mediated devices" mdevctl types -p mtty
}

@test "types: no parent and no IOMMU" {
	rm -r "$SYS/class/mdev_bus"
	hint "No loaded driver supports mediated devices. There is no IOMMU either; it may be disabled in the firmware or on the kernel command line" \
		mdevctl types
	run -0 --separate-stderr mdevctl types --dumpjson
	same "[]"
}

# channel SUBCHANNEL DEVICE: this host is an IBM Z with such a subchannel, which is not a parent.
channel() {
	mkdir -p "$SYS/bus/css/devices/$1"
	echo "$2" >"$SYS/bus/css/devices/$1/dev_busid"
}

bind() {
	echo "run 'driverctl -b css set-override $1 vfio_ccw'"
}

@test "types: an IBM Z requires no IOMMU, but a driver for subchannels or adapters" {
	local hint
	channel 0.0.0313 0.0.1000
	hint=". To use a subchannel as a parent, $(bind SUBCHANNEL); for cryptographic adapters, load vfio_ap"
	rm "$SYS/class/mdev_bus"/*
	hint "The loaded drivers have no device that supports types$hint" mdevctl types
	rm -r "$SYS/class/mdev_bus"
	hint "No loaded driver supports mediated devices$hint" mdevctl types
	hint "Unable to find parent device '0.0.4711'. No loaded driver supports mediated devices$hint" mdevctl types -p 0.0.4711
	hint "Unable to find parent device '0.0.0313'. To use subchannel 0.0.0313 as a parent, $(bind 0.0.0313)" \
		mdevctl types -p 0.0.0313
}

@test "a device number is answered with its subchannel" {
	channel 0.0.0312 none
	channel 0.0.0313 0.0.1000
	channel 0.0.0314 0.0.1001
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw
	fails 3 "Error: Unable to find parent device '0.0.1000'. Did you mean '0.0.0313', the subchannel of device 0.0.1000?" \
		mdevctl start -u "$U1" -p 0.0.1000 -t vfio_ccw-io
	fails 3 "Error: Unable to find parent device 'ccw_0_0_1000'. Did you mean '0.0.0313', the subchannel of device ccw_0_0_1000?" \
		mdevctl start -u "$U1" -p ccw_0_0_1000 -t vfio_ccw-io
	fails 3 "Error: Unable to find parent device '0.0.1001'. To use its subchannel 0.0.0314 as a parent, $(bind 0.0.0314)" \
		mdevctl start -u "$U1" -p 0.0.1001 -t vfio_ccw-io
	hint "Unable to find parent device '0.0.1001'. To use its subchannel 0.0.0314 as a parent, $(bind 0.0.0314)" \
		mdevctl types -p 0.0.1001
	fails 3 "Error: Unable to find parent device 'none'" mdevctl start -u "$U1" -p none -t vfio_ccw-io
}

@test "a subchannel that is not a parent is answered with how to bind it" {
	channel 0.0.0313 0.0.1000
	channel 0.0.0314 0.0.0313
	local help
	help="To use subchannel 0.0.0313 as a parent, $(bind 0.0.0313)"
	fails 3 "Error: Unable to find parent device '0.0.0313'. $help" \
		mdevctl start -u "$U1" -p 0.0.0313 -t vfio_ccw-io
	fails 3 "Error: Unable to find parent device 'css_0_0_0313'. $help" \
		mdevctl start -u "$U1" -p css_0_0_0313 -t vfio_ccw-io
	add_type 0.0.0314 vfio_ccw-io 1 vfio-ccw
	fails 3 "Error: Unable to find parent device '0.0.0313'. Did you mean '0.0.0314', the subchannel of device 0.0.0313?" \
		mdevctl start -u "$U1" -p 0.0.0313 -t vfio_ccw-io
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw
	run -0 mdevctl start -u "$U1" -p 0.0.0313 -t vfio_ccw-io
	fails 3 "Error: Unable to find parent device 'css_0_0_0313'. Did you mean '0.0.0313'?" \
		mdevctl start -u "$U2" -p css_0_0_0313 -t vfio_ccw-io
}

@test "types: an NVIDIA driver that does not use mediated devices" {
	local card=$SYS/bus/pci/devices/0000:41:00.4
	rm "$SYS/class/mdev_bus"/*
	mkdir -p "$card/nvidia"
	echo 0 >"$card/nvidia/current_vgpu_type"
	hint "The NVIDIA driver of this host does not use mediated devices: to create a vGPU, write the number of its type to /sys/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type, and assign the PCI device to a guest" \
		mdevctl types
}

@test "types: a graphics card whose virtual functions are not enabled" {
	local card=$SYS/bus/pci/devices/0000:41:00.0 network=$SYS/bus/pci/devices/0000:01:00.0
	rm "$SYS/class/mdev_bus"/*
	mkdir -p "$card" "$network" "$SYS/class/iommu/dmar0"
	echo 0x020000 >"$network/class"
	echo 0x030200 >"$card/class"
	for device in "$card" "$network"; do
		echo 8 >"$device/sriov_totalvfs"
		echo 0 >"$device/sriov_numvfs"
	done
	hint "Graphics card 0000:41:00.0 has no virtual functions enabled, but its driver may support types only on these; see /sys/bus/pci/devices/0000:41:00.0/sriov_numvfs" \
		mdevctl types
	echo 8 >"$card/sriov_numvfs"
	hint "The loaded drivers have no device that supports types" mdevctl types
}

@test "operations that require root report it" {
	local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 755 "$BATS_RUN_TMPDIR" # bats makes it private
	((UID == 0)) && "${nobody[@]}" test -x "$ROOT" -a -r "$BUILD/mdevctl" || skip "needs root, and paths for all"
	definition mtty "$U1" mtty-1
	fails 1 "Error: Failed to create mdev $U1, type mtty-1 on mtty: Permission denied (must be root)" \
		"${nobody[@]}" mdevctl start -u "$U1"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U2: Permission denied (must be root)" \
		"${nobody[@]}" mdevctl define -u "$U2" -p mtty -t mtty-1
	fails 1 "Warning: Undefine of $U1 on parent mtty failed with error: Failed to remove file /etc/mdevctl.d/mtty/$U1: Permission denied (must be root)
Error: Undefine failed" "${nobody[@]}" mdevctl undefine -u "$U1"
	mdevctl start -u "$U1"
	fails 1 "Error: Error removing device $U1: Permission denied (must be root)" \
		"${nobody[@]}" mdevctl stop -u "$U1"
	run -0 --separate-stderr "${nobody[@]}" mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
}

@test "an unreadable definition is not reported as defined" {
	local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 755 "$BATS_RUN_TMPDIR"
	((UID == 0)) && "${nobody[@]}" test -x "$ROOT" -a -r "$BUILD/mdevctl" || skip "needs root, and paths for all"
	definition mtty "$U1" mtty-1
	chmod 700 "$D/mtty"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied (must be root)" \
		"${nobody[@]}" mdevctl define -u "$U2" -p mtty -t mtty-1
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied (must be root)" \
		"${nobody[@]}" mdevctl list -d
}

@test "modify: a type that does not exist causes only a hint" {
	definition mtty "$U1" mtty-1
	hint_once "The device cannot be started yet: Parent mtty does not support mdev type mtty-7. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)" \
		mdevctl modify -u "$U1" -t mtty-7 --auto
	printf '{"mdev_type":"mtty-8","start":"auto"}' >"$ROOT/json"
	hint_once "The device cannot be started yet: Parent mtty does not support mdev type mtty-8. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)" \
		mdevctl modify -u "$U1" -p mtty --jsonfile="$ROOT/json"
	run -0 --separate-stderr env MDEVCTL_LOG=info mdevctl modify -u "$U1" --manual
	same_stderr ""
}

@test "start-parent-mdevs: a hint says that no device is defined as auto" {
	definition mtty "$U1" mtty-1
	hint_once "No device is defined as auto on mtty" mdevctl start-parent-mdevs mtty
}

@test "define: a parent or type that does not exist causes only a hint" {
	hint_once "The device cannot be started yet: Parent mtty does not support mdev type mtyt-1. Did you mean 'mtty-1'?" \
		mdevctl define -u "$U1" -p mtty -t mtyt-1
	hint_once "The device cannot be started yet: Unable to find parent device '0000:41:00.4'" \
		mdevctl define -u "$U1" -p 0000:41:00.4 -t nvidia-63
	run -0 --separate-stderr mdevctl define -u "$U2" -p gone -t mtty-1
	same_stderr ""
	run -0 --separate-stderr env MDEVCTL_LOG=info mdevctl define -u "$U3" -p mtty -t mtty-1
	same_stderr ""
}
