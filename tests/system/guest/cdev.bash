# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VFIO with groups and device nodes (CONFIG_VFIO_DEVICE_CDEV is on), as in the kernels of most distributions: a
# guest uses a device through its group, or through its node and an iommufd. Either way, status names the user
# and stop refuses.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
slow=300 # seconds for what the guest does: its machine is emulated by an emulated machine
load_vfio cdev
check_cmd "start --settle returns" timeout "$patience" mdevctl start --settle -u $u1 -p mtty -t mtty-1
mdevctl start --settle -u $u2 -p mtty -t mtty-1
check "status shows group and node" \
	"\"/dev/vfio/$(node_of group $u1)\" \"/dev/vfio/devices/$(node_of cdev $u1)\"" \
	"$(status_json $u1 vfio_group) $(status_json $u1 vfio_device)"

for what in group device cdev iommufd; do
	hold $what $u1
	check_status_of_held $what $u1 $u2
	output=$(timeout -s KILL "$patience" mdevctl stop -u $u1 2>&1) && status=0 || status=$?
	check "stop refuses, and names the user ($what)" \
		"6 Error: Device $u1 is in use by hold (PID $holder_pid)" "$status $output"
	mdevctl stop -u $u1 --wait="$patience" &
	waiting=$!
	release
	wait $waiting && status=0 || status=$?
	check "stop --wait removes the device when it is released ($what)" "0 $u2" "$status $(devices)"
	mdevctl start --settle -u $u1 -p mtty -t mtty-1
done

stop_status()
{
	local output status=0

	output=$(mdevctl stop -u $u1 2>&1) || status=$?
	echo "$status $output"
}

# A guest (see inner.c) uses the card through the node and an iommufd. libvirt (12.8) passes only PCI devices in this way.
console=/run/console
coproc guest {
	exec qemu-system-x86_64 -name inner -machine pc -m 16 -nodefaults -display none -kernel /boot/inner \
		-serial file:$console -monitor stdio -object iommufd,id=iommufd \
		-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$u1,iommufd=iommufd
}
# shellcheck disable=SC2154 # coproc sets it
pid=$guest_PID
check_soon "status names a guest that uses an iommufd" "running - inner ($pid)" status_row $u1
check "stop refuses, and names the guest" "6 Error: Device $u1 is in use by inner (PID $pid)" \
	"$(stop_status)"
patience=$slow check_soon "the guest writes to the card and reads it back" "guest: the card returns: over the card" \
	sh -c "tr -d '\r' <$console | grep 'the card returns'"
mdevctl stop -u $u1 --wait=$slow &
waiting=$!
echo system_powerdown >&"${guest[1]}"
wait $waiting && status=0 || status=$?
check "stop --wait removes the device when the guest has powered off" "0 $u2" "$status $(devices)"
