# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own
# The files below /etc/mdevctl.d: which ones are read or ignored, which parts are preserved, and what happens
# with concurrent writers.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	mkdir "$D/mtty"
	FILE=$D/mtty/$U1
}

# reads_as LINE [WARNING]: the output of list -dv for $FILE.
reads_as() {
	run -0 --separate-stderr mdevctl list -dv
	same "$1"
	same_stderr "${2:-}"
}

# broken_as TEXT: list prints this warning for $FILE, and an error if the device is specified.
broken_as() {
	definition mtty "$U2" mtty-1
	reads_as "$U2 mtty mtty-1 manual" "Warning: $1"
	fails 8 "Error: $1" mdevctl list -d -u "$U1"
	fails 8 "Error: $1" mdevctl list -d -u "$U1" -p mtty --dumpjson
	fails 8 "Error: $1" mdevctl start -u "$U1"
	fails 8 "Error: $1" mdevctl modify -u "$U1" -a
}

@test "a definition may have any layout and order of members" {
	printf '\n{"attrs" :[ {"a":"1"}\t],\r\n"start":"auto","mdev_type":"mtty-1"}  \n' >"$FILE"
	reads_as "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"a\":\"1\"}"
}

@test "a definition does not require attributes" {
	echo '{"mdev_type":"mtty-1","start":"auto"}' >"$FILE"
	reads_as "$U1 mtty mtty-1 auto"
	echo '{"mdev_type":"mtty-1","start":"auto","attrs":null}' >"$FILE"
	reads_as "$U1 mtty mtty-1 auto"
	echo '{"mdev_type":"mtty-1","start":"auto","attrs":[]}' >"$FILE"
	reads_as "$U1 mtty mtty-1 auto"
}

@test "the last of two members with the same name is used" {
	echo '{"mdev_type":"x","start":"auto","mdev_type":"mtty-1","start":"manual","attrs":[{"a":"1"}],"attrs":[]}' >"$FILE"
	reads_as "$U1 mtty mtty-1 manual"
	echo '{"mdev\u005ftype":"mtty-2","start":"\u0061uto"}' >"$FILE"
	reads_as "$U1 mtty mtty-2 auto"
}

@test "an unknown start mode in a stored definition is treated as manual, with a warning" {
	local value
	for value in '"bogus"' 3 true '"AUTO"' '[]' '""'; do
		printf '{"mdev_type":"mtty-1","start":%s}' "$value" >"$FILE"
		reads_as "$U1 mtty mtty-1 manual" \
			"Warning: /etc/mdevctl.d/mtty/$U1: 'start' is neither \"auto\" nor \"manual\", treating it as manual"
	done
	run -0 mdevctl start-parent-mdevs mtty
	[[ ! -e $DEVICES/$U1 ]]
}

@test "a definition that is not JSON is invalid" {
	echo 'nonsense' >"$FILE"
	broken_as "Invalid JSON in /etc/mdevctl.d/mtty/$U1: text without quotes at line 1 column 1
  nonsense
  ^"
}

@test "an empty definition is invalid" {
	: >"$FILE"
	broken_as "Invalid JSON in /etc/mdevctl.d/mtty/$U1: unexpected end at line 1 column 1"
}

@test "a definition followed by text is invalid" {
	printf '{"mdev_type":"t",\n"start":"auto"} {}' >"$FILE"
	broken_as "Invalid JSON in /etc/mdevctl.d/mtty/$U1: unexpected text at line 2 column 17
  \"start\":\"auto\"} {}
                  ^"
}

@test "a definition that is not UTF-8 is invalid" {
	printf '{"mdev_type":"t","start":"auto","x":"\xe9"}' >"$FILE"
	broken_as "Invalid JSON in /etc/mdevctl.d/mtty/$U1: not valid UTF-8"
}

@test "a definition without a type is invalid" {
	echo '{"start":"auto"}' >"$FILE"
	broken_as "Invalid /etc/mdevctl.d/mtty/$U1: invalid json, 'mdev_type' is missing"
}

