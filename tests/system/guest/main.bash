# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main tasks with each of the kernel's sample drivers: compares the output and results of mdevctl
# with the state of the kernel.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222

lines() # COMMAND...: prints its output and errors, and its exit status unless it is 0
{
	"$@" 2>&1 || echo "exit status $?"
}

kernel_type() # UUID
{
	basename "$(readlink -f "/sys/bus/mdev/devices/$1/mdev_type")"
}

types()
{
	case $1 in
	mtty) cat <<-'EOF' ;;
		mtty
		  mtty-1
		    Available instances: 24
		    Device API: vfio-pci
		    Name: Single port serial
		  mtty-2
		    Available instances: 12
		    Device API: vfio-pci
		    Name: Dual port serial
		EOF
	mdpy) cat <<-'EOF' ;;
		mdpy
		  mdpy-hd
		    Available instances: 4
		    Device API: vfio-pci
		    Name: mdpy-hd
		    Description: virtual display, 1920x1080 framebuffer
		  mdpy-vga
		    Available instances: 4
		    Device API: vfio-pci
		    Name: mdpy-vga
		    Description: virtual display, 640x480 framebuffer
		  mdpy-xga
		    Available instances: 4
		    Device API: vfio-pci
		    Name: mdpy-xga
		    Description: virtual display, 1024x768 framebuffer
		EOF
	mbochs) cat <<-'EOF' ;;
		mbochs
		  mbochs-large
		    Available instances: 4
		    Device API: vfio-pci
		    Name: mbochs-large
		    Description: virtual display, 64 MB video memory
		  mbochs-medium
		    Available instances: 16
		    Device API: vfio-pci
		    Name: mbochs-medium
		    Description: virtual display, 16 MB video memory
		  mbochs-small
		    Available instances: 64
		    Device API: vfio-pci
		    Name: mbochs-small
		    Description: virtual display, 4 MB video memory
		EOF
	esac
}

main_job() # PARENT TYPE
{
	local p=$1 t=$2 sys=/sys/class/mdev_bus/$1/mdev_supported_types/$2 available

	check "$p: types" "$(types "$p")" "$(lines mdevctl types -p "$p")"
	available=$(<"$sys/available_instances")

	# Defined, with an attribute, then started
	check "$p: define prints nothing" "" "$(lines mdevctl define -u $u1 -p "$p" -t "$t")"
	check "$p: addattr prints nothing" "" \
		"$(lines mdevctl modify -u $u1 --addattr power/control --value on)"
	check "$p: a definition is not a device" "" "$(devices "$p")"
	check "$p: list -d" "$u1 $p $t manual" "$(lines mdevctl list -d -p "$p")"
	check "$p: start prints nothing" "" "$(lines mdevctl start -u $u1)"
	check "$p: the kernel has the device" "$u1" "$(devices "$p")"
	check "$p: and its type" "$t" "$(kernel_type $u1)"
	check "$p: the attribute was written" on "$(cat /sys/bus/mdev/devices/$u1/power/control)"
	check "$p: one instance less is available" $((available - 1)) "$(<"$sys/available_instances")"
	check "$p: list" "$u1 $p $t manual (defined)" "$(lines mdevctl list -p "$p")"
	check "$p: list -d of a running device" "$u1 $p $t manual (active)" \
		"$(lines mdevctl list -d -p "$p")"
	check_like "$p: starting it again is refused" "Error: Device already exists*exit status 4" \
		"$(lines mdevctl start -u $u1)"

	# Started, then made persistent: defined from the running device
	check "$p: start of a transient device prints nothing" "" \
		"$(lines mdevctl start -u $u2 -p "$p" -t "$t")"
	check "$p: list shows both" "$u1 $p $t manual (defined)"$'\n'"$u2 $p $t manual" \
		"$(lines mdevctl list -p "$p")"
	check "$p: define of a running device prints nothing" "" "$(lines mdevctl define -u $u2)"
	check "$p: list -d shows the device that was made persistent" \
		"$u1 $p $t manual (active)"$'\n'"$u2 $p $t manual (active)" \
		"$(lines mdevctl list -d -p "$p")"

	# Stopped, undefined
	check "$p: stop prints nothing" "" "$(lines mdevctl stop -u $u1)"
	check "$p: stop of the other device prints nothing" "" "$(lines mdevctl stop -u $u2)"
	check "$p: the kernel has no device" "" "$(devices "$p")"
	check "$p: all instances are available" "$available" "$(<"$sys/available_instances")"
	check_like "$p: stopping it again is refused" "Error: *$u1*exit status 3" \
		"$(lines mdevctl stop -u $u1)"

	# As units
	check_cmd "$p: systemctl start mdev@UUID" systemctl start mdev@$u1
	check "$p: the device is running" "$u1" "$(devices "$p")"
	check "$p: its attribute was written" on "$(cat /sys/bus/mdev/devices/$u1/power/control)"
	check "$p: the unit is active" "active exited" "$(unit_state mdev@$u1.service)"
	check_cmd "$p: systemctl stop mdev@UUID" systemctl stop mdev@$u1
	check "$p: the device has been removed" "" "$(devices "$p")"
	check "$p: the unit is inactive" "inactive dead" "$(unit_state mdev@$u1.service)"

	check "$p: undefine prints nothing" "" "$(lines mdevctl undefine -u $u1)"
	check "$p: undefine of the other device prints nothing" "" "$(lines mdevctl undefine -u $u2)"
	check "$p: nothing is defined" "" "$(lines mdevctl list -d)"
}

