# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs libvirt with our mdevctl, confined by its AppArmor profile or by SELinux's policy. After each step, its view of the
# devices is compared with sysfs and /etc/mdevctl.d.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
u3=33333333-3333-4333-8333-333333333333
u4=44444444-4444-4444-8444-444444444444
script=/usr/lib/mdevctl/scripts.d/callouts/live

virsh() # COMMANDS, separated by semicolons
{
	command virsh -q -c qemu:///system "$@"
}

name() # UUID: as libvirt names the device
{
	echo "mdev_${1//-/_}_mtty"
}

xml() # UUID TYPE [ATTRIBUTE VALUE]
{
	local file=/run/$1.xml attr=${3:+"<attr name='$3' value='$4'/>"}

	cat >"$file" <<-EOF
		<device>
		  <name>$(name "$1")</name>
		  <parent>mtty_mtty</parent>
		  <capability type='mdev'>
		    <type id='$2'/>
		    <uuid>$1</uuid>
		    $attr
		  </capability>
		</device>
	EOF
	echo "$file"
}

definition() # FILE: "TYPE START ATTRIBUTE=VALUE..."
{
	sed -n 's/^ *"mdev_type": "\(.*\)",$/\1/p; s/^ *"start": "\(.*\)",$/\1/p; s/^      "\(.*\)": "\(.*\)"$/\1=\2/p' \
		"$1" | paste -sd' '
}

# Prints the devices according to sysfs and /etc/mdevctl.d, one per line, with the attributes defined:
# UUID PARENT TYPE active:YES persistent:YES autostart:YES ATTRIBUTE=VALUE...
truth()
{
	local uuid file device type start attrs active persistent

	for uuid in $(find /etc/mdevctl.d/mtty /sys/bus/mdev/devices/ -mindepth 1 -maxdepth 1 -name '????????-*' \
		-printf '%f\n' 2>/dev/null | sort -u); do
		file=/etc/mdevctl.d/mtty/$uuid device=/sys/bus/mdev/devices/$uuid
		type='' start='' attrs='' active=no persistent=no
		if [ -e "$file" ] && [ -n "$(definition "$file")" ]; then
			read -r type start attrs <<<"$(definition "$file")"
			persistent=yes
		fi
		if [ -e "$device" ]; then
			type=$(basename "$(readlink "$device/mdev_type")")
			active=yes
		fi
		[ -z "$type" ] || echo "$uuid mtty $type active:$active persistent:$persistent" \
			"autostart:$([ "$start" = auto ] && echo yes || echo no)${attrs:+ $attrs}"
	done
}

# Prints the same according to libvirt.
view()
{
	local device commands='' inactive=''

	[ -z "$updates" ] || inactive=--inactive
	for device in $(virsh "nodedev-list --cap mdev --all"); do
		commands+="nodedev-info $device; nodedev-dumpxml $device; echo inactive;"
		commands+="nodedev-dumpxml $inactive $device; echo end; "
	done
	[ -n "$commands" ] || return 0
	# virsh's echo ends no line but the last
	virsh "$commands" 2>&1 | awk '
		/^end/ {
			print uuid, parent, type[active == "no"], "active:" active, "persistent:" persistent,
				"autostart:" autostart attrs
			attrs = ""; inactive = 0
		}
		/^inactive/ { inactive = 1 }
		/^Active:/ { active = $2 }
		/^Persistent:/ { persistent = $2 }
		/^Autostart:/ { autostart = $2 }
		/<uuid>/ { gsub(/ *<\/?uuid>/, ""); uuid = $0 }
		/<parent>/ { gsub(/ *<\/?parent>(mtty_)?/, ""); parent = $0 }
		/<type id=/ { split($0, part, "\047"); type[inactive + 0] = part[2] }
		/<attr / && inactive && persistent == "yes" {
			split($0, part, "\047"); attrs = attrs " " part[2] "=" part[4]
		}
		/^error:/ { print }
	' | sort
}

same_view() # STEP
{
	check_soon "$1: libvirt sees the same devices" "$(truth)" view
}

event() # STEP UUID TEXT: which is before or after the name of the device
{
	local name

	name=$(name "$2")
	check_soon "$1: libvirt sends the event" "" sh -c \
		"tail -n +$((events_seen + 1)) /run/events | grep -q -e '$name.*$3' -e '$3.*$name' || cat /run/events"
	events_seen=$(wc -l </run/events)
}

# Whether libvirt shows a device with this text in its definition.
shows() # UUID TEXT
{
	virsh "nodedev-dumpxml ${updates:+--inactive} $(name "$1")" 2>/dev/null | grep -q "$2"
}

listening() # to all events of changes to this device
{
	grep -q "'lifecycle'.*$1" /run/events && { [ -z "$updates" ] || grep -q "'update'.*$1" /run/events; }
}

