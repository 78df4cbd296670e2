# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl start / mdev-start. For scripts, see callout.bats, and for waiting, wait.bats.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export FAKEKERNEL_LOG=$BATS_TEST_TMPDIR/writes
	TYPE=devices/virtual/matrix/matrix/mdev_supported_types/vfio_ap-passthrough
	THIS=devices/virtual/matrix/matrix/$U1
}

ATTRS='[
    {
      "assign_adapter": "5"
    },
    {
      "assign_domain": "0xab"
    },
    {
      "assign_adapter": "6"
    }
  ]'

# wrote LINES: the kernel received exactly these writes.
wrote() {
	same_file "$FAKEKERNEL_LOG" "$1
"
}

# nothing_runs: no device is left, and all instances are available.
nothing_runs() {
	run -0 mdevctl list
	same ""
	run -0 cat "$SYS/$TYPE/available_instances"
	same 65536
}

@test "start of a defined device creates it, writes its attributes in order, and prints nothing" {
	definition matrix "$U1" vfio_ap-passthrough manual "$ATTRS"
	run -0 --separate-stderr mdevctl start -u "$U1"
	same ""
	same_stderr ""
	wrote "$TYPE/create $U1
$THIS/assign_adapter 5
$THIS/assign_domain 0xab
$THIS/assign_adapter 6"
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual (defined)"
}

@test "start writes values without a newline, including empty ones" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "assign_adapter": "5"
    },
    {
      "assign_domain": ""
    }
  ]'
	mdevctl start -u "$U1"
	same_file "$DEVICES/$U1/assign_adapter" 5
	wrote "$TYPE/create $U1
$THIS/assign_adapter 5
$THIS/assign_domain "
}

@test "start creates a transient device of a type on a parent" {
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-2
	same ""
	same_stderr ""
	run -0 mdevctl list
	same "$U1 mtty mtty-2 manual"
	run -0 mdevctl list -d
	same ""
}

