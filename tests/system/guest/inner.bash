# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest with a kernel of its own (see inner.c) uses a device. libvirt starts it, QEMU emulates its processor.
# As long as it has the device, everything that would remove the device refuses and names the guest. At boot,
# the device is there before libvirt, and libvirt before the guest; at shutdown it is the other way round. The tasks
# of mdev-howto(7) that concern guests are performed: a card is taken out, and a driver is upgraded.
set -eu
. "${0%/*}/lib.bash"

file=/root/host.json
console=/var/log/libvirt/qemu/inner.console
slow=300 # seconds for what the guest does: its machine is emulated by an emulated machine

virsh() # COMMAND...
{
	command virsh -q -c qemu:///system "$@"
}

describe() # COUNT [START]
{
	echo '{ "card": { "mdev_type": "Dual port serial", "start": "'"${2:-manual}"'", "parents": ["mtty"], "count": '"$1"' } }' \
		>$file
}

hostdev_xml()
{
	cat <<-EOF
		<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
		  <source><address uuid='$u'/></source>
		</hostdev>
	EOF
}

guest_xml()
{
	cat <<-EOF
		<domain type='qemu'>
		  <name>inner</name>
		  <memory unit='MiB'>16</memory>
		  <os>
		    <type arch='x86_64' machine='pc'>hvm</type>
		    <kernel>/boot/inner</kernel>
		  </os>
		  <features><acpi/></features>
		  <devices>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <serial type='file'><source path='$console'/></serial>
		    $(hostdev_xml)
		  </devices>
		</domain>
	EOF
}

said() # TEXT: how often the guest has printed it
{
	grep -c "^guest: $1" $console 2>/dev/null || true
}

check_guest() # NAME NUMBER TEXT: it has printed this so often
{
	local end=$((SECONDS + slow))

	# Seldom, as each process takes time from the guest.
	until [ "$(said "$3")" = "$2" ] || [ "$SECONDS" -ge "$end" ]; do
		sleep 2
	done
	check "$1" "$2" "$(said "$3")"
}

# Runs a command that must not remove the device.
check_refused() # NAME WANTED COMMAND...
{
	local output status=0

	output=$(timeout -s KILL "$patience" "${@:3}" 2>&1) || status=$?
	check_like "$1" "$2" "$status $output"
	check "$1: the device is still running" "$u" "$(devices)"
}

# Microseconds from boot to an event
timestamp() # PROPERTY UNIT
{
	systemctl show --value -p "$1TimestampMonotonic" "$2"
}

process_start() # PID
{
	cut -d' ' -f22 "/proc/$1/stat"
}

case $boot in
1)
	printf 'mtty\nvfio_iommu_type1\n' >/etc/modules-load.d/mdev.conf
	modprobe mtty
	describe 1
	mdevctl apply $file
	u=$(mdevctl list -d | cut -d' ' -f1)
	echo "$u" >/root/uuid
	# QEMU writes the console itself: virtlogd, which would, may stop before the guest.
	echo 'stdio_handler = "file"' >>/etc/libvirt/qemu.conf
	systemctl enable mdev@"$u" apparmor libvirtd libvirt-guests
	systemctl start apparmor libvirtd
	guest_xml >/run/inner.xml
	wait_for virsh uri
	check_cmd "a guest with the device is defined" virsh define /run/inner.xml
	check_cmd "and its autostart" virsh autostart inner
	reboot_with ""
	;;
2)
	u=$(cat /root/uuid)
	check_soon "libvirt starts the guest at boot" running virsh domstate inner
	pid=$(pidof qemu-system-x86_64)
	device=$(timestamp ActiveEnter mdev@"$u".service) libvirtd=$(timestamp ExecMainStart libvirtd.service)
	guest=$(($(process_start "$pid") * 10000))
	check "the device, libvirt and the guest are started in this order" "device libvirtd guest" \
		"$(printf '%s\n' "$device device" "$libvirtd libvirtd" "$guest guest" | sort -n |
			cut -d' ' -f2 | paste -sd' ')"
	check_soon "libvirtd is ready" "active running" unit_state libvirtd.service

	# While the guest boots
	check_like "status names the guest" "running * inner ($pid)*" "$(status_row "$u")"
	check "in JSON, too" 'true "inner"' "$(status_json "$u" in_use) $(status_json "$u" guest)"
	refused="Device $u is in use by inner (PID $pid)"
	check_refused "stop names the guest" "6 Error: $refused" mdevctl stop -u "$u"
	check_refused "so does stop --all of the card" "6 Warning: Stop of $u on mtty failed: $refused
