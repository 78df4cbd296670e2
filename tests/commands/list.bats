# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl list / mdev-list / lsmdev
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	OUT=$BATS_TEST_TMPDIR/out
}

# Restores permissions that tests have removed, so that bats can clean up.
teardown() {
	chmod -R u+rwX "$ROOT"
}

ATTRS='[
    {
      "a": "1"
    },
    {
      "b/c": "x y"
    }
  ]'

# attributes_script JSON: running devices have these attributes.
attributes_script() {
	add_script callouts attributes <<EOF
#!/bin/sh
[ "\$6" = attributes ] || exit 2
printf '%s' '$1'
EOF
}

@test "list without devices prints nothing" {
	run -0 --separate-stderr mdevctl list
	same ""
	same_stderr ""
	run -0 --separate-stderr mdevctl list -d
	same ""
	same_stderr ""
}

@test "list --dumpjson without devices prints an empty array, without a newline" {
	mdevctl list --dumpjson >"$OUT"
	same_file "$OUT" "[]"
	mdevctl list --dumpjson -d >"$OUT"
	same_file "$OUT" "[]"
}

@test "list prints running devices by parent and UUID, and whether they are defined" {
	running mtty "$U3" mtty-2
	running mtty "$U1" mtty-1
	running matrix "$U2" vfio_ap-passthrough
	definition mtty "$U1" mtty-1 auto
	definition matrix "$U2" vfio_ap-passthrough
	definition matrix "$U3" vfio_ap-passthrough
	run -0 --separate-stderr mdevctl list
	same "$U2 matrix vfio_ap-passthrough manual (defined)
$U1 mtty mtty-1 auto (defined)
$U3 mtty mtty-2 manual"
	same_stderr ""
}

@test "list -d prints defined devices by parent and UUID, and whether they are running" {
	definition mtty "$U3" mtty-2
	definition mtty "$U1" mtty-1 auto
	definition matrix "$U2" vfio_ap-passthrough
	definition 0000:00:02.0 "$U1" i915-GVTg_V4_2
	running mtty "$U1" mtty-1
	run -0 --separate-stderr mdevctl list -d
	same "$U1 0000:00:02.0 i915-GVTg_V4_2 manual
$U2 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 auto (active)
$U3 mtty mtty-2 manual"
	same_stderr ""
}

@test "list joins the two sets for many devices" {
	local i uuid
	for i in {10..39}; do
		uuid=$(printf '%08d-0000-4000-8000-000000000000' "$i")
		((i % 2)) || definition mtty "$uuid" mtty-1
		((i % 2)) || definition matrix "$uuid" vfio_ap-passthrough
		((i % 3)) || running matrix "$uuid" vfio_ap-passthrough
	done
	run -0 bash -c "mdevctl list -d | grep -c '(active)$'"
	same 5
	run -0 bash -c "mdevctl list -d | grep '(active)$'"
	same "00000012-0000-4000-8000-000000000000 matrix vfio_ap-passthrough manual (active)
00000018-0000-4000-8000-000000000000 matrix vfio_ap-passthrough manual (active)
00000024-0000-4000-8000-000000000000 matrix vfio_ap-passthrough manual (active)
00000030-0000-4000-8000-000000000000 matrix vfio_ap-passthrough manual (active)
00000036-0000-4000-8000-000000000000 matrix vfio_ap-passthrough manual (active)"
	run -0 bash -c "mdevctl list | grep -c '(defined)$'"
	same 5
	run -0 bash -c "mdevctl list -d | wc -l"
	same 30
}

@test "list -d shows a device as active only with the same parent and type" {
	running mtty "$U1" mtty-2
	running mtty "$U2" mtty-2
	definition mtty "$U1" mtty-1
	definition matrix "$U2" vfio_ap-passthrough
	run -0 mdevctl list -d
	same "$U2 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 manual"
}

@test "list shows the running type, even if another one is defined" {
	definition mtty "$U1" mtty-1 auto
	running mtty "$U2" mtty-2
	mdevctl start -u "$U1"
	mdevctl modify -u "$U1" -t mtty-2 --auto
	run -0 mdevctl list
	same "$U1 mtty mtty-1 auto (defined)
$U2 mtty mtty-2 manual"
}

