# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl define / mdev-define
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# Restores permissions that tests have removed, so that bats can clean up.
teardown() {
	chmod -R u+rwX "$ROOT"
}

UUID_PATTERN='^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'

json_file() {
	cat >"$BATS_TEST_TMPDIR/json"
}

@test "define writes the definition like mdevctl, without a trailing newline" {
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-2 --auto
	same ""
	same_stderr ""
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "auto",
  "attrs": []
}'
}

@test "define uses start mode manual by default" {
	mdevctl define -u "$U1" -p mtty -t mtty-2
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "manual",
  "attrs": []
}'
}

@test "define generates and prints a UUID, and nothing else" {
	run -0 --separate-stderr mdevctl define -p mtty -t mtty-1
	[[ $output =~ $UUID_PATTERN ]]
	same_stderr ""
	[[ -f $D/mtty/$output || -f $D/mtty/${lines[0]} ]]
	mdevctl define -p mtty -t mtty-1 >"$BATS_TEST_TMPDIR/out"
	run -0 wc -lc <"$BATS_TEST_TMPDIR/out"
	[[ $output =~ ^\ *1\ +37$ ]]
	run -0 ls "$D/mtty"
	((${#lines[@]} == 2))
}

@test "define accepts a parent and a type that do not exist yet" {
	run -0 mdevctl define -u "$U1" -p 0000:00:02.0 -t i915-GVTg_V4_2
	run -0 mdevctl list -d
	same "$U1 0000:00:02.0 i915-GVTg_V4_2 manual"
}

@test "define fails if the device is already defined" {
	definition mtty "$U1" mtty-1
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-2
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
}

@test "define does not overwrite an invalid definition" {
	definition mtty "$U1" mtty-1
	echo nonsense >"$D/mtty/$U1"
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-2
	same_file "$D/mtty/$U1" "nonsense
"
}

@test "define does not follow a symbolic link" {
	mkdir "$D/mtty"
	ln -s "$BATS_TEST_TMPDIR/target" "$D/mtty/$U1"
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1" -p mtty -t mtty-2
	[[ ! -e $BATS_TEST_TMPDIR/target ]]
}

@test "the same UUID may be defined under several parents" {
	mdevctl define -u "$U1" -p mtty -t mtty-1
	mdevctl define -u "$U1" -p matrix -t vfio_ap-passthrough
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 manual"
}

@test "define requires a parent" {
	fails 1 "Error: No parent specified, and device $U1 is not running" mdevctl define -u "$U1"
	fails 1 "Error: No parent specified" mdevctl define -u "$U1" -t mtty-1
}

@test "define requires a type" {
	fails 1 "Error: No type specified" mdevctl define -u "$U1" -p mtty
	fails 1 "Error: No type specified" mdevctl define -p mtty
	[[ ! -e $D/mtty ]]
}

@test "define makes a running device persistent" {
	running mtty "$U1" mtty-2
	run -0 --separate-stderr mdevctl define -u "$U1"
	same ""
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 manual (active)"
}

@test "define can set start mode auto for a running device" {
	running mtty "$U1" mtty-2
	run -0 mdevctl define -u "$U1" -a
	run -0 mdevctl list
	same "$U1 mtty mtty-2 auto (defined)"
}

@test "define prefers the given parent and type over those of the running device" {
	running mtty "$U1" mtty-2
	run -0 mdevctl define -u "$U1" -p matrix
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list -d
	same "$U1 matrix mtty-2 manual
$U1 mtty mtty-1 manual"
}

@test "define of a running device fails if a type is given without a parent" {
	running mtty "$U1" mtty-2
	fails 1 "Error: No parent specified" mdevctl define -u "$U1" -t mtty-2
}

@test "define of a running device fails if it is already defined" {
	running mtty "$U1" mtty-2
	mdevctl define -u "$U1"
	fails 4 "Error: Device $U1 on mtty already defined" mdevctl define -u "$U1"
}

@test "define --jsonfile reads type, start and attributes from a file" {
	json_file <<<'{"mdev_type":"mtty-2","start":"auto","attrs":[{"a":"1"},{"b":"x"},{"a":"2"}]}'
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	same ""
	same_stderr ""
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "auto",
  "attrs": [
    {
      "a": "1"
    },
    {
      "b": "x"
    },
    {
      "a": "2"
    }
  ]
}'
}

@test "define --jsonfile generates a UUID if none is given" {
	json_file <<<'{"mdev_type":"mtty-2","start":"manual"}'
	run -0 --separate-stderr mdevctl define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	[[ $output =~ $UUID_PATTERN ]]
	[[ -f $D/mtty/$output ]]
}

@test "define --jsonfile preserves unknown members of the file" {
	json_file <<<'{"comment":{"by":"me"},"mdev_type":"mtty-2","start":"manual"}'
	mdevctl define -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "manual",
  "attrs": [],
  "comment":{"by":"me"}
}'
}

@test "define --jsonfile requires a parent" {
	json_file <<<'{"mdev_type":"mtty-2","start":"manual"}'
	fails 1 "Error: Parent device required to define device via \"$BATS_TEST_TMPDIR/json\"" \
		mdevctl define -u "$U1" --jsonfile "$BATS_TEST_TMPDIR/json"
}

@test "define --jsonfile does not use the parent of a running device" {
	running mtty "$U1" mtty-2
	json_file <<<'{"mdev_type":"mtty-2","start":"manual"}'
	fails 1 "Error: Parent device required to define device via \"$BATS_TEST_TMPDIR/json\"" \
		mdevctl define -u "$U1" --jsonfile "$BATS_TEST_TMPDIR/json"
}

@test "define --jsonfile fails if the device is already defined" {
	definition mtty "$U1" mtty-1
	json_file <<<'{"mdev_type":"mtty-2","start":"manual"}'
	fails 4 "Error: Cowardly refusing to overwrite existing config for mtty/$U1" \
		mdevctl define -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
}

@test "define --jsonfile reports which file cannot be read, and why" {
	fails 1 "Error: Unable to read file \"/nowhere/json\": No such file or directory" \
		mdevctl define -p mtty --jsonfile /nowhere/json
	fails 1 "Error: Unable to read file \"/\": Is a directory" mdevctl define -p mtty --jsonfile /
	fails 1 "Error: Unable to read file \"\": No such file or directory" \
		mdevctl define -p mtty --jsonfile=
	: >"$BATS_TEST_TMPDIR/json"
	chmod 000 "$BATS_TEST_TMPDIR/json"
	fails 1 "Error: Unable to read file \"$BATS_TEST_TMPDIR/json\": Permission denied" \
		weak mdevctl define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
}

@test "define --jsonfile reads at most 1 MiB" {
	{
		printf '{"mdev_type":"mtty-1","start":"manual","x":"'
		head -c 1048576 /dev/zero | tr '\0' x
		printf '"}'
	} >"$BATS_TEST_TMPDIR/json"
	fails 1 "Error: Unable to read file \"$BATS_TEST_TMPDIR/json\": File too large" \
		mdevctl define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	fails 1 "Error: Unable to read file \"/dev/zero\": File too large" \
		mdevctl define -p mtty --jsonfile /dev/zero
}

@test "define, start and apply wait for the writer of a FIFO and read all that it writes" {
	local command fifo=$BATS_TEST_TMPDIR/json
	mkfifo "$fifo"
	for command in "define -u $U1 -p mtty --jsonfile" "start -u $U2 -p mtty --jsonfile" "apply"; do
		# shellcheck disable=SC2086 # several arguments
		mdevctl $command "$fifo" 3>&- >/dev/null &
		wait_for sleeps $! "mdev-${command%% *}"
		exec {writer}>"$fifo"
		if [[ $command == apply ]]; then
			printf '{"desktops": {"mdev_type":"mtty-1","start":"manual",' >&"$writer"
			printf '"parents":["mtty"],"count":1}}' >&"$writer"
		else
			printf '{"mdev_type":"mtty-1",' >&"$writer"
			printf '"start":"manual"}' >&"$writer"
		fi
		exec {writer}>&-
		wait $!
	done
	run -0 mdevctl list -d -p mtty
	((${#lines[@]} == 2))
	run -0 mdevctl list
	same "$U2 mtty mtty-1 manual"
}

@test "a command that waits for the writer of a FIFO can be interrupted" {
	mkfifo "$BATS_TEST_TMPDIR/json"
	mdev-define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json" 3>&- &
	wait_for sleeps $! mdev-define
	kill $!
	local ended=0
	wait $! || ended=$?
	((ended == 143))
	run -0 mdevctl list -d
	same ""
}

@test "define --jsonfile waits for standard input that does not block" {
	mkfifo "$BATS_TEST_TMPDIR/json"
	exec {writer}<>"$BATS_TEST_TMPDIR/json"
	python3 -c 'import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
os.dup2(fd, 0)
os.execvp(sys.argv[2], sys.argv[2:])' "$BATS_TEST_TMPDIR/json" \
		mdev-define -u "$U1" -p mtty --jsonfile - 3>&- {writer}>&- &
	wait_for sleeps $! mdev-define
	printf '{"mdev_type":"mtty-1","start":"manual"}' >&"$writer"
	exec {writer}>&-
	wait $!
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
}

# With sudo, a user may name files that only root can read.
@test "an invalid file is quoted only to users who can read it" {
	local file=$BATS_TEST_TMPDIR/secret command user by
	local place="Invalid JSON in $file: text without quotes at line 1 column 1"
	local quoted="Error: $place
  root:\$y\$secret
  ^"
	# shellcheck disable=SC2016 # a hash of a password
	echo 'root:$y$secret' >"$file"
	user=$((EUID + 1000))
	for command in "define -p mtty --jsonfile" "modify -u $U1 -p mtty --jsonfile" "start -p mtty --jsonfile" apply; do
		# shellcheck disable=SC2086 # several arguments
		set -- mdevctl $command
		fails 8 "$quoted" "$@" "$file"
		for by in SUDO_UID PKEXEC_UID; do
			fails 8 "Error: $place" env $by=$user "$@" "$file"
			fails 8 "Error: $place" env $by= "$@" "$file"
			fails 8 "Error: $place" env $by=x "$@" "$file"
			fails 8 "$quoted" env $by=0 "$@" "$file"
			fails 8 "$quoted" env $by=$EUID "$@" "$file"
			fails 8 "${quoted/$file/standard input}" env $by=$user "$@" - <"$file"
			fails 8 "${quoted/$file//dev/stdin}" env $by=$user "$@" /dev/stdin <"$file"
		done
		fails 8 "Error: $place" env DOAS_USER=somebody "$@" "$file"
	done
}

@test "define --jsonfile reads a pipe, regardless of its name" {
	local json='{"mdev_type":"mtty-2","start":"manual"}'
	printf %s "$json" | mdevctl define -u "$U1" -p mtty --jsonfile=/dev/stdin
	printf %s "$json" | mdevctl define -u "$U2" -p mtty --jsonfile -
	mdevctl define -u "$U3" -p mtty --jsonfile <(printf %s "$json")
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 manual
$U2 mtty mtty-2 manual
$U3 mtty mtty-2 manual"
}

@test "define --jsonfile reads a slow pipe to its end" {
	{
		printf '{"mdev_type":"mtty-2",'
		mdevctl list -d
		printf '"start":"manual"}'
	} | mdevctl define -u "$U1" -p mtty --jsonfile=/dev/stdin
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 manual"
}

@test "define --jsonfile reports that standard input is closed" {
	fails 1 "Error: Unable to read file \"/dev/stdin\": Bad file descriptor" \
		bash -c 'exec mdevctl define -p mtty --jsonfile /dev/stdin <&-'
}

# invalid TEXT JSON: --jsonfile is rejected with this message.
invalid() {
	json_file <<<"$2"
	fails 8 "Error: Invalid $BATS_TEST_TMPDIR/json: $1" \
		mdevctl define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	[[ ! -e $D/mtty ]]
}

@test "define --jsonfile reports what is invalid in the file" {
	invalid "invalid json, not an object. A list of definitions is for 'mdevctl apply'" '[]'
	invalid "invalid json, not an object" '"x"'
	invalid "invalid json, 'mdev_type' is missing" '{}'
	invalid "invalid json, 'mdev_type' is missing" '{"mdev_type":null,"start":"auto"}'
	invalid "'mdev_type' must be a string" '{"mdev_type":7,"start":"auto"}'
	invalid "invalid type name '../x'" '{"mdev_type":"../x","start":"auto"}'
	invalid "invalid type name ''" '{"mdev_type":"","start":"auto"}'
	invalid "invalid json, 'start' is missing" '{"mdev_type":"t"}'
	invalid "invalid json, 'start' is missing" '{"mdev_type":"t","start":null}'
	invalid "'start' must be \"auto\" or \"manual\"" '{"mdev_type":"t","start":"bogus"}'
	invalid "'start' must be \"auto\" or \"manual\"" '{"mdev_type":"t","start":true}'
	invalid "attributes field is not an array" '{"mdev_type":"t","start":"auto","attrs":{}}'
	invalid "invalid JSON format for attribute: not an object" \
		'{"mdev_type":"t","start":"auto","attrs":["a"]}'
	invalid "invalid JSON format for attribute: no field" \
		'{"mdev_type":"t","start":"auto","attrs":[{}]}'
	invalid "invalid JSON format for attribute: too many fields" \
		'{"mdev_type":"t","start":"auto","attrs":[{"a":"1","b":"2"}]}'
	invalid 'invalid JSON format for attribute "k": value must be of type str' \
		'{"mdev_type":"t","start":"auto","attrs":[{"k":1}]}'
	invalid "invalid attribute name '../../x'" \
		'{"mdev_type":"t","start":"auto","attrs":[{"../../x":"1"}]}'
}

# no_json TEXT JSON: the same for a file that is not JSON.
no_json() {
	printf %b "$2" | json_file
	run -8 --separate-stderr mdevctl define -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	same ""
	# Below it is the line with a mark; see cases.bats.
	# shellcheck disable=SC2154 # bats sets it
	output=${stderr%%$'\n'*} same "Error: Invalid JSON in $BATS_TEST_TMPDIR/json: $1"
}

@test "define --jsonfile reports where a file is invalid JSON" {
	no_json "unexpected end at line 1 column 1" ''
	no_json "unexpected end at line 1 column 10" '{"a": "b"'
	no_json "unexpected text at line 2 column 2" '{\n}}'
	no_json "control character at line 1 column 3" '{"\001":1}'
	no_json "byte order mark at line 1 column 1" '\357\273\277{"mdev_type":"t","start":"auto"}'
	local number
	for number in 01 -01 00 1. -1. .5 1.e5 1e 1e+ 1.5e- - -a 1-2 1.2.3 1e5e5 1e999 -1e999 1e309; do
		[[ $number == .5 ]] || no_json "invalid number at line 1 column 38" '{"mdev_type":"t","start":"auto","x":['"$number]}"
	done
	no_json "unexpected text at line 1 column 38" '{"mdev_type":"t","start":"auto","x":[.5]}'
	no_json "control character at line 1 column 4" '{"a\n":1}'
	no_json "control character at line 1 column 5" '{"a\\u0000":1}'
	no_json "invalid escape at line 1 column 5" '{"a\\u00g0":1}'
	no_json "invalid escape at line 1 column 33" '{"mdev_type":"mtty-1","start":"\\u12"}'
	no_json "not valid UTF-8" '{"\xff":1}'
	no_json "not valid UTF-8" '{"a":1}\0000'
}

@test "define leaves nothing behind if it cannot write" {
	mkdir "$D/matrix"
	chmod 555 "$D"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Permission denied" \
		weak mdevctl define -u "$U1" -p mtty -t mtty-1
	chmod 755 "$D"
	run -0 find "$D"
	same "$D
$D/matrix"
}

@test "define leaves nothing behind if no file can be created in the directory of the parent" {
	mkdir "$D/mtty"
	chmod 555 "$D/mtty"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Permission denied" \
		weak mdevctl define -u "$U1" -p mtty -t mtty-1
	run -0 find "$D" -mindepth 1 ! -name .lock
	same "$D/mtty"
}

@test "what is no attribute of a device is never stored" {
	local name text json=$BATS_TEST_TMPDIR/json
	for name in remove uevent driver_override vfio-dev/vfio0/uevent; do
		text="Invalid $json: '$name' is not an attribute that can be set"
		printf '{"mdev_type":"mtty-1","start":"manual","attrs":[{"a":"1"},{"%s":"1"}]}' "$name" >"$json"
		fails 8 "Error: $text" mdevctl define -p mtty --jsonfile "$json"
		fails 8 "Error: $text" mdevctl modify -u "$U1" -p mtty --jsonfile "$json"
		fails 8 "Error: $text" mdevctl start -p mtty --jsonfile "$json"
		wrong_usage "Option '--addattr' has invalid value '$name': not the name of an attribute" \
			modify -u "$U1" --addattr="$name" --value=1
		printf '{"s":{"mdev_type":"mtty-1","start":"manual","attrs":[{"%s":"1"}],"parents":["mtty"],"count":1}}' \
			"$name" >"$json"
		run -8 --separate-stderr mdevctl apply "$json"
		[[ $stderr == *"'$name' is not an attribute that can be set" ]]
		add_script callouts answers <<-END
			#!/bin/sh
			[ "\$4 \$6" = "get attributes" ] || exit 2
			echo '[{"$name":"1"}]'
		END
		running mtty "$U2" mtty-1
		run -8 --separate-stderr mdevctl define -u "$U2"
		[[ $stderr == *"'$name' is not an attribute that can be set" ]]
		run -0 mdevctl stop -u "$U2"
	done
	run -0 find "$D" -mindepth 1 ! -name .lock
	same ""
}

@test "define reports that the directory of the parent is a file" {
	: >"$D/mtty"
	fails 1 "Error: Unable to write /etc/mdevctl.d/mtty/$U1: Not a directory" \
		mdevctl define -u "$U1" -p mtty -t mtty-1
}

@test "define rejects parents whose definitions would not be found" {
	wrong_usage "Option '--parent' has invalid value 'scripts.d': not the name of a parent" \
		define -u "$U1" -p scripts.d -t mtty-1
	wrong_usage "Option '--parent' has invalid value '.hidden': not the name of a parent" \
		define -u "$U1" -p .hidden -t mtty-1
	run -0 find "$D" -mindepth 1 ! -name .lock
	same ""
}

@test "define rejects a definition that would be too large to read" {
	{
		printf '{"mdev_type":"mtty-1","start":"manual","attrs":[{"a":"'
		head -c 1048000 /dev/zero | tr '\0' x
		printf '"},{"b":"'
		head -c 480 /dev/zero | tr '\0' y
		printf '"}]}'
	} >"$BATS_TEST_TMPDIR/json"
	fails 8 "Error: The definition of $U1 on mtty would be too large" \
		mdevctl define -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	[[ ! -e $D/mtty ]]
}

@test "define honours the umask" {
	(umask 027 && mdevctl define -u "$U1" -p mtty -t mtty-1)
	run -0 stat -c %a "$D/mtty" "$D/mtty/$U1"
	same "750
640"
	(umask 022 && mdevctl define -u "$U1" -p matrix -t mtty-1)
	run -0 stat -c %a "$D/matrix" "$D/matrix/$U1"
	same "755
644"
}

@test "define preserves non-ASCII letters and escapes only what JSON requires" {
	json_file <<<'{"mdev_type":"größe","start":"manual","attrs":[{"ä/b":"\u00e4 \" \\ \/ \b\f\n\r\t \u0001\u001F 日本"}]}'
	mdevctl define -u "$U1" -p mtty --jsonfile "$BATS_TEST_TMPDIR/json"
	same_file "$D/mtty/$U1" '{
  "mdev_type": "größe",
  "start": "manual",
  "attrs": [
    {
      "ä/b": "ä \" \\ / \b\f\n\r\t \u0001\u001f 日本"
    }
  ]
}'
}

@test "define fails if the generated UUID cannot be printed" {
	run -1 bash -c "mdevctl define -p mtty -t mtty-1 >/dev/full"
	same "Error: Failed to write to standard output: No space left on device"
}

@test "define accepts the human-readable name of a type if the parent is present" {
	run -0 mdevctl define -u "$U1" -p mtty -t "Dual port serial"
	run -0 mdevctl define -u "$U2" -p later -t "Dual port serial"
	run -0 mdevctl list -d
	same "$U2 later Dual port serial manual
$U1 mtty mtty-2 manual"
}

@test "define rejects a name that several types have, and lists them" {
	add_type mtty mtty-4 6 vfio-pci "Dual port serial"
	add_type mtty mtty-6 6 vfio-pci "Dual port serial"
	fails 3 "Error: Parent mtty has several types with the name 'Dual port serial': mtty-2, mtty-4, mtty-6" \
		mdevctl define -u "$U1" -p mtty -t "Dual port serial"
	[[ ! -e $D/mtty ]]
}

@test "define prefers the directory name of a type over a human-readable one" {
	add_type mtty other 6 vfio-pci mtty-1
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual"
}
