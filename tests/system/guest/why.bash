# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Why a device is not running, as status -u, status -p and journalctl -x explain it on a real kernel. What they
# print is compared whole, and is shown on the console as it is.
set -eu
. "${0%/*}/lib.bash"

refused=11111111-1111-4111-8111-111111111111
attribute=22222222-2222-4222-8222-222222222222
taker=33333333-3333-4333-8333-333333333333
full=44444444-4444-4444-8444-444444444444
bound=55555555-5555-4555-8555-555555555555
unbound=66666666-6666-4666-8666-666666666666
held=77777777-7777-4777-8777-777777777777
sys=/sys/devices/platform
export LC_ALL=C.UTF-8

# Times, PIDs and the numbers of groups are replaced, and how older kernels tell that a probe failed.
anonymous()
{
	tee /dev/ttyS0 | sed -E 's/[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8}/TIME/; s/\[[0-9]+\]/[PID]/; s/\([0-9]+\)/(PID)/
		s,/dev/vfio/[0-9]+,/dev/vfio/N,
		s/mdevtest: probe of ([-0-9a-f]+) failed/mdevtest \1: probe with driver mdevtest failed/'
}

# What the kernel says before an operation fails can be behind it in the journal, which reads its sources in any
# order: moves each "Failed" behind the kernel's lines that follow it.
failures_last()
{
	awk '!/ kernel: / && failed { print failed; failed = "" }
		/ mdevctl\[PID\]: Failed / { failed = $0; next }
		{ print }
		END { if (failed) print failed }'
}

explain() # OPTION...: what status says about a device or a parent
{
	journalctl --sync
	mdevctl status "$@" 2>&1 | anonymous | failures_last
}

# The message of the last failed start of a device, and what the catalog adds
catalog() # UUID
{
	journal -x -o short -n 1 -p err "MDEV_UUID=$1" MDEV_ACTION=start | anonymous |
		sed -n '1p; /Subject/p; /Defined-By/p; /status -[pu]/p'
}

define() # UUID PARENT: a device of type platform-small that should be running
{
	mdevctl define -u "$1" -p "$2" -t platform-small --auto
	journalctl --sync # before the kernel says more
}

cannot_start() # UUID STATUS
{
	check_status "start of $1 ends with $2" "$2" mdevctl start -u "$1"
}

modprobe mdevtest parents=4
modprobe vfio_iommu_type1
settle # what is defined from here on is not started for the parents that have appeared
journalctl --update-catalog

# The driver refuses the device.
define $refused mdevtest.0
echo "5 $refused" >$sys/mdevtest.0/refuse
cannot_start $refused 1
failure="Failed to start $refused on mdevtest.0: Failed to create mdev $refused, type platform-small on mdevtest.0: \
Input/output error (kernel: mdevtest $refused: firmware refused the device, status 0x5)"
check "refused by its driver: the driver's words are quoted" \
	"    Device: $refused
     State: missing: not started
   Defined: auto, platform-small (small) on mdevtest.0
    Parent: mdevtest.0
 Instances: 8 of platform-small free
       Log: TIME mdevctl[PID]: Done: define $refused, type platform-small on mdevtest.0
            TIME kernel: mdevtest $refused: firmware refused the device, status 0x5
            TIME kernel: mdevtest $refused: probe with driver mdevtest failed with error -5
            TIME mdevctl[PID]: $failure" "$(explain -u $refused)"
check "refused by its driver: the parent" \
	"NAME                                     STATE   START DETAILS
mdevtest.0
├─platform-large                                       2 free, large
└─platform-small                                       8 free, small
  └─$refused missing auto  not started

       Log: TIME kernel: platform mdevtest.0: MDEV: Registered
            TIME mdevctl[PID]: Done: define $refused, type platform-small on mdevtest.0
            TIME mdevctl[PID]: $failure" "$(explain -p mdevtest.0)"
check "refused by its driver: journalctl -x" \
	"TIME guest mdevctl[PID]: $failure
░░ Subject: A change of a mediated device failed
░░ Defined-By: mdev-tools
░░ \"mdevctl status -u $refused\" shows the state of the device together with messages of the kernel," \
	"$(catalog $refused)"

