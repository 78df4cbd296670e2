# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# The programs that udev would run, as printed by `udevadm test` with only our rules, in a mount namespace in
# which /sys, /run and /etc are directories of the test.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

PCI=/sys/devices/pci0000:00/0000:00:01.0
DEVICE=$PCI/11111111-1111-4111-8111-111111111111

setup() {
	need_mounts
	T=$BATS_TEST_TMPDIR
	mkdir -p "$T"/{rules,run/udev,run/systemd/system,etc/mdevctl.d,sys/bus/pci,sys/bus/mdev/devices}
	cp "$TOP"/rules.d/*.rules "$T/rules"
	cp /etc/passwd /etc/group "$T/etc"
	device "$PCI" pci
	mkdir "$T$PCI/mdev_supported_types" "$T/etc/mdevctl.d/${PCI##*/}"
}

# device PATH SUBSYSTEM [LINE...]: creates a device with these lines in its uevent file.
device() {
	local path=$1 subsystem=$2
	shift 2
	mkdir -p "$T$path"
	printf '%s\n' "$@" | sed '/^$/d' >"$T$path/uevent"
	ln -sfn "$(realpath -m --relative-to "$T$path" "$T/sys/bus/$subsystem")" "$T$path/subsystem"
}

# event ACTION PATH: prints the output of udevadm test, without the indentation of udev 257 and later.
event() {
	# shellcheck disable=SC2016 # $1, ... are for the inner shell
	SYSTEMD_DEVICE_VERIFY_SYSFS=0 unshare "$NAMESPACE" bash -c '
		mount --bind "$1/rules" /usr/lib/udev/rules.d && mount --bind "$1/run" /run &&
		mount --bind "$1/etc" /etc && mount --rbind "$1/sys" /sys &&
		exec udevadm test --action="$2" "$3"' bash "$T" "$1" "$2" 2>&1 | sed 's/^  //'
}

# runs ACTION PATH WANTED: udev would run exactly WANTED, one command per line.
runs() {
	event "$1" "$2" >"$T/said"
	grep -q "^ACTION=$1\$" "$T/said"
	(($(udevadm --version) < 257)) || remember "$2"
	output=$(sed -n "s/^run: '\(.*\)'\$/\1/p; s/^RUN{program} : //p" "$T/said") same "$3"
}

# remember PATH: writes the properties set by rules to the database for the next event, like udev; since
# version 257, udevadm test only reads it.
remember() {
	local file
	file=$T/run/udev/data/+$(sed -n 's/^SUBSYSTEM=//p' "$T/said"):${1##*/}
	mkdir -p "${file%/*}"
	sed -n '/^Properties:/,/^[^=]*:$/s/^[A-Z_]*=/E:&/p' "$T/said" |
		grep -vE '^E:(DEVPATH|ACTION|SUBSYSTEM|USEC_INITIALIZED|ID_PROCESSING|(CURRENT_)?TAGS)=' |
		grep -vxFf <(sed 's/^/E:/' "$T$1/uevent") >"$file" || true
}

start="/usr/bin/systemctl --no-block start 'mdev-autostart@${PCI##*/}.service'"
restart="/usr/bin/systemctl --no-block restart 'mdev-autostart@${PCI##*/}.service'"
direct="/usr/sbin/mdevctl start-parent-mdevs -- '${PCI##*/}'"

@test "rules: udev accepts every line" {
	event change "$PCI" >"$T/said"
	grep -q 'Reading rules file: .*/60-mdevctl.rules' "$T/said"
	run -1 grep -iE '60-mdevctl.rules:.*(invalid|unknown|ignor|missing|unexpected|fail|style)' "$T/said"
}

@test "rules: udevadm verify reports nothing" {
	udevadm verify --help >/dev/null 2>&1 || skip "this udev has no verify"
	run -0 udevadm verify "$TOP"/rules.d/*.rules
}

@test "rules: a parent that registers restarts its autostart unit" {
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" "$restart"
}

@test "rules: a parent that registers again restarts its autostart unit again" {
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" "$restart"
	device "$PCI" pci MDEV_STATE=unregistered
	runs change "$PCI" ""
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" "$restart"
}

@test "rules: a parent that existed before udev starts its autostart unit" {
	runs add "$PCI" "$start"
}

@test "rules: the first add is remembered, so that a trigger does not start devices again" {
	runs add "$PCI" "$start"
	grep -qx 'E:MDEV_AUTOSTART=1' "$T/run/udev/data/+pci:${PCI##*/}"
	runs add "$PCI" ""
	runs change "$PCI" ""
	runs bind "$PCI" ""
	runs add "$PCI" ""
}

