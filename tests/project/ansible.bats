# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# packaging/ansible: the collection, run by Ansible on hosts that are fake roots
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
		ANSIBLE_REMOTE_TEMP=$BATS_TEST_TMPDIR/home/remote ANSIBLE_NOCOLOR=1 ANSIBLE_COMMAND_WARNINGS=false
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
	[[ $output =~ $1\ *:\ ok=[01]\ *changed=$2\ *unreachable=0\ *failed=$3\  ]] || { echo "$output"; return 1; }
}

# says TEXT: the output contains it, regardless of line breaks.
says() {
	[[ ${output//$'\n'/ } == *"$1"* ]] || { echo "$output"; return 1; }
}

@test "ansible: the first run changes the host, the second does not" {
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
	run -2 play "${SET/mtty/nothing}"
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

@test "ansible: the documentation of the module has the format of Ansible" {
	run -0 ansible-doc -t module mdev_tools.mdevctl.mdev
	[[ $output == *"OPTIONS"*"sets"*"EXAMPLES"*"RETURN VALUES"* ]]
	run -0 ansible-doc -t module mdev_tools.mdevctl.mdev_info
	[[ $output == *"OPTIONS"*"parent"*"EXAMPLES"*"RETURN VALUES"* ]]
}
