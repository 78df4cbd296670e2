# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Devices of vfio_ccw: subchannels are bound with driverctl, hotplugged, and bound again after a reboot.
# 0.0.1000 and 0.0.1001 are spare devices.
set -eu
# shellcheck source=../system/guest/lib.bash
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
u3=33333333-3333-4333-8333-333333333333
type=vfio_ccw-io

lines() # COMMAND...: its output, errors too, and its exit status if that is not 0
{
	"$@" 2>&1 || echo "exit status $?"
}

subchannel() # DEVICE: the subchannel that has it
{
	basename "$(dirname "$(grep -lx "$1" /sys/bus/css/devices/*/dev_busid)")"
}

# shellcheck disable=SC2317 # called by check_soon
driver() # SUBCHANNEL
{
	basename "$(readlink "/sys/bus/css/devices/$1/driver" || echo none)"
}

types() # PARENT
{
	cat <<-EOF
		$1
		  $type
		    Available instances: 1
		    Device API: vfio-ccw
		    Name: I/O subchannel (Non-QDIO)
	EOF
}

if [ "$boot" = 2 ]; then
	p1=$(</etc/p1)
	p2=$(</etc/p2)
	check_soon "the subchannel is bound again at boot" vfio_ccw driver "$p1"
	check_soon "and its auto device runs" "$u1" devices "$p1"
	check "the manual device of another does not" "" "$(devices "$p2")"
	check "its unit is active once somebody needs it" "active exited" \
		"$(systemctl start mdev@$u1 && unit_state mdev@$u1.service)"
	check "list after a reboot" "$u1 $p1 $type auto (defined)" "$(lines mdevctl list)"
	check "no unit failed" "" "$(failed_units)"
	exit 0
fi

p1=$(subchannel 0.0.1000)
p2=$(subchannel 0.0.1001)
echo "$p1" >/etc/p1
echo "$p2" >/etc/p2
check "this is an s390x kernel" s390x "$(uname -m)"

bind="as a parent, run 'driverctl -b css set-override"
check_like "types tells how to get a parent" "Hint: *. To use a subchannel $bind SUBCHANNEL vfio_ccw'*" \
	"$(MDEVCTL_LOG=info lines mdevctl types)"
check "a device number is answered with its subchannel" \
	"Error: Unable to find parent device '0.0.1000'. To use its subchannel $p1 $bind $p1 vfio_ccw'"$'\n'"exit status 3" \
	"$(lines mdevctl start -u $u1 -p 0.0.1000 -t $type)"

# Autostart when the driver is bound
check "define before the parent is there" "" "$(lines mdevctl define -u $u1 -p "$p1" -t $type --auto 2>/dev/null)"
check "nothing runs without the driver" "" "$(devices)"
check_cmd "driverctl binds vfio_ccw" driverctl -b css set-override "$p1" vfio_ccw
check_soon "the auto device starts when its parent comes" "$u1" devices "$p1"
check "list" "$u1 $p1 $type auto (defined)" "$(lines mdevctl list)"
check "list -d" "$u1 $p1 $type auto (active)" "$(lines mdevctl list -d)"
check_soon "autostart is done" "active exited" unit_state "mdev-autostart@$p1.service"

# By hand
driverctl -b css set-override "$p2" vfio_ccw
wait_for test -e "/sys/class/mdev_bus/$p2"
check_like "the device number of a parent is answered with that" \
	"*Did you mean '$p2', the subchannel of device 0.0.1001?*" \
	"$(lines mdevctl start -u $u2 -p 0.0.1001 -t $type)"
check "types" "$(types "$p2")" "$(lines mdevctl types -p "$p2")"
check "start --settle says nothing" "" "$(lines mdev-start --settle -u $u2 -p "$p2" -t $type)"
check "the device's node is there" yes "$(
	group=$(basename "$(readlink /sys/bus/mdev/devices/$u2/iommu_group)")
	[ -c "/dev/vfio/$group" ] && echo yes)"
check_like "the only instance is taken" "Error: No available instances of $type on $p2*exit status 5" \
	"$(lines mdevctl start -u $u3 -p "$p2" -t $type)"
check "define of what runs" "" "$(lines mdevctl define -u $u2)"
hold device $u2
check_like "a device in use is not stopped" "Error: *$u2 is in use by hold (PID $holder_pid)*exit status 6" \
	"$(lines mdevctl stop -u $u2)"
release
check "it is stopped when it is released" "" "$(lines mdevctl stop -u $u2)"
check "only the other one runs" "$u1" "$(devices)"

# As a unit
check_cmd "systemctl start mdev@UUID" systemctl start mdev@$u2
check "its device runs" "$u2" "$(devices "$p2")"
check_cmd "driverctl unbinds vfio_ccw" driverctl -b css unset-override "$p2"
check_soon "the device is gone" "" devices "$p2"
check_soon "its unit is inactive" "inactive dead" unit_state mdev@$u2.service
driverctl -b css set-override "$p2" vfio_ccw
settle
check "a manual device stays away" "" "$(devices "$p2")"
rmmod vfio_ccw
check_soon "without the driver's module nothing runs" "" devices
modprobe vfio_ccw
for p in "$p1" "$p2"; do
	echo "$p" >/sys/bus/css/drivers_probe
done
check_soon "with it the auto device does" "$u1" devices

# Hotplug
echo "@plug 2000" >"$report"
wait_for subchannel 0.0.2000
p3=$(subchannel 0.0.2000)
mdevctl define -u $u3 -p "$p3" -t $type --auto
driverctl -b css set-override "$p3" vfio_ccw
check_soon "the auto device of a plugged subchannel starts" "$u1"$'\n'"$u3" devices
echo "@unplug 2000" >"$report"
check_soon "and is gone when that is unplugged" "$u1" devices
wait_for test ! -e "/sys/bus/css/devices/$p3"
echo "@plug 2000" >"$report"
check_soon "and runs again when that is plugged again" "$u1"$'\n'"$u3" devices
check "on the same subchannel" "$p3" "$(basename "$(dirname "$(realpath /sys/bus/mdev/devices/$u3)")")"
check "undefine" "" "$(lines mdevctl stop -u $u3; lines mdevctl undefine -u $u3)"
check "list -d after it" "$u1 $p1 $type auto (active)"$'\n'"$u2 $p2 $type manual" "$(lines mdevctl list -d)"
check "no unit failed" "" "$(failed_units)"
# shellcheck disable=SC2119 # loads nothing early
reboot_with
