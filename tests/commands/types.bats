# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl types / mdev-types
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	OUT=$BATS_TEST_TMPDIR/out
	MTTY=$SYS/class/mdev_bus/mtty/mdev_supported_types
}

# Restores permissions that tests have removed, so that bats can clean up.
teardown() {
	chmod -R u+rwX "$ROOT"
}

MATRIX='matrix
  vfio_ap-passthrough
    Available instances: 65536
    Device API: vfio-ap
    Name: VFIO AP Passthrough Device'

@test "types prints parents and types in bytewise order" {
	add_type mtty mtty-10 5 vfio-pci
	add_type 0000:00:02.0 i915-GVTg_V4_2 1 vfio-pci
	run -0 --separate-stderr mdevctl types
	same "0000:00:02.0
  i915-GVTg_V4_2
    Available instances: 1
    Device API: vfio-pci
$MATRIX
mtty
  mtty-1
    Available instances: 24
    Device API: vfio-pci
    Name: Single port serial
  mtty-10
    Available instances: 5
    Device API: vfio-pci
  mtty-2
    Available instances: 12
    Device API: vfio-pci
    Name: Dual port serial"
	same_stderr ""
}

@test "types -p prints the types of that parent" {
	run -0 mdevctl types -p matrix
	same "$MATRIX"
}

@test "types joins the lines of a description" {
	add_type gpu V4_2 0 vfio-pci "" "low_gm_size: 256MB
high_gm_size: 1024MB
fence: 4"
	run -0 mdevctl types -p gpu
	same "gpu
  V4_2
    Available instances: 0
    Device API: vfio-pci
    Description: low_gm_size: 256MB, high_gm_size: 1024MB, fence: 4"
}

@test "types --dumpjson is one object with an array for each parent, without a newline" {
	add_type gpu V4_2 0 vfio-pci "A \"name\"" "one
two"
	mdevctl types --dumpjson >"$OUT"
	same_file "$OUT" '[
  {
    "gpu": [
      {
        "V4_2": {
          "available_instances": 0,
          "device_api": "vfio-pci",
          "name": "A \"name\"",
          "description": "one, two"
        }
      }
    ],
    "matrix": [
      {
        "vfio_ap-passthrough": {
          "available_instances": 65536,
          "device_api": "vfio-ap",
          "name": "VFIO AP Passthrough Device"
        }
      }
    ],
    "mtty": [
      {
        "mtty-1": {
          "available_instances": 24,
          "device_api": "vfio-pci",
          "name": "Single port serial"
        }
      },
      {
        "mtty-2": {
          "available_instances": 12,
          "device_api": "vfio-pci",
          "name": "Dual port serial"
        }
      }
    ]
  }
]'
}

@test "types omits an empty name and description" {
	add_type gpu V4_2 1 vfio-pci
	echo >"$SYS/class/mdev_bus/gpu/mdev_supported_types/V4_2/name"
	: >"$SYS/class/mdev_bus/gpu/mdev_supported_types/V4_2/description"
	run -0 mdevctl types -p gpu
	same "gpu
  V4_2
    Available instances: 1
    Device API: vfio-pci"
	mdevctl types -p gpu --dumpjson >"$OUT"
	same_file "$OUT" '[
  {
    "gpu": [
      {
        "V4_2": {
          "available_instances": 1,
          "device_api": "vfio-pci"
        }
      }
    ]
  }
]'
}

@test "types without parents prints nothing" {
	run -0 --separate-stderr mdevctl types -p nosuch
	same ""
	same_stderr ""
	mdevctl types -p nosuch --dumpjson >"$OUT"
	same_file "$OUT" "[]"
	rm -r "${SYS:?}"
	run -0 --separate-stderr mdevctl types
	same ""
	same_stderr ""
	mdevctl types --dumpjson >"$OUT"
	same_file "$OUT" "[]"
}

@test "types shows fewer available instances for running devices" {
	running mtty "$U1" mtty-2
	run -0 bash -c "mdevctl types -p mtty | grep -A1 mtty-2"
	same "  mtty-2
    Available instances: 11"
}

