# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# Old kernels and small systems: without openat2() (Linux 5.6), pidfd_open() (5.3) and statx() (4.11), or
# with a system call filter that does not know them.
# shellcheck disable=SC2016,SC2154 # bodies are for the scripts to expand; run sets stderr
bats_require_minimum_version 1.5.0
load lib/world.bash
load lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
	PRELOAD=$LD_PRELOAD
	unset LD_PRELOAD
	export MDEVCTL_CALLOUT_TIMEOUT=60
}

# old ERRNO COMMAND...: the newer system calls fail with this error.
old() {
	local errno=$1 calls=openat2,pidfd_open,statx
	shift
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
		tried pidfd_open
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

@test "a callout that never ends is ended" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { echo >>"$ROOT/late"; exec sleep 1000; }'
	FAKEKERNEL_LATE=$ROOT/late fails 9 "Error: Timed out after 60 s waiting for callout script \"$CALLOUTS/a\"" \
		old ENOSYS "$BUILD/mdevctl" start -u "$U1" -p mtty -t mtty-1
	tried pidfd_open
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


# Functions that got a new version when they moved to libc also have older versions.
@test "programs use no function that is newer than glibc 2.28" {
	run -0 bash -c 'find "$1" -maxdepth 1 -type f -perm -u+x -name "mdev*" -exec nm -D {} + | grep -oE "[^ ]+@GLIBC_2\.(29|[3-9][0-9])" | sort -u |
		grep -vE "^(__libc_start_main|[fl]?stat(at)?(64)?|__isoc23_[a-z]+)@" || true' bash "$BUILD"
	same ""
}

# Headers of libraries and of the kernel are those for glibc if musl has none.
@test "all sources compile with musl" {
	local file arch
	arch=$(gcc -print-multiarch)
	for file in "$TOP"/src/*.c "$TOP"/src/lib/*/*.c; do
		run -0 musl-gcc -std=gnu11 -D_GNU_SOURCE -I"$TOP/src/lib" -DVERSION='"2"' \
			-DSBINDIR='"/usr/sbin"' -Wall -Wextra -Werror -fsyntax-only \
			-idirafter /usr/include -idirafter "/usr/include/$arch" "$file"
		same ""
	done
}
