# SPDX-License-Identifier: LGPL-2.1-or-later
# The transcripts of mdevctl's old manual page. If the current mdevctl prints something else (the start mode
# in every list, a description on one line, sorted types), that is expected.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	rm -r "${SYS:?}/class/mdev_bus/mtty" # not on the host of the manual page
}

GPU=0000:00:02.0
RUNS=85006552-1b4b-45ef-ad62-de05be9171df
BOTH=83c32df7-d52e-4ec1-9668-1f3c7e4df107
AUTO=b0a3989f-8138-4d49-b63a-59db28ec8b48
MANUAL=5cf14a12-a437-4c82-a13f-70e945782d7b
NEW=6eba5b41-176e-40db-b93e-7f18e04e0b93
AP=783e6dbb-ea0e-411f-94e2-717eaad438bf

# gvt TYPE INSTANCES LOW HIGH FENCE RESOLUTION WEIGHT
gvt() {
	add_type $GPU "i915-GVTg_$1" "$2" vfio-pci "" "low_gm_size: $3
high_gm_size: $4
fence: $5
resolution: $6
weight: $7"
}

gpu_machine() {
	gvt V4_1 1 512MB 2048MB 4 1920x1200 8
	gvt V4_2 1 256MB 1024MB 4 1920x1200 4
	gvt V4_4 4 128MB 512MB 4 1920x1200 4
	gvt V4_8 5 64MB 384MB 4 1024x768 2
	running $GPU $RUNS i915-GVTg_V4_4
	running $GPU $BOTH i915-GVTg_V4_8
	definition $GPU $BOTH i915-GVTg_V4_8 auto
	definition $GPU $AUTO i915-GVTg_V4_8 auto
	definition $GPU $MANUAL i915-GVTg_V4_4 manual
}

@test "manual: list running mdev devices" {
	gpu_machine
	run -0 mdevctl list
	same "$BOTH $GPU i915-GVTg_V4_8 auto (defined)
$RUNS $GPU i915-GVTg_V4_4 manual"
}

@test "manual: list defined mdev devices" {
	gpu_machine
	run -0 mdevctl list -d
	same "$MANUAL $GPU i915-GVTg_V4_4 manual
$BOTH $GPU i915-GVTg_V4_8 auto (active)
$AUTO $GPU i915-GVTg_V4_8 auto"
}

@test "manual: list mdev types supported on the host system" {
	gpu_machine
	run -0 mdevctl types -p $GPU
	same "0000:00:02.0
  i915-GVTg_V4_1
    Available instances: 1
    Device API: vfio-pci
    Description: low_gm_size: 512MB, high_gm_size: 2048MB, fence: 4, resolution: 1920x1200, weight: 8
  i915-GVTg_V4_2
    Available instances: 1
    Device API: vfio-pci
    Description: low_gm_size: 256MB, high_gm_size: 1024MB, fence: 4, resolution: 1920x1200, weight: 4
  i915-GVTg_V4_4
    Available instances: 3
    Device API: vfio-pci
    Description: low_gm_size: 128MB, high_gm_size: 512MB, fence: 4, resolution: 1920x1200, weight: 4
  i915-GVTg_V4_8
    Available instances: 4
    Device API: vfio-pci
    Description: low_gm_size: 64MB, high_gm_size: 384MB, fence: 4, resolution: 1024x768, weight: 2"
}

@test "manual: modify a defined device from automatic start to manual" {
	gpu_machine
	run -0 mdevctl modify --uuid $BOTH --manual
	same ""
	run -0 mdevctl list -d
	same "$MANUAL $GPU i915-GVTg_V4_4 manual
$BOTH $GPU i915-GVTg_V4_8 manual (active)
$AUTO $GPU i915-GVTg_V4_8 auto"
}

@test "manual: stop a running device, start a transient device, and define it" {
	gpu_machine
	mdevctl modify --uuid $BOTH --manual
	run -0 mdevctl stop -u $BOTH
	same ""
	run -0 mdevctl start -u $NEW -p $GPU --type i915-GVTg_V4_1
	same ""
	run -0 mdevctl list
	same "$NEW $GPU i915-GVTg_V4_1 manual
$RUNS $GPU i915-GVTg_V4_4 manual"
	run -0 mdevctl define --uuid $NEW
	same ""
	run -0 mdevctl list -d
	same "$MANUAL $GPU i915-GVTg_V4_4 manual
$NEW $GPU i915-GVTg_V4_1 manual (active)
$BOTH $GPU i915-GVTg_V4_8 manual
$AUTO $GPU i915-GVTg_V4_8 auto"
}

add_attributes() {
	run -0 mdevctl list -d
	same "$AP matrix vfio_ap-passthrough manual"
	mdevctl modify -u $AP --addattr=assign_adapter --value=5
	mdevctl modify -u $AP --addattr=assign_adapter --value=6
	mdevctl modify -u $AP --addattr=assign_domain --value=0xab
	mdevctl modify -u $AP --addattr=assign_control_domain --value=0xab
	mdevctl modify -u $AP --addattr=assign_domain --value=4
	mdevctl modify -u $AP --addattr=assign_control_domain --value=4
}

@test "manual: add some attributes" {
	definition matrix $AP vfio_ap-passthrough
	add_attributes
	run -0 mdevctl list -dv
	same "$AP matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_adapter\":\"6\"}
    @{2}: {\"assign_domain\":\"0xab\"}
    @{3}: {\"assign_control_domain\":\"0xab\"}
    @{4}: {\"assign_domain\":\"4\"}
    @{5}: {\"assign_control_domain\":\"4\"}"
}

@test "manual: dump the JSON configuration" {
	definition matrix $AP vfio_ap-passthrough
	add_attributes
	mdevctl list -d -u $AP --dumpjson >"$BATS_TEST_TMPDIR/out"
	same_file "$BATS_TEST_TMPDIR/out" '{
  "mdev_type": "vfio_ap-passthrough",
  "start": "manual",
  "attrs": [
    {
      "assign_adapter": "5"
    },
    {
      "assign_adapter": "6"
    },
    {
      "assign_domain": "0xab"
    },
    {
      "assign_control_domain": "0xab"
    },
    {
      "assign_domain": "4"
    },
    {
      "assign_control_domain": "4"
    }
  ]
}'
}

@test "manual: remove some attributes, and define an mdev device from a file" {
	definition matrix $AP vfio_ap-passthrough
	add_attributes
	mdevctl modify -u $AP --delattr --index=5
	mdevctl modify -u $AP --delattr --index=4
	local left="$AP matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_adapter\":\"6\"}
    @{2}: {\"assign_domain\":\"0xab\"}
    @{3}: {\"assign_control_domain\":\"0xab\"}"
	run -0 mdevctl list -dv
	same "$left"

	cd "$BATS_TEST_TMPDIR"
	cat >vfio_ap_device.json <<'EOF'
{
"mdev_type": "vfio_ap-passthrough",
"start": "manual",
"attrs": [
{
"assign_adapter": "5"
},
{
"assign_domain": "0x47"
},
{
"assign_domain": "0xff"
}
]
}
EOF
	run -0 mdevctl define -p matrix --jsonfile vfio_ap_device.json
	local new="$output matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_domain\":\"0x47\"}
    @{2}: {\"assign_domain\":\"0xff\"}"
	local both="$left
$new"
	[[ $AP < $output ]] || both="$new
$left"
	run -0 mdevctl list -dv
	same "$both"
}