@test "list does not use the definition of another parent" {
	definition matrix "$U1" vfio_ap-passthrough auto
	running mtty "$U1" mtty-2
	run -0 mdevctl list
	same "$U1 mtty mtty-2 manual"
}

@test "list -u prints that device, under all parents" {
	definition mtty "$U1" mtty-1
	definition mtty "$U2" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	running mtty "$U1" mtty-1
	running mtty "$U2" mtty-1
	run -0 mdevctl list -d -u "$U1"
	same "$U1 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 manual (active)"
	run -0 mdevctl list -u "$U1"
	same "$U1 mtty mtty-1 manual (defined)"
}

@test "list -p prints the devices of that parent" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	running mtty "$U1" mtty-1
	running matrix "$U2" vfio_ap-passthrough
	run -0 mdevctl list -d -p matrix
	same "$U1 matrix vfio_ap-passthrough manual"
	run -0 mdevctl list -p matrix
	same "$U2 matrix vfio_ap-passthrough manual"
	run -0 mdevctl list -p matrix -u "$U1"
	same ""
	run -0 mdevctl list -d -p matrix -u "$U1"
	same "$U1 matrix vfio_ap-passthrough manual"
}

@test "list of a device that does not exist succeeds" {
	definition mtty "$U1" mtty-1
	local filter
	for filter in "-u $U2" "-p matrix" "-p nosuch" "-u $U1 -p matrix" "-u $U2 -d" "-p nosuch -d" \
		"-u $U1 -p nosuch -d"; do
		# shellcheck disable=SC2086 # words are words
		run -0 --separate-stderr mdevctl list $filter
		same ""
		same_stderr ""
		# shellcheck disable=SC2086
		mdevctl list $filter --dumpjson >"$OUT"
		same_file "$OUT" "[]"
	done
}

@test "list -dv numbers the attributes" {
	definition mtty "$U1" mtty-1 auto "$ATTRS"
	definition mtty "$U2" mtty-1
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"a\":\"1\"}
    @{1}: {\"b/c\":\"x y\"}
$U2 mtty mtty-1 manual"
}

@test "list -v escapes attributes like JSON" {
	definition mtty "$U1" mtty-1 auto '[
    {
      "a\"b": "\\ \n \u0001 é"
    }
  ]'
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"a\\\"b\":\"\\\\ \\n \\u0001 é\"}"
}

@test "list --dumpjson is one object with an array for each parent" {
	definition mtty "$U1" mtty-1 auto "$ATTRS"
	definition mtty "$U2" mtty-2
	definition matrix "$U1" vfio_ap-passthrough
	mdevctl list -d --dumpjson >"$OUT"
	same_file "$OUT" '[
  {
    "matrix": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "vfio_ap-passthrough",
          "start": "manual",
          "attrs": []
        }
      }
    ],
    "mtty": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "mtty-1",
          "start": "auto",
          "attrs": [
            {
              "a": "1"
            },
            {
              "b/c": "x y"
            }
          ]
        }
      },
      {
        "22222222-2222-4222-8222-222222222222": {
          "mdev_type": "mtty-2",
          "start": "manual",
          "attrs": []
        }
      }
    ]
  }
]'
}

@test "list --dumpjson -u with one match prints only the definition, as used for --jsonfile" {
	definition mtty "$U1" mtty-1 auto "$ATTRS"
	mdevctl list -d --dumpjson -u "$U1" >"$OUT"
	cmp "$OUT" "$D/mtty/$U1"
	mdevctl define -u "$U2" -p mtty --jsonfile "$OUT"
	cmp "$D/mtty/$U2" "$D/mtty/$U1"
}

@test "list --dumpjson -u with several matches prints the array" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	mdevctl list -d --dumpjson -u "$U1" >"$OUT"
	same_file "$OUT" '[
  {
    "matrix": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "vfio_ap-passthrough",
          "start": "manual",
          "attrs": []
        }
      }
    ],
    "mtty": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "mtty-1",
          "start": "manual",
          "attrs": []
        }
      }
    ]
  }
]'
}

@test "list --dumpjson without -u prints the array, also for one device" {
	definition mtty "$U1" mtty-1
	mdevctl list -d --dumpjson -p mtty >"$OUT"
	same_file "$OUT" '[
  {
    "mtty": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "mtty-1",
          "start": "manual",
          "attrs": []
        }
      }
    ]
  }
]'
}

