# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A start that is killed while the kernel writes an attribute: the device is known to be incomplete, and the
# units replace it with a complete one. Also, stopping a device without a udev record.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
modprobe mdevtest
parent=/sys/devices/platform/mdevtest.0
mdevctl define -u $u1 -p mdevtest.0 -t platform-small
mdevctl modify -u $u1 --addattr assign_adapter --value 5
mdevctl modify -u $u1 --addattr assign_domain --value 0xab

matrix()
{
	cat "/sys/bus/mdev/devices/$u1/matrix"
}

marks()
{
	ls /run/mdevctl
}

kill_start() # COMMAND...: is killed while the first attribute is written
{
	local pid status=0

	echo 1 >$parent/attr_hold
	"$@" &
	pid=$!
	wait_for grep -qx 1 $parent/held
	kill -KILL $pid
	echo 0 >$parent/attr_hold
	wait $pid || status=$?
	check "$1 was killed" 137 "$status"
	check "the kernel has the device" "$u1" "$(devices mdevtest.0)"
	check "its second attribute was not written" "05." "$(matrix)"
	check "the device is marked" "$u1" "$(marks)"
}

complete() # NAME
{
	check "$1: the device is complete" "05.00ab" "$(matrix)"
	check "$1: its mark has been removed" "" "$(marks)"
}

kill_start mdev-start -u $u1
check_like "a plain start suggests what to do" \
	"Error: Device already exists, but its start was interrupted and it is incomplete*" \
	"$(mdev-start -u $u1 2>&1 || true)"
check_cmd "the unit of the device starts" systemctl start mdev@$u1.service
complete "the unit of the device"
check_like "the journal contains it" "*The start of device $u1 on mdevtest.0 was interrupted*" \
	"$(journal -o cat MDEV_UUID=$u1)"
systemctl stop mdev@$u1.service
check "the unit stops the device" "" "$(devices mdevtest.0)"

mdevctl modify -u $u1 --auto
kill_start mdev-autostart mdevtest.0
check_cmd "the unit of the parent starts" systemctl restart mdev-autostart@mdevtest.0.service
complete "the unit of the parent"
mdevctl stop -u $u1

# The unit itself is killed, for example by its timeout or for lack of memory.
echo 1 >$parent/attr_hold
systemctl --no-block start mdev@$u1.service
wait_for grep -qx 1 $parent/held
systemctl kill --signal=KILL mdev@$u1.service
echo 0 >$parent/attr_hold
check_soon "a killed unit fails" "failed failed" unit_state mdev@$u1.service
check_cmd "it starts again" systemctl start mdev@$u1.service
complete "the unit that was killed"

settle
rm "/run/udev/data/+mdev:$u1"
check_cmd "the unit of a device whose udev record was lost can be stopped" systemctl stop mdev@$u1.service
check "and its device is stopped as well" "" "$(devices mdevtest.0)"
check "no unit failed" "" "$(failed_units)"
