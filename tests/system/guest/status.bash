# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2154 # sed sees backticks; coproc sets guest_PID
# mdevctl status on a real kernel: states, the users of devices through groups (cdev.bash: through device
# nodes), and ordinary users. It must never prevent a guest from starting.
set -eu
. "${0%/*}/lib.bash"

u1=11111111-1111-4111-8111-111111111111
u2=22222222-2222-4222-8222-222222222222
export LC_ALL=C

modprobe mtty
modprobe vfio_iommu_type1
settle # what is defined from here on is not started for the parent that has appeared
check "an idle parent is shown with its types folded" "mtty
\`-2 types with 2 free" "$(mdevctl status --noheadings | sed 's/  *\([0-9]\) with free instances/ with \1 free/; s/ *$//')"
mdevctl define -u $u1 -p mtty -t mtty-1 --auto
check "what should run and does not is missing" \
	"missing $u1 mtty mtty-1: not started" "$(mdevctl status --check || true)"
check_status "--check ends with 10" 10 mdevctl status --check
mdevctl start -u $u1
mdevctl start -u $u2 -p mtty -t mtty-2
settle
check_status "--check is content" 0 mdevctl status --check
check "running, defined, not in use" "running auto" "$(status_row $u1)"
check "running, not defined, not in use" "running -" "$(status_row $u2)"
check "the group's node is the device's" "\"/dev/vfio/$(node_of group $u1)\"" "$(status_json $u1 vfio_group)"
mdevctl status | systemd-cat -t status

for what in group device; do
	hold "$what" $u1
	check_status_of_held "$what" $u1 $u2
	release
done
check "nobody uses it any more" "running auto" "$(status_row $u1)"

# The group is closed, and the device is open: since Linux 6.17, the kernel shows which device it
# is.
hold closed $u1
if grep -q vfio-device-syspath "/proc/$holder_pid/fdinfo"/*; then
	check "the kernel names the device whose group is closed" "running auto hold ($holder_pid)" "$(status_row $u1)"
else
	check "a device whose group is closed cannot be told from others" "running auto ?" "$(status_row $u1 2>/dev/null)"
fi
release

# A process that uses the device, started like QEMU by libvirt.
mkdir /run/qemu
cp "$here/hold" /run/qemu/qemu-system-x86
coproc guest {
	exec /run/qemu/qemu-system-x86 device "$(node_of device $u1)" $u1 \
		sh -c 'echo; read -r _' sh -name guest=vm7,debug-threads=on -S
}
read -r -t "$patience" _ <&"${guest[0]}"
check "a guest is named" "running auto vm7 ($guest_PID)" "$(status_row $u1)"
check "as QEMU calls it" '"vm7"' "$(status_json $u1 guest)"
guest_pid=$guest_PID
echo >&"${guest[1]}"
wait "$guest_pid" || true

# A guest can open the group at any time: 200 opens, while status runs continuously.
(while [ ! -e /run/enough ]; do mdevctl status >/dev/null; done) &
looking=$!
failures=0
for _ in {1..200}; do
	"$here/hold" group "$(node_of group $u1)" $u1 true >/dev/null 2>&1 || failures=$((failures + 1))
done
touch /run/enough
wait $looking
check "a guest that starts never finds the group busy" 0 "$failures"

mdevctl stop -u $u1
mdevctl stop -u $u2
modprobe -r mtty
check "the parent is not present" "missing $u1 mtty mtty-1: parent not present" "$(mdevctl status --check || true)"
check "and in the tree" "mtty not present
\`-mtty-1
 \`-$u1 missing auto parent not present" "$(mdevctl status --noheadings | tr -s ' ')"
mdevctl undefine -u $u1
check "a host without anything prints nothing" "" "$(mdevctl status)"
