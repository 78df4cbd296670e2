# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # $ is for jq; each test is a shell of its own; bats sets stderr
# mdevctl status: the tree, JSON and --check, on hosts of all kinds
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export LC_ALL=C.UTF-8 TERM=dumb
}

# --- Hosts ---------------------------------------------------------------------------------------------

# Removes all parents from the host.
no_parents() {
	rm -r "$SYS/class/mdev_bus"/* "$SYS/devices/virtual"/*
}

# add_link PATH TARGET, PATH below $SYS.
add_link() {
	[[ -d $SYS/${1%/*} ]] || mkdir -p "$SYS/${1%/*}"
	ln -s "$2" "$SYS/$1"
}

# add_card NAME FUNCTIONS TYPES: adds a card with the NVIDIA driver whose functions support TYPES types each
# and share its resources and the files of its types: no instances of the first one are available.
add_card() {
	local bus=${1%:*} i type vf types=$SYS/types
	for ((type = 700; type < 700 + $3; type++)); do
		mkdir -p "$types/nvidia-$type"
		echo $((type > 700)) >"$types/nvidia-$type/available_instances"
		echo vfio-pci >"$types/nvidia-$type/device_api"
		echo "NVIDIA A100-$((type - 696))C" >"$types/nvidia-$type/name"
	done
	for ((i = 4; i < $2 + 4; i++)); do
		printf -v vf '%s:%02x.%x' "$bus" $((i / 8)) $((i % 8))
		add_link "devices/pci/$vf/driver" ../../../bus/pci/drivers/nvidia
		add_link "devices/pci/$vf/physfn" "../$1"
		add_link "class/mdev_bus/$vf" "../../devices/pci/$vf"
		cp -rl "$types" "$SYS/devices/pci/$vf/mdev_supported_types"
	done
	rm -r "$types"
}

# add_running PARENT UUID TYPE [GROUP [VFIO]]: adds a running device, regardless of the types of the parent,
# with these VFIO names.
add_running() {
	local real
	real=$(realpath --relative-to="$SYS" "$SYS/class/mdev_bus/$1")/$2
	add_link "$real/mdev_type" "../mdev_supported_types/$3"
	add_link "bus/mdev/devices/$2" "../../../$real"
	[[ -z ${4:-} ]] || add_group "$real" "$4"
	[[ -z ${5:-} ]] || add_vfio "$real" "$5"
}

# add_group DIRECTORY NUMBER, add_vfio DIRECTORY NUMBER: DIRECTORY is a device below $SYS.
add_group() {
	add_link "$1/iommu_group" "../../../kernel/iommu_groups/$2"
	mkdir -p "$ROOT/dev/vfio"
	: >"$ROOT/dev/vfio/$2"
}

add_vfio() {
	mkdir -p "$SYS/$1/vfio-dev/vfio$2" "$ROOT/dev/vfio/devices"
	echo "511:$2" >"$SYS/$1/vfio-dev/vfio$2/dev"
	: >"$ROOT/dev/vfio/devices/vfio$2"
}

# add_process PID COMMAND [FILE...]: adds a process that has these files of the host open.
add_process() {
	local pid=$1 fd=3
	mkdir -p "$PROC/$pid/fd" "$PROC/$pid/fdinfo"
	printf '%s\n' "$2" >"$PROC/$pid/comm"
	shift 2
	for file; do
		ln -s "$ROOT$file" "$PROC/$pid/fd/$fd"
		printf 'pos:\t0\nflags:\t02100002\n' >"$PROC/$pid/fdinfo/$fd"
		fd=$((fd + 1))
	done
}

# add_vf CARD FUNCTION TYPE [TYPES]: adds a function of the NVIDIA driver without mediated devices.
add_vf() {
	local vf=${1%.*}.$2
	mkdir -p "$SYS/bus/pci/devices/$vf/nvidia"
	echo "$3" >"$SYS/bus/pci/devices/$vf/nvidia/current_vgpu_type"
	printf '%s\n' "${4:-}" >"$SYS/bus/pci/devices/$vf/nvidia/creatable_vgpu_types"
	add_link "bus/pci/devices/$vf/driver" ../../../bus/pci/drivers/nvidia
	add_link "bus/pci/devices/$vf/physfn" "../$1"
}

two_gpus() {
	no_parents
	add_card 0000:41:00.0 32 20
	add_card 0000:81:00.0 32 20
	definition 0000:41:00.4 "$U1" nvidia-700 auto
	add_running 0000:41:00.4 "$U1" nvidia-700 7
	add_proc
	add_process 4711 qemu-system-x86 /dev/vfio/7
	printf '/usr/bin/qemu-system-x86_64\0-name\0guest=vm7,debug-threads=on\0-S\0' >"$PROC/4711/cmdline"
	definition 0000:c1:00.0 "$U2" nvidia-700 auto
}

gpu_with_vfs() {
	local types=$'ID    : vGPU Name\n1428  : NVIDIA H200X-141C\n1414  : NVIDIA H200X-1-18C'
	no_parents
	add_vf 0000:41:00.0 4 1414
	add_vf 0000:41:00.0 5 0 "$types"
	add_vf 0000:41:00.0 6 0 "$types"
	add_vfio bus/pci/devices/0000:41:00.4 3
	add_proc
	add_process 4712 kvm /dev/vfio/devices/vfio3
	printf 'kvm\0-id\0100\0-name\0web,,1,debug-threads=on\0' >"$PROC/4712/cmdline"
}

s390() {
	rm -r "$SYS/class/mdev_bus/mtty"
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw "I/O subchannel (Non-QDIO)"
	add_type 0.0.0314 vfio_ccw-io 0 vfio-ccw "I/O subchannel (Non-QDIO)"
	add_type 0.0.0315 vfio_ccw-io 1 vfio-ccw "I/O subchannel (Non-QDIO)"
	local parent
	for parent in 0.0.0313 0.0.0314 0.0.0315; do
		add_link "devices/virtual/$parent/$parent/driver" ../../../bus/css/drivers/vfio_ccw
	done
	add_running 0.0.0314 "$U1" vfio_ccw-io
	definition matrix "$U2" vfio_ap-passthrough manual '[{"assign_adapter": "5"}, {"assign_domain": "0xab"}]'
}

broken() {
	definition mtty "$U1" mtty-1
	echo '{' >"$D/mtty/$U1"
	definition mtty "$U2" mtty-3 auto
	definition mtty "$U3" mtty-2 manual
	add_running mtty "$U3" mtty-1
}

# unprintable FILE: it has control characters, or bytes that are not UTF-8.
unprintable() {
	! iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 ||
		LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1"
}

# --- The tree ------------------------------------------------------------------------------------------

# on_terminal COLUMNS COMMAND...: prints its output on a terminal of that width.
on_terminal() {
	local columns=$1
	shift
	script -qec "stty cols $columns && $*" /dev/null | tr -d '\r'
}

TWO_GPUS="NAME                                       STATE   START DETAILS
0000:41:00.0                                             nvidia, 32 parents
├─0000:41:00.4
│ ├─nvidia-700                                           0 free, NVIDIA A100-4C
│ │ └─$U1 running auto  vm7 (4711)
│ └─19 more types                                        19 with free instances
└─31 more parents                                        no devices, 31 with free instances
0000:81:00.0                                             nvidia, 32 parents
└─32 parents                                             no devices, 32 with free instances
0000:c1:00.0                                             not present
└─nvidia-700
  └─$U2   missing auto  parent not present"

# ascii TEXT: prints it with the tree drawn as in a locale without UTF-8.
ascii() {
	sed 's/├─/|-/g; s/└─/`-/g; s/│/|/g' <<<"$1"
}

@test "two cards with 32 functions of 20 types each fit a screen" {
	two_gpus
	run -0 --separate-stderr mdevctl status
	same "$TWO_GPUS"
	same_stderr ""
	((${#lines[@]} <= 24))
}

@test "in a locale without UTF-8, the tree is drawn in ASCII" {
	two_gpus
	LC_ALL=C run -0 mdevctl status
	same "$(ascii "$TWO_GPUS")"
}

@test "on a terminal, only the last column is truncated" {
	local columns
	two_gpus
	run -0 on_terminal 200 mdevctl status
	same "$TWO_GPUS"
	for columns in 60 80; do
		run -0 on_terminal $columns mdevctl status
		same "$(python3 -c 'import sys
columns = max(int(sys.argv[2]), 57 + len("DETAILS"))
for line in sys.argv[1].split("\n"):
    print(line[:columns])' "$TWO_GPUS" $columns)"
		LC_ALL=C run -0 on_terminal $columns mdevctl status
		same "$(ascii "$(python3 -c 'import sys
columns = max(int(sys.argv[2]), 57 + len("DETAILS"))
for line in sys.argv[1].split("\n"):
    print(line[:columns])' "$TWO_GPUS" $columns)")"
	done
}

@test "if a card, a parent or a device is specified, all its lines are shown" {
	two_gpus
	run -0 mdevctl status --noheadings --parent=0000:81:00.4
	[[ ${#lines[@]} == 21 && ${lines[1]} == "├─nvidia-700"*" 0 free, NVIDIA A100-4C" ]]
	run -0 mdevctl status --parent=0000:41:00.0
	((${#lines[@]} == 1 + 1 + 32 * 21 + 1))
	run -0 mdevctl status --all
	((${#lines[@]} == 1 + 2 + 64 * 21 + 1 + 3))
	run -0 --separate-stderr mdevctl status --uuid="$U1"
	same "    Device: $U1
     State: running
   Defined: auto, nvidia-700 (NVIDIA A100-4C) on 0000:41:00.4
   Running: nvidia-700 (NVIDIA A100-4C) on 0000:41:00.4
    Parent: 0000:41:00.4, driver nvidia, card 0000:41:00.0
   Used by: vm7 (4711)
      Node: /dev/vfio/7"
	same_stderr ""
	run -0 mdevctl status --uuid="$U2" --parent=0000:c1:00.0
	same "    Device: $U2
     State: missing: parent not present
   Defined: auto, nvidia-700 on 0000:c1:00.0
    Parent: Unable to find parent device '0000:c1:00.0'"
}

@test "a specified parent or device that does not exist is not found" {
	two_gpus
	fails 3 "Error: Device $U3 is neither defined nor running" mdevctl status -u "$U3"
	fails 3 "Error: Device $U1 is neither defined nor running on 0000:81:00.4" \
		mdevctl status -u "$U1" -p 0000:81:00.4
	fails 3 "Error: Unable to find parent device '0000:41:00.1'. Did you mean '0000:41:00.4'?" \
		mdevctl status -p 0000:41:00.1
	fails 3 "Error: Unable to find parent device 'x'" mdevctl status --check --json -p x
}

@test "vGPU functions without mediated devices are shown with type and user" {
	gpu_with_vfs
	run -0 --separate-stderr mdevctl status
	same "NAME           STATE START DETAILS
0000:41:00.0               nvidia, 3 PCI functions, not managed by mdevctl
├─0000:41:00.4             NVIDIA H200X-1-18C, web,1 (4712)
├─0000:41:00.5             no vGPU type
└─0000:41:00.6             no vGPU type"
	same_stderr ""
	local i
	for i in 0 1 2 3 7; do
		add_vf 0000:41:00.0 "$i" 0
	done
	echo 0 >"$SYS/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type"
	run -0 mdevctl status --noheadings
	((${#lines[@]} == 1 + 8))
	add_vf 0000:41:00.0 8 0
	add_vf 0000:41:00.0 9 1414
	run -0 mdevctl status --noheadings
	((${#lines[@]} == 1 + 1 + 1))
	[[ ${lines[2]} == "└─9 more functions "*" no vGPU type" ]]
	for i in 0 1 2 3 7 8 9; do
		rm -r "$SYS/bus/pci/devices/0000:41:00.$i"
	done
	echo 1414 >"$SYS/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type"
	run -0 mdevctl status --noheadings --parent=0000:41:00.5
	output=$(tr -s ' ' <<<"$output") # how wide columns are depends on libsmartcols
	same "0000:41:00.0 nvidia, 3 PCI functions, not managed by mdevctl
└─0000:41:00.5 no vGPU type"
	rm -r "$SYS/bus/pci/devices/0000:41:00.5" "$SYS/bus/pci/devices/0000:41:00.6"
	run -0 mdevctl status --noheadings
	output=$(tr -s ' ' <<<"$output")
	same "0000:41:00.0 nvidia, 1 PCI function, not managed by mdevctl
└─0000:41:00.4 vGPU type 1414, web,1 (4712)"
	echo x >"$SYS/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type"
	run -0 mdevctl status --noheadings
	[[ ${lines[1]} == "└─0000:41:00.4 "*" vGPU type cannot be read, web,1 (4712)" ]]
}

@test "more than eight parents of a driver without devices are combined into one line" {
	s390
	local i
	for i in 3 5; do
		rm -r "$SYS/class/mdev_bus/0.0.031$i" "$SYS/devices/virtual/0.0.031$i"
	done
	for i in {1..8}; do
		add_type "0.0.032$i" vfio_ccw-io 1 vfio-ccw
		add_link "devices/virtual/0.0.032$i/0.0.032$i/driver" ../../../bus/css/drivers/vfio_ccw
	done
	run -0 mdevctl status --noheadings
	[[ ${lines[3]} == "0.0.0321 "*" vfio_ccw" && ${lines[4]} == "└─vfio_ccw-io "*" 1 free" ]]
	((${#lines[@]} == 3 + 8 * 2 + 3))
	add_type 0.0.0329 vfio_ccw-io 1 vfio-ccw
	add_link devices/virtual/0.0.0329/0.0.0329/driver ../../../bus/css/drivers/vfio_ccw
	run -0 mdevctl status
	same "NAME                                     STATE   START  DETAILS
0.0.0314                                                vfio_ccw
└─vfio_ccw-io                                           0 free, I/O subchannel (Non-QDIO)
  └─$U1 running -
9 more parents                                          vfio_ccw, no devices, 9 with free instances
matrix
└─vfio_ap-passthrough                                   65536 free, VFIO AP Passthrough Device
  └─$U2 stopped manual"
}

@test "every state has its name and its reason" {
	broken
	run -0 --separate-stderr mdevctl status
	same "NAME                                     STATE   START  DETAILS
matrix
└─vfio_ap-passthrough                                   65536 free, VFIO AP Passthrough Device
mtty
├─$U1   broken  -      Invalid JSON in /etc/mdevctl.d/mtty/$U1: unexpected end at line 2 column 1
├─mtty-1                                                24 free, Single port serial
│ └─$U3 differs manual defined as mtty-2
├─mtty-2                                                12 free, Dual port serial
└─mtty-3                                                not supported
  └─$U2 missing auto   type not supported"
	same_stderr ""
}

@test "available instances that the driver does not count are unknown, not none" {
	rm "$SYS/class/mdev_bus/mtty/mdev_supported_types"/*/available_instances
	run -0 mdevctl status --noheadings -p mtty
	[[ $output == *"├─mtty-1"*" ? free, Single port serial"* ]]
	run -0 bash -c "mdevctl status --json -p mtty 2>/dev/null | jq -c '[.parents[].types[].available_instances]'"
	same "[null,null]"
	definition mtty "$U1" mtty-1 auto
	run -10 --separate-stderr mdevctl status --check
	same "missing $U1 mtty mtty-1: not started"
	mdevctl undefine -u "$U1"
	rm "$SYS/class/mdev_bus/matrix"
	run -0 --separate-stderr mdevctl status --noheadings
	[[ $output == *"└─2 types"*" none known to be free"* ]]
}