@test "a definition with two members in one attribute is invalid" {
	echo '{"mdev_type":"t","start":"auto","attrs":[{"a":"1","b":"2"}]}' >"$FILE"
	broken_as "Invalid /etc/mdevctl.d/mtty/$U1: invalid JSON format for attribute: too many fields"
}

@test "a definition with an attribute outside the device is invalid" {
	echo '{"mdev_type":"t","start":"auto","attrs":[{"../../x":"1"}]}' >"$FILE"
	broken_as "Invalid /etc/mdevctl.d/mtty/$U1: invalid attribute name '../../x'"
}

@test "an excessively nested definition is invalid, and does no other harm" {
	{
		printf '{"mdev_type":"t","start":"auto","x":'
		head -c 100000 /dev/zero | tr '\0' '['
		printf '}'
	} >"$FILE"
	run -0 mdevctl list -d
	same "Warning: Invalid JSON in /etc/mdevctl.d/mtty/$U1: nesting too deep at line 1 column 163
  $(printf '%.s[' {1..120})
  $(printf '%60s' '')^"
}

@test "a directory in place of a definition is invalid" {
	mkdir "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: not a regular file"
}

@test "a FIFO in place of a definition is invalid, and is not waited for" {
	mkfifo "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: not a regular file"
	exec {fifo}<>"$FILE"
	echo '{"mdev_type":"mtty-1","start":"manual"}' >&"$fifo"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: not a regular file"
	read -r -u "$fifo" line
	output=$line same '{"mdev_type":"mtty-1","start":"manual"}'
}

@test "a definition of more than 1 MiB is invalid" {
	{
		echo '{"mdev_type":"mtty-1","start":"auto"}'
		head -c 1048576 /dev/zero | tr '\0' ' '
	} >"$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: too large"
	truncate -s 1048576 "$FILE"
	run -0 mdevctl list -d -u "$U1"
	same "$U1 mtty mtty-1 auto"
}

# link NAME: a definition of vfio_ap-passthrough that is kept elsewhere, linked under this name.
link() {
	mkdir -p "$ROOT/elsewhere"
	printf '{\n  "mdev_type": "mtty-2",\n  "start": "auto",\n  "attrs": []\n}' >"$ROOT/elsewhere/file"
	ln -s "$ROOT/elsewhere/file" "$D/mtty/$1"
}

@test "a symbolic link to a regular file is a definition" {
	link "$U1"
	reads_as "$U1 mtty mtty-2 auto"
	run -0 mdevctl list -d -u "$U1"
	same "$U1 mtty mtty-2 auto"
	run -0 mdevctl start-parent-mdevs mtty
	same ""
	run -0 mdevctl list
	same "$U1 mtty mtty-2 auto (defined)"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 auto (active)"
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-1
}

@test "modify does not write through a symbolic link, and reports its target" {
	link "$U1"
	add_script callouts called <<<"#!/bin/sh
echo >>'$ROOT/called'"
	echo '{"mdev_type":"mtty-1","start":"auto"}' >"$ROOT/json"
	local text="Error: /etc/mdevctl.d/mtty/$U1 is a symbolic link; modify its target $ROOT/elsewhere/file instead"
	fails 1 "$text" mdevctl modify -u "$U1" -m
	fails 1 "$text" mdevctl modify -u "$U1" -p mtty --jsonfile "$ROOT/json"
	rm "$ROOT/elsewhere/file"
	fails 1 "$text" mdevctl modify -u "$U1" -p mtty --jsonfile "$ROOT/json"
	[[ -L $D/mtty/$U1 && ! -e $ROOT/called ]]
}

@test "undefine removes a symbolic link and keeps its target" {
	link "$U1"
	run -0 mdevctl undefine -u "$U1"
	same ""
	[[ ! -L $D/mtty/$U1 && -f $ROOT/elsewhere/file ]]
}

