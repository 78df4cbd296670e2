# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # names here are for the tests; bats sets output
# A fake root directory for the programs, and functions for tests. Sourced by .bats files and by the demo; the
# fake kernel (fakekernel.c) implements create, remove and attributes.

TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$TOP/build}

# UUIDs that have the same order as their names.
U1=11111111-1111-4111-8111-111111111111
U2=22222222-2222-4222-8222-222222222222
U3=33333333-3333-4333-8333-333333333333
export U1 U2 U3

# untraced FUNCTION ARGUMENT...: calls it without the trap that bats runs before each command of a function: a
# dozen commands, to know the line if one fails. That is the line of the caller then.
untraced() {
	local -
	set +T
	"$@"
}

# Creates $ROOT: two directories as created by a package, and a kernel with the parents mtty and matrix.
make_world() {
	ROOT=$1
	untraced fill_world
	export LD_PRELOAD=$BUILD/fakekernel.so
}

fill_world() {
	D=$ROOT/etc/mdevctl.d
	SYS=$ROOT/sys
	DEVICES=$ROOT/sys/bus/mdev/devices
	MARKS=$ROOT/run/mdevctl
	NODE=$ROOT/dev/vfio/devices/vfio7
	PROC=$ROOT/proc
	mkdir -p "$ROOT/run" "$D" "$SYS/class/mdev_bus" "$DEVICES" \
		"$ROOT"/usr/lib/mdevctl/scripts.d/{callouts,notifiers} \
		"$SYS"/devices/virtual/mtty/mtty/mdev_supported_types/mtty-{1,2}/.attributes \
		"$SYS/devices/virtual/matrix/matrix/mdev_supported_types/vfio_ap-passthrough/.attributes"
	ln -sfn -t "$SYS/class/mdev_bus" ../../devices/virtual/mtty/mtty ../../devices/virtual/matrix/matrix
	add_type mtty mtty-1 24 vfio-pci "Single port serial"
	add_type mtty mtty-2 12 vfio-pci "Dual port serial"
	add_type matrix vfio_ap-passthrough 65536 vfio-ap "VFIO AP Passthrough Device"
	add_attribute matrix vfio_ap-passthrough assign_adapter
	add_attribute matrix vfio_ap-passthrough assign_domain
	export MDEVCTL_ENV_ROOT=$ROOT
	export PATH=$BUILD:$PATH
	unset MDEVCTL_LOG NO_COLOR SUDO_UID PKEXEC_UID DOAS_USER
}

# add_type PARENT TYPE INSTANCES API [NAME [DESCRIPTION]]
add_type() {
	local real=$ROOT/sys/devices/virtual/$1/$1 dir
	dir=$real/mdev_supported_types/$2
	[[ -d $dir/.attributes ]] || mkdir -p "$dir/.attributes"
	echo "$3" >"$dir/available_instances"
	echo "$4" >"$dir/device_api"
	[[ -z ${5:-} ]] || echo "$5" >"$dir/name"
	[[ -z ${6:-} ]] || printf '%s\n' "$6" >"$dir/description"
	: >"$dir/create"
	# Last, as a program may be waiting for it.
	[[ -e $ROOT/sys/class/mdev_bus/$1 ]] ||
		ln -s "../../devices/virtual/$1/$1" "$ROOT/sys/class/mdev_bus/$1"
}

# add_attribute PARENT TYPE NAME [VALUE]: devices of this type have this attribute.
add_attribute() {
	printf '%s' "${4:-}" >"$ROOT/sys/devices/virtual/$1/$1/mdev_supported_types/$2/.attributes/$3"
}

# definition PARENT UUID TYPE [START [ATTRS]]: writes a definition like mdevctl.
definition() {
	[[ -d $D/$1 ]] || mkdir -p "$D/$1"
	printf '{\n  "mdev_type": "%s",\n  "start": "%s",\n  "attrs": %s\n}' "$3" "${4:-manual}" \
		"${5:-[]}" >"$D/$1/$2"
}

# running PARENT UUID TYPE: creates a running device.
running() {
	mdev-start --uuid="$2" --parent="$1" --type="$3"
}

# Creates a /proc in which all processes of the host are visible.
add_proc() {
	mkdir -p "$PROC/self/ns" "$PROC/1/fd"
	ln -sfn 'pid:[4026531836]' "$PROC/self/ns/pid"
}

# with_node UUID: gives a running device its own node, $NODE, as in Linux 6.6, which no process has open.
with_node() {
	add_proc
	mkdir -p "$DEVICES/$1/vfio-dev/vfio7" "${NODE%/*}"
	echo 511:7 >"$DEVICES/$1/vfio-dev/vfio7/dev"
	: >"$NODE"
}

