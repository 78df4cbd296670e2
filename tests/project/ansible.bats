# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# packaging/ansible: the collection, run by Ansible on hosts that are fake roots
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
bats_require_minimum_version 1.5.0
load ../lib/world.bash

A0=90c08216-e599-54cb-8550-d553ae288629 # a/0
A1=f5c10516-50b2-5aac-9af1-c2f5b685af46 # a/1

# host NAME: creates a fake root. Ansible uses a Python interpreter that sees it as its host.
host() {
	make_world "$BATS_TEST_TMPDIR/$1"
	unset LD_PRELOAD
	cat >"$BATS_TEST_TMPDIR/$1/python" <<-EOF
		#!/bin/sh
		export MDEVCTL_ENV_ROOT=$ROOT LD_PRELOAD=$BUILD/fakekernel.so PATH=\${PROGRAMS-$BUILD}:/usr/bin:/bin
		exec \${WEAK:-} /usr/bin/python3 "\$@"
	EOF
	chmod 755 "$ROOT/python"
}

setup() {
	host one
	export ANSIBLE_COLLECTIONS_PATH=$BATS_TEST_TMPDIR/collections ANSIBLE_LOCALHOST_WARNING=false \
		ANSIBLE_HOME=$BATS_TEST_TMPDIR/home ANSIBLE_LOCAL_TEMP=$BATS_TEST_TMPDIR/home/tmp \
		ANSIBLE_REMOTE_TEMP=$BATS_TEST_TMPDIR/home/remote ANSIBLE_NOCOLOR=1 ANSIBLE_COMMAND_WARNINGS=false \
		ANSIBLE_PIPELINING=true # cheaper
	mkdir -p "$BATS_TEST_TMPDIR/collections/ansible_collections/mdev_tools"
	ln -s "$TOP/packaging/ansible" "$BATS_TEST_TMPDIR/collections/ansible_collections/mdev_tools/mdevctl"
	PATH=/usr/bin:$PATH # Debian's Ansible and its Python
}

# play ARGUMENT [OPTION...]: runs one task with this argument of the module (of $MODULE, which must return $CHECK)
# on host one.
play() {
	cat >"$BATS_TEST_TMPDIR/play.yml" <<-EOF
		- hosts: all
		  gather_facts: false
		  tasks:
		    - mdev_tools.mdevctl.${MODULE:-mdev}:
		        $1
		      register: result
		      failed_when: result.failed | default(false) or not (${CHECK:-true})
	EOF
	shift
	ansible-playbook -i one, -c local -e "ansible_python_interpreter=$BATS_TEST_TMPDIR/one/python" \
		"$@" "$BATS_TEST_TMPDIR/play.yml"
}

SET='sets: {a: {mdev_type: Single port serial, start: auto, parents: [mtty], count: 1}}'

# recap HOST CHANGED FAILED: checks the summary line of the host.
recap() {
	[[ $output =~ $1\ *:\ ok=[0-9]\ *changed=$2\ *unreachable=0\ *failed=$3\  ]] || { echo "$output"; return 1; }
}

