# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The actions of the administrator are respected: a device that was stopped manually remains stopped,
# and running devices are not stopped, whatever udev and systemd do; only a new registration of the
# parent starts all devices again.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
u3=33333333-3333-4333-8333-333333333333
for u in $u1 $u2 $u3; do
	mdevctl define -u "$u" -p mtty -t mtty-1 --auto
done
modprobe mtty
check_soon "all three auto devices are running" "$u1"$'\n'"$u2"$'\n'"$u3" devices mtty
systemctl start mdev@$u3
mdevctl stop -u $u2
check_soon "one is stopped manually" "$u1"$'\n'"$u3" devices mtty

state()
{
	devices mtty
	unit_state mdev@$u3.service
	failed_units
}
left=$(echo $u1; echo $u3; echo active exited)

for action in add change bind unbind online offline move remove add change; do
	udevadm trigger --action=$action --subsystem-match=mdev --subsystem-match=mtty \
		--subsystem-match=vfio
	settle
	check "nothing changes after udevadm trigger --action=$action" "$left" "$(state)"
done
udevadm trigger
settle
check "nothing changes after udevadm trigger for all devices" "$left" "$(state)"
udevadm control --reload
udevadm trigger --action=add
settle
check "nothing changes after a reload of udev" "$left" "$(state)"
systemctl daemon-reload
check "nothing changes after daemon-reload" "$left" "$(state)"
systemctl daemon-reexec
check "nothing changes after daemon-reexec" "$left" "$(state)"
udevadm trigger --action=remove --subsystem-match=mdev
settle
systemctl daemon-reload
settle
check "nothing changes after a lost tag and daemon-reload" "$left" "$(state)"
systemctl restart systemd-udevd
settle
check "nothing changes after a restart of udevd" "$left" "$(state)"

rmmod mtty
check_soon "the unit of a device is inactive after its driver was removed" "inactive dead" \
	unit_state mdev@$u3.service
modprobe mtty
check_soon "a new registration starts all devices again" "$u1"$'\n'"$u2"$'\n'"$u3" devices mtty
check "no unit failed" "" "$(failed_units)"
