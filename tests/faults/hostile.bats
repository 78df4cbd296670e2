# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; bats sets stderr
# Malicious names, texts, files and environments. Each is either rejected with one sentence or harmless; no
# program crashes, hangs, or uses more than 64 MiB; nothing is written outside the device directory and
# /etc/mdevctl.d. For parsers with arbitrary bytes, see tests/fuzz.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# Sanitizers use unlimited address space, and valgrind cannot run programs built with them.
sanitized() {
	[[ $BUILD == */asan ]]
}

# guarded COMMAND...: runs it with 64 MiB of address space for at most 20 seconds of processor time.
guarded() {
	(
		sanitized || ulimit -v 65536
		ulimit -t 20
		exec timeout -k 1 200 "$@"
	)
}

# refused STATUS TEXT COMMAND...: runs it guarded; it fails with this single sentence.
refused() {
	local status_wanted=$1 text=$2
	shift 2
	fails "$status_wanted" "Error: $text" guarded "$@"
}

# Prints all files and links except definitions and devices, with contents and mode.
outside() {
	find "$BATS_TEST_TMPDIR" -path "$D" -prune -o -path "$ROOT/sys/devices/*-*-*-*-*" -prune -o \
		-path "$DEVICES/*" -prune -o -name 'available_instances' -prune -o -printf '%p %m %l\n' -type f \
		-exec cksum {} + | LC_ALL=C sort
}

# --- Unexpected kinds of files --------------------------------------------------------------------------

# Creates one of each kind in $T and prints their names.
kinds() {
	T=$BATS_TEST_TMPDIR/kinds
	mkdir -p "$T"
	mkfifo "$T/fifo"
	mkdir "$T/directory"
	ln -s loop "$T/loop"
	ln -s /dev/zero "$T/endless"
	ln -s /nowhere "$T/dangling"
	truncate -s 50M "$T/large"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/socket"
}

@test "a JSON file that is not a text file is rejected immediately with one sentence" {
	local command file
	kinds
	for command in define start; do
		file=$([[ $command == define ]] && echo file || echo jsonfile)
		refused 1 "Unable to read $file \"$T/directory\": Is a directory" \
			mdevctl "$command" -p mtty --jsonfile "$T/directory"
		refused 1 "Unable to read $file \"$T/loop\": Too many levels of symbolic links" \
			mdevctl "$command" -p mtty --jsonfile "$T/loop"
		refused 1 "Unable to read $file \"$T/endless\": File too large" \
			mdevctl "$command" -p mtty --jsonfile "$T/endless"
		refused 1 "Unable to read $file \"$T/dangling\": No such file or directory" \
			mdevctl "$command" -p mtty --jsonfile "$T/dangling"
		refused 1 "Unable to read $file \"$T/large\": File too large" \
			mdevctl "$command" -p mtty --jsonfile "$T/large"
		refused 1 "Unable to read $file \"$T/socket\": No such device or address" \
			mdevctl "$command" -p mtty --jsonfile "$T/socket"
	done
	[[ -z $(ls "$D") ]]
}

@test "endless standard input is rejected" {
	refused 1 "Unable to read file \"/dev/stdin\": File too large" \
		mdevctl define -p mtty --jsonfile /dev/stdin </dev/zero
}

@test "a definition that is not a regular file is ignored with a warning" {
	local kind
	kinds
	mkdir -p "$D/mtty"
	definition matrix "$U2" vfio_ap-passthrough
	for kind in fifo directory large socket; do
		rm -rf "${D:?}/mtty/$U1"
		mv "$T/$kind" "$D/mtty/$U1"
		run -0 --separate-stderr guarded mdevctl list -d
		same "$U2 matrix vfio_ap-passthrough manual"
		[[ $stderr == "Warning: Unable to read /etc/mdevctl.d/mtty/$U1: "* ]]
		run -8 guarded mdevctl start -u "$U1"
		[[ $output == "Error: Unable to read /etc/mdevctl.d/mtty/$U1: "* ]]
		run -8 guarded mdevctl modify -u "$U1" --auto
		[[ $output == "Error: Unable to read /etc/mdevctl.d/mtty/$U1: "* ]]
	done
}