@test "on a host without parents, only a reason is printed, on a terminal" {
	no_parents
	run -0 --separate-stderr mdevctl status
	same ""
	same_stderr ""
	MDEVCTL_LOG=info run -0 --separate-stderr mdevctl status
	same ""
	[[ $stderr == "Hint: "* ]]
	run -0 mdevctl status --json
	same '{
  "version": 1,
  "parents": [],
  "vfs": [],
  "unseen": null
}'
}

# --- Users of devices -----------------------------------------------------------------------------------

# users: prints used_by of all devices, one per line.
users() {
	mdevctl status --json | jq -c '.parents[].devices[] | [.in_use, .used_by.pid, .used_by.command, .used_by.guest]'
}

@test "a device is used by the process that has its group or its own node open" {
	add_running mtty "$U1" mtty-1 7 1
	add_running mtty "$U2" mtty-1 8 2
	add_running mtty "$U3" mtty-1
	add_proc
	add_process 100 spdk /dev/vfio/vfio /dev/vfio/8
	add_process 200 crosvm /dev/vfio/vfio /dev/vfio/devices/vfio1
	run -0 users
	same '[true,200,"crosvm",null]
[true,100,"spdk",null]
[false,null,null,null]'
	run -0 mdevctl status --json -u "$U1"
	[[ $(jq -c '.parents[].devices[] | [.vfio_group, .vfio_device]' <<<"$output") == \
		'["/dev/vfio/7","/dev/vfio/devices/vfio1"]' ]]
}

