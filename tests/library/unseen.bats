# SPDX-License-Identifier: LGPL-2.1-or-later
# "Cannot tell" is not "no": commands report what they could not read, and fail if it matters.
# shellcheck disable=SC2154 # bats sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash

# What messages say to an ordinary user.
hint() {
	((EUID == 0)) || echo " (must be root)"
}

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	definition mtty "$U1" mtty-1 auto
	denied="Unable to read /etc/mdevctl.d/mtty: Permission denied$(hint)"
}

@test "start does not treat an unreadable definition as missing" {
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdevctl start -u "$U1"
	fails 1 "Error: $denied" weak mdevctl start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list
	same ""
}

@test "start of a device that is defined elsewhere only warns about an unreadable directory" {
	definition matrix "$U2" vfio_ap-passthrough
	chmod 000 "$D/mtty"
	run -0 --separate-stderr weak mdevctl start -u "$U2"
	same_stderr "Warning: $denied"
	run -0 mdevctl list
	same "$U2 matrix vfio_ap-passthrough manual (defined)"
}

@test "undefine and modify do not treat an unreadable definition as missing" {
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdevctl undefine -u "$U1"
	fails 1 "Error: $denied" weak mdevctl modify -u "$U1" --manual
	chmod 755 "$D/mtty"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto"
}

@test "undefine removes the definitions it finds and fails if there may be more" {
	definition matrix "$U1" vfio_ap-passthrough
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdevctl undefine -u "$U1"
	chmod 755 "$D/mtty"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto"
}

@test "autostart fails if it cannot read the definitions" {
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdev-autostart mtty
	chmod 755 "$D/mtty"
	chmod 000 "$D"
	fails 1 "Error: Unable to read /etc/mdevctl.d: Permission denied" weak mdev-autostart mtty
	chmod 755 "$D"
}

@test "autostart fails if the directory cannot be read for lack of file descriptors or due to an I/O error" {
	local errno text call
	for errno in EIO EMFILE ENOMEM; do
		case $errno in
		EIO) text="Input/output error" ;;
		EMFILE) text="Too many open files" ;;
		ENOMEM) text="Cannot allocate memory" ;;
		esac
		call=$(strace -E LD_PRELOAD="$LD_PRELOAD" -e trace=openat mdev-autostart mtty 2>&1 |
			sed -n '/mdevctl.d.mtty", O_RDONLY/=' | head -n 1)
		mdevctl stop -u "$U1"
		run -1 --separate-stderr strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=openat \
			-e "inject=openat:error=$errno:when=$call" mdev-autostart mtty
		same_stderr "Error: Unable to read /etc/mdevctl.d/mtty: $text"
		run -0 mdevctl list
		same ""
	done
}

@test "list as an ordinary user does not report a device as defined if it cannot tell" {
	running mtty "$U2" mtty-1
	chmod 000 "$D/mtty"
	run -0 --separate-stderr weak mdevctl list
	same "$U2 mtty mtty-1 manual"
	same_stderr "Warning: Unable to tell whether $U2 is defined on mtty: Permission denied"
}

@test "list -d of a device fails if it cannot tell whether the device is defined" {
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdevctl list -d -u "$U1"
	fails 1 "Error: $denied" weak mdevctl list -d -u "$U1" -p mtty
}

# libvirt takes what is not listed for removed, so nothing is printed.
@test "list -d fails and prints nothing if it cannot read a directory" {
	definition matrix "$U2" vfio_ap-passthrough
	chmod 000 "$D/mtty"
	fails 1 "Error: $denied" weak mdevctl list -d
	fails 1 "Error: $denied" weak mdevctl list -d -v
	fails 1 "Error: $denied" weak mdevctl list -d --dumpjson
	fails 1 "Error: $denied" weak mdevctl list -d --dumpjson -p mtty
	run -0 weak mdevctl list -d -p matrix
	same "$U2 matrix vfio_ap-passthrough manual"
	fails 1 "Error: $denied" weak mdevctl list -d -u "$U2"
	chmod 755 "$D/mtty"
	chmod 000 "$D"
	fails 1 "Error: Unable to read /etc/mdevctl.d: Permission denied$(hint)" weak mdevctl list -d --dumpjson
	chmod 755 "$D"
}

@test "list and list -d print all devices or fail, however few file descriptors there are" {
	local n whole options
	definition matrix "$U2" vfio_ap-passthrough
	running mtty "$U1" mtty-1
	for options in "" --defined "--defined --dumpjson"; do
		# shellcheck disable=SC2086 # several options
		whole=$(mdev-list $options)
		for n in 4 5 6 7 8 9 10; do # the first one is needed to load libraries
			# shellcheck disable=SC2086
			run --separate-stderr env -u LD_PRELOAD prlimit --nofile="$n" "$BUILD/mdev-list" $options 3>&-
			((status == 0)) || [[ $status == 1 && -z $output && $stderr == "Error: "*"Too many open files" ]]
			((status == 1)) || same "$whole"
			((n < 10 || status == 0))
		done
	done
}

