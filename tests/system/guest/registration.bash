# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A parent that stays while its registration goes and comes: in any order and at any speed every auto
# device runs in the end, and what cannot be started keeps nobody else from it.
set -eu
. "${0%/*}/lib.bash"

parent=mdevtest.0
unit=mdev-autostart@$parent.service
sys=/sys/devices/platform/$parent

uuid() # NUMBER
{
	printf '%08d-0000-4000-8000-000000000000\n' "$1"
}

all=$(for i in 1 2 3 4 5; do uuid "$i"; done)
for u in $all; do
	mdevctl define -u "$u" -p "$parent" -t platform-small --auto
done

# The devices that run, the unit, and what failed: one line of each.
outcome()
{
	devices "$parent"
	unit_state "$unit"
	failed_units
}
good=$all$'\n'"active exited"

modprobe mdevtest capacity=16
check_soon "a late modprobe starts all auto devices" "$good" outcome

echo 0 >$sys/registered
check "the driver took its devices when it unregistered" "" "$(devices)"
echo 1 >$sys/registered
check_soon "registered again: all auto devices run" "$good" outcome

storm() # SECONDS of the longest pause
{
	for _ in {1..10}; do
		echo 0 >$sys/registered
		echo 1 >$sys/registered
		sleep "$(awk -v max="$1" -v seed="$RANDOM" 'BEGIN { srand(seed); print rand() * max }')"
	done
}
storm 0
check_soon "ten fast re-registrations: all auto devices run" "$good" outcome
storm 0.4
check_soon "ten re-registrations with pauses: all auto devices run" "$good" outcome
echo 150 >$sys/delay
storm 0.6
check_soon "ten re-registrations of a slow driver: all auto devices run" "$good" outcome
for u in $all; do
	systemctl start --no-block "mdev@$u"
done
storm 0.3
echo 0 >$sys/delay
check_soon "ten re-registrations with units on the devices: all run" "$all" devices "$parent"
settle
check_soon "and stay" "$good" outcome

# One creation refused, one broken definition, one callout that says no: the rest runs.
echo 0 >$sys/registered
check_soon "nothing runs while the driver is not registered" "" devices
echo "5 $(uuid 2)" >$sys/refuse
echo '{ "mdev_type": "platform-small", ' >"/etc/mdevctl.d/$parent/$(uuid 6)"
mkdir -p /usr/lib/mdevctl/scripts.d/callouts
cat >/usr/lib/mdevctl/scripts.d/callouts/no-4 <<EOF
#!/bin/sh
case \$* in *"-e pre -a start"*"-u $(uuid 4)"*) echo "not this one" >&2; exit 1 ;; esac
exit 2
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/no-4
echo 1 >$sys/registered
check_soon "one refused, one broken, one denied: the others run" \
	"$(uuid 1; uuid 3; uuid 5; echo failed failed; echo "$unit")" outcome
check "the failed unit says how many of how many, and which" \
	"3 of 6 devices on $parent could not be started: $(uuid 2), $(uuid 4), $(uuid 6)" \
	"$(systemctl show --value -p StatusText "$unit")"

# A trigger is no reason to try again; a registration is.
echo 0 >$sys/refuse
rm "/etc/mdevctl.d/$parent/$(uuid 6)" /usr/lib/mdevctl/scripts.d/callouts/no-4
mdevctl stop -u "$(uuid 1)"
udevadm trigger --action=add "$sys"
settle
check "what was stopped stays stopped after a trigger though the unit had failed" \
	"$(uuid 3; uuid 5)" "$(devices)"
echo 0 >$sys/registered
echo 1 >$sys/registered
check_soon "with the causes gone the next registration starts all" "$good" outcome

# Left behind: nothing, after many of them.
ours()
{
	pgrep '^mdev' -l || true
}
for _ in {1..200}; do
	echo 0 >$sys/registered
	echo 1 >$sys/registered
done
patience=900 settle # so many events take udev its time here
check_soon "200 reloads: all auto devices run" "$good" outcome
check_soon "200 reloads leave no process behind" "" ours
check "200 reloads leave no temporary file behind" "" \
	"$(find /etc/mdevctl.d /run /tmp -name '*mdevctl*tmp*' 2>/dev/null)"
check "200 reloads leave no failed unit behind" "" "$(failed_units)"
check "nothing was logged at priority crit or worse" "" \
	"$(journalctl -b -q -p crit -o cat | grep -i mdev || true)"
