# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # $ is for jq; each test is a shell of its own; bats sets stderr
# mdevctl status: the tree, JSON and --check, on hosts of all kinds
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/hosts.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export LC_ALL=C.UTF-8 TERM=dumb
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

@test "status of a parent does not fail if the types of another parent cannot be read" {
	local types=$SYS/devices/virtual/mtty/mtty/mdev_supported_types
	add_type card mtty-1 2 vfio-pci
	chmod 000 "$types"
	run -0 --separate-stderr weak mdevctl status --json -p card
	[[ $(jq -c '[.parents[].parent]' <<<"$output") == '["card"]' ]]
	run -1 --separate-stderr weak mdevctl status --json -p mtty
	[[ $stderr == *"Error: Unable to read /sys/class/mdev_bus/mtty/mdev_supported_types: Permission denied"* ]]
	chmod 755 "$types"
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
