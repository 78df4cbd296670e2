# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl apply on real drivers: three sets that grow and shrink, parents that appear later, a device in
# use, and too few instances; after a reboot all devices are back, and the definitions
# of one machine, applied on an empty one, give the same devices.
set -eu
. "${0%/*}/lib.bash"

file=/root/host.json
saved=/root/saved.json
vfs=(mdevtest.0 mdevtest.1)

# describe SERIAL DISPLAY SMALL [ATTRS]: three sets with so many devices.
describe()
{
	cat >$file <<-EOF
		{
		  "serial": { "mdev_type": "Single port serial", "start": "auto", "parents": ["mtty"], "count": $1 },
		  "display": { "mdev_type": "mbochs-small", "start": "auto", "parents": ["mboch*"], "count": $2 },
		  "small": { "mdev_type": "platform-small", "start": "auto", "attrs": [${4:-}],
		             "parents": ["${vfs[0]}", "${vfs[1]}"], "count": $3 }
		}
	EOF
}

# Prints "STATUS NUMBER-OF-CHANGES" of a run, and how it differs from the dry run before it.
apply()
{
	local planned made status=0

	planned=$(mdevctl apply --dry-run $file 2>/run/apply-errors) || true
	made=$(mdevctl apply $file 2>/run/apply-errors) || status=$?
	[ "$planned" = "$made" ] || { diff <(echo "$planned") <(echo "$made"); true; }
	echo "$status $(echo -n "$made" | grep -c '' || true)"
}

count() # PARENT
{
	devices "$1" | grep -c . || true
}

counts()
{
	echo "$(count mtty) $(count mbochs) $(count "${vfs[0]}") $(count "${vfs[1]}")"
}

nth() # SET/INDEX: its UUID, from its definition
{
	basename "$(grep -l "\"set\": \"$1\"" /etc/mdevctl.d/*/*)"
}

case $boot in
1)
	modprobe mtty
	modprobe mbochs
	modprobe vfio_iommu_type1
	describe 3 4 2
	check "sets are started, and defined on parents that are absent" "0 16" "$(apply)"
	check "which have no devices yet" "3 4 0 0" "$(counts)"
	modprobe mdevtest parents=2 capacity=3
	check_soon "udev starts their devices when they appear" "3 4 1 1" counts
	describe 3 4 4
	# Two devices are added, and the definitions of the first two get the name of the type, which is known now.
	check "a set is spread over its parents" "0 6 3 4 2 2" "$(apply) $(counts)"
	settle
	check "nothing is left to do" "0 0" "$(apply)"

	describe 5 4 4
	check "a set grows" "0 4" "$(apply)"
	describe 2 4 4
	hold device "$(nth serial/4)"
	check "a set shrinks, but not by the device in use" "6 4" "$(apply)"
	check_like "which is named" "*in use by hold (PID $holder_pid)*" "$(</run/apply-errors)"
	check "and keeps running" "3 4 2 2" "$(counts)"
	mdevctl apply --wait=60 $file >/run/apply-out &
	waiting=$!
	release
	wait $waiting && status=0 || status=$?
	check "--wait removes it when it is released" "0 2 4 2 2" "$status $(counts)"

	describe 2 4 4 '{ "assign_adapter": "7" }'
	small=$(nth small/0)
	check "attributes of running devices are changed in the definitions" "0 4" "$(apply)"
	check_like "with a warning" "*$small (small/0) is running; the change takes effect at its next start*" \
		"$(</run/apply-errors)"
	check "the running device is not changed" "" "$(cat "/sys/bus/mdev/devices/$small/matrix")"
	describe 2 4 4

	check "and back" "0 4" "$(apply)"
	describe 2 4 9
	check "too few instances: as many as fit are started" "5 4" "$(apply)"
	check_like "the rest is reported" "*3 of 15 devices are missing*" "$(</run/apply-errors)"
	check "all instances are used" "2 4 3 3" "$(counts)"
	check "another run finds nothing to do, and says so" "5 0" "$(apply)"
	check "and leaves no definitions without an instance" 12 "$(mdevctl list -d | grep -c auto)"
	describe 2 4 6
	check "with as many as fit, the host is as described" "0 0" "$(apply)"

	check "no unit failed" "" "$(failed_units)"
	mdevctl list -d >/root/before
	mdevctl list -d --dumpjson >$saved
	reboot_with mtty mbochs
	;;
2)
	check_soon "after a reboot, the devices of the drivers that are there are running" "2 4 0 0" counts
	check "definitions have not changed" "$(cut -d' ' -f1-4 /root/before)" \
		"$(mdevctl list -d | cut -d' ' -f1-4)"
	describe 2 4 6
	check "an absent parent changes nothing" "0 0" "$(apply)"
	modprobe mdevtest parents=2 capacity=3
	check_soon "udev starts the devices of a parent that appears later" "2 4 3 3" counts
	settle
	check "which apply finds in order" "0 0" "$(apply)"
	check "no unit failed" "" "$(failed_units)"

	# Another machine: none of the devices is defined or running.
	for u in $(mdevctl list -d | cut -d' ' -f1); do
		mdevctl stop -u "$u" --ensure
		mdevctl undefine -u "$u"
	done
	check "an empty machine" "0 0 0 0 0" "$(counts) $(mdevctl list -d | grep -c . || true)"
	cp $saved $file
	check "the saved definitions are applied" "0 24" "$(apply)"
	check "and give the same devices" "2 4 3 3" "$(counts)"
	check "with the same definitions" "$(cat /root/before)" "$(mdevctl list -d)"
	check "nothing is left to do" "0 0" "$(apply)"
	describe 2 4 6
	check "not for the sets, either" "0 0" "$(apply)"
	;;
esac