@test "list --dumpjson -v is the same as without -v" {
	definition mtty "$U1" mtty-1 auto "$ATTRS"
	mdevctl list -d --dumpjson >"$OUT"
	mdevctl list -dv --dumpjson >"$OUT.v"
	cmp "$OUT" "$OUT.v"
}

@test "list --dumpjson of running devices has the start mode of the definition, not its attributes" {
	definition matrix "$U1" vfio_ap-passthrough auto '[
    {
      "assign_adapter": "5"
    }
  ]'
	mdevctl start -u "$U1"
	mdevctl list --dumpjson >"$OUT"
	same_file "$OUT" '[
  {
    "matrix": [
      {
        "11111111-1111-4111-8111-111111111111": {
          "mdev_type": "vfio_ap-passthrough",
          "start": "auto",
          "attrs": []
        }
      }
    ]
  }
]'
}

@test "list shows the attributes of running devices that a script reports" {
	attributes_script '[{"assign_adapter":"7"},{"assign_domain":"0xab"}]'
	running matrix "$U1" vfio_ap-passthrough
	run -0 mdevctl list -v
	same "$U1 matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"7\"}
    @{1}: {\"assign_domain\":\"0xab\"}"
	mdevctl list --dumpjson -u "$U1" >"$OUT"
	same_file "$OUT" '{
  "mdev_type": "vfio_ap-passthrough",
  "start": "manual",
  "attrs": [
    {
      "assign_adapter": "7"
    },
    {
      "assign_domain": "0xab"
    }
  ]
}'
}

@test "list runs no script if it does not print attributes" {
	running matrix "$U1" vfio_ap-passthrough
	definition matrix "$U1" vfio_ap-passthrough
	add_script callouts note <<<"#!/bin/sh
echo \"\$*\" >>'$BATS_TEST_TMPDIR/calls'"
	mdevctl list
	mdevctl list -d
	mdevctl list -dv
	mdevctl list -d --dumpjson
	[[ ! -e $BATS_TEST_TMPDIR/calls ]]
}

@test "list continues without attributes if a script refuses to report them" {
	running matrix "$U1" vfio_ap-passthrough
	add_script callouts broken <<<'#!/bin/sh
exit 1'
	run -0 --separate-stderr mdevctl list -v
	same "$U1 matrix vfio_ap-passthrough manual"
	same_stderr ""
}

@test "list continues with a warning if a script reports invalid attributes" {
	running matrix "$U1" vfio_ap-passthrough
	running mtty "$U2" mtty-1
	attributes_script '[{"a":1}]'
	local script=$ROOT/usr/lib/mdevctl/scripts.d/callouts/attributes
	run -0 --separate-stderr mdevctl list -v
	same "$U1 matrix vfio_ap-passthrough manual
$U2 mtty mtty-1 manual"
	same_stderr "Warning: Unable to get the attributes of $U1: Invalid JSON received from callout script \"$script\": Invalid answer: invalid JSON format for attribute \"a\": value must be of type str
Warning: Unable to get the attributes of $U2: Invalid JSON received from callout script \"$script\": Invalid answer: invalid JSON format for attribute \"a\": value must be of type str"
}

@test "list is run if the name of the program ends with lsmdev" {
	running mtty "$U1" mtty-1
	local name
	for name in lsmdev xlsmdev a-lsmdev; do
		ln -s "$BUILD/mdevctl" "$BATS_TEST_TMPDIR/$name"
		run -0 "$BATS_TEST_TMPDIR/$name"
		same "$U1 mtty mtty-1 manual"
	done
	ln -s "$BUILD/mdevctl" "$BATS_TEST_TMPDIR/lsmdevx"
	run -2 "$BATS_TEST_TMPDIR/lsmdevx"
}

@test "list is run if the program is called lsmdev" {
	definition mtty "$U1" mtty-1
	run -0 lsmdev -d
	same "$U1 mtty mtty-1 manual"
	run -0 lsmdev --defined --dumpjson "--uuid=$U1"
	same '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
}

@test "list fails if its output cannot be written" {
	definition mtty "$U1" mtty-1
	run -1 bash -c "mdevctl list -d >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl list --dumpjson >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl list --help >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl list --version >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl list -d >&-"
	same "Error: Failed to write to standard output: Bad file descriptor"
}

