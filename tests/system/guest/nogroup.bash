# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VFIO without groups (CONFIG_VFIO_GROUP is off): devices only have their own nodes, for iommufd.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
load_vfio nogroup

check_cmd "start --settle returns" timeout "$patience" mdevctl start --settle -u $u1 -p mtty -t mtty-1
check "the device has a node of its own" "character special file" \
	"$(stat -c %F "/dev/vfio/devices/$(node_of cdev $u1)")"
check "udev has finished with it" yes "$(udevadm info "/dev/vfio/devices/$(node_of cdev $u1)" >/dev/null && echo yes)"
check "it has no group" "" "$(find /dev/vfio -name '[0-9]*'; find -H "/sys/bus/mdev/devices/$u1" -name iommu_group)"

mdevctl start --settle -u $u2 -p mtty -t mtty-1
check "status shows the node, and no group" "null \"/dev/vfio/devices/$(node_of cdev $u1)\"" \
	"$(status_json $u1 vfio_group) $(status_json $u1 vfio_device)"
for what in cdev iommufd; do
	hold $what $u1
	check_status_of_held $what $u1 $u2
	release
done
mdevctl stop -u $u2

for what in cdev iommufd; do
	hold $what $u1
	output=$(timeout -s KILL "$patience" mdevctl stop -u $u1 2>&1) && status=0 || status=$?
	check "stop refuses a device that is held, and names the holder ($what)" \
		"6 Error: Device $u1 is in use by hold (PID $holder_pid)" "$status $output"
	check "the device still runs ($what)" "$u1" "$(devices)"
	mdevctl stop -u $u1 --wait="$patience" &
	waiting=$!
	release
	wait $waiting && status=0 || status=$?
	check "stop --wait continues when it is released ($what)" 0 "$status"
	check "the device is gone ($what)" "" "$(devices)"
	mdevctl start --settle -u $u1 -p mtty -t mtty-1
	output=$("$here/hold" $what "$(node_of $what $u1)" $u1 timeout -s KILL "$patience" mdevctl stop -u $u1 2>&1) &&
		status=0 || status=$?
	check_like "stop refuses a device that its caller holds ($what)" \
		"6 Error: Device $u1 is in use by hold (PID *)" "$status $output"
done
check_cmd "stop succeeds when nobody holds it" mdevctl stop -u $u1
settle

mdevctl define -u $u1 -p mtty -t mtty-1
check_cmd "the unit starts the device" timeout "$patience" systemctl start mdev@$u1
check "the device runs" "$u1" "$(devices)"
hold cdev $u1
mkdir -p /run/systemd/system/mdev@$u1.service.d
printf '[Service]\nExecStop=\nExecStop=/usr/sbin/mdev-stop --ensure --settle --wait=1 --uuid=%%i\n' \
	>/run/systemd/system/mdev@$u1.service.d/wait.conf
systemctl daemon-reload
systemctl stop mdev@$u1 || true
check "systemctl stop leaves a device in use alone" "$u1" "$(devices)"
release
systemctl reset-failed
check_cmd "stop succeeds when it is released" mdevctl stop -u $u1
check "the device is gone" "" "$(devices)"
