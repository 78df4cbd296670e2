# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# src/completion: tested with real shells
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/complete.bash

# U1 is running and defined as auto, U2 is defined on two parents and not running, U3 is only running.
setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	add_attribute mtty mtty-1 speed
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1
	definition matrix "$U2" vfio_ap-passthrough manual '[{"assign_adapter":"5"},{"assign_domain":"4"}]'
	mdevctl start -u "$U1"
	mdevctl start -u "$U3" -p matrix -t vfio_ap-passthrough
}

@test "commands" {
	offers "mdevctl " define undefine modify start stop list status types apply version help
	offers "mdevctl help st" start status stop
}

@test "start: defined devices that are not running" {
	offers "mdevctl start -u " "$U2"
	offers "mdevctl start --uuid=" "$U2"
	offers "mdev-start --uuid 2" "$U2"
}

@test "stop: running devices" {
	offers "mdevctl stop --uuid " "$U1" "$U3"
	offers "mdev-stop --uuid=3" "$U3"
}

@test "define: running devices that are not defined" {
	offers "mdevctl define -u " "$U3"
}

@test "undefine and modify: defined devices; with --live, running devices" {
	offers "mdevctl undefine -u " "$U1" "$U2"
	offers "mdevctl modify --auto --uuid=" "$U1" "$U2"
	offers "mdevctl modify --live --uuid=" "$U1" "$U3"
}

@test "list: running devices, or defined devices" {
	offers "mdevctl list -u " "$U1" "$U3"
	offers "mdevctl list -dv -u " "$U1" "$U2"
	offers "lsmdev --defined --uuid=" "$U1" "$U2"
}

@test "parents: all, or those that have a definition of the device" {
	offers "mdevctl types -p " matrix mtty
	offers "mdevctl define --parent=ma" matrix
	offers "mdevctl undefine -u $U2 -p " matrix mtty
	offers "mdevctl modify --uuid=$U1 --parent=" mtty
	offers "mdev-autostart " matrix mtty
	offers "mdevctl start-parent-mdevs mt" mtty
}

@test "parents whose names contain colons" {
	add_type 0000:00:02.0 i915-GVTg_V5_4 1 vfio-pci
	add_type 0000:00:03.0 i915-GVTg_V5_8 1 vfio-pci
	offers "mdevctl types -p 0" 0000:00:02.0 0000:00:03.0
	offers "mdevctl start -p 0000:00:03.0 -t " i915-GVTg_V5_8
	[[ $(zsh "$TOP/tests/lib/complete.zsh" bash "$TOP/src/completion/mdevctl.bash" \
		"mdevctl types -p 0000:00:02" 2>/dev/null) == "mdevctl types -p 0000:00:02.0 " ]]
}

@test "status: all devices, parents and cards" {
	ln -s ../../0000:41:00.0 "$SYS/devices/virtual/mtty/mtty/physfn"
	offers "mdevctl status -p " mtty matrix 0000:41:00.0
	offers "mdev-status --uuid=" "$U1" "$U2" "$U3"
}

@test "types: of the given parent, of the parent of the device, or of all parents" {
	offers "mdevctl start -p mtty -t " mtty-1 mtty-2
	offers "mdevctl define --parent=matrix --type=" vfio_ap-passthrough
	offers "mdevctl modify -u $U1 --type=" mtty-1 mtty-2
	offers "mdevctl modify -u $U2:matrix --type=" vfio_ap-passthrough
	offers "mdevctl define -t " mtty-1 mtty-2 vfio_ap-passthrough
}

@test "attributes: files in the directory of the device, or of a similar one" {
	touch "$DEVICES/$U1/uevent" "$DEVICES/$U1/read-only"
	chmod 444 "$DEVICES/$U1/read-only"
	offers "mdevctl modify -u $U1 --addattr=" speed power/control
	offers "mdevctl modify -u $U2:mtty --addattr " speed power/control
	offers "mdevctl modify -u $U2 -p matrix --addattr=assign_d" assign_domain
}

@test "indices: of the attributes that are defined" {
	offers "mdevctl modify -u $U2 -p matrix --delattr -i " 0 1
}

@test "files" {
	cd "$BATS_TEST_TMPDIR"
	touch card.json
	offers "mdevctl define -p matrix --jsonfile=ca" card.json
}

@test "options that the program does not accept are not offered" {
	offers "mdev-types --" --parent --dumpjson --help
	offers "mdevctl types --d" --dumpjson
}

@test "on a host without devices, parents and directories, nothing is offered or printed" {
	rm -r "${ROOT:?}"/*
	offers "mdevctl start -u "
	offers "mdevctl stop -u "
	offers "mdevctl define -p "
	offers "mdevctl define -p x -t "
	offers "mdevctl modify -u $U1 --addattr "
	offers "mdevctl modify -u $U1 --delattr --index "
}

@test "apply: files" {
	cd "$BATS_TEST_TMPDIR"
	touch host.json other.txt
	offers "mdevctl apply ho" host.json
	offers "mdev-apply --dry-run o" other.txt
	offers "mdevctl apply --" --dry-run --json --prune --wait --help
}
