# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # names here are for the tests
# The host used in the examples of all manual pages, and functions that run these examples.

PROGRAMS=(mdev-define mdev-undefine mdev-modify mdev-start mdev-stop mdev-list mdev-status mdev-types mdev-autostart mdev-apply)

DEFINED=21e4e524-a62a-42e1-bf35-2f3ea8fb4c7c   # not running
RUNNING=1dd5bcc7-cfd4-47f9-a3fd-8a2c945c9cd5   # defined as auto
TRANSIENT=7a3214a4-c5dc-448e-8129-21d9b07d0227 # not defined
CARD=51dced85-43aa-4765-bb82-51634f446fa8      # defined, with attributes
OTHER_CARD=c4a5e4a8-3f0e-4d7c-8f2e-90e3d5fbd4ab # running

man_world() {
	make_world "$BATS_TEST_TMPDIR/root"
	rm -r "$SYS/class/mdev_bus/mtty" "$SYS/devices/virtual/mtty"
	add_type 0000:00:02.0 i915-GVTg_V5_4 1 vfio-pci "" $'low_gm_size: 128MB\nhigh_gm_size: 512MB'
	add_type 0000:00:02.0 i915-GVTg_V5_8 3 vfio-pci "" $'low_gm_size: 64MB\nhigh_gm_size: 384MB'
	definition 0000:00:02.0 $RUNNING i915-GVTg_V5_8 auto
	definition 0000:00:02.0 $DEFINED i915-GVTg_V5_8
	definition matrix $OTHER_CARD vfio_ap-passthrough
	mdevctl define -u $CARD -p matrix -t vfio_ap-passthrough
	mdevctl modify -u $CARD --addattr assign_adapter --value 5
	mdevctl modify -u $CARD --addattr assign_domain --value 0xab
	mdevctl start -u $RUNNING
	mdevctl start -u $OTHER_CARD
	mdevctl start -u $TRANSIENT -p 0000:00:02.0 -t i915-GVTg_V5_4
	other_programs
}

# Other programs: units are enabled in the fake root; all others only need to be callable.
other_programs() {
	HOST=$BATS_TEST_TMPDIR/host
	mkdir "$HOST" "$HOST/cwd"
	cat >"$HOST/systemctl" <<-'END'
		#!/bin/sh
		[ "$1" = enable ] || exit 0
		unset LD_PRELOAD
		exec /usr/bin/systemctl --quiet --root="$MDEVCTL_ENV_ROOT" "$@"
	END
	printf '#!/bin/sh\n' | tee "$HOST/journalctl" >"$HOST/vi"
	chmod 755 "$HOST"/{systemctl,journalctl,vi}
	install -D -m 644 -t "$ROOT/usr/lib/systemd/system" "$TOP"/units/*.service
}

# exit_statuses PAGE: prints "STATUS<TAB>MEANING", one per line.
exit_statuses() {
	awk '/^\.Sh/ { on = $3 == "STATUS" }
		on && /^\.It/ { status = $2; getline; print status "\t" $0 }' "$1"
}

# example_blocks PAGE START [SUBSECTION]: prints the literal blocks of EXAMPLES that begin with START,
# NUL-terminated.
example_blocks() {
	awk -v start="$2" -v only="${3:-}" '/^\.Sh/ { on = $2 == "EXAMPLES" }
		/^\.Ss/ && only != "" { on = substr($0, 5) == only }
		on && /^\.Bd -literal/ { block = ""; inside = 1; next }
		on && /^\.Ed/ { inside = 0; if (index(start, substr(block, 1, 1))) printf "%s%c", block, 0 }
		inside { gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\\(ga/, "`"); block = block $0 "\n" }' "$1"
}

# Runs the commands of a page, which follow "# " or "$ ", as one shell session, and compares the output.
# Commands may span several lines. A new UUID replaces the one shown from then on. "cat FILE" creates the file
# if it does not exist.
replay() {
	local -A uuids=()
	local block commands=0
	cd "$HOST/cwd" || return
	PATH=$HOST:$PATH
	while IFS= read -r -d '' block; do
		replay_block "$block" || return
		commands=$((commands + 1))
	done < <(example_blocks "$TOP/man/$1" '#$')
	((commands > 0))
}

replay_block() {
	local text command wanted at=0 # bats uses the variable
	mapfile -t text <<<"${1%$'\n'}"
	while ((at < ${#text[@]})); do
		command=${text[at++]}
		[[ $command == [#$]\ * ]] || { echo "no command: $command"; return 1; }
		command=${command:2}
		# Incomplete: a trailing backslash or pipe, a loop, a here-document.
		while [[ $command == *[\\\|] ]] || ! bash -n <<<"$command" 2>/dev/null ||
			bash -n <<<"$command" 2>&1 | grep -q here-document; do
			((at < ${#text[@]})) || { echo "incomplete: $command"; return 1; }
			command+=$'\n'${text[at++]}
		done
		wanted=
		while ((at < ${#text[@]})) && [[ ${text[at]} != [#$]\ * ]]; do
			wanted+=${wanted:+$'\n'}${text[at++]}
		done
		replay_command "$command" "$wanted" || return
	done
}

# transcribe TEXT: shows it if VERBOSE is set.
transcribe() {
	[[ -z ${VERBOSE:-} ]] || echo "# ${1//$'\n'/$'\n# '}" >&3
}

replay_command() {
	local command=$1 wanted=$2 shown
	if [[ $command == cat\ * && ! -e ${command#cat } ]]; then
		printf '%s' "$wanted" >"${command#cat }"
		return
	fi
	for shown in "${!uuids[@]}"; do
		command=${command//$shown/${uuids[$shown]}}
		wanted=${wanted//$shown/${uuids[$shown]}}
	done
	if [[ $command == cd\ * ]]; then
		cd "$ROOT${command#cd }" || return
		return 0
	fi
	run -0 bash -c "$command" || { echo "of: $command"; return 1; }
	transcribe "\$ $command${output:+$'\n'$output}"
	# shellcheck disable=SC2154 # bats sets output
	if [[ $wanted =~ ^[0-9a-f-]{36}$ && $output =~ ^[0-9a-f-]{36}$ ]]; then
		uuids[$wanted]=$output
		return
	fi
	same "$wanted" || { echo "of: $command"; return 1; }
}
