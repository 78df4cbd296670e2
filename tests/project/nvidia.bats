# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# man/examples/nvidia-vgpu: vGPUs of NVIDIA hosts without mediated devices, in a simulated sysfs
# shellcheck disable=SC2154 # bats sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	PCI=$SYS/bus/pci/devices
	CONF=$BATS_TEST_TMPDIR/conf
	mkdir -p "$PCI/0000:41:00.0" "$ROOT/usr/lib/nvidia" "$BATS_TEST_TMPDIR/bin"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	echo 0 >"$PCI/0000:41:00.0/sriov_numvfs"
	program nvidia-smi <<-'END'
		[ "$*" = "-q -i 0000:41:00.0" ] || exit 6
		printf '    Virtualization mode\n        Host VGPU Mode                    : SR-IOV\n'
	END
	program sleep <<-'END'
		echo slept >>"$MDEVCTL_ENV_ROOT/slept"
	END
	program ../root/usr/lib/nvidia/sriov-manage <<-'END'
		[ "$*" = "-e 0000:41:00.0" ] || exit 1
		cd "$MDEVCTL_ENV_ROOT/sys/bus/pci/devices"
		for i in 4 5; do
			mkdir -p 0000:41:00.$i/nvidia
			ln -s ../0000:41:00.0 0000:41:00.$i/physfn
			ln -s ../0000:41:00.$i 0000:41:00.0/virtfn$((i - 4))
			echo 0 >0000:41:00.$i/nvidia/current_vgpu_type
			printf '1428 : NVIDIA H200X-141C\n1414 : NVIDIA H200X-1-18C \n' >0000:41:00.$i/nvidia/creatable_vgpu_types
		done
		echo 2 >0000:41:00.0/sriov_numvfs
	END
}

# program NAME < TEXT: a shell script in PATH.
program() {
	{ echo '#!/bin/sh'; cat; } >"$BATS_TEST_TMPDIR/bin/$1"
	chmod 755 "$BATS_TEST_TMPDIR/bin/$1"
}

# create LINE...: runs the example with these lines as its file.
create() {
	printf '%s\n' "$@" >"$CONF"
	"$TOP/man/examples/nvidia-vgpu" "$CONF"
}

