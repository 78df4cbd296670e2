# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# mdev@UUID.service, after which the unit of a guest is ordered.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
u3=33333333-3333-4333-8333-333333333333
mdevctl define -u $u1 -p mtty -t mtty-2

# Delays udev's processing of the group node: the unit must wait for it.
cat >/etc/udev/rules.d/90-slow.rules <<'EOF'
SUBSYSTEM=="vfio", KERNEL!="vfio", ACTION=="add", PROGRAM="/bin/sleep 1.5", MODE="0624"
EOF
udevadm control --reload

node() # UUID
{
	echo "/dev/vfio/$(basename "$(readlink "/sys/bus/mdev/devices/$1/iommu_group")")"
}

systemctl start --no-block mdev@$u1
check_soon "the unit waits for its parent" "activating start" unit_state mdev@$u1.service
modprobe mtty
check_soon "and starts the device when it appears" "active exited" unit_state mdev@$u1.service
check "the device is running" "$u1" "$(devices)"
check "udev had processed the group node when the unit became active" 624 \
	"$(stat -c %a "$(node $u1)")"

systemctl restart mdev@$u1
check "and also that of a device that was immediately created again" 624 \
	"$(stat -c %a "$(node $u1)")"

mdevctl stop -u $u1
check_soon "the unit is inactive after mdevctl stop" "inactive dead" unit_state mdev@$u1.service
settle
udevadm control --stop-exec-queue
mdevctl start -u $u1
wait_for test -e /run/udev/queue
output=$(mdevctl stop --settle -u $u1 2>&1) && status=0 || status=$?
udevadm control --start-exec-queue
check "stop --settle ignores a device that udev is still processing, and says so" \
	"3 Warning: Not stopping device $u1: udev has not processed it yet, so it is a new one
Error: Device $u1 is not an active mdev" "$status $output"
check "and does not stop it" "$u1" "$(devices)"
mdevctl stop -u $u1
systemctl start mdev@$u1
echo 1 >/sys/bus/mdev/devices/$u1/remove
check_soon "the unit is inactive after echo 1 > remove" "inactive dead" unit_state mdev@$u1.service
systemctl start mdev@$u1
rmmod mtty
check_soon "the unit is inactive after the driver was unloaded" "inactive dead" unit_state mdev@$u1.service
modprobe mtty

mdevctl start -u $u1
invocation=$(stat -c %i "/sys/bus/mdev/devices/$u1/")
check_cmd "the unit adopts a device that is already running as defined" systemctl start mdev@$u1
check "it is the same device" "$invocation" "$(stat -c %i "/sys/bus/mdev/devices/$u1/")"
systemctl stop mdev@$u1
check "systemctl stop removes the device" "" "$(devices)"

# A unit that was started by a version whose units had no directory in /run/mdev-units, and an upgrade.
mkdir -p /run/systemd/system/mdev@.service.d
printf '[Service]\nRuntimeDirectory=\n' >/run/systemd/system/mdev@.service.d/old.conf
systemctl daemon-reload
systemctl start mdev@$u1
check "a unit of an older version has no directory" "" "$(ls /run/mdev-units)"
rm -r /run/systemd/system/mdev@.service.d
check_cmd "the package is configured" sh "$here/postinst" configure 2.1.0
check "which creates it" $u1 "$(ls /run/mdev-units)"
mdevctl stop -u $u1
check_soon "so the unit is inactive after mdevctl stop" "inactive dead" unit_state mdev@$u1.service
check "and the directory is gone" "" "$(ls /run/mdev-units)"

# A callout waits for udev, while udev waits for the unit that runs the callout.
rm /etc/udev/rules.d/90-slow.rules
udevadm control --reload
mkdir -p /usr/lib/mdevctl/scripts.d/callouts
cat >/usr/lib/mdevctl/scripts.d/callouts/settle <<'EOF'
#!/bin/sh
[ "$4 $6" = "post stop" ] || exit 0
udevadm settle --timeout=100 && echo settled >/run/settled
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/settle
systemctl start mdev@$u1
check_cmd "a unit can be stopped if its callout waits for udev" systemctl stop mdev@$u1
check "and the callout waited successfully" settled "$(cat /run/settled)"
rm /usr/lib/mdevctl/scripts.d/callouts/settle

# Stopped and immediately started again without the unit: the new device must not be mistaken for the
# old one.
systemctl start mdev@$u1
lost=0
for _ in {1..25}; do
	mdevctl stop -u $u1
	mdevctl start -u $u1
	settle
	systemctl is-active -q mdev@$u1 || systemctl start mdev@$u1
	[ -e /sys/bus/mdev/devices/$u1 ] || lost=$((lost + 1))
	[ -e /sys/bus/mdev/devices/$u1 ] || mdevctl start -u $u1
done
check "a device that is restarted manually 25 times is never lost" 0 "$lost"
systemctl stop mdev@$u1

# The unit of a guest.
for u in $u1 $u2; do
	cat >"/run/systemd/system/guest-$u.service" <<EOF
[Unit]
Requires=mdev@$u.service
After=mdev@$u.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/test -c /dev/vfio/vfio
ExecStart=/bin/test -e /sys/bus/mdev/devices/$u
EOF
done
systemctl daemon-reload
check_cmd "the unit of a guest that requires the device is started" systemctl start guest-$u1
check "after the device" "active exited" "$(unit_state mdev@$u1.service)"
mkdir -p /run/systemd/system/mdev@$u2.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/mdev-start --ensure --wait=1 --settle --uuid=%%i\n' \
	>/run/systemd/system/mdev@$u2.service.d/wait.conf
systemctl daemon-reload
mdevctl define -u $u2 -p absent -t mtty-1
check_status "a guest's unit fails if the device cannot be started" 1 systemctl start guest-$u2
check_like "its journal says why" "*Unable to find parent device 'absent' (waited 1 s)*" \
	"$(journal -u mdev@$u2 -o cat)"
check "the guest was not started" "inactive dead" "$(unit_state guest-$u2.service)"
systemctl reset-failed

# One UUID defined under two parents.
modprobe mdevtest
mdevctl define -u $u3 -p mtty -t mtty-1
mdevctl define -u $u3 -p mdevtest.0 -t platform-small
check_status "a UUID defined under two parents is not started without one" 1 systemctl start mdev@$u3
check_cmd "UUID:PARENT starts it" systemctl start mdev@$u3:mdevtest.0
check "under this parent" "$u3" "$(devices mdevtest.0)"
systemctl reset-failed
mdevctl stop -u $u3
check_soon "it also becomes inactive" "inactive dead" unit_state mdev@$u3:mdevtest.0.service

# An instance becomes available while the unit waits.
echo 1 >/sys/devices/platform/mdevtest.1/capacity
mdevctl start -p mdevtest.1 -t platform-small -u 44444444-4444-4444-8444-444444444444
mdevctl define -p mdevtest.1 -t platform-small -u 55555555-5555-4555-8555-555555555555
systemctl start --no-block mdev@55555555-5555-4555-8555-555555555555
check_soon "the unit waits for a free instance" "activating start" \
	unit_state mdev@55555555-5555-4555-8555-555555555555.service
mdevctl stop -u 44444444-4444-4444-8444-444444444444
check_soon "and uses it" "active exited" \
	unit_state mdev@55555555-5555-4555-8555-555555555555.service
check "no unit failed" "" "$(failed_units)"