# Another device has what an attribute asks for.
mdevctl start -u $taker -p mdevtest.1 -t platform-small
echo 5 >/sys/bus/mdev/devices/$taker/assign_adapter
echo 171 >/sys/bus/mdev/devices/$taker/assign_domain
define $attribute mdevtest.1
mdevctl modify -u $attribute --addattr assign_adapter --value 5
mdevctl modify -u $attribute --addattr assign_domain --value 0xab
journalctl --sync
cannot_start $attribute 1
failure="Failed to start $attribute on mdevtest.1: Failed to write 0xab to attribute assign_domain: Address already in use \
(kernel: mdevtest $attribute: domain 171 is taken)"
check "an attribute refused: it is named, with the driver's words" \
	"    Device: $attribute
     State: missing: not started
   Defined: auto, platform-small (small) on mdevtest.1
    Parent: mdevtest.1
 Instances: 7 of platform-small free; running there: $taker (platform-small)
       Log: TIME mdevctl[PID]: Done: define $attribute, type platform-small on mdevtest.1
            TIME mdevctl[PID]: Done: modify $attribute, type platform-small on mdevtest.1
            TIME mdevctl[PID]: Done: modify $attribute, type platform-small on mdevtest.1
            TIME kernel: mdevtest $attribute: domain 171 is taken
            TIME mdevctl[PID]: $failure" "$(explain -u $attribute)"
check "an attribute refused: journalctl -x" \
	"TIME guest mdevctl[PID]: $failure
░░ Subject: A change of a mediated device failed
░░ Defined-By: mdev-tools
░░ \"mdevctl status -u $attribute\" shows the state of the device together with messages of the kernel," \
	"$(catalog $attribute)"
mdevctl stop -u $taker

# A device of another type has taken the instances.
echo 4 >$sys/mdevtest.2/capacity
define $full mdevtest.2
mdevctl start -u $taker -p mdevtest.2 -t platform-large
cannot_start $full 5
failure="Failed to start $full on mdevtest.2: No available instances of platform-small on mdevtest.2; \
running devices: $taker (platform-large)"
check "no instances: the device that has taken them is named" \
	"    Device: $full
     State: missing: no available instances
   Defined: auto, platform-small (small) on mdevtest.2
    Parent: mdevtest.2
 Instances: 0 of platform-small free; running there: $taker (platform-large)
       Log: TIME mdevctl[PID]: Done: define $full, type platform-small on mdevtest.2
            TIME mdevctl[PID]: $failure" "$(explain -u $full)"
check "no instances: the parent" \
	"NAME                                     STATE   START DETAILS
mdevtest.2
├─platform-large                                       0 free, large
│ └─$taker running -
└─platform-small                                       0 free, small
  └─$full missing auto  no available instances

       Log: TIME kernel: platform mdevtest.2: MDEV: Registered
            TIME mdevctl[PID]: Done: define $full, type platform-small on mdevtest.2
            TIME mdevctl[PID]: Done: start $taker, type platform-large on mdevtest.2
            TIME mdevctl[PID]: $failure" "$(explain -p mdevtest.2)"
check "no instances: journalctl -x" \
	"TIME guest mdevctl[PID]: $failure
░░ Subject: No instance of a type of mediated devices is available
░░ Defined-By: mdev-tools
░░ \"mdevctl status -p mdevtest.2\" shows the devices that are running there and who uses them. Stop one" \
	"$(catalog $full)"

# PCI devices that are no parents: one is bound to the driver of another purpose, one has no driver. What the
# kernel logs about them differs between releases.
disk=$(basename /sys/bus/pci/drivers/virtio-pci/0*)
bridge=0000:00:00.0
check "a parent bound to another driver: what to do" \
	"Error: Unable to find parent device '$disk'. $disk is bound to virtio-pci, which offers no mediated devices for it" \
	"$(explain -p "$disk" || true)"
define $bound "$disk"
define $unbound $bridge
cannot_start $bound 3
cannot_start $unbound 3
no_disk="Unable to find parent device '$disk'. $disk is bound to virtio-pci, which offers no mediated devices for it"
no_bridge="Unable to find parent device '$bridge'. $bridge has no driver; to use it as a parent, load the driver of its vendor"
check "a parent bound to another driver" \
	"    Device: $bound
     State: missing: parent bound to virtio-pci
   Defined: auto, platform-small on $disk
    Parent: $no_disk
       Log: TIME mdevctl[PID]: Done: define $bound, type platform-small on $disk
            TIME mdevctl[PID]: Failed to start $bound on $disk: $no_disk" "$(explain -u $bound)"