@test "a symbolic link in place of a definition is not followed for writing" {
	mkdir -p "$D/mtty"
	echo secret >"$BATS_TEST_TMPDIR/secret"
	ln -s "$BATS_TEST_TMPDIR/secret" "$D/mtty/$U1"
	printf '{"mdev_type":"mtty-1","start":"auto"}' >"$BATS_TEST_TMPDIR/json"
	run -8 guarded mdevctl modify -u "$U1" --auto
	run -8 guarded mdevctl start -u "$U1"
	run -1 guarded mdevctl modify -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	run -0 guarded mdevctl undefine -u "$U1"
	same_file "$BATS_TEST_TMPDIR/secret" "secret
"
}

@test "a planted temporary file does not redirect a writer" {
	echo secret >"$BATS_TEST_TMPDIR/secret"
	(
		mkdir "$D/mtty"
		ln -s "$BATS_TEST_TMPDIR/secret" "$D/mtty/.mdevctl.tmp.$BASHPID"
		exec mdevctl define -u "$U1" -p mtty -t mtty-1
	)
	same_file "$BATS_TEST_TMPDIR/secret" "secret
"
	run -0 ls -A "$D/mtty"
	same "$U1"
}

@test "unexpected kinds of files in sysfs do not make types fail" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1 kind file
	kinds
	for file in available_instances device_api name description; do
		for kind in fifo directory loop endless dangling large socket; do
			rm -rf "${type:?}/$file"
			mv "$T/$kind" "$type/$file"
			run -0 --separate-stderr guarded mdevctl types
			[[ $output == "matrix"*"  mtty-2"* && $stderr != *Error* ]]
			run -0 --separate-stderr guarded mdevctl types --dumpjson
			jq -e '.[0].mtty[] | .["mtty-2"] // empty' <<<"$output" >/dev/null
			mv "$type/$file" "$T/$kind"
		done
		echo 1 >"$type/$file"
	done
}

@test "invalid devices in sysfs are ignored" {
	ln -s / "$DEVICES/$U1"
	ln -s "../../../devices/virtual/mtty/$U2" "$DEVICES/$U2"
	mkdir "$DEVICES/$U3"
	touch "$DEVICES/44444444-4444-4444-8444-444444444444"
	ln -s "$(printf 'x/%.0s' {1..1000})" "$DEVICES/55555555-5555-4555-8555-555555555555"
	run -0 guarded mdevctl list
	same ""
	ln -s x "$DEVICES/-rf"
	run -0 --separate-stderr guarded mdevctl list
	same ""
	same_stderr "Warning: Can't determine uuid for '-rf' in /sys/bus/mdev/devices"
}

# --- Terminal escape sequences --------------------------------------------------------------------------

# Bytes that move the cursor or change the display: ASCII escape, and U+009B, which is equivalent.
ESCAPES=$'\033[2J\033]0;title\a and \xc2\x9b31m'

# tame: the last output contains no such bytes.
tame() {
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$output$stderr" || {
		printf 'raw: %q\n' "$output$stderr"
		return 1
	}
}

@test "text from drivers is not printed raw on a terminal" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1
	echo "$ESCAPES" >"$type/name"
	echo "$ESCAPES" >"$type/description"
	run -0 --separate-stderr mdevctl types -p mtty
	tame
	[[ ${lines[4]} == "    Name: ?[2J?]0;title? and ??31m" ]]
	run -0 --separate-stderr mdevctl types -p mtty --dumpjson
	tame
}

