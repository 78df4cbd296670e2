# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The administrator is obeyed: what was stopped by hand stays stopped, what runs is not stopped,
# whatever udev and systemd are made to do; only a real new registration starts all again.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
u3=33333333-3333-4333-8333-333333333333
for u in $u1 $u2 $u3; do
	mdevctl define -u "$u" -p mtty -t mtty-1 --auto
done
modprobe mtty
check_soon "all three auto devices run" "$u1"$'\n'"$u2"$'\n'"$u3" devices mtty
systemctl start mdev@$u3
mdevctl stop -u $u2
check_soon "one is stopped by hand" "$u1"$'\n'"$u3" devices mtty

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
check "nothing changes after udevadm trigger of everything" "$left" "$(state)"
udevadm control --reload
udevadm trigger --action=add
settle
check "nothing changes after udev's reload" "$left" "$(state)"
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
check_soon "the unit of a device is inactive after its driver went" "inactive dead" \
	unit_state mdev@$u3.service
modprobe mtty
check_soon "a real new registration starts all again" "$u1"$'\n'"$u2"$'\n'"$u3" devices mtty
check "no unit failed" "" "$(failed_units)"
