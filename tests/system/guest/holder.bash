# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A device in use is never removed: neither if only its group is open, where the kernel would remove
# it, nor if a guest uses it, where the removal would hang in the kernel. Only the process that stops
# a device may have its group open, like libvirt.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
modprobe mtty
modprobe vfio_iommu_type1
mdevctl define -u $u1 -p mtty -t mtty-1
mdevctl start -u $u1
settle

for what in group device closed; do
	hold $what $u1
	started=$SECONDS status=0
	output=$(mdevctl stop -u $u1 2>&1) || status=$?
	check "stop fails while the $what is in use" 6 "$status"
	check "and reports which process uses the $what" \
		"Error: Device $u1 is in use by hold (PID $holder_pid)" "$output"
	# --wait would take 30 s
	check "immediately ($what)" yes "$([ $((SECONDS - started)) -lt 25 ] && echo yes)"
	check "the device is still running ($what)" "$u1" "$(devices)"
	output=$(mdevctl stop -u $u1 --wait=1 2>&1) && status=0 || status=$?
	check "--wait=1 times out ($what)" \
		"9 Error: Device $u1 is in use by hold (PID $holder_pid) (waited 1 s)" "$status $output"
	mdevctl stop -u $u1 --wait=60 &
	waiting=$!
	release
	wait $waiting && status=0 || status=$?
	check "--wait continues when the $what is released" 0 "$status"
	check "the device has been removed ($what)" "" "$(devices)"
	mdevctl start -u $u1
	settle
done

# The caller has the group open while a guest uses another device. Without pidfd_getfd(), it is
# impossible to tell whether the group is in use.
mdevctl start -u $u2 -p mtty -t mtty-1
settle
hold device $u2
unable=(systemd-run --quiet --pipe --wait -p SystemCallFilter=~pidfd_getfd -p SystemCallErrorNumber=EPERM)
stop_from() # WHAT COMMAND...: "STATUS OUTPUT", with every PID as N
{
	local output status=0

	output=$("${@:2}" "$here/hold" "$1" "$(node_of "$1" $u1)" $u1 timeout -s KILL "$patience" mdevctl stop -u $u1 2>&1) || status=$?
	echo "$status $output" | sed 's/PID [0-9]*/PID N/'
}
refused="6 Error: Device $u1 is in use by hold (PID N)"
for able in '' unable; do
	prefix=()
	[ -z "$able" ] || prefix=("${unable[@]}")
	check "stop refuses a device that its caller has open${able:+ ($able)}" "$refused" \
		"$(stop_from device "${prefix[@]}")"
	check "and one that its caller has handed on${able:+ ($able)}" "$refused" \
		"$(stop_from handed "${prefix[@]}")"
	check "and one whose group its caller has closed${able:+ ($able)}" "$refused" \
		"$(stop_from closed "${prefix[@]}")"
	check "the device still runs${able:+ ($able)}" "$u1"$'\n'"$u2" "$(devices)"
	check "stop removes a device of which its caller has the group open${able:+ ($able)}" "0 " \
		"$(stop_from group "${prefix[@]}")"
	check "the device is gone${able:+ ($able)}" "$u2" "$(devices)"
	mdevctl start -u $u1
	settle
done
node=$(node_of group $u1)
check_cmd "and so where the caller passes the descriptor on" \
	bash -c "exec 9<>/dev/vfio/$node; mdevctl stop -u $u1"
release
mdevctl stop -u $u2 --wait=$patience
mdevctl start -u $u1
settle

# Another process has removed it: the kernel does not show the device any longer, but is still
# removing it.
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
check "start --wait waits until it has been removed" 0 "$status"
check "the new device is running" "$u1" "$(devices)"
mdevctl stop -u $u1 --wait
settle

# The unit does not remove it either.
systemctl start mdev@$u1
hold device $u1
mkdir -p /run/systemd/system/mdev@$u1.service.d
printf '[Service]\nExecStop=\nExecStop=/usr/sbin/mdev-stop --ensure --settle --wait=1 --uuid=%%i\n' \
	>/run/systemd/system/mdev@$u1.service.d/wait.conf
systemctl daemon-reload
systemctl stop mdev@$u1 || true
check "systemctl stop does not stop a device in use" "$u1" "$(devices)"
check_like "and its journal says who holds it" "*is in use by hold (PID $holder_pid)*" \
	"$(journal -u mdev@$u1 -o cat)"
release
systemctl reset-failed
check_cmd "stop succeeds if it is not in use" mdevctl stop -u $u1