@test "start generates and prints a UUID, and nothing else" {
	run -0 --separate-stderr mdevctl start -p mtty -t mtty-2
	[[ $output =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	same_stderr ""
	local uuid=$output
	run -0 mdevctl list
	same "$uuid mtty mtty-2 manual"
}

@test "start prints no UUID if it fails" {
	fails 3 "Error: Parent mtty does not support mdev type mtty-9. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)" mdevctl start -p mtty -t mtty-9
}

@test "start of a defined device also accepts its parent and type" {
	definition mtty "$U1" mtty-2
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-2
	run -0 mdevctl list
	same "$U1 mtty mtty-2 manual (defined)"
}

@test "start rejects a type that differs from the defined one" {
	definition mtty "$U1" mtty-2
	fails 4 "Error: Device $U1 already exists on parent mtty with type mtty-2" \
		mdevctl start -u "$U1" -t mtty-1
	fails 4 "Error: Device $U1 already exists on parent mtty with type mtty-2" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "start on a parent other than the defined one creates a transient device" {
	definition mtty "$U1" mtty-2
	fails 3 "Error: Device is insufficiently specified: $U1 is not defined on matrix, so parent and type are required" \
		mdevctl start -u "$U1" -p matrix
	run -0 mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual"
}

@test "start requires a parent if there are several definitions" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	fails 1 "Error: Multiple definitions found for device $U1. Please specify a parent." \
		mdevctl start -u "$U1"
	run -0 mdevctl start -u "$U1" -p mtty
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
}

@test "start UUID:PARENT uses that definition" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	run -0 mdevctl start -u "$U1:matrix"
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual (defined)"
}

@test "start of an undefined device requires parent and type" {
	fails 3 "Error: Device is insufficiently specified: $U1 is not defined, so parent and type are required" \
		mdevctl start -u "$U1"
	fails 3 "Error: Device is insufficiently specified: $U1 is not defined on mtty, so parent and type are required" \
		mdevctl start -u "$U1" -p mtty
	fails 1 "Error: Device is insufficiently specified: parent and type are required" mdevctl start -p mtty
	fails 1 "Error: can't provide type without parent" mdevctl start -u "$U1" -t mtty-1
}

@test "start rejects an invalid definition of the specified device" {
	mkdir "$D/mtty"
	echo '{"mdev_type":7,"start":"auto"}' >"$D/mtty/$U1"
	fails 8 "Error: Invalid /etc/mdevctl.d/mtty/$U1: 'mdev_type' must be a string" \
		mdevctl start -u "$U1"
}

@test "start ignores invalid definitions of other devices" {
	definition mtty "$U1" mtty-1
	: >"$D/mtty/$U2"
	run -0 --separate-stderr mdevctl start -u "$U1"
	same_stderr ""
}

@test "start --jsonfile reads type and attributes from the file, not from the definition" {
	definition matrix "$U1" other manual "$ATTRS"
	echo '{"mdev_type":"vfio_ap-passthrough","start":"auto","attrs":[{"assign_domain":"7"}]}' \
		>"$BATS_TEST_TMPDIR/json"
	run -0 --separate-stderr mdevctl start -u "$U1" -p matrix --jsonfile "$BATS_TEST_TMPDIR/json"
	same ""
	wrote "$TYPE/create $U1
$THIS/assign_domain 7"
}

@test "start --jsonfile generates a UUID if none is given" {
	echo '{"mdev_type":"mtty-1","start":"manual"}' >"$BATS_TEST_TMPDIR/json"
	run -0 mdevctl start -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	[[ -e $DEVICES/$output ]]
	((${#output} == 36))
}

@test "start --jsonfile requires a parent" {
	fails 1 "Error: Parent device required to start device via json file" \
		mdevctl start -u "$U1" --jsonfile /dev/null
}

@test "start --jsonfile reports what is invalid in the file" {
	fails 1 "Error: Unable to read jsonfile \"/nowhere\": No such file or directory" \
		mdevctl start -p mtty --jsonfile /nowhere
	fails 8 "Error: Invalid JSON in /dev/null: unexpected end at line 1 column 1" \
		mdevctl start -p mtty --jsonfile /dev/null
}

@test "start of a running device fails, and reports how it is running" {
	running mtty "$U1" mtty-1
	fails 4 "Error: Device already exists" mdevctl start -u "$U1" -p mtty -t mtty-1
	fails 4 "Error: Device exists with different type: $U1 is running with type mtty-1, not mtty-2" \
		mdevctl start -u "$U1" -p mtty -t mtty-2
	fails 4 "Error: Device exists under different parent: $U1 is running on mtty, not on matrix" \
		mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
}

@test "start --ensure of a device that is already running as defined succeeds" {
	running mtty "$U1" mtty-1
	rm "$FAKEKERNEL_LOG"
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1 --ensure
	same ""
	same_stderr ""
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start --ensure fails if the device is running differently" {
	running mtty "$U1" mtty-1
	fails 4 "Error: Device exists with different type: $U1 is running with type mtty-1, not mtty-2" \
		mdevctl start -u "$U1" -p mtty -t mtty-2 --ensure
	fails 4 "Error: Device exists under different parent: $U1 is running on mtty, not on matrix" \
		mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough --ensure
}

@test "start --ensure starts a device that is not running" {
	definition mtty "$U1" mtty-1
	run -0 mdevctl start -u "$U1" --ensure
	[[ -e $DEVICES/$U1 ]]
}

@test "start on a parent that does not exist fails" {
	fails 3 "Error: Unable to find parent device '0000:99:00.0'" \
		mdevctl start -u "$U1" -p 0000:99:00.0 -t x
}

@test "start suggests the parent whose name differs in case" {
	fails 3 "Error: Unable to find parent device 'MTTY'. Did you mean 'mtty'?" \
		mdevctl start -u "$U1" -p MTTY -t mtty-1
}

@test "start on a parent without types fails" {
	rm -r "$SYS/class/mdev_bus/mtty/mdev_supported_types"
	fails 3 "Error: Parent mtty is not currently registered for mdev support" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "start of a type that the parent does not support fails" {
	fails 3 "Error: Parent mtty does not support mdev type mtty-9. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)" \
		mdevctl start -u "$U1" -p mtty -t mtty-9
	fails 3 "Error: Parent mtty does not support mdev type MTTY-1. Did you mean 'mtty-1'?" \
		mdevctl start -u "$U1" -p mtty -t MTTY-1
}

@test "start fails if no instance is available, without trying" {
	echo 0 >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	fails 5 "Error: No available instances of mtty-1 on mtty" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start lets the kernel decide if the driver does not count instances" {
	rm "$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "start reports why the kernel fails to create a device" {
	FAKEKERNEL_FAIL=create=EIO fails 1 \
		"Error: Failed to create mdev $U1, type mtty-1 on mtty: Input/output error" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
	FAKEKERNEL_FAIL=create=EPERM fails 1 \
		"Error: Failed to create mdev $U1, type mtty-1 on mtty: Operation not permitted" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "start reports the same error if another process was faster" {
	FAKEKERNEL_FAIL=create=EEXIST fails 4 "Error: Device already exists" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
	FAKEKERNEL_FAIL=create=EUSERS fails 5 "Error: No available instances of mtty-1 on mtty" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "start reports that the file create cannot be written" {
	chmod 444 "$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create"
	fails 1 "Error: Failed to create mdev $U1, type mtty-1 on mtty: Permission denied" \
		weak mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "start removes the device again if an attribute is rejected" {
	definition matrix "$U1" vfio_ap-passthrough manual "$ATTRS"
	FAKEKERNEL_FAIL=assign_adapter:6=EINVAL fails 1 \
		"Error: Failed to write 6 to attribute assign_adapter: Invalid argument" \
		mdevctl start -u "$U1"
	wrote "$TYPE/create $U1
$THIS/assign_adapter 5
$THIS/assign_domain 0xab
$THIS/assign_adapter 6
$THIS/remove 1"
	nothing_runs
}

@test "start writes no further attributes after one is rejected" {
	definition matrix "$U1" vfio_ap-passthrough manual "$ATTRS"
	FAKEKERNEL_FAIL=assign_adapter:5=EBUSY fails 1 \
		"Error: Failed to write 5 to attribute assign_adapter: Device or resource busy" \
		mdevctl start -u "$U1"
	wrote "$TYPE/create $U1
$THIS/assign_adapter 5
$THIS/remove 1"
	nothing_runs
}

@test "start removes the device again if an attribute does not exist" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "nosuch": "1"
    }
  ]'
	fails 1 "Error: Invalid attribute 'nosuch'" mdevctl start -u "$U1"
	nothing_runs
}

@test "start reports the cause first if the device cannot be removed again" {
	definition matrix "$U1" vfio_ap-passthrough manual "$ATTRS"
	FAKEKERNEL_FAIL=assign_domain=EINVAL,remove=EBUSY fails 1 \
		"Error: Failed to write 0xab to attribute assign_domain: Invalid argument; and the device could not be removed again: Device or resource busy" \
		mdevctl start -u "$U1"
	[[ -e $DEVICES/$U1 ]]
}

@test "start does not report an error if another process removes the device first" {
	definition matrix "$U1" vfio_ap-passthrough manual "$ATTRS"
	FAKEKERNEL_FAIL=assign_domain=EINVAL,remove=ENODEV fails 1 \
		"Error: Failed to write 0xab to attribute assign_domain: Invalid argument" \
		mdevctl start -u "$U1"
}

@test "start writes attributes in directories below the device" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "power/control": "on"
    }
  ]'
	run -0 mdevctl start -u "$U1"
	same_file "$DEVICES/$U1/power/control" on
	wrote "$TYPE/create $U1
$THIS/power/control on"
}

@test "start follows no symbolic link out of the device directory" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "mdev_type/available_instances": "9"
    }
  ]'
	fails 1 "Error: Invalid attribute 'mdev_type/available_instances'" mdevctl start -u "$U1"
	nothing_runs
}

