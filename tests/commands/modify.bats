# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl modify / mdev-modify. For scripts, see callout.bats.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	JSON=$BATS_TEST_TMPDIR/json
}

# Restores permissions that tests have removed, so that bats can clean up.
teardown() {
	chmod -R u+rwX "$ROOT"
}

# attributes NAME=VALUE...: defines mtty/$U1 with these attributes.
attributes() {
	definition mtty "$U1" mtty-1
	local attribute
	for attribute; do
		mdev-modify -u "$U1" --addattr="${attribute%%=*}" --value="${attribute#*=}"
	done
}

# has NAME=VALUE...: it has exactly these attributes.
has() {
	local wanted="$U1 mtty mtty-1 manual" line i=0 attribute
	(($# == 0)) || wanted+=$'\n  Attrs:'
	for attribute; do
		printf -v line '\n    @{%d}: {"%s":"%s"}' $i "${attribute%%=*}" "${attribute#*=}"
		wanted+=$line
		i=$((i + 1))
	done
	run -0 mdevctl list -dv
	same "$wanted"
}

@test "modify --auto and --manual preserve type and attributes, and print nothing" {
	attributes a=1 b=2
	run -0 --separate-stderr mdevctl modify -u "$U1" --auto
	same ""
	same_stderr ""
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-1",
  "start": "auto",
  "attrs": [
    {
      "a": "1"
    },
    {
      "b": "2"
    }
  ]
}'
	run -0 mdevctl modify -u "$U1" -m
	has a=1 b=2
}

@test "modify --auto of an auto device succeeds" {
	definition mtty "$U1" mtty-1 auto
	run -0 mdevctl modify -u "$U1" -a
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto"
}

@test "modify --defined is the default" {
	definition mtty "$U1" mtty-1
	run -0 mdevctl modify -u "$U1" -a -d
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto"
}

@test "modify changes the type together with another change" {
	definition mtty "$U1" mtty-1
	run -0 mdevctl modify -u "$U1" -t mtty-2 -a
	run -0 mdevctl modify -u "$U1" -t mtty-3 --addattr=a --value=1
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-3 auto
  Attrs:
    @{0}: {\"a\":\"1\"}"
	run -0 mdevctl modify -u "$U1" -t mtty-4 --delattr
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-4 auto"
}

@test "modify does not change the running device" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	mdevctl modify -u "$U1" -t mtty-2 -a
	run -0 mdevctl list
	same "$U1 mtty mtty-1 auto (defined)"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 auto"
}

@test "modify --addattr appends an attribute, also with an existing name" {
	attributes a=1 b=2 a=3
	has a=1 b=2 a=3
}

@test "modify --addattr --index inserts before that index" {
	attributes b=2
	mdevctl modify -u "$U1" --addattr=a --value=1 --index=0
	mdevctl modify -u "$U1" --addattr=d --value=4 -i 2
	mdevctl modify -u "$U1" --addattr=c --value=3 -i2
	has a=1 b=2 c=3 d=4
}

@test "modify --addattr rejects an index beyond the end and shows the attributes" {
	attributes a=1 'b=2 "x"'
	cp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	fails 1 "Error: Attribute index 3 is invalid
  Attrs:
    @{0}: {\"a\":\"1\"}
    @{1}: {\"b\":\"2 \\\"x\\\"\"}" mdevctl modify -u "$U1" --addattr=c --value=3 -i 3
	cmp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
}

@test "modify --addattr reports that there are no attributes" {
	attributes
	fails 1 "Error: Attribute index 1 is invalid
Device $U1 has no attributes" mdevctl modify -u "$U1" --addattr=c --value=3 -i 1
	mdevctl modify -u "$U1" --addattr=c --value=3 -i 0
	has c=3
}

@test "modify --delattr removes the last attribute" {
	attributes a=1 b=2 c=3
	mdevctl modify -u "$U1" --delattr
	has a=1 b=2
}

@test "modify --delattr --index removes the attribute at that index" {
	attributes a=1 b=2 c=3
	mdevctl modify -u "$U1" --delattr --index=1
	has a=1 c=3
	mdevctl modify -u "$U1" --delattr --index=0
	has c=3
	mdevctl modify -u "$U1" --delattr --index=0
	has
}

@test "modify --index accepts a plus sign" {
	attributes a=1 b=2
	run -0 mdevctl modify -u "$U1" --delattr --index=+0
	same ""
	has b=2
	wrong_usage "Option '--index' has invalid value '+': not a number from 0 to 4294967295" \
		modify -u "$U1" --delattr --index=+
	wrong_usage "Option '--index' has invalid value '++1': not a number from 0 to 4294967295" \
		modify -u "$U1" --delattr --index=++1
	wrong_usage "Option '--index' has invalid value '+-1': not a number from 0 to 4294967295" \
		modify -u "$U1" --delattr --index=+-1
}

@test "modify --delattr rejects an invalid index and shows the attributes" {
	attributes a=1
	fails 1 "Error: Attribute index 1 is invalid
  Attrs:
    @{0}: {\"a\":\"1\"}" mdevctl modify -u "$U1" --delattr -i 1
	has a=1
}

@test "modify --delattr without any attributes succeeds unless an index is given" {
	attributes
	run -0 --separate-stderr mdevctl modify -u "$U1" --delattr
	same ""
	same_stderr ""
	fails 1 "Error: Attribute index 0 is invalid
Device $U1 has no attributes" mdevctl modify -u "$U1" --delattr -i 0
}

@test "modify of an undefined device fails and prints it as it was given" {
	fails 3 "Error: Mediated device $U1 is not defined" mdevctl modify -u "$U1" -a
	definition mtty "$U1" mtty-1
	fails 3 "Error: Mediated device matrix/$U1 is not defined" mdevctl modify -u "$U1" -p matrix -a
	[[ ! -e $D/matrix ]]
}

@test "modify of a running device that is not defined fails" {
	running mtty "$U1" mtty-1
	fails 3 "Error: Mediated device $U1 is not defined. It is running; 'mdevctl define -u $U1' makes it persistent" \
		mdevctl modify -u "$U1" -a
}

@test "modify requires a parent if there are several definitions" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	fails 1 "Error: Multiple definitions found for $U1, specify a parent" mdevctl modify -u "$U1" -a
	run -0 mdevctl modify -u "$U1" -p matrix -a
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough auto
$U1 mtty mtty-1 manual"
}

@test "modify rejects an invalid definition and does not change it" {
	mkdir "$D/mtty"
	printf '{"mdev_type":"t"}' >"$D/mtty/$U1"
	fails 8 "Error: Invalid /etc/mdevctl.d/mtty/$U1: invalid json, 'start' is missing" \
		mdevctl modify -u "$U1" -a
	same_file "$D/mtty/$U1" '{"mdev_type":"t"}'
}

@test "modify ignores invalid definitions of other devices" {
	definition mtty "$U1" mtty-1
	: >"$D/mtty/$U2"
	run -0 mdevctl modify -u "$U1" -a
	same ""
}

@test "modify --jsonfile replaces the whole definition" {
	attributes a=1
	mdevctl modify -u "$U1" --auto
	echo '{"mdev_type":"mtty-2","start":"manual"}' >"$JSON"
	run -0 --separate-stderr mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	same ""
	same_stderr ""
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "manual",
  "attrs": []
}'
}

@test "modify --jsonfile creates a definition if there is none" {
	echo '{"mdev_type":"mtty-2","start":"auto"}' >"$JSON"
	run -0 mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 auto"
}

@test "modify --jsonfile replaces an invalid definition" {
	mkdir "$D/mtty"
	echo nonsense >"$D/mtty/$U1"
	echo '{"mdev_type":"mtty-2","start":"auto"}' >"$JSON"
	run -0 --separate-stderr mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	same_stderr ""
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 auto"
}

@test "modify --type replaces the name of the type that apply has recorded" {
	local text='"attrs": [],
  "set": "a/0",
  "vendor": 1'
	recorded() {
		printf '{\n  "mdev_type": "%s",\n  "start": "manual",\n  %s%s\n}' "$1" "$text" \
			"${2:+,$'\n'  \"mdev_type_name\": \"$2\"}"
	}
	mkdir -p "$D/mtty" "$D/absent"
	recorded mtty-1 "Single port serial" >"$D/mtty/$U1"
	mdevctl modify -u "$U1" --type=mtty-2
	same_file "$D/mtty/$U1" "$(recorded mtty-2 "Dual port serial")"
	mdevctl modify -u "$U1" --type="Single port serial" --auto
	mdevctl modify -u "$U1" --manual
	same_file "$D/mtty/$U1" "$(recorded mtty-1 "Single port serial")"
	mdevctl modify -u "$U1" --type=unknown
	same_file "$D/mtty/$U1" "$(recorded unknown)"
	mdevctl modify -u "$U1" --type=mtty-1
	same_file "$D/mtty/$U1" "$(recorded mtty-1)" # only apply adds it
	# Nothing is known about a type of an absent parent, except that it has not been changed.
	recorded mtty-1 "Single port serial" >"$D/absent/$U2"
	mdevctl modify -u "$U2" --type=mtty-1
	same_file "$D/absent/$U2" "$(recorded mtty-1 "Single port serial")"
	mdevctl modify -u "$U2" --type=mtty-2
	same_file "$D/absent/$U2" "$(recorded mtty-2)"
}

@test "modify --jsonfile removes unknown members of the old definition" {
	mkdir "$D/mtty"
	echo '{"mdev_type":"t","start":"auto","comment":1}' >"$D/mtty/$U1"
	echo '{"mdev_type":"t","start":"auto"}' >"$JSON"
	mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	same_file "$D/mtty/$U1" '{
  "mdev_type": "t",
  "start": "auto",
  "attrs": []
}'
}

@test "modify --jsonfile requires a parent" {
	definition mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-2","start":"manual"}' >"$JSON"
	fails 1 "Error: Parent device required to modify device via json file" \
		mdevctl modify -u "$U1" --jsonfile="$JSON"
}

@test "modify --jsonfile does not change the definition if the file is invalid" {
	attributes a=1
	fails 1 "Error: Unable to read file \"$JSON\": No such file or directory" \
		mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	echo '{"mdev_type":"mtty-2","start":"later"}' >"$JSON"
	fails 8 "Error: Invalid $JSON: 'start' must be \"auto\" or \"manual\"" \
		mdevctl modify -u "$U1" -p mtty --jsonfile="$JSON"
	has a=1
}

@test "modify preserves the mode and owner of the file it replaces" {
	definition mtty "$U1" mtty-1
	chmod 640 "$D/mtty/$U1"
	((EUID > 0)) || chown 65534:65534 "$D/mtty/$U1"
	local before
	before=$(stat -c '%a %u %g' "$D/mtty/$U1")
	mdevctl modify -u "$U1" -a
	run -0 stat -c '%a %u %g' "$D/mtty/$U1"
	same "$before"
}

@test "modify keeps the old definition if it cannot write" {
	attributes a=1
	cp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	chmod 555 "$D" "$D/mtty"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Permission denied" \
		weak mdevctl modify -u "$U1" -a
	cmp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	chmod 755 "$D"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Permission denied" \
		weak mdevctl modify -u "$U1" -a
	cmp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	run -0 ls -A "$D"
	same ".lock
mtty"
}

@test "modify rejects a definition that would be too large" {
	attributes a=1
	local big
	big=$(head -c 100000 /dev/zero | tr '\0' x)
	cp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	local i
	for i in {1..10}; do
		mdevctl modify -u "$U1" --addattr=a --value="$big"
		cp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	done
	fails 8 "Error: The definition of $U1 on mtty would be too large" \
		mdevctl modify -u "$U1" --addattr=a --value="$big"
	cmp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
}

# --- running devices -------------------------------------------------------------------------------

@test "modify --live cannot change auto and manual" {
	running mtty "$U1" mtty-1
	fails 1 "Error: 'auto' cannot be changed on active mdev" mdevctl modify -u "$U1" -l -a
	fails 1 "Error: 'manual' cannot be changed on active mdev" mdevctl modify -u "$U1" --live --manual
}

@test "modify --live uses the parent of the running device" {
	definition mtty "$U1" mtty-1 auto
	definition matrix "$U1" vfio_ap-passthrough
	running mtty "$U1" mtty-1
	add_script callouts live <<-'END'
		#!/bin/sh
		echo '{"supports":{"version":2,"actions":["modify"],"events":["pre","post","live"]}}'
	END
	echo '{"mdev_type":"mtty-1","start":"manual","attrs":[{"a":"b"}]}' >"$JSON"
	run -0 mdevctl modify -u "$U1" --live --jsonfile="$JSON"
	same ""
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 auto (active)"
	run -0 mdevctl modify -u "$U1" --live --defined --jsonfile="$JSON"
	same ""
	run -0 mdevctl list -dv
	same "$U1 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 manual (active)
  Attrs:
    @{0}: {\"a\":\"b\"}"
}

@test "modify --live without a parent reports a device that is not running" {
	fails 3 "Error: Mediated device $U1 is not active" mdevctl modify -u "$U1" --live --jsonfile="$JSON"
}

@test "modify --live --delattr is rejected with the message of mdevctl" {
	fails 1 "Error: 'live' option must be used with 'jsonfile' option" mdevctl modify -u "$U1" --live --delattr
}

@test "modify --live does not read the file if the device is not running" {
	fails 3 "Error: Mediated device $U1 is not active" mdevctl modify -u "$U1" --live --jsonfile=/nowhere
}

@test "modify --live requires a running device" {
	definition mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-1","start":"manual"}' >"$JSON"
	fails 3 "Error: Mediated device mtty/$U1 is not active" \
		mdevctl modify -u "$U1" -p mtty --live --jsonfile="$JSON"
}

@test "modify --live requires that the device is running on this parent" {
	running mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-1","start":"manual"}' >"$JSON"
	fails 3 "Error: Mediated device matrix/$U1 is not active" \
		mdevctl modify -u "$U1" -p matrix --live --jsonfile="$JSON"
}

@test "modify --live cannot change the type" {
	running mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-2","start":"manual"}' >"$JSON"
	fails 1 "Error: 'type' cannot be changed on active mdev" \
		mdevctl modify -u "$U1" -p mtty --live --jsonfile="$JSON"
}

@test "modify --live --defined requires a definition" {
	running mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-1","start":"manual"}' >"$JSON"
	fails 3 "Error: Mediated device mtty/$U1 is not defined. It is running; 'mdevctl define -u $U1' makes it persistent" \
		mdevctl modify -u "$U1" -p mtty --live --defined --jsonfile="$JSON"
}

@test "modify --live --defined requires a definition with the running type" {
	running mtty "$U1" mtty-1
	definition mtty "$U1" mtty-2
	echo '{"mdev_type":"mtty-1","start":"manual"}' >"$JSON"
	fails 1 "Error: 'type' of active and defined mdev does not match" \
		mdevctl modify -u "$U1" -p mtty --live --defined --jsonfile="$JSON"
}

@test "modify --live requires a script that supports it" {
	UNSUPPORTED="Error: Live modification is not supported for this device type. \
Changing the device configuration requires stopping and restarting the device."
	running mtty "$U1" mtty-1
	definition mtty "$U1" mtty-1
	echo '{"mdev_type":"mtty-1","start":"auto"}' >"$JSON"
	fails 1 "$UNSUPPORTED" \
		mdevctl modify -u "$U1" -p mtty --live --jsonfile="$JSON"
	fails 1 "$UNSUPPORTED" \
		mdevctl modify -u "$U1" -p mtty --defined --live --jsonfile="$JSON"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual (active)"
}