# with_nodes N: gives each running device its own node, which none of N processes has open.
with_nodes() {
	local device number
	add_proc
	mkdir -p "$ROOT/dev/vfio/devices"
	for ((number = 100; number < 100 + $1; number++)); do
		mkdir -p "$PROC/$number/fd"
	done
	for device in "$DEVICES"/*; do
		mkdir -p "$device/vfio-dev/vfio$number"
		echo "511:$number" >"$device/vfio-dev/vfio$number/dev"
		: >"$ROOT/dev/vfio/devices/vfio$number"
		number=$((number + 1))
	done
}

# hold FILE: another process, $holder, has the file open until the test ends or calls release.
hold() {
	# shellcheck disable=SC2217 # it only has to have it open
	LD_PRELOAD='' sleep 600 <"$1" >/dev/null 2>&1 3>&- &
	holder=$!
	wait_for executes "$holder" sleep
	add_proc
	ln -s "/proc/$holder" "$PROC/$holder"
}

release() {
	kill "$holder"
	wait "$holder" || true
	holder=
}

# Skips the test where nothing can be mounted: / is not a mount point in a plain chroot, or users may not.
# Otherwise, "unshare "$NAMESPACE" COMMAND..." runs a command as root in a mount namespace of its own.
need_mounts() {
	NAMESPACE=-m
	((EUID == 0)) || NAMESPACE=-Urm
	unshare "$NAMESPACE" mount --bind /tmp /tmp 2>/dev/null || skip "no mount namespace of one's own here"
}

# weak COMMAND...: runs it without root's capability to ignore file permissions.
weak() {
	if ((EUID == 0)); then
		setpriv --bounding-set=-dac_override,-dac_read_search "$@"
	else
		"$@"
	fi
}

# use_seed: $RANDOM gives the numbers of the seed $SEED, which is chosen and printed if it is not set: the same
# seed gives the same order of operations, kills and injected errors.
use_seed() {
	seed=${SEED:-$RANDOM}
	RANDOM=$seed
	echo "SEED=$seed repeats this test"
}

# half_of ARRAY: leaves every second element, which ones depends on the seed; all of them with FAULTS=long.
half_of() {
	local -n elements=$1
	local i n=${#elements[@]}
	[[ -z ${FAULTS:-} ]] || return 0
	for ((i = RANDOM % 2; i < n; i += 2)); do
		unset "elements[i]"
	done
}

# wait_for COMMAND...: waits until it succeeds, and fails the test after two minutes.
wait_for() {
	local end=$((SECONDS + 120))
	until "$@"; do
		((SECONDS < end)) || { echo "not within two minutes: $*"; return 1; }
		sleep 0.01
	done
}

# executes PID NAME: whether the process runs this program already, and not the shell that started it.
executes() {
	[[ $(cat "/proc/$1/comm" 2>/dev/null) == "$2" ]]
}

# sleeps PID NAME: whether the process runs this program and waits for something.
sleeps() {
	executes "$1" "$2" && [[ $(cat "/proc/$1/status" 2>/dev/null) == *State:$'\t'S* ]]
}

# puts_off_term PID NAME: whether the process runs this program and has SIGTERM blocked.
puts_off_term() {
	local mask
	executes "$1" "$2" || return 1
	mask=$(sed -n 's/^SigBlk:[[:space:]]*//p' "/proc/$1/status")
	((0x${mask:-0} & 0x4000))
}

# Sanitizers cannot look for leaks in a traced program.
strace() {
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 command strace "$@"
}

# wrong_usage TEXT COMMAND ARGUMENT...: the command fails with this usage error.
wrong_usage() {
	local text=$1
	shift
	run -2 --separate-stderr mdevctl "$@"
	same ""
	same_stderr "Error: $text
Try 'mdevctl $1 --help' for more information."
}

# fails STATUS TEXT COMMAND...: the command fails with this text on stderr and nothing on stdout.
fails() {
	local status_wanted=$1 text=$2
	shift 2
	run "-$status_wanted" --separate-stderr "$@"
	same ""
	same_stderr "$text"
}

# Installs a script from stdin in the fake root; it runs without the preloaded fake kernel if requested.
# add_script callouts|notifiers NAME < TEXT
add_script() {
	cat >"$ROOT/usr/lib/mdevctl/scripts.d/$1/$2"
	chmod 755 "$ROOT/usr/lib/mdevctl/scripts.d/$1/$2"
}

# same WANTED: compares all of $output, and prints both if they differ. Messages to ordinary users add that root is
# required.
same() {
	local got=$output wanted=$1
	((EUID == 0)) || got=${got// (must be root)/} wanted=${wanted// (must be root)/}
	if [[ $got != "$wanted" ]]; then
		printf -- '--- wanted\n%s\n--- got\n%s\n' "$1" "$output"
		return 1
	fi
}

# The same for stderr (run --separate-stderr).
same_stderr() {
	output=$stderr same "$1"
}

# Compares the contents of a file byte for byte, including a trailing newline.
same_file() {
	local got
	got=$(cat "$1"; echo .)
	output=${got%.} same "$2"
}