@test "the name of the guest is that of -name of QEMU, in all its forms" {
	local form wanted
	add_running mtty "$U1" mtty-1 7
	add_proc
	add_process 100 qemu /dev/vfio/7
	while IFS='|' read -r form wanted; do
		# shellcheck disable=SC2059 # the form has NULs
		printf "$form\\0" >"$PROC/100/cmdline"
		run -0 users
		same "[true,100,\"qemu\",$wanted]"
	done <<-'END'
		/usr/bin/qemu-system-x86_64\0-name\0guest=a,debug-threads=on\0-S|"a"
		qemu-kvm\0-S\0-name\0a|"a"
		kvm\0--name\0a,process=b|"a"
		qemu\0-name\0debug-threads=on,guest=a,,b|"a,b"
		qemu\0-name\0a=b,c|null
		qemu\0-name\0guest=|null
		qemu\0-name\0,guest=a|"a"
		qemu\0-name|null
		qemu\0-S|null
		/usr/bin/find\0-name\0guest=a|null
		|null
	END
}

@test "an O_PATH descriptor, or a file with the same name, does not count as use" {
	add_running mtty "$U1" mtty-1 7
	add_proc
	add_process 100 udevd /dev/vfio/7
	printf 'pos:\t0\nflags:\t012000000\n' >"$PROC/100/fdinfo/3"
	mkdir -p "$BATS_TEST_TMPDIR/other" "$PROC/200/fd"
	ln -s "$ROOT/dev/vfio/7 (deleted)" "$PROC/200/fd/3"
	run -0 users
	same '[false,null,null,null]'
}

