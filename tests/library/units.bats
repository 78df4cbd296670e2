# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# The units as parsed by systemd, and their commands.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

# The units, with the programs in $BUILD.
setup() {
	UNITS=$BATS_TEST_TMPDIR/units
	mkdir "$UNITS"
	local unit
	for unit in "$TOP"/units/*.service; do
		sed "s|/usr/sbin/|$BUILD/|" "$unit" >"$UNITS/${unit##*/}"
	done
}

# words UNIT KEY INSTANCE: sets COMMAND to the command of ExecStart= or ExecStop= as systemd would run it.
words() {
	local line
	line=$(sed -n "s/^$2=//p" "$UNITS/$1")
	read -ra COMMAND <<<"${line//%i/$3}"
}

@test "units: systemd-analyze verify reports nothing" {
	run -0 systemd-analyze verify --man=no "$UNITS/mdev@.service" "$UNITS/mdev-autostart@.service"
	same ""
}

@test "units: UUIDs, UUID:PARENT and PCI addresses are instance names without escaping" {
	local instance
	for instance in "$U1" "$U1:0000:00:01.0"; do
		run -0 systemd-analyze verify --man=no "$UNITS/mdev@.service:mdev@$instance.service"
		same ""
	done
	for instance in mtty 0000:00:01.0; do
		run -0 systemd-analyze verify --man=no \
			"$UNITS/mdev-autostart@.service:mdev-autostart@$instance.service"
		same ""
	done
}

@test "units: a parent whose name looks like an option is treated as a parent" {
	make_world "$BATS_TEST_TMPDIR/root"
	words mdev-autostart@.service ExecStart --help
	run -0 "${COMMAND[@]}"
	same ""
	definition --help "$U1" mtty-1 auto
	run -1 "${COMMAND[@]}"
	[[ $output == *"Unable to find parent device '--help'"* ]]
}

@test "units: every manual page that they refer to exists" {
	local page missing=()
	while read -r page; do
		[[ -e $TOP/man/$page ]] || missing+=("$page")
	done < <(sed -n 's/^Documentation=//p' "$TOP"/units/*.service | tr ' ' '\n' |
		sed -nE 's/^man:(.*)\((.)\)$/\1.\2/p' | sort -u)
	output="${missing[*]}" same ""
}

@test "units: they use no shell and no unescaped instance, and are not bound to device units" {
	run -1 grep -nE '^[^#]*(%I|/bin/(ba|da)?sh|BindsTo=|PartOf=|StopWhenUnneeded=)' "$TOP"/units/*.service
}

@test "units: both remain active, and their timeouts are sufficient for ap-check" {
	local unit seconds
	for unit in "$TOP"/units/*.service; do
		grep -qx Type=oneshot "$unit"
		grep -qx RemainAfterExit=yes "$unit"
		seconds=$(sed -n 's/^TimeoutStartSec=//p' "$unit")
		((seconds >= 180))
		seconds=$(sed -n 's/^TimeoutStopSec=//p' "$unit")
		((seconds >= 180))
	done
}

@test "units: a restart that ends the current autostart is no failure of its unit" {
	grep -qx SuccessExitStatus=SIGTERM "$TOP/units/mdev-autostart@.service"
}

@test "units: the directory by which udev knows a unit in use is that of the rules" {
	grep -qx RuntimeDirectory=mdev-units/%i "$TOP/units/mdev@.service"
	run -0 grep -o 'TEST=="/run/mdev-units/[^"]*"' "$TOP/rules.d/60-mdevctl.rules"
	# shellcheck disable=SC2016 # for udev
	same 'TEST=="/run/mdev-units/$kernel"
TEST=="/run/mdev-units/$kernel:$env{MDEV_PARENT}"'
}

@test "units: both are ordered before libvirt and shutdown" {
	local unit before name
	for unit in "$TOP"/units/*.service; do
		before=" $(sed -n 's/^Before=//p' "$unit" | tr '\n' ' ')"
		for name in {libvirtd,virtqemud,virtnodedevd,libvirt-guests}.service shutdown.target; do
			[[ $before == *" $name "* ]]
		done
		grep -qx Conflicts=shutdown.target "$unit"
	done
}

@test "units: mdev@ starts and stops a defined device" {
	make_world "$BATS_TEST_TMPDIR/root"
	definition mtty "$U1" mtty-1
	words mdev@.service ExecStart "$U1"
	run -0 "${COMMAND[@]}"
	same ""
	[[ -d $DEVICES/$U1 ]]
	run -0 "${COMMAND[@]}" # already running
	words mdev@.service ExecStop "$U1"
	run -0 "${COMMAND[@]}"
	same ""
	[[ ! -e $DEVICES/$U1 ]]
	run -0 "${COMMAND[@]}" # already stopped
}

@test "units: mdev@UUID:PARENT starts and stops the device of that parent" {
	make_world "$BATS_TEST_TMPDIR/root"
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	words mdev@.service ExecStart "$U1:matrix"
	run -0 "${COMMAND[@]}"
	run -0 mdevctl list
	same "$U1 matrix vfio_ap-passthrough manual (defined)"
	words mdev@.service ExecStop "$U1:matrix"
	run -0 "${COMMAND[@]}"
	[[ ! -e $DEVICES/$U1 ]]
}

@test "units: mdev-autostart@ starts the devices that are defined as auto" {
	make_world "$BATS_TEST_TMPDIR/root"
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 manual
	words mdev-autostart@.service ExecStart mtty
	run -0 "${COMMAND[@]}"
	[[ -d $DEVICES/$U1 && ! -e $DEVICES/$U2 ]]
}

# The limit is based on the rating of systemd 252; the units explain why directives are not used. Lower is
# better.
@test "units: systemd-analyze security rates both below 6" {
	local unit
	for unit in mdev@ mdev-autostart@; do
		run -0 systemd-analyze security --offline=true --threshold=60 --no-pager "$UNITS/$unit.service"
		printf '# %s\n' "${lines[@]: -1}" >&3
	done
}

@test "units: systemd-tmpfiles creates the directory of the marks as mdev-start does" {
	local root=$BATS_TEST_TMPDIR/tmpfiles
	mkdir -p "$root"
	((EUID == 0)) || skip "only root can set the owner"
	systemd-tmpfiles --root="$root" --create - <"$TOP/packaging/tmpfiles.conf"
	output=$(stat -c '%a %U' "$root/run/mdevctl") same "711 root"
}
