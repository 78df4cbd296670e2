# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A device in use is never pulled: neither from under who holds its group alone, where the kernel would
# do so, nor from a guest, where the kernel's removal would hang.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
modprobe mtty
modprobe vfio_iommu_type1
mdevctl define -u $u1 -p mtty -t mtty-1
mdevctl start -u $u1
settle

for what in group device; do
	hold $what $u1
	started=$SECONDS status=0
	output=$(mdevctl stop -u $u1 2>&1) || status=$?
	check "stop refuses while the $what is held" 6 "$status"
	check "and names who holds the $what" \
		"Error: Device $u1 is in use by hold (PID $holder_pid)" "$output"
	check "at once ($what)" yes "$([ $((SECONDS - started)) -lt 10 ] && echo yes)"
	check "the device still runs ($what)" "$u1" "$(devices)"
	output=$(mdevctl stop -u $u1 --wait=1 2>&1) && status=0 || status=$?
	check "--wait=1 gives up after its time ($what)" \
		"9 Error: Device $u1 is in use by hold (PID $holder_pid) (waited 1 s)" "$status $output"
	mdevctl stop -u $u1 --wait=60 &
	waiting=$!
	release
	wait $waiting && status=0 || status=$?
	check "--wait goes on when the $what is let go" 0 "$status"
	check "the device is gone ($what)" "" "$(devices)"
	mdevctl start -u $u1
	settle
done

# Somebody else did pull it: the kernel shows the device no more, but is not done with it.
hold device $u1
echo 1 >/sys/bus/mdev/devices/$u1/remove &
removing=$!
wait_for sh -c "! mdevctl list -u $u1 | grep -q ."
check_status "start says that a device exists that is still being removed" 4 mdevctl start -u $u1
mdevctl start -u $u1 --wait=$patience &
starting=$!
release
wait $removing
wait $starting && status=0 || status=$?
check "start --wait waits until it is gone" 0 "$status"
check "the new device runs" "$u1" "$(devices)"
mdevctl stop -u $u1 --wait
settle

# The unit does not pull it either.
systemctl start mdev@$u1
hold device $u1
mkdir -p /run/systemd/system/mdev@$u1.service.d
printf '[Service]\nExecStop=\nExecStop=/usr/sbin/mdev-stop --ensure --settle --wait=1 --uuid=%%i\n' \
	>/run/systemd/system/mdev@$u1.service.d/wait.conf
systemctl daemon-reload
systemctl stop mdev@$u1 || true
check "systemctl stop leaves a device in use alone" "$u1" "$(devices)"
check_like "and its journal says who holds it" "*is in use by hold (PID $holder_pid)*" \
	"$(journalctl -b -q -u mdev@$u1 -o cat)"
release
systemctl reset-failed
check_cmd "stop succeeds when nobody holds it" mdevctl stop -u $u1