@test "rules: devices started by a registration are not started again by add" {
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" "$restart"
	device "$PCI" pci
	runs add "$PCI" ""
	runs change "$PCI" ""
}

@test "rules: a parent that is removed and added again starts its unit again" {
	runs add "$PCI" "$start"
	device "$PCI" pci
	runs remove "$PCI" ""
	rm -r "$T/run/udev" # udevadm test keeps the database, while udev removes it
	runs add "$PCI" "$start"
}

@test "rules: a parent that loses mdev support starts nothing" {
	device "$PCI" pci MDEV_STATE=unregistered
	runs change "$PCI" ""
}

@test "rules: a parent without definitions starts nothing" {
	rmdir "$T/etc/mdevctl.d/${PCI##*/}"
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" ""
	runs add "$PCI" ""
	[[ ! -e $T/run/udev/data/+pci:${PCI##*/} ]] ||
		run -1 grep MDEV_AUTOSTART "$T/run/udev/data/+pci:${PCI##*/}"
}

@test "rules: definitions created after the first add are started by the next one" {
	rmdir "$T/etc/mdevctl.d/${PCI##*/}"
	runs add "$PCI" ""
	mkdir "$T/etc/mdevctl.d/${PCI##*/}"
	runs add "$PCI" "$start"
}

@test "rules: a device that is not a parent starts nothing, regardless of its name" {
	rmdir "$T$PCI/mdev_supported_types"
	runs add "$PCI" ""
	runs change "$PCI" ""
}

@test "rules: a parent of any subsystem is recognized by its name" {
	device /sys/devices/virtual/mtty/mtty mtty MDEV_STATE=registered
	mkdir -p "$T/etc/mdevctl.d/mtty" "$T/sys/bus/mtty"
	runs change /sys/devices/virtual/mtty/mtty \
		"/usr/bin/systemctl --no-block restart 'mdev-autostart@mtty.service'"
}

@test "rules: without systemd the devices are started directly, once for each event" {
	rm -r "$T/run/systemd"
	runs add "$PCI" "$direct"
	runs add "$PCI" ""
	device "$PCI" pci MDEV_STATE=registered
	runs change "$PCI" "$direct"
}

@test "rules: a device gets a systemd device unit, and starts nothing" {
	device "$DEVICE" mdev
	local action
	for action in add bind change; do
		runs "$action" "$DEVICE" ""
		grep -qx "SYSTEMD_ALIAS=/sys/subsystem/mdev/devices/$U1" "$T/said"
		grep -qE '^TAGS=.*:systemd:' "$T/said"
	done
}

stop="/usr/bin/timeout 10 /usr/bin/systemctl --job-mode=fail stop"

@test "rules: removal of a device stops its unit" {
	device "$DEVICE" mdev
	mkdir -p "$T/run/mdev-units/$U1"
	runs remove "$DEVICE" "$stop 'mdev@$U1.service'"
	run -1 grep -E '^(SYSTEMD_ALIAS|TAGS)=' "$T/said"
}

@test "rules: removal of a device stops its unit with the name of its parent, which may be gone" {
	device "$DEVICE" mdev
	runs add "$DEVICE" ""
	grep -qx "E:MDEV_PARENT=${PCI##*/}" "$T/run/udev/data/+mdev:$U1"
	mkdir -p "$T/run/mdev-units/$U1:${PCI##*/}"
	rm "$T$PCI"/{uevent,subsystem}
	runs remove "$DEVICE" "$stop 'mdev@$U1:${PCI##*/}.service'"
}

@test "rules: removal of a device without a unit runs nothing" {
	device "$DEVICE" mdev
	runs add "$DEVICE" ""
	mkdir -p "$T/run/mdev-units/$U2" "$T/run/mdev-units/$U1:other"
	runs remove "$DEVICE" ""
}

@test "rules: a device that was removed and created again does not stop its unit" {
	device "$DEVICE" mdev
	mkdir -p "$T/run/mdev-units/$U1"
	ln -s "../../../devices/${DEVICE#/sys/devices/}" "$T/sys/bus/mdev/devices/$U1"
	runs remove "$DEVICE" ""
}

@test "rules: without systemd, removal of a device runs nothing" {
	rm -r "$T/run/systemd"
	device "$DEVICE" mdev
	runs remove "$DEVICE" ""
}

@test "rules: the removal of other devices runs nothing" {
	runs remove "$PCI" ""
	device "/sys/devices/virtual/net/$U1" net
	runs remove "/sys/devices/virtual/net/$U1" ""
}