# says TEXT: the output contains it, regardless of line breaks.
says() {
	[[ ${output//$'\n'/ } == *"$1"* ]] || { echo "$output"; return 1; }
}

@test "ansible: the first run changes the host, the second does not" {
	unset ANSIBLE_PIPELINING
	run -0 play "$SET"
	recap one 1 0
	run -0 mdev-list -d
	same "$A0 mtty mtty-1 auto (active)"
	run -0 play "$SET"
	recap one 0 0
}

@test "ansible: check mode reports changes and makes none" {
	run -0 play "$SET" --check
	recap one 1 0
	run -0 mdev-list -d
	same ""
	play "$SET"
	run -0 play "$SET" --check
	recap one 0 0
}

@test "ansible: diff shows definitions and running devices, before and after" {
	run -0 play "$SET" --check --diff
	[[ $output == *"--- before"*"+++ after"* ]]
	[[ $output == *"
   \"mtty/$A0\": {
-    \"definition\": null,
-    \"running\": false
+    \"definition\": {
+      \"attrs\": [],
+      \"mdev_type\": \"mtty-1\",
+      \"mdev_type_name\": \"Single port serial\",
+      \"set\": \"a/0\",
+      \"start\": \"auto\"
+    },
+    \"running\": true
   }"* ]] || { echo "$output"; return 1; }
	play "$SET"
	run -0 play "${SET/auto/manual}" --diff
	[[ $output == *"-      \"start\": \"auto\""*"+      \"start\": \"manual\""* ]]
	run -0 play "sets: {a: {count: 0}}" --diff
	[[ $output == *"
-    \"running\": true
+    \"definition\": null,
+    \"running\": false"* ]] || { echo "$output"; return 1; }
}

@test "ansible: a failure is reported with the message of mdevctl" {
	run -2 play "${SET/mtty/nothing*}"
	recap one 0 1
	[[ $output == *"Set 'a': no present parent in 'parents' supports type 'Single port serial'"* ]]
	run -2 play "${SET/count: 1/count: 100}"
	recap one 0 1
	says "\"msg\": \"Set 'a': 76 of 100 devices have no available instance of Single port serial\""
	run -2 play "${SET/count/coutn}"
	[[ $output == *"unknown key 'coutn'. Did you mean 'count'?"* ]]
	run -2 play "wait: 3"
	[[ $output == *"one of the following is required: sets, definitions"* ]]
}

@test "ansible: a failure is the first reason, and all reasons are warnings" {
	FAKEKERNEL_FAIL=create=EIO run -2 play "${SET/count: 1/count: 2}"
	recap one 0 1
	says "\"msg\": \"Failed to create mdev $A0, type mtty-1 on mtty: Input/output error\""
	says "[WARNING]: Failed to create mdev $A0, type mtty-1 on mtty: Input/output error"
	says "[WARNING]: Failed to create mdev $A1, type mtty-1 on mtty: Input/output error"
}

@test "ansible: count and attributes can be numbers or templates" {
	local attrs="attrs: [{assign_adapter: 5}, {assign_domain: '0xab'}, {assign_domain: '{{ number }}'}]"
	run -0 play "sets: {a: {mdev_type: vfio_ap-passthrough, start: auto, parents: [matrix], count: '{{ names | length }}', $attrs}}" \
		-e '{"names": ["x", "y"], "number": 7}'
	recap one 1 0
	run -0 mdev-list -d
	same "$A0 matrix vfio_ap-passthrough auto (active)
$A1 matrix vfio_ap-passthrough auto (active)"
	run -0 jq -c .attrs "$D/matrix/$A0"
	same '[{"assign_adapter":"5"},{"assign_domain":"0xab"},{"assign_domain":"7"}]'
	mdev-list -d --dumpjson | jq '[.[] | .matrix[][].attrs[1].assign_domain = 9]' >"$BATS_TEST_TMPDIR/saved.json"
	run -0 play "definitions: \"{{ lookup('file', '$BATS_TEST_TMPDIR/saved.json') | from_json }}\""
	run -0 jq -c .attrs "$D/matrix/$A1"
	same '[{"assign_adapter":"5"},{"assign_domain":"9"},{"assign_domain":"7"}]'
}

@test "ansible: a value that YAML reads as true or false must be quoted" {
	run -2 play "${SET/count: 1/attrs: [{power/control: on\}]}"
	says "The value of attribute 'power/control' must be quoted: YAML reads it as True"
}

@test "ansible: without mdev-tools a task fails, and check mode only warns" {
	export PROGRAMS=
	run -2 play "$SET"
	says "\"msg\": \"mdev-tools is not installed on this host: the program mdev-apply does not exist\""
	run -0 play "$SET" --check
	recap one 1 0
	says "[WARNING]: mdev-tools is not installed on this host: the program mdev-apply does not exist"
	MODULE=mdev_info run -2 play "parent: mtty"
	says "\"msg\": \"mdev-tools is not installed on this host: the program mdev-status does not exist\""
	MODULE=mdev_info run -0 play "parent: mtty" --check
	recap one 0 0
}

@test "ansible: mdev_info returns what mdevctl status prints" {
	play "$SET"
	MODULE=mdev_info CHECK="result.parents[0].devices[0].uuid == '$A0'" run -0 play "parent: mtty"
	recap one 0 0
	MODULE=mdev_info CHECK="result.parents[0].devices[0].uuid == '$A1'" run -2 play "parent: mtty"
	MODULE=mdev_info run -2 play "uuid: $U1"
	says "\"msg\": \"Error: Device $U1 is neither defined nor running\""
	MODULE=mdev_info CHECK="result.parents | length == 1 and result.unseen == 'there is no journal that can be read' and result.vfs == []" run -0 play "uuid: $A0"
	# What cannot be read does not hide the rest.
	chmod 000 "$D/mtty"
	((EUID != 0)) || export WEAK="setpriv --bounding-set=-dac_override,-dac_read_search"
	MODULE=mdev_info CHECK="result.parents | length == 2" run -0 play "{}"
	chmod 755 "$D/mtty"
	says "[WARNING]: Error: Unable to read /etc/mdevctl.d/mtty: Permission denied"
}

@test "ansible: prune removes the sets that are not described" {
	play "$SET"
	definition mtty "$U1" mtty-2
	run -0 play "sets: {b: {mdev_type: mtty-2, start: manual, parents: [mtty]}}"
	run -0 play $'sets: {b: {mdev_type: mtty-2, start: manual, parents: [mtty]}}\n        prune: true' --check
	recap one 1 0
	run -0 play $'sets: {b: {mdev_type: mtty-2, start: manual, parents: [mtty]}}\n        prune: true'
	recap one 1 0
	run -1 grep -c "$A0" <(mdev-list -d)
	run -0 play $'sets: {}\n        prune: true'
	recap one 1 0
	run -0 mdev-list -d
	same "$U1 mtty mtty-2 manual"
	run -2 play $'definitions: []\n        prune: true'
}

@test "ansible: definitions are restored" {
	definition mtty "$U1" mtty-1 auto
	mdev-apply - <<<'{"a": {"mdev_type": "mtty-2", "start": "manual", "parents": ["mtty"]}}'
	mdev-list -d --dumpjson | sed 's/manual/auto/' >"$BATS_TEST_TMPDIR/saved.json"
	rm -r "$D/mtty"
	run -0 play "definitions: \"{{ lookup('file', '$BATS_TEST_TMPDIR/saved.json') | from_json }}\"" --diff
	recap one 1 0
	[[ $output == *'+      "set": "a/0"'* ]]
	run -0 mdev-list -d
	same "$U1 mtty mtty-1 auto (active)
$A0 mtty mtty-2 auto (active)"
}

@test "ansible: the example describes two different hosts" {
	local name
	for name in virt1 virt2; do
		host $name
		add_type 0000:41:00.4 nvidia-700 2 vfio-pci "GRID A100D-2-20C"
		[[ $name == virt1 ]] || add_type 0000:81:00.4 nvidia-700 1 vfio-pci "GRID A100D-2-20C"
	done
	fleet=(ansible-playbook -i "$TOP/packaging/ansible/examples/hosts.yml" -c local -e mdev_become=false
		-e "ansible_python_interpreter=$BATS_TEST_TMPDIR/{{ inventory_hostname }}/python"
		"$TOP/packaging/ansible/examples/fleet.yml")
	run -0 "${fleet[@]}" --check --diff
	recap virt1 1 0
	recap virt2 1 0
	run -0 "${fleet[@]}"
	recap virt1 1 0
	recap virt2 1 0
	run -0 "${fleet[@]}"
	recap virt1 0 0
	recap virt2 0 0
	MDEVCTL_ENV_ROOT=$BATS_TEST_TMPDIR/virt1 run -0 bash -c 'mdev-list -d | cut -d " " -f 2-'
	same "0000:41:00.4 nvidia-700 auto (active)
0000:41:00.4 nvidia-700 auto (active)
matrix vfio_ap-passthrough auto (active)"
	MDEVCTL_ENV_ROOT=$BATS_TEST_TMPDIR/virt2 run -0 bash -c 'mdev-list -d | cut -d " " -f 2-'
	same "0000:41:00.4 nvidia-700 auto (active)
0000:41:00.4 nvidia-700 auto (active)
0000:81:00.4 nvidia-700 auto (active)"
}

# The plays of examples/howto, on hosts like that of mdev-howto(7)
HOWTO=$TOP/packaging/ansible/examples/howto
CARD=0000:81:00.0
DESKTOP0=3674da96-7237-539e-8ce0-897d4def5f96
DESKTOP1=0c922f09-47e6-54ac-9cfa-3a56718ee8c5
DESKTOP2=b7e98104-18a5-5306-ad27-98f3e12b8952
DESKTOP3=d5a59ac1-370b-518b-94f9-f454bd402b98
GUEST=2c714a00-428c-580e-9e4f-e086311a4f89 # guests/11
OTHER=9b5a0f2e-73a3-4d6b-bf5c-6f3d1c0a7e52 # not in a set

# howto_host NAME [VARIABLE=VALUE...]: creates a host. To Ansible, the fake /sys and /etc are those of the machine.
howto_host() {
	host "$1"
	export LD_PRELOAD=$BUILD/fakekernel.so
	rm -r "$SYS"/class/mdev_bus/* "$SYS"/devices/virtual/*
	add_type 0000:41:00.0 nvidia-224 4 vfio-pci "GRID T4-4Q"
	add_type $CARD nvidia-224 4 vfio-pci "GRID T4-4Q"
	install -D -m 644 -t "$ROOT/usr/lib/systemd/system" "$TOP"/units/*.service
	mkdir -p "$ROOT/etc/systemd/system" "$ROOT/bin"
	cat >"$ROOT/bin/systemctl" <<-EOF
		#!/bin/sh
		case \$1 in
		show) echo LoadState=loaded ;;
		enable | is-enabled) exec env -u LD_PRELOAD /usr/bin/systemctl --quiet --root=$ROOT "\$@" ;;
		esac
	EOF
	cat >"$ROOT/bin/virsh" <<-EOF
		#!/bin/sh
		echo "\$*" >>$ROOT/virsh.log
	EOF
	cat >"$ROOT/python" <<-EOF
		#!/bin/sh
		export MDEVCTL_ENV_ROOT=$ROOT PATH=$ROOT/bin:$BUILD:/usr/bin:/bin
		exec unshare $NAMESPACE sh -c 'mount --bind $ROOT/sys /sys && mount --bind $ROOT/etc /etc &&
			exec env LD_PRELOAD=$BUILD/fakekernel.so /usr/bin/python3 "\$@"' sh "\$@"
	EOF
	chmod 755 "$ROOT"/{python,bin/*}
	echo "$*" >>hosts.ini
}

# described [PARENTS]: the host has the four desktops of mdev-howto(7).
described() {
	mdevctl apply - >/dev/null <<-EOF
		{ "desktops": { "mdev_type": "GRID T4-4Q", "start": "auto", "count": 4,
			"parents": [${1:-"\"0000:41:00.0\", \"$CARD\""}] } }
	EOF
}

howto_hosts() {
	local types
	echo "[mdev]" >hosts.ini
	howto_host create
	howto_host guest
	howto_host more devices=5
	described
	howto_host fewer devices=3
	described
	howto_host missing
	described
	mdevctl stop -u $DESKTOP0
	howto_host full
	described
	mdevctl stop -u $DESKTOP3
	echo 1 >"$SYS/class/mdev_bus/$CARD/mdev_supported_types/nvidia-224/available_instances"
	mdevctl start -u $OTHER -p $CARD -t nvidia-224
	howto_host out card=$CARD
	described
	howto_host back card=$CARD remaining=2
	described '"0000:41:00.0"'
	howto_host absent card=$CARD
	described
	howto_host address old=$CARD new=0000:a1:00.0 "cards='[\"0000:41:00.0\", \"0000:a1:00.0\"]'"
	described
	definition $CARD $OTHER nvidia-224 auto
	mdevctl stop --all
	rm -r "$SYS/class/mdev_bus/$CARD" "$SYS/devices/virtual/$CARD"
	add_type 0000:a1:00.0 nvidia-224 4 vfio-pci "GRID T4-4Q"
	howto_host before
	described
	howto_host after "mdev_type='NVIDIA T4-4Q'"
	described
	mdevctl stop --all
	mdevctl modify --manual --all
	for types in "$SYS"/class/mdev_bus/*/mdev_supported_types; do
		cp -r "$types/nvidia-224" "$types/nvidia-324"
		echo "NVIDIA T4-4Q" >"$types/nvidia-324/name"
		echo "NVIDIA T4-1B" >"$types/nvidia-224/name"
	done
	howto_host save
	described
	mdevctl list -d --dumpjson >restore.json
	howto_host restore
	howto_host source
	definition $CARD $GUEST nvidia-224
	mdevctl start -u $GUEST
	howto_host destination
	howto_host suspend
	howto_host nvidia
	howto_host remove
	described
	definition $CARD $OTHER nvidia-224 auto
	mdevctl start -u $OTHER
	unset LD_PRELOAD
}

# run_on HOSTS PLAY: adds this play.
run_on() {
	sed "s/hosts: mdev$/hosts: $1/" "$HOWTO/$2.yml" >>howto.yml
}

# howto [OPTION...]: runs all plays. The last one finds a device that is not running.
howto() {
	run -2 ansible-playbook -i "$HOWTO/hosts.yml" -i hosts.ini -c local -e ansible_become=false \
		-e "ansible_python_interpreter=$PWD/{{ inventory_hostname }}/python" \
		-e "source=source destination=destination guest=vm7 uuid=$GUEST" howto.yml "$@"
	recap missing 0 1
	says '"msg": "missing: not started"'
}

# same_recaps CHANGED [HOST=CHANGED...]: compares the changes of these hosts: as many as CHANGED unless given.
same_recaps() {
	local -A changed=()
	local name
	for name in "${@:2}"; do
		changed[${name%=*}]=${name#*=}
	done
	for name in "${hosts[@]}"; do
		[[ $name == one || $name == missing ]] || recap "$name" "${changed[$name]:-$1}" 0 || return
	done
}

# states: prints the states of all hosts.
states() {
	local name
	for name in */python; do
		on "${name%/python}"
	done
}

# on HOST: prints what mdevctl status prints there, with one blank for several: releases of libsmartcols differ
# in the width of a column without heading.
on() {
	MDEVCTL_ENV_ROOT=$BATS_TEST_TMPDIR/$1 LC_ALL=C mdevctl status --noheadings | tr -s ' '
}

# unit NUMBER TITLE: prints this unit of the task of mdev-howto(7).
unit() (
	source "$TOP/tests/lib/man.bash"
	example_blocks "$TOP/man/mdev-howto.7" '[' "$2" | sed -nz "$1p" | tr -d '\0'
)

@test "ansible: the plays for the tasks of mdev-howto(7)" {
	local name before
	need_mounts
	cd "$BATS_TEST_TMPDIR"
	use_seed
	howto_hosts
	hosts=(*/python)
	hosts=("${hosts[@]%/python}")
	run_on create,more,fewer,full,after create
	run_on guest guest
	run_on out card-out
	run_on back card-back
	run_on absent card-absent
	run_on address address
	run_on before upgrade-before
	run_on save save
	run_on restore restore
	run_on source,destination guests
	run_on "" migrate
	run_on suspend suspend
	run_on nvidia nvidia
	run_on remove remove
	run_on missing check
	for name in "$HOWTO"/*.yml; do
		name=${name##*/}
		[[ $name != hosts.yml ]] || continue
		grep -q "run_on [^ ]* ${name%.yml}$" "$BATS_TEST_FILENAME" || { echo "not run: $name"; return 1; }
	done


	# Check mode changes nothing, and shows what would be changed.
	before=$(states)
	howto --check --diff
	[[ $(states) == "$before" ]]
	[[ ! -e save.json && ! -e suspend/etc/systemd/system/mdev-sleep.service ]]
	same_recaps 1 guest=1 address=3 back=1 before=2 destination=2 nvidia=4 remove=3 source=3 suspend=2
	# Of definitions, and of files; but "command" says only that it would be run.
	(($(grep -c "^+++ after" <<<"$output") == 22))
	[[ $output == *'"start": "auto"
+      "start": "manual"'* && $output == *'+ExecStart=/usr/sbin/mdevctl stop --all'* ]]

	howto --diff
	same_recaps 1 guest=2 address=3 back=2 before=2 destination=2 nvidia=4 remove=3 source=3 suspend=2
	says "\"msg\": \"<address uuid='58c21799-a183-5ff3-9a93-f738a48e5c5c'/>\""
	before=$(states)
	half_of hosts
	howto --limit "missing,source,destination,$(IFS=,; echo "${hosts[*]}")"
	same_recaps 0
	[[ $(states) == "$before" ]]

	for name in create save restore; do
		run on $name
		same "0000:41:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 \`-$DESKTOP2 running auto desktops/2
0000:81:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 \`-$DESKTOP3 running auto desktops/3"
	done

	run on guest
	same "0000:41:00.0
\`-nvidia-224 3 free, GRID T4-4Q
 \`-58c21799-a183-5ff3-9a93-f738a48e5c5c running auto vm7/0
0000:81:00.0
\`-nvidia-224 4 free, GRID T4-4Q"
	run on more
	same "0000:41:00.0
\`-nvidia-224 1 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 |-4069ada8-d286-5182-8090-6db3494a723a running auto desktops/4
 \`-$DESKTOP2 running auto desktops/2
0000:81:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 \`-$DESKTOP3 running auto desktops/3"
	run on fewer
	same "0000:41:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 \`-$DESKTOP2 running auto desktops/2
0000:81:00.0
\`-nvidia-224 3 free, GRID T4-4Q
 \`-$DESKTOP1 running auto desktops/1"
	run on full
	same "0000:41:00.0
\`-nvidia-224 1 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 |-$DESKTOP2 running auto desktops/2
 \`-$DESKTOP3 running auto desktops/3
0000:81:00.0
\`-nvidia-224 0 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 \`-$OTHER running -"
	run on out
	same "0000:41:00.0
\`-nvidia-224 0 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 |-$DESKTOP0 running auto desktops/0
 |-$DESKTOP2 running auto desktops/2
 \`-$DESKTOP3 running auto desktops/3
0000:81:00.0
\`-nvidia-224 4 free, GRID T4-4Q"
	run on back
	same "0000:41:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 \`-$DESKTOP0 running auto desktops/0
0000:81:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP2 running auto desktops/2
 \`-$DESKTOP3 running auto desktops/3"
	run on absent
	same "0000:41:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 \`-$DESKTOP2 running auto desktops/2
0000:81:00.0
\`-nvidia-224 4 free, GRID T4-4Q
 |-$DESKTOP1 missing auto not started, desktops/1
 \`-$DESKTOP3 missing auto not started, desktops/3"
	run on address
	same "0000:41:00.0
\`-nvidia-224 2 free, GRID T4-4Q
 |-$DESKTOP0 running auto desktops/0
 \`-$DESKTOP2 running auto desktops/2
0000:a1:00.0
\`-nvidia-224 1 free, GRID T4-4Q
 |-$DESKTOP1 running auto desktops/1
 |-$OTHER running auto
 \`-$DESKTOP3 running auto desktops/3"
	run on before
	same "0000:41:00.0
\`-nvidia-224 4 free, GRID T4-4Q
 |-$DESKTOP0 stopped manual desktops/0
 \`-$DESKTOP2 stopped manual desktops/2
0000:81:00.0
\`-nvidia-224 4 free, GRID T4-4Q
 |-$DESKTOP1 stopped manual desktops/1
 \`-$DESKTOP3 stopped manual desktops/3"
	run on after
	same "0000:41:00.0
|-nvidia-224 4 free, NVIDIA T4-1B
\`-nvidia-324 2 free, NVIDIA T4-4Q
 |-$DESKTOP0 running auto desktops/0
 \`-$DESKTOP2 running auto desktops/2
0000:81:00.0
|-nvidia-224 4 free, NVIDIA T4-1B
\`-nvidia-324 2 free, NVIDIA T4-4Q
 |-$DESKTOP1 running auto desktops/1
 \`-$DESKTOP3 running auto desktops/3"
	run on remove
	same "0000:41:00.0
\`-nvidia-224 4 free, GRID T4-4Q
0000:81:00.0
\`-nvidia-224 4 free, GRID T4-4Q"
	run -0 grep -c "running\|stopped" <(on source)
	same 12
	run -1 grep running <(on source)
	run -0 grep running <(on destination)
	same " |-$GUEST running manual guests/11"
	same_file source/virsh.log "migrate --live --persistent --undefinesource vm7 qemu+ssh://destination/system"$'\n'
	[[ -L guest/etc/systemd/system/multi-user.target.wants/mdev@58c21799-a183-5ff3-9a93-f738a48e5c5c.service ]]

	# The units are those of the page.
	cd suspend/etc/systemd/system
	[[ -L sleep.target.requires/mdev-sleep.service ]]
	diff mdev-sleep.service <(unit 1 "Suspending the host")
	cd "$BATS_TEST_TMPDIR/nvidia/etc/systemd/system"
	[[ -L multi-user.target.wants/nvidia-sriov.service ]]
	diff mdev@.service.d/nvidia.conf <(unit 1 "Waiting for MIG, SR-IOV and the vGPU manager")
	diff mdev-autostart@.service.d/nvidia.conf mdev@.service.d/nvidia.conf
	diff nvidia-sriov.service <(unit 2 "Waiting for MIG, SR-IOV and the vGPU manager")
}

@test "ansible: the README names a play for each task of mdev-howto(7)" {
	local name title
	while read -r title; do
		grep -q "^| $title | .*\.yml" "$TOP/packaging/ansible/README.md" || { echo "no play: $title"; return 1; }
	done < <(sed -n 's/^\.Ss //p' "$TOP/man/mdev-howto.7")
	for name in "$HOWTO"/*.yml; do
		grep -q "${name##*/}" "$TOP/packaging/ansible/README.md" || { echo "not in the README: $name"; return 1; }
	done
}

@test "ansible: the documentation of the module has the format of Ansible" {
	run -0 ansible-doc -t module mdev_tools.mdevctl.mdev
	[[ $output == *"OPTIONS"*"sets"*"EXAMPLES"*"RETURN VALUES"* ]]
	run -0 ansible-doc -t module mdev_tools.mdevctl.mdev_info
	[[ $output == *"OPTIONS"*"parent"*"EXAMPLES"*"RETURN VALUES"* ]]
}