@test "types prints a parent with an empty list of types" {
	rm -r "$MTTY"/mtty-*
	run -0 --separate-stderr mdevctl types
	same "$MATRIX
mtty"
	same_stderr ""
	run -0 --separate-stderr mdevctl types -p mtty
	same "mtty"
	mdevctl types -p mtty --dumpjson >"$OUT"
	same_file "$OUT" '[
  {
    "mtty": []
  }
]'
}

@test "types skips a parent without types, with a warning" {
	rm -r "$MTTY"
	run -0 --separate-stderr mdevctl types
	same "$MATRIX"
	same_stderr "Warning: Ignoring parent mtty: Unable to read mdev_supported_types: No such file or directory"
}

@test "types lists a type without an API, with a warning" {
	rm "$MTTY/mtty-1/device_api"
	run -0 --separate-stderr mdevctl types -p mtty
	same "mtty
  mtty-1
    Available instances: 24
    Device API: unknown
    Name: Single port serial
  mtty-2
    Available instances: 12
    Device API: vfio-pci
    Name: Dual port serial"
	same_stderr "Warning: Type mtty-1 of mtty: Unable to read device_api"
	run -0 --separate-stderr mdevctl types -p mtty --dumpjson
	jq -e '.[0].mtty[0]["mtty-1"] == {available_instances: 24, device_api: null, name: "Single port serial"}' \
		<<<"$output"
}

@test "types lists a type whose number of instances is none, and shows what it is" {
	local bad
	for bad in x -1 "1 2" "4 (of 8)" 4294967296 99999999999999999999; do
		echo "$bad" >"$MTTY/mtty-1/available_instances"
		run -0 --separate-stderr mdevctl types -p mtty
		[[ ${lines[1]} == "  mtty-1" && ${lines[2]} == "    Available instances: unknown" ]]
		same_stderr "Warning: Type mtty-1 of mtty: available_instances is not a number: '$bad'"
	done
	run -0 --separate-stderr mdevctl types -p mtty --dumpjson
	jq -e '.[0].mtty[0]["mtty-1"].available_instances == null' <<<"$output"
}

@test "types lists a type whose number of instances cannot be read" {
	rm "$MTTY/mtty-1/available_instances"
	run -0 --separate-stderr mdevctl types -p mtty
	[[ ${lines[1]} == "  mtty-1" && ${lines[2]} == "    Available instances: unknown" ]]
	same_stderr "Warning: Type mtty-1 of mtty: Unable to read available_instances: No such file or directory"
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "types omits a name that is not UTF-8" {
	printf 'caf\xe9\n' >"$MTTY/mtty-1/name"
	run -0 --separate-stderr mdevctl types -p mtty --dumpjson
	[[ ${lines[5]} == *'"available_instances": 24,' ]]
	[[ ${lines[6]} == *'"device_api": "vfio-pci"' ]]
	same_stderr ""
}

@test "types reports that sysfs cannot be read" {
	chmod 000 "$SYS/class/mdev_bus"
	run -0 --separate-stderr weak mdevctl types
	same ""
	same_stderr "Warning: Unable to read /sys/class/mdev_bus: Permission denied"
}

@test "types reports that the types of a parent cannot be read" {
	chmod 000 "$MTTY"
	run -0 --separate-stderr weak mdevctl types
	same "$MATRIX"
	same_stderr "Warning: Ignoring parent mtty: Unable to read mdev_supported_types: Permission denied"
}

@test "types fails if its output cannot be written" {
	run -1 bash -c "mdevctl types >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl types --dumpjson >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
}

@test "types removes white space around texts, like mdevctl" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1
	printf ' \t vfio-pci \n' >"$type/device_api"
	printf '\n\r name \v\f' >"$type/name"
	printf '  a b\n c \n' >"$type/description"
	run -0 mdevctl types -p mtty
	same "mtty
  mtty-1
    Available instances: 24
    Device API: vfio-pci
    Name: name
    Description: a b,  c
  mtty-2
    Available instances: 12
    Device API: vfio-pci
    Name: Dual port serial"
}

@test "types names the parent of a type whose name is not valid" {
	mkdir "$SYS/class/mdev_bus/mtty/mdev_supported_types/"$'\xff'
	run -0 --separate-stderr mdevctl types -p matrix
	same_stderr ""
	run -0 --separate-stderr mdevctl types
	same_stderr "Warning: Ignoring a type of parent mtty: its name is not a valid type name"
	[[ $output == *mtty-1*mtty-2* ]]
}
