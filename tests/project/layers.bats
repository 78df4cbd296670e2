# SPDX-License-Identifier: LGPL-2.1-or-later
# Which files may include or call which: checks the layers of the sources, so that the diagram remains
# correct.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

# The folders of src/lib, each one above those before it: the only list in this file.
LAYERS=(base device host set script view op apply ui)

# The sources without comments and strings.
setup_file() {
	local file folders
	cd "$TOP/src" || return 1
	folders=(lib/*/)
	mkdir "${folders[@]/#lib/$BATS_FILE_TMPDIR}"
	for file in *.c lib/*/*.[ch]; do
		gcc -fpreprocessed -dD -E -P -x c "$file" 2>/dev/null | sed 's/"[^"]*"//g' >"$BATS_FILE_TMPDIR/${file#lib/}"
	done
}

setup() {
	cd "$TOP/src" || return 1
}

# level NAME FILE: sets the variable to the level of its folder; programs are above all folders.
level() {
	local i=0
	while ((i < ${#LAYERS[@]})) && [[ $2 != "${LAYERS[i]}"/* ]]; do
		i=$((i + 1))
	done
	printf -v "$1" %s "$i"
}

# Prints "FILE HEADER" for each #include of our own headers; both without lib/.
includes() {
	grep -rH --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' . |
		sed -E 's|^\./(lib/)?([^:]*):[^"]*"([^"]*)".*|\2 \3|'
}

# only_in REGEX FILE...: exactly these files, without lib/, use such a name as a word.
only_in() {
	local regex=$1
	shift
	output=$(cd "$BATS_FILE_TMPDIR" && grep -rlwE "$regex" . | sed 's,^\./,,' | LC_ALL=C sort)
	same "$(printf '%s\n' "$@" | LC_ALL=C sort)"
}

@test "layers: the library consists of the folders of its layers" {
	run -0 bash -c 'find lib -mindepth 1 -maxdepth 1 | sed s,^lib/,, | LC_ALL=C sort'
	same "$(printf '%s\n' "${LAYERS[@]}" | LC_ALL=C sort)"
	run -0 find lib -mindepth 2 ! -name '*.[ch]'
	same ""
}

@test "layers: a header is included by its folder" {
	local file header bad=()
	while read -r file header; do
		[[ -f lib/$header && $header == */* ]] || bad+=("$file includes $header")
	done < <(includes)
	output=$(printf '%s\n' "${bad[@]}") same ""
}

@test "layers: a file includes headers of its own folder or of lower ones" {
	local file header own other bad=()
	while read -r file header; do
		untraced level own "$file"
		untraced level other "$header"
		((other <= own)) || bad+=("$file includes $header")
	done < <(includes)
	output=$(printf '%s\n' "${bad[@]}") same ""
}

@test "layers: the modules of set do not include each other" {
	local file header bad=()
	while read -r file header; do
		[[ $file != set/* || $header != set/* || ${file%.*} == "${header%.*}" ]] ||
			bad+=("$file includes $header")
	done < <(includes)
	output=$(printf '%s\n' "${bad[@]}") same ""
}

@test "layers: a module includes its own header" {
	local file bad=()
	for file in lib/*/*.c; do
		file=${file#lib/}
		[[ ! -f lib/${file%.c}.h ]] || grep -qF "#include \"${file%.c}.h\"" "lib/$file" ||
			bad+=("$file")
	done
	output="${bad[*]}" same ""
}

@test "layers: print includes no operation" {
	run -1 grep -nE '"op/(op|pipeline)\.h"' lib/ui/print.c lib/ui/print.h
}

@test "layers: a program has options and one function, in at most 60 lines" {
	local file bad=()
	for file in mdev-*.c; do
		(($(wc -l <"$file") <= 60)) || bad+=("$file")
	done
	output="${bad[*]}" same ""
}

@test "layers: no source file includes a .c file or a path with .." {
	run -1 grep -rnE '#[[:space:]]*include[[:space:]]*["<]([^">]*\.c|\.\./[^">]*)[">]' .
}

@test "layers: each external library is used by one file" {
	run -0 bash -c "grep -rlE '<(cjson/)?cJSON' . | LC_ALL=C sort"
	same "./lazy-cjson.c
./lib/device/json.c"
	run -0 grep -rlE '<uuid/' .
	same ./lib/device/uuid.c
	run -0 grep -rlE '<libudev' .
	same ./lib/host/settle.c
	run -0 grep -rlE '<systemd/' .
	same ./lib/host/journal.c
	run -0 grep -rlE '<libsmartcols/' .
	same ./lib/ui/tree.c
}

@test "layers: no other library is used" {
	run -0 bash -c 'grep -rhoE "^#include <[a-zA-Z]+/[^>]*>" . | LC_ALL=C sort -u |
		grep -vE "<(sys|linux)/"'
	same '#include <cjson/cJSON.h>
#include <libsmartcols/libsmartcols.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <uuid/uuid.h>'
}

@test "layers: only out and tree write to standard output, and only log to standard error" {
	only_in 'stdout|puts|putchar(_unlocked)?' mdevctl.c ui/out.c
	only_in 'scols_print_table|scols_line_(set|refer)_data' ui/tree.c
	run -1 grep -rnE '(^|[^a-z_])v?printf\(' lib --include='*.c'
	# print shows progress, which consists of numbers.
	only_in 'stderr|v?dprintf|perror|v?warnx?|v?errx' mdevctl.c ui/print.c
	# All JSON is written by the writer of json.
	run -0 bash -c 'grep -rlE "\.file = (mem_stream|stdout)" lib | LC_ALL=C sort'
	same "lib/device/json.c
lib/ui/out.c"
}

@test "layers: only env, log and journal read the environment" {
	only_in '(secure_)?getenv|environ' host/env.c base/log.c host/journal.c base/spawn.c
	# Scripts inherit the environment: spawn passes it on without reading it.
	only_in '(secure_)?getenv' host/env.c base/log.c host/journal.c
}

@test "layers: only cli, mem and lazy-cjson call exit()" {
	only_in '_?exit|_Exit|quick_exit|abort' ui/cli.c base/mem.c lazy-cjson.c
}

@test "layers: only spawn and mdevctl run other programs" {
	only_in 'v?fork|clone3?|exec(v|l|vp|lp|le|ve|vpe|veat)|fexecve|posix_spawnp?|system|popen|SYS_clone3?|SYS_execve(at)?' \
		mdevctl.c base/spawn.c
}

@test "layers: no program loads a library that it does not need" {
	output=$(for program in mdevctl $(cd "$BUILD" && printf '%s\n' mdev-*[a-z] | grep -v '\.'); do
		echo "$program $(readelf -d "$BUILD/$program" |
			sed -n 's/.*\[lib\(cjson\|smartcols\|systemd\|udev\|uuid\)\.so.*/\1/p' | sort | paste -sd' ')"
	done)
	same "mdevctl 
mdev-apply cjson systemd udev uuid
mdev-autostart cjson systemd
mdev-define cjson systemd uuid
mdev-list 
mdev-modify cjson systemd
mdev-show cjson smartcols systemd uuid
mdev-start cjson systemd udev uuid
mdev-status cjson smartcols uuid
mdev-stop cjson systemd udev
mdev-types cjson
mdev-undefine cjson systemd"
}