@test "a dangling symbolic link, or one to something other than a regular file, is an invalid definition" {
	definition mtty "$U2" mtty-1
	ln -s nowhere "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: dangling symbolic link"
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-1
	ln -sfn "$U1" "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: Too many levels of symbolic links"
	ln -sfn "$ROOT" "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: not a regular file"
	mkfifo "$ROOT/fifo"
	ln -sfn "$ROOT/fifo" "$FILE"
	broken_as "Unable to read /etc/mdevctl.d/mtty/$U1: not a regular file"
	run -0 mdevctl list -d 2>/dev/null
	run -0 mdevctl undefine -u "$U1"
	same ""
	[[ ! -L $FILE && -p $ROOT/fifo ]]
}

# link_directory TARGET: the directory of mtty is a link to this one, relative to /etc/mdevctl.d.
link_directory() {
	rm -rf "$D/mtty"
	ln -s "$1" "$D/mtty"
}

@test "a symbolic link to a directory is the directory of a parent for all commands" {
	local place
	for place in ../elsewhere scripts.d/../../mdevctl.other "$ROOT/usr/share/mdevs"; do
		link_directory "$place"
		mkdir -p "$D/scripts.d" "$(realpath -m "$D/mtty")"
		run -0 mdevctl define -u "$U1" -p mtty -t mtty-1 -a
		fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-1
		reads_as "$U1 mtty mtty-1 auto"
		run -0 mdevctl list -d -p mtty
		same "$U1 mtty mtty-1 auto"
		run -0 mdevctl list -d -u "$U1" -p mtty
		same "$U1 mtty mtty-1 auto"
		run -0 mdevctl start-parent-mdevs mtty
		run -0 mdevctl list
		same "$U1 mtty mtty-1 auto (defined)"
		run -0 mdevctl stop -u "$U1"
		run -0 mdevctl modify -u "$U1" -m
		reads_as "$U1 mtty mtty-1 manual"
		echo '[{"mtty":[{"'"$U1"'":{"mdev_type":"mtty-1","start":"manual"}}]}]' >"$BATS_TEST_TMPDIR/list.json"
		run -0 mdevctl apply "$BATS_TEST_TMPDIR/list.json"
		same ""
		run -0 mdevctl undefine -u "$U1"
		run -0 find -L "$D/mtty" -type f
		same ""
		[[ -L $D/mtty ]]
	done
}

@test "two names of one directory are two parents" {
	definition mtty "$U1" mtty-1
	ln -s mtty "$D/matrix"
	reads_as "$U1 matrix mtty-1 manual
$U1 mtty mtty-1 manual"
}

@test "a symbolic link in place of a directory that leads nowhere is ignored with a warning" {
	definition matrix "$U2" vfio_ap-passthrough
	link_directory nowhere
	reads_as "$U2 matrix vfio_ap-passthrough manual" "Warning: Ignoring /etc/mdevctl.d/mtty: dangling symbolic link"
	run -0 --separate-stderr mdevctl list -d -p mtty
	same ""
	same_stderr "Warning: Ignoring /etc/mdevctl.d/mtty: dangling symbolic link"
	fails 1 "Error: /etc/mdevctl.d/mtty is a dangling symbolic link" mdevctl define -u "$U1" -p mtty -t mtty-1
	link_directory mtty
	reads_as "$U2 matrix vfio_ap-passthrough manual" \
		"Warning: Ignoring /etc/mdevctl.d/mtty: Too many levels of symbolic links"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Too many levels of symbolic links" \
		mdevctl define -u "$U1" -p mtty -t mtty-1
	[[ -L $D/mtty ]]
	link_directory "$D/matrix/$U2"
	reads_as "$U2 matrix vfio_ap-passthrough manual"
}

@test "a directory that cannot be reached through its link is not taken for empty" {
	mkdir "$ROOT/closed"
	mv "$D/mtty" "$ROOT/closed/mtty"
	definition ../../closed/mtty "$U1" mtty-1
	ln -s "$ROOT/closed/mtty" "$D/mtty"
	chmod 000 "$ROOT/closed"
	local hint=''
	((EUID == 0)) || hint=" (must be root)"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied$hint" \
		weak mdevctl undefine -u "$U1"
	chmod 755 "$ROOT/closed"
}

