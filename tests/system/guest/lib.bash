# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Functions for scenarios. A scenario is a bash script with set -eu that is run as root in the guest
# after booting: once, or once per boot if it calls reboot_with ($boot counts from 1). Its checks are
# reported as "ok NAME" or "FAIL NAME"; other output goes to the journal. Never sleep for a fixed
# time: wait for a condition, for at most $patience.

patience=90 # seconds; an emulated machine on a busy host is slow
report=/dev/ttyS1
: "${boot:=1}" "${seed:=1}"
here=${BASH_SOURCE[0]%/*}
set -E
trap 'echo "line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND" >/run/scenario-error' ERR

show() # LABEL TEXT
{
	echo "  $1"
	[ -z "$2" ] || echo "    ${2//$'\n'/$'\n'    }"
}

pass() # NAME
{
	echo "ok $1" | tee "$report"
}

fail() # NAME WANTED GOT
{
	touch /run/scenario-failed
	{
		echo "FAIL $1"
		show wanted: "$2"
		show got: "$3"
	} | tee "$report"
}

check() # NAME WANTED GOT: equal
{
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$@"; fi
}

check_like() # NAME PATTERN GOT: matches the glob
{
	# shellcheck disable=SC2053 # it is a pattern
	if [[ $3 == $2 ]]; then pass "$1"; else fail "$@"; fi
}

check_cmd() # NAME COMMAND...: exit status 0
{
	check_status "$1" 0 "${@:2}"
}

check_status() # NAME STATUS COMMAND...
{
	local output status=0

	output=$("${@:3}" 2>&1) || status=$?
	if [ "$status" = "$2" ]; then
		pass "$1"
	else
		fail "$1" "exit status $2" "exit status $status from: ${*:3}"$'\n'"$output"
	fi
}

check_soon() # NAME WANTED COMMAND...: the command's output becomes WANTED
{
	local got
	local end=$((SECONDS + patience))

	until got=$("${@:3}" 2>&1) || true; [ "$got" = "$2" ] || [ "$SECONDS" -ge "$end" ]; do
		sleep 0.1
	done
	check "$1" "$2" "$got"
}

wait_for() # COMMAND...: until it succeeds; fails after $patience
{
	local end=$((SECONDS + patience))

	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "waited $patience s in vain for: $*" >&2
			return 1
		fi
		sleep 0.1
	done
}

settle() # until udev has processed all events
{
	udevadm settle --timeout="$patience"
}

journal() # OPTION...: entries of this boot, including those that journald has not stored yet
{
	journalctl --sync
	journalctl -b -q "$@"
}

failed_units()
{
	systemctl list-units --state=failed --plain --no-legend --full | cut -d' ' -f1
}

reboot_with() # [MODULE:PARAMETER=VALUE:...]...: reboot, loading these before the root switch
{
	echo "$*" >/run/scenario-reboot
	exit 0
}

# The devices of a parent (default: all), from sysfs alone
# shellcheck disable=SC2120 # mostly called without
devices() # [PARENT]
{
	local device

	for device in /sys/bus/mdev/devices/*; do
		if [ -e "$device" ] && [[ $(realpath "$device") == */${1:-*}/* ]]; then
			basename "$device"
		fi
	done
}

unit_state() # UNIT: for example "active exited" or "inactive dead"
{
	systemctl show --value -p ActiveState -p SubState "$1" | paste -sd' '
}

# The argument of hold for a device: the node of its group, or its own node
node_of() # WHAT UUID
{
	case $1 in
	cdev | iommufd) ls "/sys/bus/mdev/devices/$2/vfio-dev" ;;
	*) basename "$(readlink "/sys/bus/mdev/devices/$2/iommu_group")" ;;
	esac
}

# Uses a device in this way (see hold.c) until release is called.
hold() # WHAT UUID
{
	coproc holder { exec "$here/hold" "$1" "$(node_of "$1" "$2")" "$2"; }
	# shellcheck disable=SC2034 # for the scenario
	holder_pid=$!
	read -r -t "$patience" _ <&"${holder[0]}"
}

release()
{
	local pid=$holder_pid

	kill "$pid"
	wait "$pid" || true
}

# Loads VFIO, its other modules, and mtty as build-modules has built them.
load_vfio() # cdev|nogroup
{
	local module

	for module in iommufd vfio vfio_iommu_type1 mdev mtty; do
		[ ! -e "$here/$1/$module.ko" ] || insmod "$here/$1/$module.ko"
	done
}

# Prints the row of status for a device, without its name.
status_row() # UUID [COMMAND...]
{
	LC_ALL=C "${@:2}" mdevctl status --noheadings --all | sed -n "s/.*$1 *//p" | tr -s ' '
}

# Prints the first value of a key in the JSON output of status.
status_json() # UUID KEY
{
	mdevctl status --json --uuid="$1" | sed -n "s/^ *\"$2\": \(.*[^,]\),\{0,1\}$/\1/p" | head -n 1
}

# Checks that status shows a device as used by the process that holds it, while another device is not in use.
check_status_of_held() # WHAT UUID OTHER
{
	check_like "status names the user ($1)" "running * hold ($holder_pid)" "$(status_row "$2")"
	check "in JSON, too ($1)" "true $holder_pid" "$(status_json "$2" in_use) $(status_json "$2" pid)"
	check "the other device is not in use ($1)" "false null" \
		"$(status_json "$3" in_use) $(status_json "$3" used_by)"
	check_like "an ordinary user is not told who uses it ($1)" "running * ?" \
		"$(status_row "$2" setpriv --reuid=65534 --regid=65534 --clear-groups 2>/dev/null)"
}
