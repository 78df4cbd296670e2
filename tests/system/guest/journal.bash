# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The journal contains the history of each device, and callouts can do their work inside the sandboxed
# units.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
parent=mdevtest.0

# A callout like ap-check: it takes a lock for its parent process from pre to post, writes to /sys and
# calls mdevctl.
mkdir -p /usr/lib/mdevctl/scripts.d/callouts
cat >/usr/lib/mdevctl/scripts.d/callouts/check <<'EOF'
#!/bin/bash
while [ $# -gt 0 ]; do
	case $1 in -e) event=$2 ;; -a) action=$2 ;; -s) state=$2 ;; -u) uuid=$2 ;; -p) parent=$2 ;; esac
	shift 2
done
[ "$event" != get ] || exit 2
case $event in
pre)
	(set -C; echo $PPID >/run/lock/mdev-check.lock) || { echo "locked" >&2; exit 1; }
	echo "checked $uuid before $action" >&2
	mdevctl list -d >/dev/null || { echo "mdevctl failed" >&2; exit 1; }
	;;
post)
	[ "$(cat /run/lock/mdev-check.lock)" = $PPID ] && rm /run/lock/mdev-check.lock
	[ "$action" != start ] || echo 5 >"/sys/bus/mdev/devices/$uuid/assign_adapter"
	[ "$action" != start ] || mdevctl modify -u "$uuid" --addattr seen --value "$state" 2>/dev/null
	echo "done with $uuid after $action: $state" >&2
	;;
esac
exit 0
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/check

modprobe mdevtest
mdevctl define -u $u1 -p $parent -t platform-small
systemctl start mdev@$u1
check "a callout in the unit wrote to /sys" "05." "$(cat /sys/bus/mdev/devices/$u1/matrix)"
check_like "and changed the definition" '*"seen": "success"*' "$(cat /etc/mdevctl.d/$parent/$u1)"
check "and released its lock" "" "$(ls /run/lock/mdev-check.lock 2>/dev/null)"
systemctl stop mdev@$u1
check "the unit stopped with the callout" "inactive dead" "$(unit_state mdev@$u1.service)"

story() # UUID
{
	journal -o cat "MDEV_UUID=$1"
}
check "the journal contains the whole history of the device" "check: checked $u1 before define
check: done with $u1 after define: success
Done: define $u1, type platform-small on $parent
check: checked $u1 before start
check: done with $u1 after start: success
Done: start $u1, type platform-small on $parent
check: checked $u1 before stop
check: done with $u1 after stop: success
Done: stop $u1, type platform-small on $parent" "$(story $u1 | grep -v modify)"
check "each entry has the fields of the device" \
	"MDEV_ACTION:start MDEV_PARENT:$parent MDEV_TYPE:platform-small MDEV_UUID:$u1" \
	"$(journal -o json MDEV_UUID=$u1 MDEV_ACTION=start | tail -n 1 | grep -o '"MDEV_[A-Z]*":"[^"]*"' |
		tr -d '"' | sort | paste -sd' ')"
check "the output of a callout is logged once" 1 \
	"$(journal -o cat -u mdev@$u1 | grep -c "checked $u1 before start")"

# A failure, with the reason logged by the kernel.
rm /usr/lib/mdevctl/scripts.d/callouts/check
echo 5 >/sys/devices/platform/$parent/refuse
mdevctl start -u $u2 -p $parent -t platform-small || true
check_like "a failed change is in the journal with its cause" \
	"Failed to start $u2 on $parent: *Input/output error*" "$(story $u2)"
check "at priority err" "3" "$(journal -o export MDEV_UUID=$u2 | sed -n 's/^PRIORITY=//p')"
echo 0 >/sys/devices/platform/$parent/refuse

# Concurrent writers: the slower one starts again, which is not a failure.
cat >/usr/lib/mdevctl/scripts.d/callouts/again <<'EOF'
#!/bin/sh
[ "$4 $6" = "pre modify" ] && [ ! -e /run/again ] || exit 0
: >/run/again
mdevctl modify -u "${10}" --addattr first --value 1
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/again
mdevctl modify -u $u1 --auto
check_like "two modifications that meet are both made" '*"start": "auto"*"first": "1"*' \
	"$(cat /etc/mdevctl.d/$parent/$u1)"
check "and no failure is logged" 0 "$(story $u1 | grep -c 'Failed to modify')"
rm /usr/lib/mdevctl/scripts.d/callouts/again

# Failures before the operation was tried.
u3=33333333-3333-4333-8333-333333333333
mdevctl start -u $u3 || true
check "a start of an undefined device is logged" \
	"Failed to start $u3: Device is insufficiently specified: $u3 is not defined, so parent and type are required" \
	"$(story $u3)"
mdevctl define -u $u3 -p absent -t platform-small
mdev-start --ensure --wait=1 -u $u3 || true
check_like "so is one whose parent did not come" \
	"*Failed to start $u3 on absent: Unable to find parent device 'absent' (waited 1 s)" \
	"$(story $u3)"
echo '{' >/etc/mdevctl.d/absent/$u3
systemctl start mdev-autostart@absent || true
check_like "so is one whose definition is broken" \
	"*Failed to start $u3 on absent: Invalid JSON in /etc/mdevctl.d/absent/$u3: *" "$(story $u3)"
check "and the unit logs the reason once" 1 \
	"$(journal -o cat -u mdev-autostart@absent | grep -c 'Invalid JSON')"
rm -r /etc/mdevctl.d/absent
systemctl reset-failed

# Progress of a long autostart.
for i in 1 2 3 4; do
	mdevctl define -u "0000000$i-0000-4000-8000-000000000000" -p mdevtest.1 -t platform-small -a
done
cat >/usr/lib/mdevctl/scripts.d/callouts/slow <<'EOF'
#!/bin/sh
[ "$4 $6" = "pre start" ] || exit 2
case ${10} in 00000002-*) until [ -e /run/seen ]; do sleep 0.1; done ;; esac
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/slow
echo 0 >/sys/devices/platform/mdevtest.1/registered
echo 1 >/sys/devices/platform/mdevtest.1/registered
status_text()
{
	systemctl status mdev-autostart@mdevtest.1 | grep -o 'Starting 2 of 4: 00000002[-0-9]*' || true
}
check_soon "systemctl status shows the progress of an autostart" \
	"Starting 2 of 4: 00000002-0000-4000-8000-000000000000" status_text
touch /run/seen
check_soon "and its completion" "All 4 devices are running" \
	systemctl show --value -p StatusText mdev-autostart@mdevtest.1

for unit in mdev@ mdev-autostart@; do
	exposure=$(systemd-analyze security --no-pager $unit.service 2>&1 | tail -n 1) || true
	echo "$exposure" | tee "$report"
	check_like "the exposure of $unit is at most medium" "*MEDIUM*" "$exposure"
done
check "nothing was logged at priority crit or worse" "" \
	"$(journal -p crit -o cat | grep -i mdev || true)"
check "no unit failed" "" "$(failed_units)"