@test "start rejects a directory as an attribute" {
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "mdev_type": "9"
    }
  ]'
	fails 1 "Error: Invalid attribute 'mdev_type'" mdevctl start -u "$U1"
	nothing_runs
}

@test "start rejects an attribute in a definition that is outside the device" {
	mkdir "$D/matrix"
	local bad
	for bad in ../x /etc/passwd a/../../b ''; do
		echo '{"mdev_type":"t","start":"auto","attrs":[{"'"$bad"'":"1"}]}' >"$D/matrix/$U1"
		fails 8 "Error: Invalid /etc/mdevctl.d/matrix/$U1: invalid attribute name '$bad'" \
			mdevctl start -u "$U1"
	done
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start reports a value that is too long for the kernel" {
	local long
	long=$(head -c 5000 /dev/zero | tr '\0' x)
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "assign_domain": "'"$long"'"
    }
  ]'
	fails 1 "Error: Failed to write $long to attribute assign_domain: Invalid argument" \
		mdevctl start -u "$U1"
	nothing_runs
}

@test "start works without definitions and script directories" {
	rm -r "${ROOT:?}/etc" "${ROOT:?}/usr"
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	[[ -e $DEVICES/$U1 ]]
}

@test "start on a machine without mediated devices fails" {
	rm -r "${SYS:?}"
	fails 3 "Error: Unable to find parent device 'mtty'. No loaded driver supports mediated devices. There is no IOMMU either; it may be disabled in the firmware or on the kernel command line" \
		mdevctl start -u "$U1" -p mtty -t mtty-1
}

