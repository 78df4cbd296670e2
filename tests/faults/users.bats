# SPDX-License-Identifier: LGPL-2.1-or-later
# Things that an ordinary user must not be able to do: block root's commands, or control root's terminal or
# programs.
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
	((EUID == 0)) || skip "needs root, to become another user"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
}

# as_user COMMAND...: runs it as user nobody.
as_user() {
	LD_PRELOAD='' setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# clean: $stderr and $output contain no control characters except newline and tab.
clean() {
	# shellcheck disable=SC2154 # bats sets stderr
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$output$stderr"
}

@test "no user can hold the lock of the writers" {
	definition mtty "$U1" mtty-1
	mdevctl modify -u "$U1" --manual
	run -0 stat -c '%a %u' "$D/.lock"
	same "600 0"
	run as_user flock --nonblock "$D/.lock" true
	[[ $status != 0 && $output == *"Permission denied"* ]]
	# Any user can lock the directory, which has no effect.
	exec {held}<"$D"
	as_user flock --nonblock "$held"
	MDEVCTL_LOCK_TIMEOUT=1 run -0 mdevctl modify -u "$U1" --auto
	exec {held}<&-
}

@test "a lock file that others may open is closed to them" {
	: >"$D/.lock"
	chmod 666 "$D/.lock"
	mdevctl define -u "$U1" -p mtty -t mtty-1
	run -0 stat -c %a "$D/.lock"
	same 600
}

@test "whatever the umask, others may not write definitions" {
	(umask 0 && mdevctl define -u "$U1" -p mtty -t mtty-1)
	(umask 0 && mdevctl modify -u "$U1" --auto)
	(umask 077 && mdevctl define -u "$U2" -p matrix -t vfio_ap-passthrough)
	run -0 stat -c %a "$D/mtty" "$D/mtty/$U1" "$D/matrix" "$D/matrix/$U2"
	same "755
644
700
600"
}

@test "control characters of a definition do not reach the terminal" {
	printf '{ "mdev_type": "a\033[2Jb" }' >"$ROOT/json"
	run -8 --separate-stderr mdevctl define -u "$U1" -p mtty --jsonfile "$ROOT/json"
	clean
	printf '{ "mdev_type": "mtty-1", "start": "auto", "attrs": [{ "a\302\2332Jb": "c" }] }' >"$ROOT/json"
	run -8 --separate-stderr mdevctl define -u "$U1" -p mtty --jsonfile "$ROOT/json"
	same_stderr "Error: Invalid $ROOT/json: invalid attribute name 'a??2Jb'"
	definition mtty "$U1" mtty-1 manual "[ { \"a\": \"x\\u001b[2Jy\\u007f\\u009bz\" } ]"
	run -0 --separate-stderr mdevctl list -d -v
	clean
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"x\\u001b[2Jy\\u007f\\u009bz\"}"
	run -0 --separate-stderr mdevctl list -d --dumpjson
	clean
}

@test "control characters of file names do not reach the terminal" {
	mkdir -p "$D/mtty" "$D/"$'\033[2Jparent'
	: >"$D/mtty/"$'\033]0;title\a'
	: >"$D/mtty/"$'c1\302\233'
	run -0 --separate-stderr mdevctl list -d
	clean
	[[ $stderr == *"Can't determine uuid for file '?]0;title?'"* ]]
}

@test "control characters of sysfs do not reach the terminal" {
	printf 'Name\033[2J\302\233' >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/name"
	printf 'vfio\033-pci' >"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/device_api"
	run -0 --separate-stderr mdevctl types -p mtty
	clean
	[[ $output == *"Name: Name?[2J??"* && $output == *"Device API: vfio?-pci"* ]]
	run -0 --separate-stderr mdevctl types -p mtty --dumpjson
	clean
}

@test "control characters of arguments and scripts do not reach the terminal" {
	run -2 --separate-stderr mdevctl start -u $'\033[2J'
	clean
	run -2 --separate-stderr mdevctl define -u "$U1" -p $'c1\302\233' -t x
	clean
	script "$CALLOUTS" loud $'printf \'a\\033[2Jb\\302\\233c\' >&2; exit 1'
	run -7 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	clean
	[[ $stderr == *"loud: a?[2Jb??c"* ]]
}

@test "names with control characters are refused, C1 included" {
	wrong_usage "Option '--parent' has invalid value 'a??b': not the name of a parent" define -u "$U1" -p $'a\302\233b' -t mtty-1
	wrong_usage "Option '--type' has invalid value 'a??b': not the name of a type" define -u "$U1" -p mtty -t $'a\302\205b'
	wrong_usage "Option '--addattr' has invalid value 'a??b': not the name of an attribute" modify -u "$U1" --addattr $'a\302\237b' --value 1
}

# refused WHY: the callout of setup is not run, for this reason.
refused() {
	: >"$ROOT/calls"
	run -0 --separate-stderr mdevctl define -p mtty -t mtty-1
	same_stderr "Warning: Ignoring script $CALLOUTS/mine: $1"
	same_file "$ROOT/calls" ""
}

# writable PATH MODE: others may write to it.
writable() {
	refused "$1 is writable by other users (mode $2); run 'chmod go-w $1'"
}

# owned PATH: it belongs to somebody else.
owned() {
	refused "$1 is owned by user 65534; run 'chown -h root $1'"
}

@test "a script that others may write is not run" {
	script "$CALLOUTS" mine
	chmod 757 "$CALLOUTS/mine"
	writable "$CALLOUTS/mine" 0757
	chmod 775 "$CALLOUTS/mine" # for the group of root, or with an ACL, for whom it names
	writable "$CALLOUTS/mine" 0775
	chmod 755 "$CALLOUTS/mine"
	chown 65534 "$CALLOUTS/mine"
	owned "$CALLOUTS/mine"
	chown 0:0 "$CALLOUTS/mine"
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	called "mine get capabilities
mine pre define
mine post define success"
}

@test "a script in a directory that others may write is not run" {
	script "$CALLOUTS" mine
	chmod 777 "$CALLOUTS"
	writable "$CALLOUTS" 0777
	chmod 1777 "$CALLOUTS" # others can add a hard link to any program
	refused "Other users can create files in its directory $CALLOUTS"
	chmod 755 "$CALLOUTS"
	chmod 775 "$ROOT/usr/lib/mdevctl"
	writable "$ROOT/usr/lib/mdevctl" 0775
	chmod 755 "$ROOT/usr/lib/mdevctl"
	chown 65534 "$ROOT/usr/lib/mdevctl/scripts.d"
	owned "$ROOT/usr/lib/mdevctl/scripts.d"
}

@test "a link to a script that others may replace is not run" {
	mkdir "$ROOT/home"
	script "$ROOT/home" mine
	ln -s ../../../../../home/mine "$CALLOUTS/mine"
	chown 65534 "$ROOT/home"
	owned "$ROOT/home"
	chown 0 "$ROOT/home"
	chmod 1777 "$ROOT/home" # like /tmp
	refused "Other users can create files in its directory $ROOT/home"
}

@test "a link that others own is not run, wherever it is on the way to a script of root" {
	mkdir "$ROOT/opt" "$ROOT/opt/real"
	script "$ROOT/opt/real" mine
	ln -s real "$ROOT/opt/current"
	ln -s "$ROOT/opt/current/../current/mine" "$CALLOUTS/mine"
	chown -h 65534 "$CALLOUTS/mine"
	owned "$CALLOUTS/mine"
	chown -h 0 "$CALLOUTS/mine"
	chown -h 65534 "$ROOT/opt/current"
	owned "$ROOT/opt/current"
	chown -h 0 "$ROOT/opt/current"
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	called "mine get capabilities
mine pre define
mine post define success"
}

@test "a script is run through the links of distributions: merged /usr, stow and the store of Nix" {
	mkdir -p "$ROOT/nix/store/hash-scripts" "$ROOT/usr/local/stow/mine"
	script "$ROOT/nix/store/hash-scripts" store
	chmod 555 "$ROOT/nix/store/hash-scripts" "$ROOT/nix/store/hash-scripts/store"
	script "$ROOT/usr/local/stow/mine" stow
	mv "$ROOT/usr/lib" "$ROOT/usr/lib64"
	ln -s lib64 "$ROOT/usr/lib"
	ln -s "$ROOT/nix/store/hash-scripts/store" "$CALLOUTS/a"
	ln -s ../../../../local/stow/mine/stow "$CALLOUTS/b"
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	called "store get capabilities
stow get capabilities
store pre define
store post define success"
	# shellcheck disable=SC2034 # exported by world.bash
	MDEVCTL_ENV_ROOT=root
	cd "$ROOT/.."
	run -0 --separate-stderr mdevctl undefine -u "$U1"
	same_stderr ""
	called "store get capabilities
stow get capabilities
store pre undefine
store post undefine success"
}

@test "a chain of links without an end is no script" {
	ln -s loop "$CALLOUTS/loop"
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
}

# In a mount namespace of its own: elsewhere COMMAND, as in a container or an initrd.
elsewhere() {
	unshare -m true 2>/dev/null || skip "cannot create a mount namespace here"
	unshare -m sh -c "$1"
}

@test "a script that refuses is obeyed where /proc is not mounted" {
	[[ -z ${ASAN_OPTIONS:-} ]] || skip "sanitizers read their options from /proc"
	script "$CALLOUTS" mine 'exit 1'
	run -7 --separate-stderr elsewhere "umount -l /proc; exec mdev-define -u $U1 -p mtty -t mtty-1"
	same_stderr "Error: Script '\"$CALLOUTS/mine\"' failed with status '1'"
}

@test "a script on a file system that is mounted noexec is not passed over" {
	# shellcheck disable=SC2016 # for the inner shell
	mount='mount -t tmpfs -o noexec,mode=755 tmpfs "$CALLOUTS" && printf "#!/bin/sh\n" >"$CALLOUTS/mine" &&
		chmod 755 "$CALLOUTS/mine"'
	run -1 --separate-stderr elsewhere "$mount && exec mdev-define -u $U1 -p mtty -t mtty-1"
	same_stderr "Error: Unable to run callout script \"$CALLOUTS/mine\": Permission denied, or its file system is mounted noexec"
	[[ ! -e $D/mtty ]]
	run -0 --separate-stderr elsewhere "$mount && exec mdev-define -f -u $U1 -p mtty -t mtty-1"
	[[ $stderr == "Warning: Forcing operation 'define' despite callout failure. Error was: Unable to run"* ]]
}

@test "a script that cannot be examined is not passed over, unless it is missing" {
	local error
	script "$CALLOUTS" mine
	for error in EIO ENOMEM EACCES; do
		run -1 --separate-stderr strace -qq -o /dev/null -P "$CALLOUTS/mine" -e "inject=%stat,%lstat,%fstat:error=$error" \
			mdev-define -u "$U1" -p mtty -t mtty-1
		[[ $stderr == "Error: Unable to read $CALLOUTS/mine: "* ]]
		[[ ! -e $D/mtty ]]
	done
	run -0 --separate-stderr strace -qq -o /dev/null -P "$CALLOUTS/mine" -e "inject=%stat,%lstat,%fstat:error=ENOENT" \
		mdev-define -u "$U1" -p mtty -t mtty-1
	same_stderr ""
	run -1 --separate-stderr strace -qq -o /dev/null -P "$ROOT/usr" -e "inject=%stat,%lstat,%fstat:error=EIO" \
		mdev-undefine -u "$U1"
	[[ $stderr == *"Unable to read $CALLOUTS/mine: Input/output error"* ]]
	run -0 --separate-stderr strace -qq -o /dev/null -P "$CALLOUTS/mine" -e "inject=%stat,%lstat,%fstat:error=EIO" \
		mdev-undefine -f -u "$U1"
	[[ $stderr == "Warning: Forcing operation 'undefine' despite callout failure. Error was: Unable to read"* ]]
}

@test "a directory of scripts that cannot be read is not passed over" {
	script "$CALLOUTS" mine
	chmod 000 "$CALLOUTS"
	run -1 --separate-stderr weak mdev-define -u "$U1" -p mtty -t mtty-1
	same_stderr "Error: Unable to read $CALLOUTS: Permission denied"
	chmod 755 "$CALLOUTS"
	chmod 000 "$NOTIFIERS"
	run -0 --separate-stderr weak mdev-define -u "$U1" -p mtty -t mtty-1
	same_stderr "Warning: Unable to read $NOTIFIERS: Permission denied"
}

# A device with a cdev node that only root may open.
make_node() {
	running mtty "$U1" mtty-1
	with_node "$U1"
	: >"$NODE"
	chmod 600 "$NODE"
}

@test "a device can be stopped while its node is open with O_PATH" {
	make_node
	coproc HOLDER { as_user /usr/bin/python3 -c 'import os, sys
os.open(sys.argv[1], os.O_PATH)
print("open", flush=True)
sys.stdin.read()' "$NODE" 3>&-; }
	read -r line <&"${HOLDER[0]}"
	[[ $line == open ]]
	ln -s "/proc/$HOLDER_PID" "$PROC"
	run -0 --separate-stderr mdev-stop -u "$U1"
	same_stderr ""
	kill "$HOLDER_PID"
}

@test "stop checks the file descriptors of each process once before and once after the pre callouts" {
	make_node
	ln -s "/proc/$$" "$PROC"
	strace -f -e trace=openat,getdents64 -o "$ROOT/trace" -E LD_PRELOAD="$LD_PRELOAD" mdev-stop -u "$U1"
	grep -o '"[0-9]*/fd"' "$ROOT/trace" | sort | uniq -c |
		awk '$1 > 2' >"$ROOT/more"
	same_file "$ROOT/more" ""
	grep -q '"[0-9]*/fd"' "$ROOT/trace"
}

@test "a link in a directory that others may write is not run, wherever it leads" {
	mkdir "$ROOT/opt"
	script "$ROOT/opt" mine
	ln -s ../../../../../opt/mine "$CALLOUTS/mine"
	chmod 777 "$CALLOUTS"
	writable "$CALLOUTS" 0777
}

@test "an ordinary user is told what to do where permission is denied" {
	cp "$BUILD/mdev-types" "$BUILD/mdev-define" "$ROOT"
	chmod 700 "$SYS/class/mdev_bus"
	run -0 --separate-stderr as_user "$ROOT/mdev-types"
	same ""
	same_stderr "Warning: Unable to read /sys/class/mdev_bus: Permission denied (must be root)"
	run -1 --separate-stderr as_user "$ROOT/mdev-define" -u "$U1" -p mtty -t mtty-1
	[[ $stderr == *"Permission denied (must be root)" ]]
}