@test "list fails if long output cannot be written" {
	definition mtty "$U1" mtty-1 manual "[
    {
      \"a\": \"$(head -c 100000 /dev/zero | tr '\0' x)\"
    }
  ]"
	run -1 bash -c "mdevctl list -dv >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
}

@test "list does not give a wrong reason if a part of its output could not be written" {
	definition mtty "$U1" mtty-1 manual "[
    {
      \"a\": \"$(head -c 100000 /dev/zero | tr '\0' x)\"
    }
  ]"
	run -1 --separate-stderr strace -qqq -o /dev/null -e trace=write -e inject=write:error=ENOSPC:when=1 \
		"$BUILD/mdev-list" -dv
	same_stderr "Error: Failed to write to standard output"
}

@test "list loads libcjson only for a definition that is not formatted like ours, and to print the members of sets" {
	definition mtty "$U1" mtty-1
	running mtty "$U1" mtty-1
	local library=$BATS_TEST_TMPDIR/libcjson.so.1 program
	: >"$library"
	for program in mdev-list "mdevctl list"; do
		unset LD_LIBRARY_PATH
		rm -f "$D"/mtty/*-5*
		definition mtty "$U1" mtty-1
		export LD_LIBRARY_PATH=${library%/*}
		run -0 --separate-stderr bash -c "for options in '' -v -d -dv --dumpjson '-d --dumpjson'; do $program \$options; done"
		same_stderr ""
		unset LD_LIBRARY_PATH
		echo '{ "s": { "mdev_type": "Single port serial", "parents": ["mtty"], "count": 2, "start": "manual" } }' >"$ROOT/sets"
		run -0 mdev-apply "$ROOT/sets"
		export LD_LIBRARY_PATH=${library%/*}
		run -0 --separate-stderr bash -c "for options in '' -v -d -dv; do $program \$options; done"
		same_stderr ""
		((${#lines[@]} == 8)) || return 1
		# shellcheck disable=SC2086 # several words
		run -1 --separate-stderr $program -d --dumpjson
		same_stderr "Error: Failed to load libcjson.so.1: $library: file too short"
		echo '{ "mdev_type": "mtty-1", "start": "auto", "x": 1 }' >"$D/mtty/$U1"
		# shellcheck disable=SC2086
		run -1 --separate-stderr $program -d
		same ""
		same_stderr "Error: Failed to load libcjson.so.1: $library: file too short"
	done
	unset LD_LIBRARY_PATH
	run -0 mdevctl list -d --uuid "$U1"
	same "$U1 mtty mtty-1 auto (active)"
}

@test "list ignores names in sysfs that are not UUIDs" {
	running mtty "$U1" mtty-1
	mkdir "$DEVICES/odd"
	run -0 --separate-stderr mdevctl list
	same "$U1 mtty mtty-1 manual"
	same_stderr "Warning: Can't determine uuid for 'odd' in /sys/bus/mdev/devices"
}

@test "list skips devices that are removed in the meantime" {
	running mtty "$U1" mtty-1
	running mtty "$U2" mtty-1
	rm "$DEVICES/$U2/mdev_type"
	ln -s ../../../devices/virtual/mtty/mtty/gone "$DEVICES/$U3"
	run -0 --separate-stderr mdevctl list
	same "$U1 mtty mtty-1 manual"
	same_stderr ""
	run -0 mdevctl list -u "$U2"
	same ""
}

@test "list reads parent and type from the targets of links" {
	mkdir -p "$SYS/devices/pci0000:00/0000:00:02.0/$U1" "$SYS/devices/pci0000:00/0000:00:02.0/mdev_supported_types/i915-GVTg_V4_2"
	ln -s ../mdev_supported_types/i915-GVTg_V4_2 "$SYS/devices/pci0000:00/0000:00:02.0/$U1/mdev_type"
	ln -s "../../../devices/pci0000:00/0000:00:02.0/$U1" "$DEVICES/$U1"
	run -0 mdevctl list
	same "$U1 0000:00:02.0 i915-GVTg_V4_2 manual"
}

@test "list fails if sysfs cannot be read" {
	chmod 000 "$DEVICES"
	fails 1 "Error: Unable to read /sys/bus/mdev/devices: Permission denied" weak mdevctl list
}