@test "a user who cannot see all processes is informed once, and sees no false negative" {
	add_running mtty "$U1" mtty-1 7
	add_running mtty "$U2" mtty-1 8
	add_proc
	add_process 100 qemu /dev/vfio/8
	chmod 000 "$PROC/1/fd"
	run -0 --separate-stderr weak mdevctl status --noheadings -p mtty
	[[ ${lines[2]} == "│ ├─$U1 running -"*" ?" && ${lines[3]} == "│ └─$U2 running -"*" qemu (100)" ]]
	same_stderr "Warning: Unable to determine whether devices marked '?' are in use"
	run -0 --separate-stderr weak mdevctl status --json
	same_stderr ""
	[[ $(jq -c '[.parents[].devices[].in_use]' <<<"$output") == '[null,true]' ]]
	output=$(jq -r .unseen <<<"$output") same "Unable to determine whether all devices are in use"
	chmod 755 "$PROC/1/fd"
	run -0 users
	[[ ${lines[0]} == '[false,null,null,null]' ]]
	# In a container, in a /proc that hides processes, and without a /proc.
	ln -snf 'pid:[4026532000]' "$PROC/self/ns/pid"
	run -0 users
	[[ ${lines[0]} == '[null,null,null,null]' ]]
	ln -snf 'pid:[4026531836]' "$PROC/self/ns/pid"
	mv "$PROC/1" "$PROC/2"
	run -0 users
	[[ ${lines[0]} == '[null,null,null,null]' ]]
	rm -r "$PROC"
	run -0 users
	[[ ${lines[0]} == '[null,null,null,null]' ]]
}

@test "the user of a device whose group was closed is known only if the kernel reports it" {
	add_running mtty "$U1" mtty-1 7
	add_running mtty "$U2" mtty-1 8
	add_proc
	add_process 100 dpdk
	ln -s 'anon_inode:[vfio-device]' "$PROC/100/fd/9"
	printf 'pos:\t0\nflags:\t02\n' >"$PROC/100/fdinfo/9"
	run -0 users
	same '[null,null,null,null]
[null,null,null,null]'
	printf 'pos:\t0\nflags:\t02\nvfio-device-syspath: /sys/devices/virtual/mtty/mtty/%s\n' "$U2" >"$PROC/100/fdinfo/9"
	run -0 users
	same '[false,null,null,null]
[true,100,"dpdk",null]'
}

@test "no device node is opened, and the file descriptors of each process are listed once" {
	local i
	for i in {1..9}; do
		add_running mtty "0000000$i-0000-4000-8000-000000000000" mtty-1 "$i" "$i"
		add_process "10$i" sleep /dev/vfio/none
	done
	add_proc
	strace -f -o "$BATS_TEST_TMPDIR/calls" -e trace=open,openat mdevctl status >/dev/null
	run -1 grep -F '/dev/vfio' "$BATS_TEST_TMPDIR/calls"
	run -0 bash -c "grep -o '[0-9]*/fd\"' '$BATS_TEST_TMPDIR/calls' | sort | uniq -c | sort -rn | head -n 1"
	[[ $output == *" 1 "* ]]
	run -0 grep -c '/fd"' "$BATS_TEST_TMPDIR/calls"
	same 10
}

# --- --check -------------------------------------------------------------------------------------------

@test "--check prints one line per problem and exits with status 10" {
	local text="broken $U1 mtty -: Invalid JSON in /etc/mdevctl.d/mtty/$U1: unexpected end at line 2 column 1
missing $U2 mtty mtty-3: type not supported
differs $U3 mtty mtty-1: defined as mtty-2"
	broken
	run -10 --separate-stderr mdevctl status --check
	same "$text"
	same_stderr ""
	run -10 mdevctl status --check -u "$U2" -p mtty
	same "missing $U2 mtty mtty-3: type not supported"
	run -0 mdevctl status --check -p matrix
	same ""
	run -10 mdevctl status --check --json
	[[ $(jq -c '[.parents[] | .parent, .types, .devices[].state]' <<<"$output") == \
		'["mtty",null,"broken","missing","differs"]' ]]
	mdevctl undefine -u "$U1"
	mdevctl undefine -u "$U2"
	mdevctl undefine -u "$U3"
	run -0 --separate-stderr mdevctl status --check
	same ""
	same_stderr ""
}