@test "of two starts of one device, one succeeds" {
	local i
	for i in 1 2 3 4; do
		{
			mdevctl start -u "$U1" -p mtty -t mtty-1 2>"$BATS_TEST_TMPDIR/err.$i" &&
				: >"$BATS_TEST_TMPDIR/ok.$i"
		} 3>&- &
	done
	wait
	run -0 bash -c "ls '$BATS_TEST_TMPDIR' | grep -c '^ok'"
	same 1
	run -0 bash -c "sort -u '$BATS_TEST_TMPDIR'/err.*"
	same "Error: Device already exists"
}

@test "a signal while a callout is running ends the start before anything is changed" {
	add_script callouts slow <<EOF
#!/bin/sh
trap '' TERM
cat >/dev/null
echo "\$4 \$6 \$8" >>'$BATS_TEST_TMPDIR/calls'
[ \$4 != pre ] || kill -TERM \$PPID
[ \$4 != get ] || exit 2
EOF
	# A caller that blocks the signal sees the error; otherwise, the signal terminates the program after
	# it has cleaned up.
	fails 1 "Error: Interrupted, nothing was changed" \
		env --block-signal=TERM mdevctl start -u "$U1" -p mtty -t mtty-1
	same_file "$BATS_TEST_TMPDIR/calls" "get capabilities none
pre start none
post start failure
"
	run -143 mdevctl start -u "$U1" -p mtty -t mtty-1
	[[ ! -e $FAKEKERNEL_LOG ]]
}

@test "start accepts the human-readable name of a type" {
	run -0 mdevctl start -u "$U1" -p mtty -t "Dual port serial"
	definition mtty "$U2" mtty-1
	run -0 mdevctl start -u "$U2" -p mtty -t "Single port serial"
	run -0 mdevctl list
	same "$U1 mtty mtty-2 manual
$U2 mtty mtty-1 manual (defined)"
}

@test "start rejects a name that several types have, and lists them" {
	add_type mtty mtty-4 6 vfio-pci "Dual port serial"
	fails 3 "Error: Parent mtty has several types with the name 'Dual port serial': mtty-2, mtty-4" \
		mdevctl start -u "$U1" -p mtty -t "Dual port serial"
	run -0 mdevctl list
	same ""
}