check "without a driver there are no types" "" "$(lines mdevctl types)"
check "and no devices" "" "$(lines mdevctl list)"
modprobe mtty
modprobe mdpy
modprobe mbochs
main_job mtty mtty-2
main_job mdpy mdpy-vga
main_job mbochs mbochs-small

check "types of all parents" "$(types mbochs; types mdpy; types mtty)" "$(lines mdevctl types)"
generated=$(lines mdevctl start -p mtty -t mtty-1)
check "start prints the UUID that it generated" "$(devices)" "$generated"
check "lsmdev lists it" "$generated mtty mtty-1 manual" "$(lines lsmdev)"
check "stop prints nothing" "" "$(lines mdevctl stop -u "$generated")"

# The limit of the driver, and values that it rejects
for i in 1 2 3 4; do
	mdevctl start -u "0000000$i-0000-4000-8000-000000000000" -p mdpy -t mdpy-hd
done
check_like "no instance is left" "Error: No available instances of mdpy-hd on mdpy*exit status 5" \
	"$(lines mdevctl start -u $u1 -p mdpy -t mdpy-hd)"
for i in 1 2 3 4; do
	mdevctl stop -u "0000000$i-0000-4000-8000-000000000000"
done
modprobe mdevtest
mdevctl define -u $u1 -p mdevtest.0 -t platform-small
mdevctl modify -u $u1 --addattr assign_adapter --value 5
mdevctl modify -u $u1 --addattr assign_domain --value 0xab
mdevctl start -u $u1
check "attributes were written in order" "05.00ab" "$(cat /sys/bus/mdev/devices/$u1/matrix)"
mdevctl define -u $u2 -p mdevtest.0 -t platform-small
mdevctl modify -u $u2 --addattr assign_domain --value 0xab
mdevctl modify -u $u2 --addattr assign_adapter --value 5
check_like "a refused attribute is named, with the kernel's reason" \
	"Error: Failed to write 5 to attribute assign_adapter: Address already in use (kernel: *$u2: adapter 5 is taken)"$'\n'"exit status 1" \
	"$(lines mdevctl start -u $u2)"
mdevctl modify -u $u2 --delattr
mdevctl modify -u $u2 --addattr assign_domain --value 300
check "if the driver logs no reason, no other line of the log is quoted" \
	"Error: Failed to write 300 to attribute assign_domain: Invalid argument"$'\n'"exit status 1" \
	"$(lines mdevctl start -u $u2)"
check "and the device is removed again" "$u1" "$(devices)"
mdevctl stop -u $u1

echo 16 >/sys/devices/platform/mdevtest.0/refuse
check_like "a refused creation is told with the kernel's reason" \
	"Error: Failed to create mdev $u1, type platform-small on mdevtest.0*Device or resource busy*exit status 1" \
	"$(lines mdevctl start -u $u1)"
check "no unit failed" "" "$(failed_units)"