@test "--check reports why an auto device is not running, as far as sysfs shows" {
	definition mtty "$U1" mtty-1 auto
	definition gone "$U2" mtty-1 auto
	definition mtty "$U3" mtty-2 auto
	echo 0 >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	run -10 mdevctl status --check
	same "missing $U2 gone mtty-1: parent not present
missing $U1 mtty mtty-1: no available instances
missing $U3 mtty mtty-2: not started"
	mdevctl modify -u "$U1" --manual
	mdevctl modify -u "$U2" --manual
	mdevctl start -u "$U3"
	run -0 mdevctl status --check
	same ""
}

@test "a device that is running on another parent is one problem, not two" {
	definition mtty "$U1" mtty-1 auto
	add_running matrix "$U1" vfio_ap-passthrough
	run -10 mdevctl status --check
	same "differs $U1 matrix vfio_ap-passthrough: defined on mtty"
	definition matrix "$U1" vfio_ap-passthrough auto
	run -0 mdevctl status --check
	same ""
	run -0 mdevctl status --json
	[[ $(jq -c '[.parents[].devices[] | .state, .reason]' <<<"$output") == \
		'["running",null,"stopped","running on matrix"]' ]]
}

@test "a type that got another name is noticed, with both names" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1 uuid
	local words="mtty-1 was 'Single port serial' and is now 'Quad port serial'"
	printf '{"d": {"mdev_type": "Single port serial", "start": "auto", "parents": ["mtty"], "count": 2}}' >"$ROOT/file"
	mdevctl apply "$ROOT/file"
	uuid=$(mdevctl list | sed -n '1s/ .*//p')
	run -0 mdevctl status --check
	same ""
	echo "Quad port serial" >"$type/name"
	run -10 mdevctl status --check -u "$uuid"
	same "differs $uuid mtty mtty-1: $words"
	mdevctl stop -u "$uuid"
	run -10 mdevctl status --check -u "$uuid"
	same "differs $uuid mtty mtty-1: $words"
	run -0 --separate-stderr mdevctl start -u "$uuid"
	same_stderr "Warning: Device $uuid may not be what it was defined as: type $words"
	mdevctl stop -u "$uuid"
	run -0 --separate-stderr mdevctl start-parent-mdevs mtty
	same_stderr "Warning: Device $uuid may not be what it was defined as: type $words"
	rm "$type/name"
	run -0 mdevctl status --check
	same ""
	echo "Single port serial" >"$type/name"
	run -0 mdevctl status --check
	same ""
}

@test "an interrupted start is detected" {
	add_running mtty "$U1" mtty-1
	mkdir -p "$ROOT/run/mdevctl"
	printf x >"$ROOT/run/mdevctl/$U1"
	for option in --json --all --noheadings; do
		run -0 mdevctl status $option
	done
	run -10 mdevctl status --check
	same "incomplete $U1 mtty mtty-1: its start was interrupted, attributes may be missing"
	# A user who cannot open the mark sees only whether there is one.
	chmod 000 "$ROOT/run/mdevctl/$U1"
	run -1 --separate-stderr weak mdevctl status --check
	same "unknown $U1 mtty mtty-1: Unable to tell whether its start was interrupted: Permission denied"
	same_stderr ""
	local option
	for option in --json --all --noheadings --uuid=$U1 --parent=mtty; do
		run -1 --separate-stderr weak mdevctl status "$option"
		[[ $output == *unknown* ]]
		same_stderr ""
	done
	run -0 weak mdevctl status --parent=matrix
	chmod 600 "$ROOT/run/mdevctl/$U1"
	: >"$ROOT/run/mdevctl/$U1"
	chmod 000 "$ROOT/run/mdevctl/$U1"
	run -0 weak mdevctl status --check
	rm "$ROOT/run/mdevctl/$U1"
	chmod 111 "$ROOT/run/mdevctl"
	run -0 weak mdevctl status --check
	chmod 755 "$ROOT/run/mdevctl"
}

@test "unreadable information is unknown, never no" {
	definition mtty "$U1" mtty-1 auto
	add_running mtty "$U1" mtty-1
	add_running mtty "$U2" mtty-1
	chmod 000 "$D/mtty"
	run -1 --separate-stderr weak mdevctl status --check
	same "unknown $U1 mtty mtty-1: definitions cannot be read
unknown $U2 mtty mtty-1: definitions cannot be read"
	same_stderr "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied"
	run -1 --separate-stderr weak mdevctl status --json
	output=$(jq -c '[.unseen, (.parents[].devices[] | .defined, .start, .attrs)]' <<<"$output") \
		same '["Unable to read /etc/mdevctl.d/mtty: Permission denied",null,null,null,null,null,null]'
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied" weak mdevctl status -u "$U3"
	chmod 755 "$D/mtty"
	chmod 000 "$D/mtty/$U1"
	run -1 --separate-stderr weak mdevctl status --check
	same "unknown $U1 mtty mtty-1: Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied"
	same_stderr ""
	chmod 644 "$D/mtty/$U1"
	chmod 000 "$SYS/bus/mdev/devices"
	run -1 --separate-stderr weak mdevctl status --check
	same "unknown $U1 mtty mtty-1: running devices cannot be read"
	same_stderr "Error: Unable to read /sys/bus/mdev/devices: Permission denied"
	chmod 755 "$SYS/bus/mdev/devices"
	chmod 000 "$SYS/class/mdev_bus"
	run -1 --separate-stderr weak mdevctl status --json
	[[ $(jq -c '[.parents[].present, .parents[].types]' <<<"$output") == '[null,null]' ]]
	chmod 755 "$SYS/class/mdev_bus"
}

@test "a known problem takes precedence over unreadable information" {
	definition mtty "$U1" mtty-1 auto
	definition matrix "$U2" vfio_ap-passthrough
	chmod 000 "$D/matrix"
	run -10 --separate-stderr weak mdevctl status --check
	same "missing $U1 mtty mtty-1: not started"
	same_stderr "Error: Unable to read /etc/mdevctl.d/matrix: Permission denied"
	chmod 755 "$D/matrix"
}

