# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may include whom, and which file may call what: the layers of the sources, so that their diagram
# cannot rot.
bats_require_minimum_version 1.5.0
load lib/world.bash

# The modules of src/lib by level; programs are above all. A module is a .c file and its header.
declare -gA LEVEL
levels() {
	local name
	for name in error log mem near file kmsg spawn; do LEVEL[$name]=0; done
	for name in device uuid json env scripts vfio; do LEVEL[$name]=1; done
	for name in defined active types callout settle journal holder; do LEVEL[$name]=2; done
	for name in op op-{define,undefine,modify,start,stop,autostart} list; do LEVEL[$name]=3; done
	for name in cli print; do LEVEL[$name]=4; done
}

setup() {
	cd "$TOP/src" || return 1
	levels
}

module() {
	local name=${1##*/}
	printf '%s' "${name%.[ch]}"
}

# Lines "FILE NAME" for each #include of a header of ours; NAME is the module.
includes() {
	grep -H '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$@" |
		sed -E 's|^([^:]*):[^"]*"([^"]*/)?([^"/]*)\.h".*|\1 \3|'
}

# callers REGEX: the files that use such a name as a word, comments and strings aside, without lib/.
callers() {
	local file
	for file in *.c lib/*.[ch]; do
		gcc -fpreprocessed -dD -E -P -x c "$file" 2>/dev/null | sed 's/"[^"]*"//g' |
			grep -qwE "$1" && printf '%s\n' "${file#lib/}"
	done
	return 0
}

# only_in REGEX FILE...: nothing but these files, and all of these, are callers.
only_in() {
	local regex=$1
	shift
	output=$(callers "$regex" | LC_ALL=C sort)
	same "$(printf '%s\n' "$@" | LC_ALL=C sort)"
}

@test "layers: every module of the library has a level" {
	local file bad=()
	for file in lib/*.[ch]; do
		[[ -n ${LEVEL[$(module "$file")]:-} ]] || bad+=("$file")
	done
	output="${bad[*]}" same ""
}

@test "layers: a file includes headers of its own level or below" {
	local file name from to bad=()
	while read -r file name; do
		from=${LEVEL[$(module "$file")]:--1}
		to=${LEVEL[$name]:-9}
		((to <= from)) || bad+=("$file (level $from) includes $name.h (level $to)")
	done < <(includes lib/*.[ch])
	output=$(printf '%s\n' "${bad[@]}") same ""
}

@test "layers: the modules of level 2 do not know each other" {
	local file name from bad=()
	while read -r file name; do
		from=$(module "$file")
		[[ ${LEVEL[$from]:-} != 2 || ${LEVEL[$name]:-} != 2 || $from == "$name" ]] ||
			bad+=("$file includes $name.h")
	done < <(includes lib/*.[ch])
	output=$(printf '%s\n' "${bad[@]}") same ""
}

@test "layers: op and print do not know each other" {
	run -1 grep -nE '"(lib/)?op\.h"' lib/print.c lib/print.h
	run -1 grep -nE '"(lib/)?print\.h"' lib/op.c lib/op.h lib/op-*.c
}

@test "layers: no source file includes a .c file or climbs with .." {
	run -1 grep -rnE '#[[:space:]]*include[[:space:]]*["<]([^">]*\.c|\.\./[^">]*)[">]' .
}

@test "layers: each external library is known to one file" {
	run -0 grep -rlE '<(cjson/)?cJSON' .
	same ./lib/json.c
	run -0 grep -rlE '<uuid/' .
	same ./lib/uuid.c
	run -0 grep -rlE '<libudev' .
	same ./lib/settle.c
	run -0 grep -rlE '<systemd/' .
	same ./lib/journal.c
}

@test "layers: no other library is used" {
	run -0 bash -c 'grep -rhoE "^#include <[a-zA-Z]+/[^>]*>" . | LC_ALL=C sort -u |
		grep -vE "<(sys|linux)/"'
	same '#include <cjson/cJSON.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <uuid/uuid.h>'
}

@test "layers: the environment is read in env, log and journal alone" {
	only_in '(secure_)?getenv|environ' env.c log.c journal.c spawn.c
	# A script inherits the environment as it is: spawn passes it on, unread.
	only_in '(secure_)?getenv' env.c log.c journal.c
}

@test "layers: only cli and mem end the program" {
	only_in '_?exit|_Exit|quick_exit|abort' cli.c mem.c
}

@test "layers: only spawn and mdevctl run other programs" {
	only_in 'v?fork|clone3?|exec(v|l|vp|lp|le|ve|vpe|veat)|fexecve|posix_spawnp?|system|popen|SYS_clone3?|SYS_execve(at)?' \
		mdevctl.c spawn.c
}

@test "layers: no program loads a library that it does not need" {
	output=$(for program in mdevctl $(cd "$BUILD" && printf '%s\n' mdev-*[a-z] | grep -v '\.'); do
		echo "$program $(readelf -d "$BUILD/$program" |
			sed -n 's/.*\[lib\(cjson\|systemd\|udev\|uuid\)\.so.*/\1/p' | sort | paste -sd' ')"
	done)
	same "mdevctl cjson
mdev-autostart cjson systemd
mdev-define cjson systemd uuid
mdev-list cjson
mdev-modify cjson systemd
mdev-start cjson systemd udev uuid
mdev-stop cjson systemd udev
mdev-types cjson
mdev-undefine cjson systemd"
}
