# SPDX-License-Identifier: LGPL-2.1-or-later
# man/: manual pages are complete, and their examples produce the output shown
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/man.bash

setup() {
	man_world
}

@test "every program and both file formats have a manual page" {
	for program in mdevctl lsmdev "${PROGRAMS[@]}"; do
		[[ -f $TOP/man/$program.8 ]]
	done
	[[ -f $TOP/man/mdevctl.d.5 && -f $TOP/man/mdev@.service.5 ]]
}

@test "manual pages refer only to existing pages" {
	# shellcheck disable=SC2013 # no blanks in references
	for ref in $(sed -n 's/^\.Xr \(mdev[^ ]*\|lsmdev\) \([0-9]\).*/\1.\2/p' "$TOP"/man/*.[578]); do
		[[ -f $TOP/man/$ref ]] || { echo "no page $ref"; return 1; }
	done
}

@test "exit statuses have the same meaning in all manual pages" {
	for page in "$TOP"/man/{lsmdev,mdev}*.8; do
		while IFS=$'\t' read -r status meaning; do
			[[ $(exit_statuses "$TOP/man/mdevctl.8") == *"$status	$meaning"* ]] ||
				{ echo "$page: $status $meaning"; return 1; }
		done < <(exit_statuses "$page")
	done
}

@test "mdevctl(8) lists the exit statuses of error.h, and no others" {
	run -0 exit_statuses "$TOP/man/mdevctl.8"
	output=$(cut -f1 <<<"$output")
	same "$(sed -n 's/^\tSTATUS_[A-Z_]* = \([0-9]*\),.*/\1/p' "$TOP/src/lib/base/error.h")"
}

@test "unit files shown in mdev@.service(5) are valid" {
	local n=0 dir=$BATS_TEST_TMPDIR/units
	mkdir -p "$dir/mdev@.service.d" "$dir/mdev-autostart@.service.d"
	cp "$TOP"/units/*.service "$dir"
	sed -i "s|/usr/sbin/|$BUILD/|" "$dir"/*.service
	printf '[Service]\nExecStart=/bin/true\n' >"$dir/guest.service"
	cp "$dir/guest.service" "$dir/nvidia-vgpu-mgr.service"
	mkdir "$dir/guest.service.d"
	while IFS= read -r -d '' block; do
		n=$((n + 1))
		block=${block//\/usr\/sbin\//$BUILD/}
		if [[ $block == *Requires=* ]]; then
			printf '%s' "$block" >"$dir/guest.service.d/$n.conf"
		else
			printf '%s' "$block" >"$dir/mdev@.service.d/$n.conf"
			[[ $block == *ExecStart* ]] ||
				printf '%s' "$block" >"$dir/mdev-autostart@.service.d/$n.conf"
		fi
	done < <(example_blocks "$TOP/man/mdev@.service.5" '[')
	((n == 3))
	env -u LD_PRELOAD -u MDEVCTL_ENV_ROOT SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify \
		--man=no "$dir/guest.service" "$dir/mdev@$DEFINED.service" \
		"$dir/mdev-autostart@matrix.service" >"$BATS_TEST_TMPDIR/out" 2>&1 || cat "$BATS_TEST_TMPDIR/out"
	run -1 grep "$dir" "$BATS_TEST_TMPDIR/out"
}

@test "examples of mdevctl(8) do what they show" {
	replay mdevctl.8
}

@test "examples of lsmdev(8) do what they show" {
	replay lsmdev.8
}

@test "examples of mdev-define(8) do what they show" {
	replay mdev-define.8
}

@test "examples of mdev-undefine(8) do what they show" {
	replay mdev-undefine.8
}

@test "examples of mdev-modify(8) do what they show" {
	replay mdev-modify.8
}

@test "examples of mdev-start(8) do what they show" {
	replay mdev-start.8
}

@test "examples of mdev-stop(8) do what they show" {
	replay mdev-stop.8
	[[ -z $(ls "$DEVICES"/1* "$DEVICES"/7* 2>/dev/null) ]]
}

@test "examples of mdev-list(8) do what they show" {
	replay mdev-list.8
}

@test "examples of mdev-status(8) do what they show" {
	replay mdev-status.8
}

@test "examples of mdev-types(8) do what they show" {
	replay mdev-types.8
}

@test "examples of mdev-autostart(8) do what they show" {
	replay mdev-autostart.8
}

@test "examples of mdev-apply(8) do what they show" {
	replay mdev-apply.8
}

@test "examples of mdevctl.d(5) do what they show" {
	replay mdevctl.d.5
}

@test "examples of mdev@.service(5) do what they show" {
	replay mdev@.service.5
	[[ $(readlink "$ROOT/etc/systemd/system/multi-user.target.wants/mdev@$DEFINED.service") == \
		/usr/lib/systemd/system/mdev@.service ]]
}
