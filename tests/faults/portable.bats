# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Old kernels and small systems: without openat2() (Linux 5.6), close_range() (5.11) and statx() (4.11), or
# with a system call filter that does not know them; and without libsystemd.
# shellcheck disable=SC2016,SC2154 # bodies are for the scripts to expand; run sets stderr
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
	PRELOAD=$LD_PRELOAD
	unset LD_PRELOAD
	export MDEVCTL_CALLOUT_TIMEOUT=60
}

# old ERRNO COMMAND...: the newer system calls fail with this error.
old() {
	local errno=$1 calls=openat2,close_range
	shift
	# glibc for 32 bits does without statx() only if it does not exist, and loads no library otherwise.
	[[ $errno == EPERM && $(getconf LONG_BIT) == 32 ]] || calls+=,statx
	strace -qqq -E LD_PRELOAD="$PRELOAD" -o "$BATS_TEST_TMPDIR/strace" -e trace=$calls \
		-e inject=$calls:error="$errno" "$@"
}

# tried NAME: the call was made, so that the fallback is tested.
tried() {
	grep -q "^$1(.*(INJECTED)" "$BATS_TEST_TMPDIR/strace"
}

@test "start writes attributes, also below directories, and stop removes the device" {
	local errno
	mkdir "$ROOT/sys/devices/virtual/matrix/matrix/mdev_supported_types/vfio_ap-passthrough/.attributes/power"
	add_attribute matrix vfio_ap-passthrough power/control
	definition matrix "$U1" vfio_ap-passthrough manual '[{"assign_adapter":"5"},{"power/control":"on"}]'
	for errno in ENOSYS EPERM; do
		run -0 old $errno "$BUILD/mdevctl" start -u "$U1"
		same ""
		tried openat2
		same_file "$DEVICES/$U1/assign_adapter" 5
		same_file "$DEVICES/$U1/power/control" on
		run -0 old $errno "$BUILD/mdevctl" stop -u "$U1"
		same ""
		tried openat2
		[[ ! -e $DEVICES/$U1 ]]
	done
}

@test "start removes the device again when an attribute is refused" {
	definition matrix "$U1" vfio_ap-passthrough manual '[{"assign_adapter":"5"},{"assign_domain":"6"}]'
	FAKEKERNEL_FAIL=assign_domain=EINVAL fails 1 \
		"Error: Failed to write 6 to attribute assign_domain: Invalid argument" \
		old ENOSYS "$BUILD/mdevctl" start -u "$U1"
	tried openat2
	[[ ! -e $DEVICES/$U1 ]]
}

@test "start follows no link out of the device's directory" {
	definition matrix "$U1" vfio_ap-passthrough manual '[{"mdev_type/available_instances":"9"}]'
	fails 1 "Error: Invalid attribute 'mdev_type/available_instances'" \
		old ENOSYS "$BUILD/mdevctl" start -u "$U1"
	tried openat2
	[[ ! -e $DEVICES/$U1 ]]
}

@test "attribute writes stay below their directory" {
	run -0 old ENOSYS "$BUILD/unit/file"
	same ""
	tried openat2
}

@test "callouts run, answer and refuse" {
	local errno
	for errno in ENOSYS EPERM; do
		script "$CALLOUTS" a
		run -0 old $errno "$BUILD/mdevctl" start -u "$U1" -p mtty -t mtty-1
		tried close_range
		called "a get capabilities
a pre start
a post start success"
		script "$CALLOUTS" a '[[ $event != pre ]] || { echo busy >&2; exit 1; }'
		run -7 old $errno "$BUILD/mdevctl" stop -u "$U1"
		[[ -e $DEVICES/$U1 ]]
		rm "$CALLOUTS/a"
		run -0 old $errno "$BUILD/mdevctl" stop -u "$U1"
		: >"$ROOT/calls"
	done
}

# In libvirtd's domain (virtd_t) of SELinux's reference policy, for example.
@test "callouts run where no process may have a process group of its own" {
	script "$CALLOUTS" a
	run -0 strace -f -qqq -E LD_PRELOAD="$PRELOAD" -o "$BATS_TEST_TMPDIR/strace" -e trace=setpgid,setsid \
		-e inject=setpgid:error=EACCES "$BUILD/mdevctl" start -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
a pre start
a post start success"
}