@test "text from definitions is not printed raw on a terminal" {
	definition mtty "$U1" mtty-1 manual '[{"a\u001b[2J": "b"}]'
	definition mtty "$U2" mtty-1 manual '[{"b": "\u001b[2J \u009b31m \u007f"}]'
	run -0 --separate-stderr mdevctl list -d -v
	tame
	[[ ${lines[2]} == '    @{0}: {"b":"\u001b[2J \u009b31m \u007f"}' ]]
	run -0 --separate-stderr mdevctl list -d --dumpjson
	tame
	run -8 --separate-stderr mdevctl list -d -u "$U1"
	tame
}

@test "names in messages are not printed raw on a terminal" {
	mkdir "$D/$ESCAPES"
	: >"$D/mtty-$ESCAPES"
	mkdir -p "$D/mtty/$ESCAPES" "$DEVICES/$ESCAPES"
	run -0 --separate-stderr mdevctl list -d
	tame
	run -0 --separate-stderr mdevctl list
	tame
	run -2 --separate-stderr mdevctl list -p "$ESCAPES"
	tame
}

# --- Names ---------------------------------------------------------------------------------------------

# Names of parents, types and attributes for all tests.
names=(.. . "" / /etc/passwd ../../../tmp/x a/../b $'a\nb' $'a\033[31m' $'\x7f' $'\xff\xfe'
	"$(printf 'a%.0s' {1..256})")

@test "names cannot leave their directory: they are a usage error, and nothing is written" {
	local before name
	before=$(outside)
	for name in "${names[@]}"; do
		run -2 guarded mdevctl define -u "$U1" -p "$name" -t t
		run -2 guarded mdevctl define -u "$U1" -p p -t "$name"
		run -2 guarded mdevctl start -u "$U1" -p "$name" -t t
		run -2 guarded mdevctl start -u "$U1" -p mtty -t "$name"
		run -2 guarded mdevctl undefine -u "$U1" -p "$name"
		run -2 guarded mdevctl list -p "$name"
		run -2 guarded mdevctl types -p "$name"
		run -2 guarded mdevctl start-parent-mdevs "$name"
		run -2 guarded mdevctl list -u "$name"
		run -2 guarded mdevctl list -u "$U1:$name"
	done
	[[ $(outside) == "$before" && -z $(ls "$D") && -z $(ls "$DEVICES") ]]
}

@test "attributes cannot leave the device directory, neither from an option nor from a file" {
	local before name json=$BATS_TEST_TMPDIR/json
	definition mtty "$U1" mtty-1
	touch "$json"
	before=$(outside | grep -v "$json")
	for name in "${names[@]}"; do
		[[ $name != $'\xff\xfe' ]] || continue
		run -2 guarded mdevctl modify -u "$U1" --addattr "$name" --value 1
		jq -n --arg name "$name" '{mdev_type: "mtty-1", start: "auto", attrs: [{($name): "1"}]}' >"$json"
		run -8 guarded mdevctl define -u "$U2" -p mtty --jsonfile "$json"
		run -8 guarded mdevctl start -u "$U2" -p mtty --jsonfile "$json"
		cp "$json" "$D/mtty/$U3"
		run -8 guarded mdevctl start -u "$U3"
		rm "$D/mtty/$U3"
	done
	[[ $(outside | grep -v "$json") == "$before" && -z $(ls "$DEVICES") ]]
}

@test "an attribute behind a symbolic link out of the device is not written" {
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	echo safe >"$BATS_TEST_TMPDIR/elsewhere/file"
	definition mtty "$U1" mtty-1 manual '[{"way/file":"evil"}]'
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$SYS/class/mdev_bus/mtty/way"
	definition mtty "$U2" mtty-1 manual '[{"mdev_type/create":"evil"}]'
	refused 1 "Invalid attribute 'way/file'" mdevctl start -u "$U1"
	refused 1 "Invalid attribute 'mdev_type/create'" mdevctl start -u "$U2"
	same_file "$BATS_TEST_TMPDIR/elsewhere/file" "safe
"
	[[ -z $(ls "$DEVICES") ]]
}

