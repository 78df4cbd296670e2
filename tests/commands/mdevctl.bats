# SPDX-License-Identifier: LGPL-2.1-or-later
# The front-end mdevctl: names, help, version, and running its programs.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

HELP="Usage: mdevctl COMMAND [OPTIONS]

Manage mediated devices.

Commands:
  define     Define a device, or make a running device persistent
  undefine   Remove a definition
  modify     Modify a definition or a running device
  start      Start a device
  stop       Stop a device
  list       List running or defined devices
  status     Show the state of parents and devices
  types      List the types that parents support
  apply      Make the devices of this host match a description
  version    Print the version
  help       Print the help of a command

Options:
  -h, --help     Print this help and exit
  -V, --version  Print the version and exit

See 'mdevctl COMMAND --help' for the options of a command, and mdevctl(8)."

UNKNOWN="Try 'mdevctl --help' for more information."

@test "mdevctl --help prints the commands" {
	run -0 --separate-stderr mdevctl --help
	same "$HELP"
	same_stderr ""
	run -0 --separate-stderr mdevctl -h
	same "$HELP"
}

@test "mdevctl without arguments prints its help on stderr, which is a usage error" {
	run -2 --separate-stderr mdevctl
	same ""
	same_stderr "$HELP"
}

@test "mdevctl without argv[0] is a usage error" {
	run -2 bash -c "exec -a '' mdevctl"
	same "$HELP"
}

@test "mdevctl version prints the version, like --version and -V" {
	local word
	for word in version --version -V; do
		run -0 --separate-stderr mdevctl $word
		[[ $output =~ ^mdevctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
		same_stderr ""
	done
}

@test "mdevctl and its programs have the same version" {
	run -0 mdevctl version
	local version=${output#mdevctl }
	run -0 mdevctl list --version
	same "mdevctl-list $version"
}

@test "mdevctl rejects unknown commands" {
	fails 2 "Error: Unknown command 'frobnicate'
$UNKNOWN" mdevctl frobnicate
	fails 2 "Error: Unknown command ''
$UNKNOWN" mdevctl ''
	fails 2 "Error: Unknown command '--defined'
$UNKNOWN" mdevctl --defined list
	fails 2 "Error: Unknown command 'def'. Did you mean 'define'?
$UNKNOWN" mdevctl def
	fails 2 "Error: Unknown command 'autostart'
$UNKNOWN" mdevctl autostart
}

@test "mdevctl help prints the same as --help on stdout, without man and without a pager" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho started\n' | tee "$BATS_TEST_TMPDIR"/bin/{man,less,more,pager} >/dev/null
	chmod +x "$BATS_TEST_TMPDIR"/bin/*
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	local words wanted
	for words in "" help version; do
		run -0 --separate-stderr mdevctl help $words
		same "$HELP"
		same_stderr ""
	done
	for words in define undefine modify start stop list types start-parent-mdevs; do
		wanted=$(mdevctl "$words" --help)
		run -0 --separate-stderr mdevctl help "$words"
		same "$wanted"
		same_stderr ""
	done
	fails 2 "Error: Unknown command 'frobnicate'
$UNKNOWN" mdevctl help frobnicate
	run -1 bash -c "mdevctl help >/dev/full"
	run -1 bash -c "mdevctl help start >/dev/full"
}

@test "mdevctl passes arguments unchanged, and returns the exit status" {
	fails 2 "Error: Unexpected argument 'a  b'
Try 'mdevctl list --help' for more information." mdevctl list 'a  b'
	fails 3 "Error: No devices match the specified uuid" mdevctl undefine -u "$U1"
}

@test "mdevctl runs programs from its own directory, regardless of PATH" {
	mkdir "$BATS_TEST_TMPDIR/sbin"
	cp "$BUILD/mdevctl" "$BATS_TEST_TMPDIR/sbin"
	printf '#!/bin/sh\necho "sibling $*"\n' >"$BATS_TEST_TMPDIR/sbin/mdev-types"
	chmod +x "$BATS_TEST_TMPDIR/sbin/mdev-types"
	run -0 "$BATS_TEST_TMPDIR/sbin/mdevctl" types -p x
	same "sibling -p x"
	ln -s sbin/mdevctl "$BATS_TEST_TMPDIR/link"
	run -0 "$BATS_TEST_TMPDIR/link" types -p x
	same "sibling -p x"
}

@test "mdevctl reports which program is missing" {
	mkdir "$BATS_TEST_TMPDIR/sbin"
	cp "$BUILD/mdevctl" "$BATS_TEST_TMPDIR/sbin"
	fails 1 "Error: Unable to run $BATS_TEST_TMPDIR/sbin/mdev-define: No such file or directory" \
		"$BATS_TEST_TMPDIR/sbin/mdevctl" define -p mtty -t mtty-1
}

@test "mdevctl fails if its output cannot be written" {
	run -1 bash -c "mdevctl --help >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
	run -1 bash -c "mdevctl version >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
}

@test "mdevctl list does not run another program" {
	mkdir "$BATS_TEST_TMPDIR/sbin"
	cp "$BUILD/mdevctl" "$BATS_TEST_TMPDIR/sbin"
	definition mtty "$U1" mtty-1
	run -0 "$BATS_TEST_TMPDIR/sbin/mdevctl" list -d
	same "$U1 mtty mtty-1 manual"
}