@test "a callout that never ends is ended" {
	# Output wakes the program up, for which an hour has passed.
	script "$CALLOUTS" a '[[ $event != pre ]] || { echo >>"$ROOT/late"; echo; exec sleep 1000; }'
	FAKEKERNEL_LATE=$ROOT/late fails 9 "Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\"" \
		old ENOSYS "$BUILD/mdevctl" start -u "$U1" -p mtty -t mtty-1
	tried close_range
	[[ ! -e $DEVICES/$U1 ]]
}

@test "what a callout leaves in the background does not hold up its end" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { sleep 1000 & echo $! >"$ROOT/pid"; }'
	run -0 old ENOSYS "$BUILD/mdevctl" start -u "$U1" -p mtty -t mtty-1
	kill "$(cat "$ROOT/pid")"
	called "a get capabilities
a pre start
a post start success"
}


@test "JOURNAL=no builds all programs without libsystemd" {
	run -0 make -s -C "$TOP" BUILD="$BATS_TEST_TMPDIR/small" JOURNAL=no CFLAGS="-O1 -Werror" all
	same ""
	run -0 bash -c 'readelf -d "$1"/mdev* | grep -c "NEEDED.*libcjson"' bash "$BATS_TEST_TMPDIR/small"
	run -1 bash -c 'readelf -d "$1"/mdev* | grep libsystemd' bash "$BATS_TEST_TMPDIR/small"
	export LD_PRELOAD=$PRELOAD
	PATH=$BATS_TEST_TMPDIR/small:$PATH
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
	run -0 mdevctl stop -u "$U1"
	same ""
}

# Functions that got a new version when they moved to libc also have older versions.
@test "programs use no function that is newer than glibc 2.28" {
	run -0 bash -c 'find "$1" -maxdepth 1 -type f -perm -u+x -name "mdev*" -exec nm -D {} + | grep -oE "[^ ]+@GLIBC_2\.(29|[3-9][0-9])" | sort -u |
		grep -vE "^(__libc_start_main|[fl]?stat(at)?(64)?|__isoc23_[a-z]+|dl(open|sym|error))@" || true' bash "$BUILD"
	same ""
}

# Headers of libraries and of the kernel are those for glibc if musl has none.
@test "all sources compile with musl" {
	local file arch
	arch=$(gcc -print-multiarch)
	for file in "$TOP"/src/*.c "$TOP"/src/lib/*/*.c; do
		run -0 musl-gcc -std=gnu11 -D_GNU_SOURCE -DNO_JOURNAL -I"$TOP/src/lib" -DVERSION='"2"' \
			-DSBINDIR='"/usr/sbin"' -DLIBEXECDIR='"/usr/libexec"' -Wall -Wextra -Werror -fsyntax-only \
			-idirafter /usr/include -idirafter "/usr/include/$arch" "$file"
		same ""
	done
}

# Only changes in / are reported, so the test has its own /etc and /dev.
@test "JOURNAL=no tells the system log what else the journal is told" {
	need_mounts
	make -s -C "$TOP" BUILD="$BATS_TEST_TMPDIR/small" JOURNAL=no CFLAGS=-O1 all
	mkdir "$ROOT/dev"
	script "$OLD/callouts" a '[[ $action != undefine || $event != pre ]] || { echo "it is mine" >&2; exit 1; }'
	# /dev/null and similar files come last: bash and python have opened the files they require.
	run -0 env -u MDEVCTL_ENV_ROOT unshare "$NAMESPACE" python3 -c 'import re, socket, subprocess, sys
root, program, uuid = sys.argv[1:]
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(root + "/dev/log")
for name in "etc", "dev":
    subprocess.run(["mount", "--bind", root + "/" + name, "/" + name], check=True)
for words in ["define", "-u", uuid, "-p", "mtty", "-t", "mtty-1"], ["undefine", "-u", uuid]:
    subprocess.run([program] + words, stderr=subprocess.PIPE)
log.setblocking(False)
try:
    while True:
        print(re.sub(r"^(<\d+>).{15} ", r"\1", log.recv(4096).decode().rstrip("\0")))
except BlockingIOError:
    pass' "$ROOT" "$BATS_TEST_TMPDIR/small/mdevctl" "$U1"
	same "<30>mdevctl: Done: define $U1, type mtty-1 on mtty
<29>mdevctl: undefine of $U1: a: it is mine
<27>mdevctl: Failed to undefine $U1 on mtty: Script '\"/etc/mdevctl.d/scripts.d/callouts/a\"' failed with status '1'"
}
