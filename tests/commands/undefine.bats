# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl undefine / mdev-undefine
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# Restores permissions that tests have removed, so that bats can clean up.
teardown() {
	chmod -R u+rwX "$ROOT"
}

@test "undefine removes the definition and prints nothing" {
	definition mtty "$U1" mtty-1
	definition mtty "$U2" mtty-1
	run -0 --separate-stderr mdevctl undefine -u "$U1"
	same ""
	same_stderr ""
	run -0 ls "$D/mtty"
	same "$U2"
}

@test "undefine removes the directory of a parent that has no definitions left" {
	definition mtty "$U1" mtty-1
	mdevctl undefine -u "$U1"
	run -0 ls "$D"
	same ""
}

@test "undefine keeps a directory that contains other files" {
	definition mtty "$U1" mtty-1
	echo mine >"$D/mtty/notes"
	mdevctl undefine -u "$U1"
	same_file "$D/mtty/notes" "mine
"
}

@test "undefine removes the definitions under all parents" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	definition matrix "$U2" vfio_ap-passthrough
	run -0 mdevctl undefine -u "$U1"
	same ""
	run -0 mdevctl list -d
	same "$U2 matrix vfio_ap-passthrough manual"
}

@test "undefine --parent removes only that definition" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	run -0 mdevctl undefine -u "$U1" -p mtty
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough manual"
}

@test "undefine of an undefined device fails" {
	fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U1"
	definition mtty "$U1" mtty-1
	fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U1" -p matrix
	fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U2"
	[[ -f $D/mtty/$U1 ]]
}

@test "undefine does not stop a running device" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U1"
	run -0 mdevctl undefine -u "$U1"
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "undefine removes an invalid definition" {
	mkdir "$D/mtty"
	echo '{' >"$D/mtty/$U1"
	run -0 mdevctl undefine -u "$U1"
	same ""
	[[ ! -e $D/mtty ]]
}

@test "undefine ignores invalid definitions of other devices" {
	definition mtty "$U1" mtty-1
	echo '{' >"$D/mtty/$U2"
	run -0 mdevctl undefine -u "$U1"
	same ""
	run -0 ls "$D/mtty"
	same "$U2"
}

@test "undefine continues after a failure, reports it and finally fails" {
	definition matrix "$U1" vfio_ap-passthrough
	definition mtty "$U1" mtty-1
	chmod 555 "$D/matrix"
	fails 1 "Warning: Undefine of $U1 on parent matrix failed with error: Failed to remove file /etc/mdevctl.d/matrix/$U1: Permission denied
Error: Undefine failed" weak mdevctl undefine -u "$U1"
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough manual"
}

@test "undefine cannot remove a directory in place of a definition" {
	mkdir -p "$D/mtty/$U1"
	fails 1 "Warning: Undefine of $U1 on parent mtty failed with error: Failed to remove file /etc/mdevctl.d/mtty/$U1: Is a directory
Error: Undefine failed" mdevctl undefine -u "$U1"
}

@test "undefine removes old temporary files of other writers" {
	definition mtty "$U1" mtty-1
	: >"$D/mtty/.mdevctl.tmp.1"
	mdevctl undefine -u "$U1"
	run -0 ls -A "$D"
	same .lock
}

# Two functions of card 0000:41:00.0, and another parent.
with_card() {
	local i
	for i in 4 5; do
		add_type "0000:41:00.$i" nvidia-46 2 vfio-pci
		ln -s ../../../virtual/card/0000:41:00.0 "$SYS/devices/virtual/0000:41:00.$i/0000:41:00.$i/physfn"
	done
	definition 0000:41:00.4 "$U1" nvidia-46
	definition 0000:41:00.5 "$U2" nvidia-46
	definition mtty "$U3" mtty-1
}

@test "undefine --all removes all definitions, or those of a parent or a card" {
	with_card
	run -0 --separate-stderr mdevctl undefine --all -p 0000:41:00.5
	same_stderr ""
	run -0 mdevctl list -d
	same "$U1 0000:41:00.4 nvidia-46 manual
$U3 mtty mtty-1 manual"
	definition 0000:41:00.5 "$U2" nvidia-46
	run -0 --separate-stderr mdevctl undefine --all --parent=0000:41:00.0
	same_stderr ""
	run -0 mdevctl list -d
	same "$U3 mtty mtty-1 manual"
	run -0 --separate-stderr mdevctl undefine --all
	same_stderr ""
	run -0 mdevctl list -d
	same ""
	run -0 mdevctl undefine --all
	same ""
}

@test "undefine --all goes on after a failure, and says how many failed" {
	with_card
	add_script callouts refuse <<-EOF
		#!/bin/sh
		case "\$*" in
		*"-e pre -a undefine"*"-u $U2"*) exit 1 ;;
		esac
	EOF
	run -7 --separate-stderr mdevctl undefine --all
	# shellcheck disable=SC2154 # bats sets stderr
	[[ $stderr == "Warning: Undefine of $U2 on parent 0000:41:00.5 failed with error: "*"
Error: 1 of 3 definitions could not be removed" ]]
	run -0 mdevctl list -d
	same "$U2 0000:41:00.5 nvidia-46 manual"
}

@test "undefine requires a UUID or --all" {
	wrong_usage "Exactly one of the options --uuid or --all is required" undefine
	wrong_usage "Exactly one of the options --uuid or --all is required" undefine --all -u "$U1"
}

@test "modify --auto --all and --manual --all change all definitions, or those of a parent or a card" {
	with_card
	run -0 --separate-stderr mdevctl modify --auto --all -p 0000:41:00.0
	same_stderr ""
	run -0 mdevctl list -d
	same "$U1 0000:41:00.4 nvidia-46 auto
$U2 0000:41:00.5 nvidia-46 auto
$U3 mtty mtty-1 manual"
	mdevctl modify --auto --all
	mdevctl modify --manual --all --parent 0000:41:00.4
	run -0 mdevctl list -d
	same "$U1 0000:41:00.4 nvidia-46 manual
$U2 0000:41:00.5 nvidia-46 auto
$U3 mtty mtty-1 auto"
}

@test "modify --all goes on after a failure, and says how many failed" {
	with_card
	echo '{' >"$D/0000:41:00.4/$U1"
	run -8 --separate-stderr mdevctl modify --all --auto
	[[ $stderr == "Warning: Modify of $U1 on 0000:41:00.4 failed: "*"
Error: 1 of 3 definitions could not be modified" ]]
	grep -q '"auto"' "$D/0000:41:00.5/$U2"
	grep -q '"auto"' "$D/mtty/$U3"
}

@test "modify --all requires --auto or --manual" {
	wrong_usage "Option --all requires --auto or --manual" modify --all --delattr
	wrong_usage "Option --all cannot be used with --type" modify --all --auto -t x
}