# slept TIMES
slept() {
	run -0 cat "$ROOT/slept"
	((${#lines[@]} == $1))
}

# types TYPE TYPE: the types of both functions.
types() {
	same_file "$PCI/0000:41:00.4/nvidia/current_vgpu_type" "$1"$'\n'
	same_file "$PCI/0000:41:00.5/nvidia/current_vgpu_type" "$2"$'\n'
}

A="0000:41:00.0 0000:41:00.4 NVIDIA H200X-1-18C"
B="0000:41:00.0 0000:41:00.5 NVIDIA H200X-141C"

@test "vGPUs are created after the virtual functions, by the names of their types, and only once" {
	run -0 --separate-stderr create "# a comment" "" "$A" "$B"
	same ""
	same_stderr ""
	types 1414 1428
	rm "$ROOT/usr/lib/nvidia/sriov-manage" # the card already has functions
	run -0 --separate-stderr create "$A" "$B"
	same_stderr ""
	types 1414 1428
	[[ ! -e $ROOT/slept ]]
}

@test "the file shown in mdevctl(8) is accepted, and the unit is valid" {
	sed -n '/^# cat .etc.nvidia-vgpu.conf/,/^# install/p' "$TOP/man/mdevctl.8" | sed '1d;$d' >"$CONF"
	run -0 --separate-stderr "$TOP/man/examples/nvidia-vgpu" "$CONF"
	same ""
	same_stderr ""
	types 1414 1414
	sed "s|/usr/local/sbin/|$TOP/man/examples/|" "$TOP/man/examples/nvidia-vgpu.service" >"$BATS_TEST_TMPDIR/nvidia-vgpu.service"
	unset LD_PRELOAD MDEVCTL_ENV_ROOT
	run -0 systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/nvidia-vgpu.service"
	same ""
}

@test "a card that is not in SR-IOV mode is left alone" {
	program nvidia-smi <<-'END'
		echo '        Host VGPU Mode                    : Non SR-IOV'
	END
	fails 1 "0000:41:00.4: Card 0000:41:00.0 is not in SR-IOV mode (Host VGPU Mode: Non SR-IOV)
1 of 1 vGPUs could not be created" create "$A"
	same_file "$PCI/0000:41:00.0/sriov_numvfs" $'0\n'
	[[ ! -e $ROOT/slept ]]
}

@test "a card whose mode cannot be determined is left alone, after a bounded number of retries" {
	program nvidia-smi <<-'END'
		exit 9
	END
	fails 1 "0000:41:00.4: Unable to determine the vGPU mode of card 0000:41:00.0, see nvidia-smi -q
0000:41:00.5: Unable to determine the vGPU mode of card 0000:41:00.0, see nvidia-smi -q
2 of 2 vGPUs could not be created" create "$A" "$B"
	slept 30
	same_file "$PCI/0000:41:00.0/sriov_numvfs" $'0\n'
}

@test "sriov-manage that fails without an exit status is retried" {
	mv "$ROOT/usr/lib/nvidia/sriov-manage" "$ROOT/works"
	program ../root/usr/lib/nvidia/sriov-manage <<-'END'
		[ ! -e "$MDEVCTL_ENV_ROOT/slept" ] || exec "$MDEVCTL_ENV_ROOT/works" "$@"
	END
	run -0 --separate-stderr create "$A"
	same_stderr ""
	slept 1
	types 1414 0
	rm "$ROOT/slept"
	echo 0 >"$PCI/0000:41:00.0/sriov_numvfs"
	program ../root/usr/lib/nvidia/sriov-manage </dev/null
	fails 1 "0000:41:00.4: Unable to enable the virtual functions of card 0000:41:00.0
1 of 1 vGPUs could not be created" create "$A"
	slept 30
}

@test "types that are listed only after a while are waited for" {
	"$ROOT/usr/lib/nvidia/sriov-manage" -e 0000:41:00.0
	mv "$PCI/0000:41:00.4/nvidia/creatable_vgpu_types" "$ROOT/later"
	: >"$PCI/0000:41:00.5/nvidia/creatable_vgpu_types"
	program sleep <<-'END'
		cp "$MDEVCTL_ENV_ROOT/later" "$MDEVCTL_ENV_ROOT/sys/bus/pci/devices/0000:41:00.4/nvidia/creatable_vgpu_types"
	END
	run -0 --separate-stderr create "$A"
	same_stderr ""
	types 1414 0
}

@test "what cannot be created is reported, and the rest is created" {
	fails 1 "0000:41:00.5: No type 'NVIDIA H200X-1' in /sys/bus/pci/devices/0000:41:00.5/nvidia/creatable_vgpu_types
0000:41:00.6: Not a virtual function of card 0000:41:00.0
0000:81:00.4: Card 0000:81:00.0 does not exist
3 of 4 vGPUs could not be created" create "$A" "0000:41:00.0 0000:41:00.5 NVIDIA H200X-1" \
		"0000:41:00.0 0000:41:00.6 NVIDIA H200X-1-18C" "0000:81:00.0 0000:81:00.4 NVIDIA H200X-1-18C"
	types 1414 0
}

@test "a type that the driver does not accept is noticed when it is read back" {
	"$ROOT/usr/lib/nvidia/sriov-manage" -e 0000:41:00.0
	# Unlike in sysfs, opening the file has emptied it.
	program sleep <<-'END'
		echo slept >>"$MDEVCTL_ENV_ROOT/slept"
		cd "$MDEVCTL_ENV_ROOT/sys/bus/pci/devices"
		for file in */nvidia/current_vgpu_type; do
			[ -s $file ] || echo 0 >$file
		done
	END
	export FAKEKERNEL_FAIL=$'current_vgpu_type:1414\n=EINVAL'
	fails 1 "0000:41:00.4: The driver rejected type 1414 ('NVIDIA H200X-1-18C'), see the kernel log
1 of 2 vGPUs could not be created" create "$A" "$B"
	slept 30
	same_file "$PCI/0000:41:00.5/nvidia/current_vgpu_type" $'1428\n'
	echo 0 >"$PCI/0000:41:00.5/nvidia/current_vgpu_type"
	export FAKEKERNEL_FAIL=$'current_vgpu_type:1428\n=NOTHING'
	fails 1 "0000:41:00.5: The driver rejected type 1428 ('NVIDIA H200X-141C'), see the kernel log
1 of 2 vGPUs could not be created" create "$A" "$B"
	same_file "$PCI/0000:41:00.4/nvidia/current_vgpu_type" $'1414\n'
}

@test "an existing vGPU is not changed" {
	"$ROOT/usr/lib/nvidia/sriov-manage" -e 0000:41:00.0
	echo 1428 >"$PCI/0000:41:00.4/nvidia/current_vgpu_type"
	: >"$PCI/0000:41:00.4/nvidia/creatable_vgpu_types"
	fails 1 "0000:41:00.4: Has type 1428 instead of 1414; to remove this vGPU, write 0 to /sys/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type
1 of 1 vGPUs could not be created" create "$A"
	: >"$PCI/0000:41:00.5/nvidia/creatable_vgpu_types"
	run -0 --separate-stderr create "$A"
	same_stderr "0000:41:00.4: Already has type 1428"
	types 1428 0
}

@test "functions that support mediated devices are left to mdevctl" {
	"$ROOT/usr/lib/nvidia/sriov-manage" -e 0000:41:00.0
	mkdir "$PCI/0000:41:00.4/mdev_supported_types"
	fails 1 "0000:41:00.4: Supports mediated devices, see mdevctl types
1 of 1 vGPUs could not be created" create "$A"
}

@test "a file that cannot be read is an error" {
	fails 1 "Unable to read $BATS_TEST_TMPDIR/nosuch" "$TOP/man/examples/nvidia-vgpu" "$BATS_TEST_TMPDIR/nosuch"
}
