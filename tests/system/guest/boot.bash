# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Auto devices are started at boot whenever their driver is loaded: before the root switch, by
# modules-load.d after it, manually later, or again after rmmod. Manual devices are not started.
set -eu
. "${0%/*}/lib.bash"

auto1=11111111-1111-4111-8111-111111111111
auto2=22222222-2222-4222-8222-222222222222
manual=33333333-3333-4333-8333-333333333333
display=44444444-4444-4444-8444-444444444444

check_autostart() # WHEN
{
	check_soon "$1: the auto devices of mtty are running" "$auto1"$'\n'"$auto2" devices mtty
	check_soon "$1: the auto device of mdpy is running" "$display" devices mdpy
	check_soon "$1: the unit of mtty is active" "active exited" unit_state mdev-autostart@mtty.service
	check_soon "$1: the unit of mdpy is active" "active exited" unit_state mdev-autostart@mdpy.service
	check "$1: the attribute was written" on "$(cat /sys/bus/mdev/devices/$auto1/power/control)"
	settle
	check "$1: no other devices are running" "$auto1"$'\n'"$auto2"$'\n'"$display" "$(devices)"
	check "$1: list shows the same" "$display mdpy mdpy-xga auto (defined)
$auto1 mtty mtty-1 auto (defined)
$auto2 mtty mtty-2 auto (defined)" "$(mdevctl list 2>&1)"
	check "$1: no unit failed" "" "$(failed_units)"
}

case $boot in
1)
	mdevctl define -u $auto1 -p mtty -t mtty-1 --auto
	mdevctl modify -u $auto1 --addattr power/control --value on
	mdevctl define -u $auto2 -p mtty -t mtty-2 --auto
	mdevctl define -u $manual -p mtty -t mtty-1
	mdevctl define -u $display -p mdpy -t mdpy-xga --auto
	check "without a driver, there are no devices" "" "$(devices)"
	reboot_with mtty mdpy
	;;
2)
	check_like "loaded before the root switch: the driver is older than systemd" "*mtty*systemd*" \
		"$(journalctl --boot -o cat | grep -E 'mtty mtty: MDEV: Registered|^systemd .* running' |
			head -n 2)"
	check_autostart "loaded before the root switch"
	printf 'mtty\nmdpy\n' >/etc/modules-load.d/mdev.conf
	reboot_with
	;;
3)
	check_autostart "loaded by modules-load.d"
	rm /etc/modules-load.d/mdev.conf
	reboot_with
	;;
4)
	check "without loaded drivers, there are no devices" "" "$(devices)"
	modprobe mtty
	modprobe mdpy
	check_autostart "after a late modprobe"
	rmmod mtty mdpy
	check_soon "rmmod removes the devices" "" devices
	modprobe mtty
	modprobe mdpy
	check_autostart "after rmmod and modprobe"
	;;
esac