check "a parent bound to another driver: the parent" \
	"NAME                                     STATE   START DETAILS
$disk                                           bound to virtio-pci
└─platform-small
  └─$bound missing auto  parent bound to virtio-pci" "$(explain -p "$disk" | sed '/^$/,$d')"
check "a parent without driver" \
	"    Device: $unbound
     State: missing: parent without driver
   Defined: auto, platform-small on $bridge
    Parent: $no_bridge
       Log: TIME mdevctl[PID]: Done: define $unbound, type platform-small on $bridge
            TIME mdevctl[PID]: Failed to start $unbound on $bridge: $no_bridge" "$(explain -u $unbound)"
check "a parent without driver: the parent" \
	"NAME                                     STATE   START DETAILS
$bridge                                           without driver
└─platform-small
  └─$unbound missing auto  parent without driver" "$(explain -p $bridge | sed '/^$/,$d')"
check "a parent without driver: journalctl -x" \
	"TIME guest mdevctl[PID]: Failed to start $unbound on $bridge: $no_bridge
░░ Subject: A mediated device, its parent or its type does not exist
░░ Defined-By: mdev-tools
░░ \"mdevctl types\" shows what the parents of this host support, and \"mdevctl status -u $unbound\" what" \
	"$(catalog $unbound)"

# The driver unregisters the parent while a process uses the device. Neither is shown by the kernel from then on,
# and who waits for it is named in the log once a signal has come, for example as somebody pressed Ctrl-C.
define $held mdevtest.3
mdevctl start -u $held
settle
hold device $held
check "in use" \
	"    Device: $held
     State: running
   Defined: auto, platform-small (small) on mdevtest.3
   Running: platform-small (small) on mdevtest.3
    Parent: mdevtest.3
   Used by: hold (PID)
      Node: /dev/vfio/N
       Log: TIME mdevctl[PID]: Done: define $held, type platform-small on mdevtest.3
            TIME mdevctl[PID]: Done: start $held, type platform-small on mdevtest.3" "$(explain -u $held)"
bash -c "echo 0 >$sys/mdevtest.3/registered" &
unregistering=$!
check_soon "the kernel does not show a device that is being removed" "" devices mdevtest.3
in_log() # TEXT
{
	journal -k -o cat | grep -qF "$1"
}
wait_for in_log "platform mdevtest.3: MDEV: Unregistering"
kill $unregistering
wait_for in_log "$held: Device is currently in use"
check "a parent being unregistered under a holder" \
	"    Device: $held
     State: missing: parent not present
   Defined: auto, platform-small on mdevtest.3
    Parent: Unable to find parent device 'mdevtest.3'
       Log: TIME mdevctl[PID]: Done: define $held, type platform-small on mdevtest.3
            TIME mdevctl[PID]: Done: start $held, type platform-small on mdevtest.3
            TIME kernel: mdevtest $held: Device is currently in use, task \"bash\" (PID) blocked until device is released" \
	"$(explain -u $held)"
check "a parent being unregistered under a holder: the parent" \
	"NAME                                     STATE   START DETAILS
mdevtest.3                                             not present
└─platform-small
  └─$held missing auto  parent not present

       Log: TIME kernel: platform mdevtest.3: MDEV: Registered
            TIME mdevctl[PID]: Done: define $held, type platform-small on mdevtest.3
            TIME mdevctl[PID]: Done: start $held, type platform-small on mdevtest.3
            TIME kernel: platform mdevtest.3: MDEV: Unregistering" "$(explain -p mdevtest.3)"
cannot_start $held 3
check_status "stop ends with 3, too" 3 mdevctl stop -u $held
check "a parent being unregistered under a holder: journalctl -x" \
	"TIME guest mdevctl[PID]: Failed to start $held on mdevtest.3: Unable to find parent device 'mdevtest.3'
░░ Subject: A mediated device, its parent or its type does not exist
░░ Defined-By: mdev-tools
░░ \"mdevctl types\" shows what the parents of this host support, and \"mdevctl status -u $held\" what" \
	"$(catalog $held)"
release
wait $unregistering || true