@test "directories with hostile names are ignored, and names are not used as formats" {
	mkdir "$D"/$'new\nline' "$D"/$'\033[31m' "$D"/$'\xff' "$D/%n%s%n"
	definition "%n%s%n" "$U1" "%s%n"
	mdevctl modify -u "$U1" --addattr "%n" --value "%s%n%1000000d"
	run -0 --separate-stderr guarded mdevctl list -d -v
	same "$U1 %n%s%n %s%n manual
  Attrs:
    @{0}: {\"%n\":\"%s%n%1000000d\"}"
	[[ $stderr != *$'\033'* && $stderr != *$'\xff'* ]]
	refused 3 "Unable to find parent device '%n%s%n'" mdevctl start -u "$U1" -p "%n%s%n"
}

# --- JSON ----------------------------------------------------------------------------------------------

@test "JSON designed to consume time or memory stays within 64 MiB" {
	local json=$BATS_TEST_TMPDIR/json text
	# Just below the limit of 1 MiB each.
	for text in '"[" + "1," * 520000 + "1]"' '"[" + "[]," * 340000 + "1]"' '"[" * 1000000' \
		'"[" * 500000 + "]" * 500000' '"\"" + "\\u00e9" * 170000 + "\""' '"{\"a\":" * 200000' \
		'"[" + "{\"\":\"\"}," * 110000 + "{}]"' '"9" * 1000000' '" " * 1000000'; do
		python3 -c "import sys; sys.stdout.write('{\"x\":' + $text + ',\"mdev_type\":\"t\",\"start\":\"auto\"}')" \
			>"$json"
		run guarded mdevctl define -p mtty --jsonfile "$json"
		((status == 0 || status == 8)) || {
			echo "$text: exit status $status, $output"
			return 1
		}
		run -0 guarded mdevctl list -d
		rm -rf "${D:?}/mtty"
	done
	python3 -c "import sys; sys.stdout.write('{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[' + '{\"a\":\"\"},' * 110000 + '{\"a\":\"\"}]}')" \
		>"$json"
	run guarded mdevctl define -p mtty --jsonfile "$json"
	((status == 0 || status == 8))
	run -0 guarded mdevctl list -d
}

# --- Environment and arguments ---------------------------------------------------------------------------

@test "no environment variable does harm" {
	local long
	long=$(printf 'x%.0s' {1..100000})
	for variable in MDEVCTL_LOG MDEVCTL_LOG_STYLE MDEVCTL_CALLOUT_TIMEOUT MDEVCTL_NOTIFIER_TIMEOUT \
		MDEVCTL_LOCK_TIMEOUT NO_COLOR TERM; do
		for value in "" "$long" "%s%n" $'\xff' -1 99999999999999999999 "=,=,="; do
			run -0 env "$variable=$value" "$BUILD/mdev-list"
		done
	done
	MDEVCTL_ENV_ROOT=$long run -1 mdev-list
	[[ $output == "Error: Unable to open MDEVCTL_ENV_ROOT '"*"': File name too long" ]]
	run -0 env -i "$BUILD/mdev-list" -V
}

@test "programs without any argument, even argv[0], report a usage error" {
	local program
	for program in mdevctl mdev-define mdev-undefine mdev-modify mdev-start mdev-stop mdev-autostart; do
		run -2 python3 -c 'import ctypes, os, sys
argv = (ctypes.c_char_p * 1)(None)
env = (ctypes.c_char_p * 1)(None)
ctypes.CDLL(None).execve(sys.argv[1].encode(), argv, env)' "$BUILD/$program"
		[[ -n $output ]]
	done
}

@test "many and long arguments are accepted or rejected without harm" {
	local long
	long=$(printf 'x%.0s' {1..100000})
	run -2 guarded mdevctl "$long"
	run -2 guarded mdevctl list "--$long"
	run -2 guarded mdevctl list "-$long"
	run -2 guarded mdevctl list -u "$long"
	run -2 guarded mdevctl list "$(printf '%s' -{d,v}{d,v}{d,v})"
	mapfile -t many < <(yes -- -d | head -n 50000)
	run -2 guarded mdevctl list "${many[@]}"
	definition mtty "$U1" mtty-1
	run -0 guarded mdevctl modify -u "$U1" --addattr a --value "$long"
	[[ $(jq -r '.attrs[0].a' "$D/mtty/$U1") == "$long" ]]
}

@test "a program with more privileges than its caller ignores the environment" {
	((EUID == 0)) || skip "needs root to give rights"
	local trap=$BATS_TEST_TMPDIR/bin
	mkdir "$trap"
	cp "$BUILD/mdev-list" "$trap"
	chmod 4755 "$trap/mdev-list"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	definition mtty "$U1" mtty-1
	# Run by root, it has no more privileges than its caller: the variable is used.
	run -0 "$trap/mdev-list" -d
	same "$U1 mtty mtty-1 manual"
	MDEVCTL_LOG=debug run -0 setpriv --reuid=65534 --regid=65534 --clear-groups "$trap/mdev-list" -d
	[[ $output != *"$U1"* && $output != *Debug* ]]
}

@test "secure_getenv() is used, except for variables that affect only messages" {
	run -0 bash -c "grep -hoE '[a-z_]*getenv\(\"[A-Z_]+' '$TOP'/src/*.c '$TOP'/src/lib/*/*.c |
		grep -v '^secure_' | LC_ALL=C sort -u"
	same 'getenv("JOURNAL_STREAM
getenv("MDEVCTL_LOG_STYLE
getenv("NO_COLOR
getenv("TERM'
}

# --- How the programs are built ------------------------------------------------------------------------

@test "programs are hardened: PIE, full RELRO, no executable stack, checked buffers" {
	! sanitized || skip "these are built for the sanitizers"
	local program
	for program in "$BUILD"/mdevctl "$BUILD"/mdev-*; do
		[[ -x $program ]] || continue
		run -0 readelf -Wldhs "$program"
		[[ $output == *"DYN (Position-Independent Executable file)"* ]]
		[[ $output == *GNU_RELRO* && $output == *BIND_NOW* ]]
		grep -Eq 'GNU_STACK .* RW ' <<<"$output"
		[[ $output == *__stack_chk_fail* && $output == *__vasprintf_chk* ]]
		[[ $output != *RPATH* && $output != *RUNPATH* && $output != *TEXTREL* ]]
	done
}

@test "valgrind reports no errors for a sample of commands" {
	! sanitized || skip "valgrind cannot run sanitizers"
	unset LD_PRELOAD
	printf '{"mdev_type":"mtty-2","start":"auto","attrs":[{"a":"1"}],"x":[1]}' >"$BATS_TEST_TMPDIR/json"
	local words valgrind=(valgrind -q --error-exitcode=99 --leak-check=full)
	for words in "define -u $U1 -p mtty --jsonfile $BATS_TEST_TMPDIR/json" "list -d" "list -dv" \
		"list -d --dumpjson" "modify -u $U1 --addattr b --value 2" "modify -u $U1 --delattr" "types" \
		"types --dumpjson" "list" "undefine -u $U1" "define -p mtty -t mtty-1 -u $U2"; do
		# shellcheck disable=SC2086 # words are words
		set -- $words
		run -0 "${valgrind[@]}" "$BUILD/mdev-$1" "${@:2}"
	done
	run -3 "${valgrind[@]}" "$BUILD/mdev-undefine" -u "$U3"
	run -2 "${valgrind[@]}" --leak-check=no "$BUILD/mdev-modify" -u "$U1"
	run -8 "${valgrind[@]}" "$BUILD/mdev-define" -p mtty --jsonfile /dev/null
}