# virsh does not say when it begins to listen: changes a device until the events arrive.
await_listeners()
{
	local end=$((SECONDS + patience))

	until listening "$(name $u4)" || [ "$SECONDS" -ge "$end" ]; do
		mdevctl define -u $u4 -p mtty -t mtty-1
		wait_for shows $u4 mtty-1
		mdevctl modify -u $u4 --addattr power/control --value on
		[ -z "$updates" ] || wait_for shows $u4 power/control
		mdevctl undefine -u $u4
		while shows $u4 mtty-1 && [ "$SECONDS" -lt "$end" ]; do
			sleep 0.1
		done
	done
	check_cmd "libvirt's listeners receive events" listening "$(name $u4)"
}

# Prints what was denied to our programs, or to others on our files, once each.
denials()
{
	if [ -e /sys/fs/selinux/enforce ]; then
		journal -o cat _TRANSPORT=audit | grep 'denied.*mdev' | sed -E 's/.*(denied)/\1/; s/ (pid|ino)=[0-9]+//g'
	else
		journal -o cat | grep 'apparmor="DENIED"' | grep mdev
	fi | sort -u
}

if [ -e /sys/fs/selinux/enforce ]; then
	confined=system_u:system_r:virtd_t:s0
else
	confined="libvirtd (enforce)"
fi

start_libvirt()
{
	systemctl start apparmor
	systemctl start libvirtd
	wait_for virsh "nodedev-list --cap mdev"
	check "libvirtd is confined" "$confined" "$(tr -d '\0' <"/proc/$(pidof libvirtd)/attr/current")"
	updates=$(virsh "help nodedev-update" >/dev/null 2>&1 && echo yes) || updates=
	for event in lifecycle update; do
		stdbuf -oL virsh -q -c qemu:///system nodedev-event --event "$event" --loop >>/run/events 2>&1 &
	done
	await_listeners
	events_seen=$(wc -l </run/events)
}