@test "files whose names are not UUIDs are ignored with a warning" {
	definition mtty "$U1" mtty-1
	: >"$D/mtty/README"
	: >"$D/mtty/$U2~"
	: >"$D/mtty/.hidden"
	reads_as "$U1 mtty mtty-1 manual" "Warning: Can't determine uuid for file '$U2~' in /etc/mdevctl.d/mtty
Warning: Can't determine uuid for file 'README' in /etc/mdevctl.d/mtty"
}

UPPER=AAAAAAAA-0000-4000-8000-000000000000
LOWER=aaaaaaaa-0000-4000-8000-000000000000

@test "a file named after another spelling of a UUID defines that device" {
	local name
	for name in $UPPER "{$LOWER}" "{$UPPER}" aaaaaaaa000040008000000000000000 "urn:uuid:$UPPER"; do
		rm -rf "$D/mtty"
		definition mtty "$name" mtty-1 auto
		reads_as "$LOWER mtty mtty-1 auto"
		run -0 mdevctl list -d -u "$LOWER"
		same "$LOWER mtty mtty-1 auto"
		run -0 --separate-stderr mdevctl start-parent-mdevs mtty
		same_stderr ""
		run -0 mdevctl list
		same "$LOWER mtty mtty-1 auto (defined)"
		run -0 mdevctl list -d
		same "$LOWER mtty mtty-1 auto (active)"
		run -0 mdevctl stop -u "$LOWER"
		fails 4 "Error: Device $LOWER on mtty already defined" \
			mdevctl define -u "$LOWER" -p mtty -t mtty-2
		run -0 mdevctl start -u "$LOWER"
		run -0 mdevctl stop -u "$LOWER"
		run -0 mdevctl undefine -u "$LOWER"
		same ""
		[[ ! -e $D/mtty ]]
	done
}

@test "define notices a definition under another spelling that appears while a script runs" {
	add_script callouts 1 <<-END
		#!/bin/sh
		[ "\$4 \$6" = "pre define" ] || exit 2
		echo '{"mdev_type":"mtty-2","start":"manual"}' >$D/mtty/$UPPER
	END
	fails 4 "Error: Device $LOWER on mtty already defined" \
		mdevctl define -u "$LOWER" -p mtty -t mtty-1
	[[ $(ls "$D/mtty") == "$UPPER" ]]
}

@test "define fails if a script makes the directory of the parent unreadable" {
	: >"$D/mtty/$UPPER" # so that it is not removed
	add_script callouts 1 <<-END
		#!/bin/sh
		[ "\$4 \$6" = "pre define" ] || exit 2
		chmod 333 $D/mtty
	END
	local hint=''
	((EUID == 0)) || hint=" (must be root)"
	fails 1 "Error: Unable to read /etc/mdevctl.d/mtty: Permission denied$hint" \
		weak mdevctl define -u "$U1" -p mtty -t mtty-1
	chmod 755 "$D/mtty"
	[[ $(ls "$D/mtty") == "$UPPER" ]]
}

@test "apply recognizes another spelling behind a link to the directory" {
	link_directory ../real
	mkdir "$ROOT/etc/real"
	definition mtty $UPPER mtty-1
	echo '[{"mtty":[{"'$LOWER'":{"mdev_type":"mtty-1","start":"manual"}}]}]' >"$BATS_TEST_TMPDIR/list.json"
	run -0 mdevctl apply "$BATS_TEST_TMPDIR/list.json"
	same ""
	[[ $(ls "$D/mtty") == "$UPPER" ]]
}

@test "modify renames a definition to its canonical name, and preserves mode and owner" {
	definition mtty $UPPER mtty-1
	chmod 600 "$D/mtty/$UPPER"
	run -0 mdevctl modify -u $LOWER -a
	same ""
	run -0 ls "$D/mtty"
	same "$LOWER"
	run -0 stat -c %a "$D/mtty/$LOWER"
	same 600
	reads_as "$LOWER mtty mtty-1 auto"
	mv "$D/mtty/$LOWER" "$D/mtty/$UPPER"
	echo '{"mdev_type":"mtty-2","start":"manual"}' >"$ROOT/json"
	run -0 mdevctl modify -u $LOWER -p mtty --jsonfile "$ROOT/json"
	run -0 ls "$D/mtty"
	same "$LOWER"
	reads_as "$LOWER mtty mtty-2 manual"
}