Error: 1 of 1 devices could not be stopped" mdevctl stop --all --parent=mtty
	check_refused "nodedev-destroy refuses" "1 error: *in use*" virsh nodedev-destroy "mdev_${u//-/_}_mtty"
	describe 0
	check_refused "apply names the guest" "6 *Device $u (card/0) is in use by inner (PID $pid)*" \
		mdevctl apply --wait=1 $file
	mkdir -p "/run/systemd/system/mdev@$u.service.d"
	printf '[Service]\nExecStop=\nExecStop=/usr/sbin/mdev-stop --ensure --settle --wait=1 --uuid=%%i\n' \
		>"/run/systemd/system/mdev@$u.service.d/wait.conf"
	systemctl daemon-reload
	check_refused "the unit does not stop it" "*" systemctl stop mdev@"$u"
	check_like "and its journal names the guest" "*$refused*" "$(journal -u mdev@"$u" -o cat)"
	rm -r "/run/systemd/system/mdev@$u.service.d"
	systemctl daemon-reload
	systemctl reset-failed
	describe 1
	check_cmd "apply defines it again" mdevctl apply $file
	check_cmd "the unit adopts it" systemctl start mdev@"$u"

	check_guest "the guest writes to the card and reads it back" 1 "the card returns: over the card"
	hostdev_xml >/run/hostdev.xml
	check_cmd "detach-device" virsh detach-device inner /run/hostdev.xml --live
	check_guest "the guest sees that the card is gone" 1 "the card is gone"
	check_soon "nobody uses the device" false status_json "$u" in_use
	check_cmd "it can be stopped" systemctl stop mdev@"$u"
	check "it has been removed" "" "$(devices)"
	check_cmd "and started again" systemctl start mdev@"$u"
	check_cmd "attach-device" virsh attach-device inner /run/hostdev.xml --live
	check_guest "the guest uses the new card" 2 "the card returns: over the card"
	check_refused "stop names the guest again" "6 Error: $refused" mdevctl stop -u "$u"

	mdevctl stop -u "$u" --wait=$slow &
	waiting=$!
	check_cmd "the guest is asked to power off" virsh shutdown inner
	wait $waiting && status=0 || status=$?
	check "stop --wait ends when the guest has gone" "0 " "$status $(devices)"
	check "which powered off" 1 "$(said "powers off")"
	patience=$slow check_soon "the guest is off" "shut off" virsh domstate inner

	check_soon "the unit has become inactive" "inactive dead" unit_state mdev@"$u".service
	virsh autostart --disable inner

	# mdev-howto(7): running without a card for some time
	describe 1 auto
	check_cmd "the device is started with its card from now on" mdevctl apply $file
	check_cmd "it is stopped to take the card out" mdevctl stop --all --parent=mtty
	rmmod mtty
	check "apply says what waits for the card" \
		"Warning: 1 of 1 devices of set 'card' waits for parent mtty, which is not present" \
		"$(mdevctl apply $file 2>&1)"
	check "status, too" "missing $u mtty mtty-2: parent not present" "$(mdevctl status --check)"
	check_like "the guest cannot be started, and libvirt says why" "*$u*not found*" "$(virsh start inner 2>&1)"
	modprobe mtty
	check_soon "the device is started when the card is back" "" mdevctl status --check
	check_cmd "and the guest can be started" virsh start inner
	check_guest "it uses the card" 1 "the card returns: over the card"

	# mdev-howto(7): upgrading a driver that changes its types, which a mount over their names simulates
	refused="Device $u is in use by inner (PID $(pidof qemu-system-x86_64))"
	check_refused "stop --all names the guest before an upgrade" "6 Warning: *: $refused*" mdevctl stop --all
	virsh destroy inner
	check_cmd "it can be stopped when the guest is off" mdevctl stop --all --wait=$slow
	check_cmd "and is not started by the new driver" mdevctl modify --manual --all
	rmmod mtty
	modprobe mtty
	types=/sys/class/mdev_bus/mtty/mdev_supported_types
	echo "Dual port serial" >/run/name-1
	echo "Quad port serial" >/run/name-2
	mount --bind /run/name-1 $types/mtty-1/name
	mount --bind /run/name-2 $types/mtty-2/name
	settle
	check "no device was started with a wrong type" "" "$(devices)"
	check "status says what has changed" \
		"differs $u mtty mtty-2: mtty-2 was 'Dual port serial' and is now 'Quad port serial'" \
		"$(mdevctl status --check)"
	check "apply starts the device with its type" "modify   $u mtty mtty-1 card/0
start    $u mtty mtty-1 card/0" "$(mdevctl apply $file)"
	check_cmd "the guest is started again" virsh start inner
	check_guest "it uses the card of this type" 1 "the card returns: over the card"
	virsh destroy inner
	umount $types/mtty-1/name $types/mtty-2/name
	mdevctl stop --all --wait=$slow
	describe 1
	check_cmd "apply mends the type if the driver is the old one again" mdevctl apply $file
	check_cmd "the unit is started for the shutdown" systemctl start mdev@"$u"
	check_cmd "and the guest" virsh start inner
	check_guest "it uses the card" 1 "the card returns: over the card"
	systemctl disable libvirtd libvirtd.socket apparmor
	check "no unit failed" "" "$(failed_units)"
	reboot_with ""
	;;
3)
	u=$(cat /root/uuid)
	check "at shutdown, libvirt-guests stops the guest, then the unit the device" \
		"libvirt-guests mdev@ Done:" \
		"$(journalctl -q -b -1 -o cat | sed -n -E '/^Stopped (.* - )?libvirt.guests/s/.*/libvirt-guests/p
			s/^Stopping mdev@.*/mdev@/p; s/^Done: stop '"$u"'.*/Done:/p' | tail -n 3 | paste -sd' ')"
	# Not asked of libvirt-guests, which may say that libvirtd has stopped: systemd does not order the two.
	check "the guest powered off" 1 "$(said "powers off")"
	check_soon "the unit starts the device again" "$u" devices
	;;
esac
