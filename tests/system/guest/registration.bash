# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A parent whose driver unregisters and registers it again: in any order and at any speed, all auto
# devices are running in the end, and a device that cannot be started does not prevent others from
# being started.
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

# Prints the running devices, the unit, and failures: one line each.
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
check "the driver removed its devices when it unregistered" "" "$(devices)"
echo 1 >$sys/registered
check_soon "registered again: all auto devices are running" "$good" outcome

storm() # MILLISECONDS of the longest pause, less than 1000
{
	local pause

	for _ in {1..10}; do
		echo 0 >$sys/registered
		echo 1 >$sys/registered
		printf -v pause '0.%03d' $((RANDOM % ($1 + 1)))
		sleep "$pause"
	done
}
echo "seed $seed" | tee "$report"
RANDOM=$seed
storm 0
check_soon "ten fast re-registrations: all auto devices are running" "$good" outcome
storm 400
check_soon "ten re-registrations with pauses: all auto devices are running" "$good" outcome
echo 150 >$sys/delay
storm 600
check_soon "ten re-registrations of a slow driver: all auto devices are running" "$good" outcome
for u in $all; do
	systemctl start --no-block "mdev@$u"
done
storm 300
echo 0 >$sys/delay
check_soon "ten re-registrations with units for the devices: all are running" "$all" devices "$parent"
settle
check_soon "and remain running" "$good" outcome

# The unit is stopped while it starts devices: the program finishes the current one, and then ends by SIGTERM.
mkdir -p /run/systemd/system/mdev-autostart@.service.d
cat >/run/systemd/system/mdev-autostart@.service.d/ended.conf <<'EOF'
[Service]
ExecStopPost=/bin/sh -c 'echo "$$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS" >/run/ended'
EOF
systemctl daemon-reload
starts_devices() # prints "yes" if some are running, and others are not yet
{
	local n
	n=$(devices "$parent" | wc -l)
	((n > 0 && n < 5)) && [ "$(unit_state $unit)" = "activating start" ] && echo yes
}
echo 0 >$sys/registered
echo 2000 >$sys/delay
echo 1 >$sys/registered
check_soon "the unit is starting devices" yes starts_devices
check_cmd "it can be stopped meanwhile" systemctl stop $unit
check "its program ended by SIGTERM, which is no failure" "success killed TERM" "$(cat /run/ended)"
check "the unit is inactive, not failed" "inactive dead" "$(unit_state $unit)"
check "it had started some devices only" 1 "$(($(devices "$parent" | wc -l) < 5))"
echo 0 >$sys/registered
echo 1 >$sys/registered
check_soon "the unit is starting devices again" yes starts_devices
echo 0 >$sys/registered
ended()
{
	[ "$(unit_state $unit)" != "activating start" ] && echo yes
}
check_soon "it ends when its parent has been removed meanwhile" yes ended
check "and has not failed" "" "$(failed_units)"
echo 0 >$sys/delay
echo 1 >$sys/registered
check_soon "when the parent is back, all devices are started" "$good" outcome
rm -r /run/systemd/system/mdev-autostart@.service.d
systemctl daemon-reload

# One device rejected by the driver, one invalid definition, one refused by a callout: the others are
# started.
echo 0 >$sys/registered
check_soon "no device is running while the driver is not registered" "" devices
echo "5 $(uuid 2)" >$sys/refuse
echo '{ "mdev_type": "platform-small", ' >"/etc/mdevctl.d/$parent/$(uuid 6)"
mkdir -p /usr/lib/mdevctl/scripts.d/callouts
cat >/usr/lib/mdevctl/scripts.d/callouts/no-4 <<EOF
#!/bin/sh
case \$* in *"-e pre -a start"*"-u $(uuid 4)"*) echo "not this one" >&2; exit 1 ;; esac
case \$* in *"-e get"*) exit 2 ;; esac # an answer of 2 to pre would speak for all devices of the type
EOF
chmod 755 /usr/lib/mdevctl/scripts.d/callouts/no-4
echo 1 >$sys/registered
check_soon "one rejected, one invalid, one refused: the others are running" \
	"$(uuid 1; uuid 3; uuid 5; echo failed failed; echo "$unit")" outcome
check "the status of the failed unit shows how many devices failed, and which" \
	"3 of 6 devices on $parent could not be started: $(uuid 2), $(uuid 4), $(uuid 6)" \
	"$(systemctl show --value -p StatusText "$unit")"

# A trigger does not cause another attempt; a registration does.
echo 0 >$sys/refuse
rm "/etc/mdevctl.d/$parent/$(uuid 6)" /usr/lib/mdevctl/scripts.d/callouts/no-4
mdevctl stop -u "$(uuid 1)"
udevadm trigger --action=add "$sys"
settle
check "a stopped device remains stopped after a trigger even if the unit had failed" \
	"$(uuid 3; uuid 5)" "$(devices)"
echo 0 >$sys/registered
echo 1 >$sys/registered
check_soon "after the causes have been fixed, the next registration starts all devices" "$good" outcome

# Nothing is left behind after many of them.
ours()
{
	pgrep '^mdev' -l || true
}
for _ in {1..200}; do
	echo 0 >$sys/registered
	echo 1 >$sys/registered
done
patience=900 settle # udev needs a long time for so many events
check_soon "200 reloads: all auto devices are running" "$good" outcome
check_soon "200 reloads leave no process behind" "" ours
check "200 reloads leave no temporary file behind" "" \
	"$(find /etc/mdevctl.d /run /tmp -name '*mdevctl*tmp*' 2>/dev/null)"
check "200 reloads leave no failed unit behind" "" "$(failed_units)"
check "nothing was logged at priority crit or worse" "" \
	"$(journal -p crit -o cat | grep -i mdev || true)"