@test "of several files for a UUID, the one with the canonical name is used, and all are undefined" {
	definition mtty "$U1" mtty-1
	definition mtty $UPPER mtty-1 auto
	definition mtty $LOWER mtty-2
	definition mtty "{$LOWER}" mtty-1 auto
	reads_as "$U1 mtty mtty-1 manual
$LOWER mtty mtty-2 manual" "Warning: Ignoring /etc/mdevctl.d/mtty/$UPPER: another file defines $LOWER
Warning: Ignoring /etc/mdevctl.d/mtty/{$LOWER}: another file defines $LOWER"
	run -0 --separate-stderr mdevctl start -u $LOWER
	run -0 --separate-stderr mdevctl list
	same "$LOWER mtty mtty-2 manual (defined)"
	run -0 mdevctl undefine -u $LOWER
	run -0 ls "$D/mtty"
	same "$U1"
}

@test "modify removes other files of the same UUID" {
	definition mtty $UPPER mtty-1 auto
	definition mtty $LOWER mtty-2
	run -0 mdevctl modify -u $LOWER -a
	run -0 ls "$D/mtty"
	same "$LOWER"
	reads_as "$LOWER mtty mtty-2 auto"
}

@test "without a canonical name, the first file of a UUID is used" {
	definition mtty "{$LOWER}" mtty-2
	definition mtty $UPPER mtty-1 auto
	reads_as "$LOWER mtty mtty-1 auto" "Warning: Ignoring /etc/mdevctl.d/mtty/{$LOWER}: another file defines $LOWER"
	run -0 --separate-stderr mdevctl list -d -u $LOWER
	same "$LOWER mtty mtty-1 auto"
}

@test "an invalid definition is reported with its file name" {
	definition mtty "$U2" mtty-1
	echo x >"$D/mtty/$UPPER"
	run -0 --separate-stderr mdevctl list -d
	same "$U2 mtty mtty-1 manual"
	local text="Invalid JSON in /etc/mdevctl.d/mtty/$UPPER: text without quotes at line 1 column 1
  x
  ^"
	same_stderr "Warning: $text"
	fails 8 "Error: $text" \
		mdevctl list -d -u $LOWER
}

@test "list reads the directory of a parent once, regardless of the number of devices in it" {
	local n
	for n in 1 2 3 4; do
		running mtty "0000000$n-0000-4000-8000-000000000000" mtty-1
	done
	definition mtty $UPPER mtty-1
	run -0 strace -f -qq -y -e "trace=getdents64,?newfstatat,?fstatat64,statx" -e signal=none \
		-E LD_PRELOAD= -E ASAN_OPTIONS=detect_leaks=0 "$BUILD/mdev-list"
	output=$(grep -c "getdents64([0-9]*<$D/mtty>" <<<"$output")
	same 2 # the second one finds the end
	run -0 strace -f -qq -y -e "trace=?newfstatat,?fstatat64,statx" -e signal=none \
		-E LD_PRELOAD= -E ASAN_OPTIONS=detect_leaks=0 "$BUILD/mdev-list" -d
	output=$(grep -c "$D" <<<"$output" || :)
	same 0
}

# listings N COMMAND...: how often the command lists the directory of N definitions, of which one has two more names.
listings() {
	local i n=$1
	shift
	for ((i = 1; i <= n; i++)); do
		definition mtty "0000000$i-0000-4000-8000-000000000000" mtty-1
	done
	cp "$D/mtty/00000002-0000-4000-8000-000000000000" "$D/mtty/00000002000040008000000000000000"
	cp "$D/mtty/00000002-0000-4000-8000-000000000000" "$D/mtty/{00000002-0000-4000-8000-000000000000}"
	run -0 strace -f -qq -y -e trace=getdents64 -e signal=none \
		-E LD_PRELOAD= -E ASAN_OPTIONS=detect_leaks=0 "$@"
	output=$(grep -c "getdents64([0-9]*<$D/mtty>" <<<"$output")
}