@test "a definition that cannot be read is neither invalid nor missing" {
	local unreadable
	unreadable="Unable to read /etc/mdevctl.d/mtty/$U1: Permission denied$(hint)"
	chmod 000 "$D/mtty/$U1"
	fails 1 "Error: $unreadable" weak mdevctl start -u "$U1"
	fails 1 "Error: $unreadable" weak mdevctl modify -u "$U1" --manual
	fails 1 "Error: $unreadable" weak mdevctl list -d -u "$U1"
	run -0 --separate-stderr weak mdevctl list -d
	same ""
	same_stderr "Warning: $unreadable"
	fails 1 "Warning: Start of $U1 on mtty failed: $unreadable
Error: 1 of 1 devices on mtty could not be started: $U1" weak mdev-autostart mtty
	running mtty "$U1" mtty-1
	run -1 --separate-stderr weak mdevctl list -u "$U1"
	same "$U1 mtty mtty-1 manual (defined)"
	same_stderr "Error: $unreadable"
}

@test "a definition is not taken for invalid for lack of file descriptors" {
	local command call
	for command in "start -u $U1" "modify -u $U1 -m" "list -d" "list -d -u $U1" "autostart mtty"; do
		# shellcheck disable=SC2086 # several arguments
		set -- mdev-$command
		call=$(strace -E LD_PRELOAD="$LD_PRELOAD" -e trace=openat "$@" 2>&1 |
			sed -n "/\"\(.*\/\)\?$U1\"/=" | head -n 1)
		definition mtty "$U1" mtty-1 auto
		mdevctl stop -u "$U1" 2>/dev/null || :
		run -1 --separate-stderr strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=openat \
			-e "inject=openat:error=EMFILE:when=$call" "$@"
		same ""
		[[ $stderr == "Error: Unable to read /etc/mdevctl.d/mtty"*": Too many open files" ]]
	done
}

@test "an invalid definition does not hide its running device from list -u" {
	running mtty "$U1" mtty-1
	echo '{' >"$D/mtty/$U1"
	run -8 --separate-stderr mdevctl list -u "$U1"
	same "$U1 mtty mtty-1 manual (defined)"
	[[ $stderr == "Error: Invalid JSON in /etc/mdevctl.d/mtty/$U1: "* ]]
}

@test "stop --ensure does not treat a device as stopped if it cannot look it up" {
	running mtty "$U1" mtty-1
	run -1 --separate-stderr strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=readlinkat \
		-P "sys/bus/mdev/devices/$U1" -e "inject=readlinkat:error=ENOMEM" \
		mdev-stop --ensure --uuid="$U1"
	same_stderr "Error: Unable to read /sys/bus/mdev/devices/$U1: Cannot allocate memory"
}

@test "start --ensure does not treat a device as stopped if it cannot look it up" {
	running mtty "$U1" mtty-1
	run -1 --separate-stderr strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=readlinkat \
		-P "sys/bus/mdev/devices/$U1" -e "inject=readlinkat:error=ENOMEM" \
		mdev-start --ensure --uuid="$U1"
	same_stderr "Error: Unable to read /sys/bus/mdev/devices/$U1: Cannot allocate memory"
}

# unreadable N COMMAND...: the type of the running device cannot be read when it is looked up for the Nth time.
unreadable() {
	local n=$1
	shift
	strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=readlinkat -P "sys/bus/mdev/devices/$U1/mdev_type" \
		-e "inject=readlinkat:error=EACCES:when=$n" "$@"
}

@test "stop and start do not treat a device as stopped if its type cannot be read at any time" {
	local command n works
	for command in "mdev-stop" "mdev-stop --ensure" "mdev-start --ensure"; do
		works=
		for n in 1 2 3 4 5 6 7 8; do
			mdev-start --ensure --uuid="$U1" 2>/dev/null
			# shellcheck disable=SC2086 # several arguments
			run --separate-stderr unreadable "$n" $command --uuid="$U1"
			if ((status == 0)); then
				works=yes
				[[ $command == mdev-start* || ! -e $DEVICES/$U1 ]]
				continue
			fi
			((status == 1))
			same_stderr "Error: Unable to read /sys/bus/mdev/devices/$U1: Permission denied$(hint)"
			[[ -e $DEVICES/$U1 ]]
		done
		[[ -n $works ]]
	done
}
