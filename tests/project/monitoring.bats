# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # $ is for the script; each test is a shell of its own; bats sets stderr
# The examples for monitoring in man/examples.
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/hosts.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	export LC_ALL=C.UTF-8
}

EXAMPLES=$TOP/man/examples

# mdevctl_answers SCRIPT: a program mdevctl that runs this, with the number of its run in $run.
mdevctl_answers() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/bash\nrun=$(($(cat "%s/runs" 2>/dev/null || echo 0) + 1))\necho $run >"%s/runs"\n%s\n' \
		"$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" "$1" >"$BATS_TEST_TMPDIR/bin/mdevctl"
	chmod 755 "$BATS_TEST_TMPDIR/bin/mdevctl"
	rm -f "$BATS_TEST_TMPDIR/runs"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "the plugin for Nagios reports what two consecutive checks find" {
	run -0 "$EXAMPLES/check_mdev" 0
	same "OK - all mediated devices are in the expected state"
	definition gone "$U1" mtty-1 auto
	run -2 "$EXAMPLES/check_mdev" 0
	same "CRITICAL - problems with mediated devices: 1
missing $U1 gone mtty-1: parent not present"
	chmod 000 "$D/gone"
	run -3 weak "$EXAMPLES/check_mdev" 0
	[[ $output == "UNKNOWN - Error: Unable to read /etc/mdevctl.d/gone: Permission denied" ]]
	chmod 755 "$D/gone"
	mdevctl_answers 'if ((run == 1)); then echo "missing | x"; exit 10; fi'
	run -0 "$EXAMPLES/check_mdev" 0
	same "OK - all mediated devices are in the expected state"
	mdevctl_answers 'echo "a | b"; exit 10'
	run -2 "$EXAMPLES/check_mdev" 0
	[[ ${lines[1]} == "a / b" && $(<"$BATS_TEST_TMPDIR/runs") == 2 ]]
	mdevctl_answers 'exit 127'
	run -3 "$EXAMPLES/check_mdev" 0
	same "UNKNOWN - mdevctl ended with status 127"
}

@test "the metrics for node_exporter count devices by state, and replace the file at once" {
	definition mtty "$U1" mtty-1 auto
	add_running mtty "$U1" mtty-1 7
	definition gone "$U2" mtty-1 auto
	add_proc
	add_process 100 qemu /dev/vfio/7
	run -0 "$EXAMPLES/mdev-metrics" "$ROOT"
	same ""
	run -0 grep -v '^#' "$ROOT/mdev.prom"
	same 'mdev_devices{state="unknown"} 0
mdev_devices{state="broken"} 0
mdev_devices{state="incomplete"} 0
mdev_devices{state="differs"} 0
mdev_devices{state="missing"} 1
mdev_devices{state="running"} 1
mdev_devices{state="stopped"} 0
mdev_available_instances{parent="matrix",type="vfio_ap-passthrough"} 65536
mdev_available_instances{parent="mtty",type="mtty-1"} 24
mdev_available_instances{parent="mtty",type="mtty-2"} 12
mdev_in_use 1'
	run -0 bash -c "ls '$ROOT' | grep prom"
	same mdev.prom
	mdevctl_answers 'exit 2'
	run -1 "$EXAMPLES/mdev-metrics" "$ROOT"
	run -0 grep -c running "$ROOT/mdev.prom"
	cp "$EXAMPLES"/mdev-metrics.{service,timer} "$BATS_TEST_TMPDIR"
	sed -i "s,/usr/local/bin,$EXAMPLES," "$BATS_TEST_TMPDIR/mdev-metrics.service"
	unset LD_PRELOAD MDEVCTL_ENV_ROOT
	run -0 systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/mdev-metrics.timer"
}

@test "cron mails only what two consecutive checks find" {
	local command
	command=$(sed -n 's/^[*].* root //p' "$EXAMPLES/mdev-mail.cron")
	sleep() { [[ $1 == 60 ]]; }
	export -f sleep
	run -0 bash -c "$command"
	same ""
	definition gone "$U1" mtty-1 auto
	run -10 bash -c "$command"
	same "missing $U1 gone mtty-1: parent not present"
	mdevctl_answers 'if ((run == 1)); then echo "missing"; exit 10; fi'
	run -0 bash -c "$command"
	same ""
}