# --- JSON ----------------------------------------------------------------------------------------------

# The schema: all keys, in this order, and their possible values.
SCHEMA='
def text: type == "string" and length > 0;
def maybe(f): . == null or f;
def answer: maybe(type == "boolean");
def count: type == "number" and . >= 0 and floor == .;
def has($keys): type == "object" and keys_unsorted == $keys;
def all_of(f): type == "array" and all(.[]; f);
def user: has(["pid", "command", "guest"]) and (.pid | count) and (.command | maybe(text)) and (.guest | maybe(text));
def use: (.in_use | answer) and (.used_by | maybe(user)) and ((.used_by != null) == (.in_use == true));
def mdev_type: has(["mdev_type", "name", "description", "device_api", "available_instances"])
	and (.mdev_type | text) and (.name | maybe(text)) and (.description | maybe(text))
	and (.device_api | maybe(text)) and (.available_instances | maybe(count));
def entry: has(["time", "source", "text"]) and (.time | test("^[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9:]{8}Z$"))
	and (.source | text) and (.text | maybe(text));
def device: (if $log == [] then true else (.log | all_of(entry) and length <= 10) end) and has(["uuid", "mdev_type", "defined_type", "state", "reason", "defined", "active", "start", "attrs",
		"vfio_group", "vfio_device", "in_use", "used_by", "set"] + $log)
	and (.uuid | test("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
	and (.mdev_type | maybe(text)) and (.defined_type | maybe(text))
	and ([.state] | inside(["unknown", "broken", "incomplete", "differs", "missing", "running", "stopped"]))
	and (.reason | maybe(text)) and (.defined | answer) and (.active | answer)
	and ([.start] | inside(["auto", "manual", null]))
	and (.attrs | maybe(all_of(type == "object" and length == 1 and all(.[]; type == "string"))))
	and (.vfio_group | maybe(startswith("/dev/vfio/"))) and (.vfio_device | maybe(startswith("/dev/vfio/devices/")))
	and use and (.set | maybe(text));
def parent: has(["parent", "present", "driver", "card", "types", "devices"])
	and (.parent | text) and (.present | answer) and (.driver | maybe(text)) and (.card | maybe(text))
	and (.types | maybe(all_of(mdev_type))) and (.devices | all_of(device));
def vf: has(["vf", "card", "driver", "vgpu_type", "vgpu_name", "in_use", "used_by"])
	and (.vf | text) and (.card | maybe(text)) and (.driver | maybe(text)) and (.vgpu_type | maybe(count))
	and (.vgpu_name | maybe(text)) and use;
has(["version", "parents", "vfs", "unseen"]) and .version == 1 and (.parents | all_of(parent)) and (.vfs | all_of(vf)) and (.unseen | maybe(text))'

# valid COMMAND...: its JSON conforms to the schema; that of one device or parent has its log.
valid() {
	local log='[]'
	[[ $* != *" -u "* && $* != *" -p "* ]] || log='["log"]'
	"$@" >"$BATS_TEST_TMPDIR/json" || (($? == 10 || $? == 1)) || return
	jq --argjson log "$log" -e "$SCHEMA" "$BATS_TEST_TMPDIR/json" >/dev/null || {
		cat "$BATS_TEST_TMPDIR/json"
		return 1
	}
}

@test "JSON conforms to the schema on every host" {
	local host
	for host in no_parents two_gpus gpu_with_vfs s390 broken; do
		make_world "$BATS_TEST_TMPDIR/$host"
		"$host"
		valid mdevctl status --json
		valid mdevctl status --json --check
		[[ $host == no_parents || $host == gpu_with_vfs ]] || valid mdevctl status --json -u "$U1"
		valid weak mdevctl status --json
	done
	chmod 000 "$D/mtty" "$SYS/class/mdev_bus"
	valid weak mdevctl status --json
	valid weak mdevctl status --json --check
	chmod 755 "$D/mtty" "$SYS/class/mdev_bus"
}

@test "JSON contains all information about a device" {
	definition mtty "$U1" mtty-2 auto '[{"a": "1"}, {"b": "2"}]'
	add_running mtty "$U1" mtty-1 7
	add_proc
	add_process 4711 qemu-system-x86 /dev/vfio/7
	run -0 bash -c "mdevctl status --json -p mtty | jq -c '.parents[] | .devices[]'"
	same '{"uuid":"'"$U1"'","mdev_type":"mtty-1","defined_type":"mtty-2","state":"differs","reason":"defined as mtty-2","defined":true,"active":true,"start":"auto","attrs":[{"a":"1"},{"b":"2"}],"vfio_group":"/dev/vfio/7","vfio_device":null,"in_use":true,"used_by":{"pid":4711,"command":"qemu-system-x86","guest":null},"set":null,"log":[]}'
	run -0 bash -c "mdevctl status --json -p mtty | jq -c '.parents[] | [.parent, .present, .driver, .card], .types[0]'"
	same '["mtty",true,null,null]
{"mdev_type":"mtty-1","name":"Single port serial","description":null,"device_api":"vfio-pci","available_instances":24}'
}

@test "a set is shown only if the UUID matches" {
	local uuid=c7b04f6c-46b0-56a2-9eef-16e04b4b6dae # of "desktops/3"
	uuid=$(python3 -c 'import uuid; print(uuid.uuid5(uuid.UUID("a24606aa-b2db-447e-b9f5-0374077e6ccb"), "desktops/3"))')
	mkdir "$D/mtty"
	echo '{"mdev_type": "mtty-1", "start": "manual", "set": "desktops/3"}' | tee "$D/mtty/$uuid" >"$D/mtty/$U1"
	run -0 bash -c "mdevctl status --json | jq -c '.parents[].devices[] | [.uuid, .set]' | sort"
	same "$(printf '%s\n' "[\"$uuid\",\"desktops/3\"]" "[\"$U1\",null]" | sort)"
	run -0 mdevctl status -u "$uuid"
	[[ ${lines[2]} == "   Defined: manual, mtty-1 (Single port serial) on mtty, set desktops/3" ]]
}

# --- One device ----------------------------------------------------------------------------------------

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
		kernel 3 "[nvidia-vgpu-vfio] $U3: start failed. status: 0x0"
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

@test "a device on several parents has a block for each, and a guest that could not open its node is told" {
	definition mtty "$U1" mtty-1
	definition gone "$U1" mtty-1 auto
	add_running mtty "$U1" mtty-1 7 3
	add_proc
	chmod 600 "$ROOT/dev/vfio/7"
	run -0 mdevctl status -u "$U1"
	same "    Device: $U1
     State: stopped: running on mtty
   Defined: auto, mtty-1 on gone
    Parent: Unable to find parent device 'gone'

    Device: $U1
     State: running
   Defined: manual, mtty-1 (Single port serial) on mtty
   Running: mtty-1 (Single port serial) on mtty
    Parent: mtty
      Node: /dev/vfio/7, /dev/vfio/devices/vfio3, owner $UID:$(id -g), mode 0600"
	chmod 666 "$ROOT/dev/vfio/7"
	run -0 mdevctl status -u "$U1:mtty"
	[[ ${lines[5]} == "      Node: /dev/vfio/7, /dev/vfio/devices/vfio3" ]]
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
	local option bad=$'\033[2J\xc2\x9b31m\xff\x7f'
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

# --- Examples for monitoring ----------------------------------------------------------------------------

EXAMPLES=$TOP/man/examples

# mdevctl_answers SCRIPT: a program mdevctl that runs this, with the number of its run in $run.
mdevctl_answers() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/bash\nrun=$(($(cat "%s/runs" 2>/dev/null || echo 0) + 1))\necho $run >"%s/runs"\n%s\n' \
		"$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" "$1" >"$BATS_TEST_TMPDIR/bin/mdevctl"
	chmod 755 "$BATS_TEST_TMPDIR/bin/mdevctl"
	rm -f "$BATS_TEST_TMPDIR/runs"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "the plugin for Nagios reports what two consecutive checks find" {
	run -0 "$EXAMPLES/check_mdev" 0
	same "OK - all mediated devices are in the expected state"
	definition gone "$U1" mtty-1 auto
	run -2 "$EXAMPLES/check_mdev" 0
	same "CRITICAL - problems with mediated devices: 1
missing $U1 gone mtty-1: parent not present"
	chmod 000 "$D/gone"
	run -3 weak "$EXAMPLES/check_mdev" 0
	[[ $output == "UNKNOWN - Error: Unable to read /etc/mdevctl.d/gone: Permission denied" ]]
	chmod 755 "$D/gone"
	mdevctl_answers 'if ((run == 1)); then echo "missing | x"; exit 10; fi'
	run -0 "$EXAMPLES/check_mdev" 0
	same "OK - all mediated devices are in the expected state"
	mdevctl_answers 'echo "a | b"; exit 10'
	run -2 "$EXAMPLES/check_mdev" 0
	[[ ${lines[1]} == "a / b" && $(<"$BATS_TEST_TMPDIR/runs") == 2 ]]
	mdevctl_answers 'exit 127'
	run -3 "$EXAMPLES/check_mdev" 0
	same "UNKNOWN - mdevctl ended with status 127"
}

@test "the metrics for node_exporter count devices by state, and replace the file at once" {
	definition mtty "$U1" mtty-1 auto
	add_running mtty "$U1" mtty-1 7
	definition gone "$U2" mtty-1 auto
	add_proc
	add_process 100 qemu /dev/vfio/7
	run -0 "$EXAMPLES/mdev-metrics" "$ROOT"
	same ""
	run -0 grep -v '^#' "$ROOT/mdev.prom"
	same 'mdev_devices{state="unknown"} 0
mdev_devices{state="broken"} 0
mdev_devices{state="incomplete"} 0
mdev_devices{state="differs"} 0
mdev_devices{state="missing"} 1
mdev_devices{state="running"} 1
mdev_devices{state="stopped"} 0
mdev_available_instances{parent="matrix",type="vfio_ap-passthrough"} 65536
mdev_available_instances{parent="mtty",type="mtty-1"} 24
mdev_available_instances{parent="mtty",type="mtty-2"} 12
mdev_in_use 1'
	run -0 bash -c "ls '$ROOT' | grep prom"
	same mdev.prom
	mdevctl_answers 'exit 2'
	run -1 "$EXAMPLES/mdev-metrics" "$ROOT"
	run -0 grep -c running "$ROOT/mdev.prom"
	cp "$EXAMPLES"/mdev-metrics.{service,timer} "$BATS_TEST_TMPDIR"
	sed -i "s,/usr/local/bin,$EXAMPLES," "$BATS_TEST_TMPDIR/mdev-metrics.service"
	unset LD_PRELOAD MDEVCTL_ENV_ROOT
	run -0 systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/mdev-metrics.timer"
}

@test "cron mails only what two consecutive checks find" {
	local command
	command=$(sed -n 's/^[*].* root //p' "$EXAMPLES/mdev-mail.cron")
	sleep() { [[ $1 == 60 ]]; }
	export -f sleep
	run -0 bash -c "$command"
	same ""
	definition gone "$U1" mtty-1 auto
	run -10 bash -c "$command"
	same "missing $U1 gone mtty-1: parent not present"
	mdevctl_answers 'if ((run == 1)); then echo "missing"; exit 10; fi'
	run -0 bash -c "$command"
	same ""
}

# --- Malicious text -------------------------------------------------------------------------------------

@test "untrusted names and texts are not printed raw on a terminal and do not break JSON" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1 bad=$'\033[2J\xc2\x9b31m\xff\n\x7f'
	local long
	long=$(printf 'x%.0s' {1..3000})
	printf '%s' "$bad$long" | tee "$type/name" >"$type/description"
	definition mtty "$U1" mtty-1 manual '[{"a": "\u001b[2J"}]'
	definition mtty "$U2" mtty-1
	printf '{ "mdev_type": "%s" }' "$bad" >"$D/mtty/$U2"
	mkdir -p "$D/$bad" "$SYS/class/mdev_bus/$bad"
	add_running mtty "$U1" mtty-1 7
	add_proc
	add_process 100 "$bad" /dev/vfio/7
	printf 'qemu\0-name\0guest=%s%s\0' "$bad" "$long" >"$PROC/100/cmdline"
	for LC_ALL in C C.UTF-8; do
		export LC_ALL
		for option in --noheadings --all --check --json; do
			run --separate-stderr mdevctl status $option
			((status == 0 || status == 10))
			run -1 env LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$output$stderr"
		done
		run -0 on_terminal 80 mdevctl status
		run -1 env LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$output"
	done
	valid mdevctl status --json
	[[ $(jq -r '.parents[].devices[].used_by.guest // empty' "$BATS_TEST_TMPDIR/json") == '?[2J??31m?'* ]]
}

@test "what a definition says is printed harmlessly in all forms" {
	local option bad=$'\033[2J\xc2\x9b31m'
	mkdir -p "$D/mtty"
	printf '{ "mdev_type": "mtty-1", "start": "auto", "%s": 1, }' "$bad" >"$D/mtty/$U1"
	for option in --check --noheadings "--uuid=$U1"; do
		mdevctl status "$option" >"$BATS_TEST_TMPDIR/out" 2>&1 || true
		[[ -s $BATS_TEST_TMPDIR/out ]]
		run -1 unprintable "$BATS_TEST_TMPDIR/out"
	done
	run -10 mdevctl status --check
	[[ $output == "broken $U1 mtty -: Invalid JSON in "* ]]
}

@test "JSON is UTF-8 whatever sysfs contains" {
	local bad=$'driver\xff\xc3'
	mkdir -p "$SYS/class/mdev_bus/mtty"
	ln -s "../../../bus/$bad" "$SYS/devices/virtual/mtty/mtty/driver"
	ln -s "../../../../0000$bad" "$SYS/devices/virtual/mtty/mtty/physfn"
	add_running mtty "$U1" mtty-1
	ln -sfn "../mdev_supported_types/$bad" "$SYS/devices/virtual/mtty/mtty/$U1/mdev_type"
	definition mtty "$U2" "$bad" auto
	mdevctl status --json >"$BATS_TEST_TMPDIR/out" || true
	run -1 unprintable "$BATS_TEST_TMPDIR/out"
	jq -e . "$BATS_TEST_TMPDIR/out" >/dev/null
	run -0 jq -r '.parents[].devices[] | select(.uuid == "'"$U2"'") | .reason' "$BATS_TEST_TMPDIR/out"
}

@test "JSON of apply is UTF-8 whatever a script prints or a file contains" {
	local bad=$'\xff\033[2J\xc3'
	printf '#!/bin/sh\necho "%s" >&2\nexit 1\n' "$bad" | add_script callouts refuses
	printf '{"s": {"mdev_type": "mtty-1", "start": "auto", "parents": ["mtty"], "count": 1}}' >"$ROOT/file"
	mdevctl apply --json "$ROOT/file" >"$BATS_TEST_TMPDIR/out" 2>/dev/null || true
	run -1 unprintable "$BATS_TEST_TMPDIR/out"
	jq -e '.version == 1 and .status == 7' "$BATS_TEST_TMPDIR/out" >/dev/null
	printf '{"%s": {"mdev_type": 1}}' "$bad" >"$ROOT/$bad"
	mdevctl apply --json "$ROOT/$bad" >"$BATS_TEST_TMPDIR/out" 2>/dev/null || true
	run -1 unprintable "$BATS_TEST_TMPDIR/out"
	jq -e '.status == 8 and (.error | contains("\ufffd"))' "$BATS_TEST_TMPDIR/out" >/dev/null
}

@test "a reader that has gone is no error, also if SIGPIPE is ignored" {
	local i command
	two_gpus
	for command in "mdevctl status --all" "mdevctl status --json" "mdevctl types" "mdevctl status"; do
		run -0 --separate-stderr bash -c "trap '' PIPE; { $command; echo \"\$?\" >&3; } 3>&2 | true"
		same_stderr 0
	done
	fails 1 "Error: Failed to write to standard output: No space left on device" \
		bash -c "mdevctl status --all >/dev/full"
	fails 1 "Error: Failed to write to standard output: No space left on device" \
		bash -c "mdevctl status --json >/dev/full"
}

@test "on a terminal, an error follows JSON, on a line of its own" {
	add_running mtty "$U1" mtty-1
	definition mtty "$U1" mtty-1
	chmod 000 "$D/mtty"
	local weak=
	((EUID != 0)) || weak="setpriv --bounding-set=-dac_override,-dac_read_search"
	run -0 on_terminal 80 "$weak mdevctl status --json -u $U1; echo \$?"
	[[ ${lines[-3]} == "}" && ${lines[-2]} == "Error: Unable to read /etc/mdevctl.d/mtty: "* && ${lines[-1]} == 1 ]]
	chmod 755 "$D/mtty"
}


@test "colours are used only on terminals, and not with NO_COLOR" {
	broken
	TERM=xterm run -0 on_terminal 80 env -u NO_COLOR mdevctl status
	[[ $output == *$'\033[31m'*differs* ]]
	TERM=xterm NO_COLOR=1 run -0 on_terminal 80 mdevctl status
	[[ $output != *$'\033'* ]]
	TERM=xterm run -0 env -u NO_COLOR mdevctl status
	[[ $output != *$'\033'* ]]
}
