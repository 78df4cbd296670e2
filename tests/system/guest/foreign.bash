# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Another manager creates and removes devices through sysfs, and a driver takes its parent away, while our
# programs run, in random order (like tests/faults/foreign.bats): each command ends, with a right exit status,
# and the devices of the other manager stay.
set -eu
. "${0%/*}/lib.bash"

f1=f1111111-1111-4111-8111-111111111111
f2=f2222222-2222-4222-8222-222222222222
u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
file=/root/host.json
driver=/sys/devices/platform/mdevtest.0
steps=60
declare -A theirs=() # the devices of the other manager: UUID = parent
wrong=

describe() # COUNT
{
	echo '{ "set": { "mdev_type": "mtty-1", "start": "auto", "parents": ["mtty"], "count": '"$1"' } }' >$file
}

foreign_step()
{
	local uuids=("$f1" "$f2" "$u1") uuid parent=mbochs type=mbochs-small

	uuid=${uuids[RANDOM % 3]}
	case $((RANDOM % 8)) in
	0)
		echo 0 >$driver/registered
		[ "${theirs[$f1]:-}" != mdevtest.0 ] || unset "theirs[$f1]"
		echo 1 >$driver/registered
		;;
	[1-3]) ! echo 1 >"/sys/bus/mdev/devices/$uuid/remove" || unset "theirs[$uuid]" ;;
	*)
		if [ "$uuid" = $f1 ] && ((RANDOM % 2)); then
			parent=mdevtest.0 type=platform-small
		fi
		! echo "$uuid" >"/sys/class/mdev_bus/$parent/mdev_supported_types/$type/create" ||
			theirs[$uuid]=$parent
		;;
	esac 2>/dev/null
}

# Runs a command, and prints its exit status and output unless the status is one of these.
ours() # COMMAND STATUS...
{
	local status=0

	# shellcheck disable=SC2086 # a command's words
	timeout -s KILL "$patience" $1 >/run/ours 2>&1 || status=$?
	[[ " ${*:2} " == *" $status "* ]] || { echo "$1: exit status $status: $(cat /run/ours)"; }
}

echo "seed $seed" | tee "$report"
RANDOM=$seed
modprobe mtty
modprobe mbochs
modprobe mdevtest
echo 1 >$driver/capacity
mdevctl define -u $u1 -p mtty -t mtty-1
mdevctl define -u $u2 -p mdevtest.0 -t platform-small --auto
for ((step = 1; step <= steps; step++)); do
	describe $((RANDOM % 4))
	others=$((RANDOM % 6))
	case $((RANDOM % 8)) in
	0) command=("mdevctl start -u $u1" 0 3 4) ;;
	1) command=("mdevctl start --ensure -u $u1" 0 1 3 4) ;;
	2) command=("mdevctl start -u $u2" 0 1 3 4 5) ;;
	3) command=("mdevctl stop -u $u2" 0 3) ;;
	4) command=("mdev-autostart mdevtest.0" 0 1) ;;
	5) command=("mdevctl apply $file" 0) ;;
	6) command=("mdevctl list" 0) ;;
	7) command=("mdevctl status" 0) ;;
	esac
	ours "${command[@]}" >/run/wrong &
	for ((; others > 0; others--)); do
		foreign_step
	done
	wait $!
	[ ! -s /run/wrong ] || wrong+="step $step: $(cat /run/wrong)"$'\n'
	for uuid in "${!theirs[@]}"; do
		[[ $(readlink "/sys/bus/mdev/devices/$uuid") == *"/${theirs[$uuid]}/"* ]] ||
			wrong+="step $step: $uuid on ${theirs[$uuid]} is gone"$'\n'
	done
done
check "$steps commands end as they should, and no device of the other manager is removed" "" "$wrong"
systemctl reset-failed
describe 3
check_cmd "the next apply succeeds" mdevctl apply $file
check "and leaves nothing to do" "" "$(mdevctl apply --dry-run $file 2>&1)"