if [ "$boot" = 1 ]; then
	modprobe mtty
	modprobe vfio_iommu_type1
	start_libvirt
	virsh version | tee "$report"
	check "the only mdevctl is ours" /usr/sbin/mdevctl \
		"$(type -ap mdevctl | xargs -n1 realpath | sort -u)"
	same_view "nothing is there"

	# Transient
	check_cmd "nodedev-create" virsh "nodedev-create $(xml $u1 mtty-2 power/control on)"
	check "the kernel has it" "$u1" "$(devices mtty)"
	check "with its attribute" on "$(</sys/bus/mdev/devices/$u1/power/control)"
	event nodedev-create $u1 Created
	same_view nodedev-create
	check_cmd "nodedev-destroy" virsh "nodedev-destroy $(name $u1)"
	check "the kernel no longer has it" "" "$(devices)"
	event nodedev-destroy $u1 Deleted
	same_view nodedev-destroy

	# Held by a guest
	check_cmd "nodedev-create again" virsh "nodedev-create $(xml $u1 mtty-1)"
	settle
	for what in group device closed; do
		hold $what $u1
		check_status "nodedev-destroy of a device in use fails ($what)" 1 virsh "nodedev-destroy $(name $u1)"
		check "it still runs ($what)" "$u1" "$(devices)"
		release
	done
	hold device $u1
	check_cmd "nodedev-create of another device" virsh "nodedev-create $(xml $u2 mtty-1)"
	check_cmd "nodedev-destroy of that one" virsh "nodedev-destroy $(name $u2)"
	check "the device in use still runs" "$u1" "$(devices)"
	release
	check_cmd "nodedev-destroy when it is released" virsh "nodedev-destroy $(name $u1)"
	events_seen=$(wc -l </run/events)

	# Persistent
	check_cmd "nodedev-define" virsh "nodedev-define $(xml $u1 mtty-2 power/control on)"
	check "its definition" "mtty-2 manual power/control=on" "$(definition /etc/mdevctl.d/mtty/$u1)"
	event nodedev-define $u1 Defined
	same_view nodedev-define
	check_cmd "nodedev-autostart" virsh "nodedev-autostart $(name $u1)"
	check "its definition starts automatically" "mtty-2 auto power/control=on" \
		"$(definition /etc/mdevctl.d/mtty/$u1)"
	same_view nodedev-autostart
	check_cmd "nodedev-autostart --disable" virsh "nodedev-autostart --disable $(name $u1)"
	same_view "nodedev-autostart --disable"
	check_cmd "nodedev-start" virsh "nodedev-start $(name $u1)"
	check "the kernel has it, with its attribute" "$u1 on" \
		"$(devices mtty) $(</sys/bus/mdev/devices/$u1/power/control)"
	event nodedev-start $u1 Created
	same_view nodedev-start

	if [ -n "$updates" ]; then
		check_status "a live nodedev-update fails without a script that supports it" 1 \
			virsh "nodedev-update $(name $u1) $(xml $u1 mtty-2 power/control auto) --live"
		cat >$script <<-'EOF'
			#!/bin/sh
			control=/sys/bus/mdev/devices/${10}/power/control
			case $4/$6 in
			get/capabilities) echo '{"supports":{"version":2,"actions":["start","stop","define","undefine","modify","attributes"],"events":["pre","post","get","live"]}}' ;;
			get/attributes) [ ! -e "$control" ] || echo "[{\"power/control\":\"$(cat "$control")\"}]" ;;
			live/modify) sed -n 's/.*"power\/control": *"\([a-z]*\)".*/\1/p' >"$control" ;;
			esac
		EOF
		chmod 755 $script
		check_cmd "nodedev-update of the device" \
			virsh "nodedev-update $(name $u1) $(xml $u1 mtty-2 power/control auto) --live"
		check "the kernel has the value, the definition not" "auto mtty-2 manual power/control=on" \
			"$(</sys/bus/mdev/devices/$u1/power/control) $(definition /etc/mdevctl.d/mtty/$u1)"
		check_soon "libvirt shows the value" "<attr name='power/control' value='auto'/>" \
			sh -c "virsh -c qemu:///system nodedev-dumpxml $(name $u1) | grep -o '<attr.*>'"
		same_view "nodedev-update of the device"
		check_cmd "nodedev-update of the definition" \
			virsh "nodedev-update $(name $u1) $(xml $u1 mtty-2) --config"
		check "the definition has no attribute" "mtty-2 manual" "$(definition /etc/mdevctl.d/mtty/$u1)"
		same_view "nodedev-update of the definition"
		check_cmd "nodedev-update of both" \
			virsh "nodedev-update $(name $u1) $(xml $u1 mtty-2 power/control on) --live --config"
		check "the kernel and the definition have the value" "on mtty-2 manual power/control=on" \
			"$(</sys/bus/mdev/devices/$u1/power/control) $(definition /etc/mdevctl.d/mtty/$u1)"
		event nodedev-update $u1 update
		same_view "nodedev-update of both"
		check_cmd "nodedev-define of a persistent device" \
			virsh "nodedev-define $(xml $u1 mtty-2 power/control on)"
		same_view "nodedev-define of a persistent device"
		rm $script
	else
		echo "nodedev-update: SKIPPED, needs libvirt 10.1" | tee "$report"
	fi

	# Changes by other programs
	mdevctl define -u $u2 -p mtty -t mtty-1 --auto
	same_view "mdevctl define"
	mdevctl start -u $u2
	same_view "mdevctl start"
	mdevctl stop -u $u2
	same_view "mdevctl stop"

	events_seen=$(wc -l </run/events)
	check_cmd "nodedev-destroy of a persistent device" virsh "nodedev-destroy $(name $u1)"
	same_view "nodedev-destroy of a persistent device"
	check_cmd "nodedev-undefine" virsh "nodedev-undefine $(name $u1)"
	check "it is no longer defined" "" "$(find /etc/mdevctl.d -name $u1)"
	event nodedev-undefine $u1 Undefined
	same_view nodedev-undefine
	check_cmd "nodedev-define before the reboot" virsh "nodedev-define $(xml $u1 mtty-1)"
	check_cmd "nodedev-autostart before the reboot" virsh "nodedev-autostart $(name $u1)"
	check "no unit failed" "" "$(failed_units)"
	check "nothing was denied to our programs, or to others on our files" "" "$(denials)"
	reboot_with mtty
fi

echo '{ "mdev_type": "mtty-1", ' >/etc/mdevctl.d/mtty/$u3
start_libvirt
check_soon "auto devices run after the reboot" "$u1"$'\n'"$u2" devices mtty
same_view "after the reboot, beside a broken definition"
check_cmd "nodedev-destroy beside a broken definition" virsh "nodedev-destroy $(name $u1)"
event "nodedev-destroy beside a broken definition" $u1 Deleted
check_cmd "nodedev-start beside a broken definition" virsh "nodedev-start $(name $u1)"
event "nodedev-start beside a broken definition" $u1 Created
same_view "nodedev-start beside a broken definition"
check_cmd "nodedev-destroy" virsh "nodedev-destroy $(name $u1); nodedev-destroy $(name $u2)"
check_cmd "nodedev-undefine" virsh "nodedev-undefine $(name $u1); nodedev-undefine $(name $u2)"
same_view "nothing is left"
check "nothing was denied to our programs, or to others on our files, after the reboot" "" "$(denials)"