@test "changes of many definitions list the directory of their parent as often as changes of few" {
	local few
	listings 3 "$BUILD/mdev-modify" --all --auto
	few=$output
	listings 9 "$BUILD/mdev-modify" --all --manual
	same "$few"
	run -0 ls "$D/mtty"
	[[ ${#lines[@]} == 9 ]]
	listings 3 "$BUILD/mdev-undefine" --all
	few=$output
	[[ ! -e $D/mtty ]]
	listings 9 "$BUILD/mdev-undefine" --all
	same "$few"
	[[ ! -e $D/mtty ]]
}

@test "a stored definition with something that is no attribute is not started, and can be mended" {
	local bad="Error: 'remove' is not an attribute that can be set"
	definition mtty "$U1" mtty-1 manual '[{"a": "1"}, {"remove": "1"}]'
	fails 8 "$bad" mdevctl start -u "$U1"
	run -0 mdevctl list
	same ""
	output=$(<"$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances") same 24
	fails 8 "$bad" mdevctl modify -u "$U1" -a
	run -0 mdevctl modify -u "$U1" --delattr
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"1\"}"
}

@test "files next to the parents, hidden directories and scripts are not definitions" {
	definition mtty "$U1" mtty-1
	: >"$D/README"
	mkdir -p "$D/scripts.d/callouts" "$D/.git"
	cp "$FILE" "$D/scripts.d/$U2"
	cp "$FILE" "$D/.git/$U2"
	: >"$D/$U2~"
	reads_as "$U1 mtty mtty-1 manual"
	run -0 mdevctl list -d -u "$U2"
	same ""
}

@test "a directory whose name is not a valid parent name is ignored" {
	mkdir "$D/"$'a\nb' "$D/"$'\xff'
	reads_as "" "Warning: Ignoring a directory in /etc/mdevctl.d: its name is not a valid parent name
Warning: Ignoring a directory in /etc/mdevctl.d: its name is not a valid parent name"
}

# --- preserved contents -----------------------------------------------------------------------------

@test "modify preserves unknown members byte for byte" {
	cat >"$FILE" <<'EOF'
{
  "x-big": 12345678901234567890.123456789000e+5,
  "mdev_type": "mtty-1",
  "x-text": "\u00e4\/ä, } ] \" {",   "x-nested":
     { "a" : [ 1,2 , {"start":"auto"} ] }   ,
  "start": "manual",
  "attrs": [],
  "x-nothing":null
}
EOF
	mdevctl modify -u "$U1" --addattr=a --value=1
	same_file "$FILE" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": [
    {
      "a": "1"
    }
  ],
  "x-big": 12345678901234567890.123456789000e+5,
  "x-text": "\u00e4\/ä, } ] \" {",
  "x-nested":
     { "a" : [ 1,2 , {"start":"auto"} ] },
  "x-nothing":null
}'
	cp "$FILE" "$BATS_TEST_TMPDIR/once"
	mdevctl modify -u "$U1" --auto
	mdevctl modify -u "$U1" --manual
	cmp "$FILE" "$BATS_TEST_TMPDIR/once"
}

@test "unknown members are not printed, and are not passed to scripts" {
	echo '{"mdev_type":"mtty-1","start":"manual","x":{"y":1}}' >"$FILE"
	add_script callouts note <<EOF
#!/bin/sh
[ "\$4" = pre ] && cat >'$BATS_TEST_TMPDIR/stdin'
exit 0
EOF
	run -0 mdevctl list -d --dumpjson -u "$U1"
	same '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
	mdevctl modify -u "$U1" -a
	same_file "$BATS_TEST_TMPDIR/stdin" '{"mdev_type":"mtty-1","start":"auto","attrs":[]}'
}

@test "any text that one command writes can be read by another" {
	definition mtty "$U1" mtty-1
	local value=$'quote " backslash \\ slash / tab \t newline \n bell \a del \x7f é 日本 😀 '
	mdevctl modify -u "$U1" --addattr=a --value="$value"
	run -0 jq -j '.attrs[0].a' "$FILE"
	same "$value"
	cp "$FILE" "$BATS_TEST_TMPDIR/once"
	mdevctl modify -u "$U1" --auto
	mdevctl modify -u "$U1" --manual
	cmp "$FILE" "$BATS_TEST_TMPDIR/once"
}

# --- concurrency ------------------------------------------------------------------------------------

# Many writers, each of which syncs a file on a slow disk, take turns.
patient() {
	export MDEVCTL_LOCK_TIMEOUT=600
}

@test "if several processes define the same device, one succeeds and the others report it" {
	local i
	patient
	for i in {1..8}; do
		{
			mdevctl define -u "$U2" -p new -t "type-$i" 2>"$BATS_TEST_TMPDIR/err.$i" &&
				echo "type-$i" >"$BATS_TEST_TMPDIR/winner.$i"
		} 3>&- &
	done
	wait
	run -0 bash -c "cat '$BATS_TEST_TMPDIR'/winner.*"
	((${#lines[@]} == 1))
	local winner=$output
	run -0 mdevctl list -d
	same "$U2 new $winner manual"
	run -0 bash -c "sort '$BATS_TEST_TMPDIR'/err.* | uniq -c | sed 's/^ *//'"
	same "7 Error: Device $U2 on new already defined"
}

@test "concurrent modifications are not lost" {
	definition mtty "$U1" mtty-1
	local i
	patient
	for i in {1..20}; do
		mdevctl modify -u "$U1" --addattr="a$i" --value="$i" 3>&- &
	done
	wait
	run -0 jq -c '[.attrs[][] | tonumber] | sort' "$FILE"
	same "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"
}

@test "concurrent define and undefine under one parent do not disturb each other" {
	local i uuid
	patient
	for i in {10..25}; do
		uuid=000000$i-0000-4000-8000-000000000000
		{
			mdevctl define -u "$uuid" -p busy -t t && mdevctl undefine -u "$uuid"
		} 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
	done
	wait
	same_file "$BATS_TEST_TMPDIR/err" ""
	run -0 ls -A "$D"
	same ".lock
mtty"
}

@test "writers remove temporary files left by a crash, and only those" {
	definition mtty "$U1" mtty-1
	: >"$D/mtty/.mdevctl.tmp.1"
	: >"$D/mtty/.mdevctl.tmp.4711"
	: >"$D/mtty/.other"
	mdevctl list -d
	[[ -e $D/mtty/.mdevctl.tmp.1 ]]
	mdevctl modify -u "$U1" -a
	run -0 ls -A "$D/mtty"
	same ".other
$U1"
}

@test "readers ignore the temporary file of a writer" {
	definition mtty "$U1" mtty-1
	echo '{"mdev' >"$D/mtty/.mdevctl.tmp.1"
	reads_as "$U1 mtty mtty-1 manual"
}

# acl FILE [default]: gives a file, or new files in a directory, an ACL: owner rw, group nothing, user 4711 r.
acl() {
	python3 - "$@" <<-'END' || skip "no ACLs here"
		import os, struct, sys
		entries = (1, 6, -1), (2, 4, 4711), (4, 0, -1), (16, 4, -1), (32, 0, -1)
		kind = "system.posix_acl_" + (sys.argv[2] if len(sys.argv) > 2 else "access")
		os.setxattr(sys.argv[1], kind, struct.pack("<I", 2) + b"".join(
		    struct.pack("<HHi", *entry) for entry in entries))
	END
}

# shows_acl FILE: prints its mode and ACL.
shows_acl() {
	python3 - "$1" <<-'END'
		import os, struct, sys
		mode = "%o" % (os.stat(sys.argv[1]).st_mode & 0o7777)
		if "system.posix_acl_access" not in os.listxattr(sys.argv[1]):
		    sys.exit(print(mode))
		print(mode, *["%d:%d:%d" % entry for entry in
		    struct.iter_unpack("<HHi", os.getxattr(sys.argv[1], "system.posix_acl_access")[4:])])
	END
}

@test "modify keeps the ACL of a definition, whose mask is no permission of the group" {
	definition mtty "$U1" mtty-1
	chmod 640 "$FILE"
	acl "$FILE"
	run -0 shows_acl "$FILE"
	same "640 1:6:-1 2:4:4711 4:0:-1 16:4:-1 32:0:-1"
	mdevctl modify -u "$U1" -a
	run -0 shows_acl "$FILE"
	same "640 1:6:-1 2:4:4711 4:0:-1 16:4:-1 32:0:-1"
}

@test "modify gives the group no permission if the ACL cannot be copied" {
	definition mtty "$U1" mtty-1
	acl "$FILE"
	run -0 strace -qqq -o /dev/null -E LD_PRELOAD="$LD_PRELOAD" -e trace=fsetxattr \
		-e inject=fsetxattr:error=ENOSPC mdev-modify -u "$U1" -a
	run -0 shows_acl "$FILE"
	same 600
}

@test "a new definition gets the group and the default ACL of its directory, and a modified one does not" {
	chmod 2755 "$D/mtty"
	chgrp 1 "$D/mtty" 2>/dev/null || chgrp "$(id -G | tr ' ' '\n' | tail -n 1)" "$D/mtty"
	mdevctl define -u "$U1" -p mtty -t mtty-1
	run -0 stat -c '%a %g' "$FILE"
	same "644 $(stat -c %g "$D/mtty")"
	acl "$D/mtty" default
	mdevctl modify -u "$U1" -a
	run -0 shows_acl "$FILE"
	same 644
	mdevctl define -u "$U2" -p mtty -t mtty-1
	run -0 shows_acl "$D/mtty/$U2"
	same "640 1:6:-1 2:4:4711 4:0:-1 16:4:-1 32:0:-1"
}

@test "a new definition is a new file, and the old one can still be read by processes that have it open" {
	definition mtty "$U1" mtty-1
	exec {old}<"$FILE"
	mdevctl modify -u "$U1" -a
	run -0 cat <&"$old"
	same '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
	exec {old}<&-
}

# syncs COMMAND...: prints the system calls that sync its changes, in order, with paths relative to the root.
syncs() {
	run -0 strace -f -qq -y -e trace=renameat,renameat2,unlinkat,mkdirat,fsync -e signal=none \
		-E LD_PRELOAD= -E ASAN_OPTIONS=detect_leaks=0 "$@"
	output=$(sed -nE -e "s!.*(fsync)\([0-9]+<$ROOT/([^>]*)>\) += 0!\1 \2!p" \
		-e 's!.*(rename)at2?\([^"]*"([^"]*)", [^"]*"([^"]*)".* = 0!\1 \2 \3!p' \
		-e 's!.*(mkdir|unlink)at\([^"]*"([^"]*)".* = 0!\1 \2!p' <<<"$output" |
		sed 's|tmp\.[0-9]*|tmp.PID|')
}

@test "when define exits, its changes are on disk: file, directories, names" {
	syncs "$BUILD/mdev-define" -u "$U1" -p new -t t
	same "mkdir etc/mdevctl.d/new
fsync etc/mdevctl.d/new/.mdevctl.tmp.PID
rename etc/mdevctl.d/new/.mdevctl.tmp.PID etc/mdevctl.d/new/$U1
fsync etc/mdevctl.d/new
fsync etc/mdevctl.d"
}

@test "when modify exits, the file and its name are on disk" {
	definition mtty "$U1" mtty-1
	syncs "$BUILD/mdev-modify" -u "$U1" -a
	same "fsync etc/mdevctl.d/mtty/.mdevctl.tmp.PID
rename etc/mdevctl.d/mtty/.mdevctl.tmp.PID etc/mdevctl.d/mtty/$U1
fsync etc/mdevctl.d/mtty"
}

@test "when undefine exits, the removal is on disk" {
	definition mtty "$U1" mtty-1
	definition mtty "$U2" mtty-1
	syncs "$BUILD/mdev-undefine" -u "$U1"
	same "unlink etc/mdevctl.d/mtty/$U1
fsync etc/mdevctl.d/mtty"
	syncs "$BUILD/mdev-undefine" -u "$U2"
	same "unlink etc/mdevctl.d/mtty/$U2
unlink etc/mdevctl.d/mtty
fsync etc/mdevctl.d"
}
