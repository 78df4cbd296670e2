# SPDX-License-Identifier: LGPL-2.1-or-later
# The command-line grammar, which is the same in all programs: options, rules, names, --help.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# accepts_uuid FORM...: each form of the option is accepted.
accepts_uuid() {
	definition mtty "$U1" mtty-1
	run -0 --separate-stderr mdevctl list -d "$@"
	same_stderr ""
	same "$U1 mtty mtty-1 manual"
}

@test "the value of a short option is appended, follows =, or is the next argument" {
	accepts_uuid "-u$U1"
	accepts_uuid "-u=$U1"
	accepts_uuid -u "$U1"
}

@test "the value of a long option follows = or is the next argument" {
	accepts_uuid "--uuid=$U1"
	accepts_uuid --uuid "$U1"
}

@test "a UUID may be given without hyphens, in braces, as a URN and in upper case" {
	local plain=${U1//-/}
	accepts_uuid -u "$plain"
	accepts_uuid -u "{$U1}"
	accepts_uuid -u "urn:uuid:$U1"
}

@test "a UUID becomes lower case in file names and output" {
	run -0 mdevctl define -u AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE -p mtty -t mtty-1
	same ""
	run -0 mdevctl list -d
	same "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee mtty mtty-1 manual"
	[[ -f $D/mtty/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee ]]
}

@test "UUID:PARENT specifies the parent as well" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	run -0 mdevctl list -d -u "$U1:matrix"
	same "$U1 matrix vfio_ap-passthrough manual"
	run -0 mdevctl list -d -u "$U1:matrix" -p matrix
	same "$U1 matrix vfio_ap-passthrough manual"
}

@test "UUID:PARENT and --parent must not conflict" {
	wrong_usage "Options --uuid and --parent specify different parents" list -u "$U1:matrix" -p mtty
}

@test "the parent in UUID:PARENT is validated" {
	wrong_usage "Option '--uuid' has invalid value '$U1:../x': not the name of a parent after the colon" list -u "$U1:../x"
	wrong_usage "Option '--uuid' has invalid value '$U1:': not the name of a parent after the colon" list -u "$U1:"
}

@test "an invalid UUID is a usage error" {
	local bad
	for bad in "" x 1111 "$U1-" "${U1%?}" "{$U1" "$U1}" "{$U1)" "${U1%?}g" "urn:uuid:" "-$U1" " $U1" \
		"11111111-1111-4111-81111-11111111111" "{${U1//-/}}" "URN:uuid:$U1"; do
		wrong_usage "Option '--uuid' has invalid value '$bad': not a UUID" undefine "--uuid=$bad"
	done
}

@test "short options can be combined, and the last one may take a value" {
	definition mtty "$U1" mtty-1 manual '[
    {
      "a": "b"
    }
  ]'
	definition matrix "$U2" vfio_ap-passthrough
	run -0 mdevctl list -dv
	same "$U2 matrix vfio_ap-passthrough manual
$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"b\"}"
	run -0 mdevctl list -dvp matrix
	same "$U2 matrix vfio_ap-passthrough manual"
	run -0 mdevctl list -dvpmatrix
	same "$U2 matrix vfio_ap-passthrough manual"
	run -0 mdevctl list "-du$U2"
	same "$U2 matrix vfio_ap-passthrough manual"
	run -0 mdevctl undefine -fu "$U2"
	same ""
}

@test "a flag does not take a value" {
	wrong_usage "Option '--auto' does not take a value" define -u "$U1" --auto=yes
	wrong_usage "Option '--help' does not take a value" list --help=all
	wrong_usage "Unknown option '-='" list -d=x
}

@test "a missing value of an option is a usage error" {
	wrong_usage "Option '--uuid' requires a value (--uuid=UUID)" define --uuid
	wrong_usage "Option '--parent' requires a value (--parent=PARENT)" define -p
	wrong_usage "Option '--jsonfile' requires a value (--jsonfile=FILE)" define -p mtty --jsonfile
}

@test "a value that begins with - requires =" {
	definition mtty "$U1" mtty-1
	wrong_usage "Option '--value' requires a value (--value=VALUE)" modify -u "$U1" --addattr=a --value -1
	run -0 mdevctl modify -u "$U1" --addattr=a --value=-1
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"-1\"}"
}

@test "a value may be empty" {
	definition mtty "$U1" mtty-1
	run -0 mdevctl modify -u "$U1" --addattr=a --value=
	run -0 mdevctl modify -u "$U1" --addattr=b --value ''
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"a\":\"\"}
    @{1}: {\"b\":\"\"}"
}

@test "options cannot be abbreviated" {
	wrong_usage "Unknown option '--dump'. Did you mean '--dumpjson'?" list --dump
	wrong_usage "Unknown option '--par'. Did you mean '--parent'?" types --par=mtty
	wrong_usage "Unknown option '--dumpjsonx'. Did you mean '--dumpjson'?" list --dumpjsonx
}

@test "an option cannot be given twice" {
	wrong_usage "Option '--defined' cannot be used multiple times" list -d --defined
	wrong_usage "Option '--uuid' cannot be used multiple times" list -u "$U1" -u "$U1"
	wrong_usage "Option '--verbose' cannot be used multiple times" list -vv
}

@test "programs accept only their own options" {
	wrong_usage "Unknown option '--manual'" define -u "$U1" --manual
	wrong_usage "Unknown option '-m'" define -u "$U1" -m
	wrong_usage "Unknown option '--auto'" start -u "$U1" --auto
	wrong_usage "Option --parent requires --all" stop -u "$U1" --parent=mtty
	wrong_usage "Unknown option '--type'" undefine -u "$U1" --type=mtty-1
	wrong_usage "Unknown option '--uuid'" types "--uuid=$U1"
	wrong_usage "Unknown option '--force'" list --force
	wrong_usage "Unknown option '--uuid'" start-parent-mdevs "--uuid=$U1"
	wrong_usage "Unknown option '-j'" define -u "$U1" -j x
}

@test "only list prints a version" {
	wrong_usage "Unknown option '-V'" start -V
	wrong_usage "Unknown option '--version'" types --version
	run -0 mdevctl list -V
	[[ $output =~ ^mdevctl-list\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run -0 mdevctl list --version
	[[ $output =~ ^mdevctl-list\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run -0 lsmdev -V
	[[ $output =~ ^lsmdev\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run -0 mdev-list -V
	[[ $output =~ ^mdev-list\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "unexpected arguments are a usage error" {
	wrong_usage "Unexpected argument 'mtty'" list mtty
	wrong_usage "Unexpected argument 'mtty'" list -- mtty
	wrong_usage "Unexpected argument '-d'" list -- -d
	wrong_usage "Unexpected argument '-'" list -
	wrong_usage "Unexpected argument ''" list ''
	wrong_usage "Unexpected argument 'b'" start-parent-mdevs a b
}

@test "-- ends the options" {
	definition mtty "$U1" mtty-1
	run -0 mdevctl list -d --
	same "$U1 mtty mtty-1 manual"
	run -0 mdevctl start-parent-mdevs -- -x
	same ""
}

@test "a missing operand is reported" {
	wrong_usage "Argument PARENT is required" start-parent-mdevs
}

@test "missing options are reported" {
	wrong_usage "Option --uuid or --parent is required" define
	wrong_usage "Option --uuid or --parent is required" define -t mtty-1
	wrong_usage "Option --uuid or --parent is required" start
	wrong_usage "Exactly one of the options --uuid or --all is required" undefine
	wrong_usage "Exactly one of the options --uuid or --all is required" undefine -p mtty
	wrong_usage "Exactly one of the options --uuid or --all is required" modify --auto
	wrong_usage "Exactly one of the options --uuid or --all is required" stop
}

@test "--jsonfile excludes the options for values that it contains" {
	wrong_usage "Option --jsonfile cannot be used with --type" define -p mtty --jsonfile=x -t mtty-1
	wrong_usage "Option --jsonfile cannot be used with --auto" define -p mtty --jsonfile=x -a
	wrong_usage "Option --jsonfile cannot be used with --type" start -p mtty --jsonfile=x -t mtty-1
	wrong_usage "Option --type cannot be used with --jsonfile" modify -u "$U1" -p mtty --jsonfile=x -t mtty-1
}

@test "modify requires exactly one change" {
	local text="Exactly one of the options --auto, --manual, --addattr, --delattr or --jsonfile is required, or --type"
	local one two
	wrong_usage "$text" modify -u "$U1"
	wrong_usage "$text" modify -u "$U1" --index=0
	wrong_usage "$text" modify -u "$U1" --live
	for one in --auto --manual --addattr=a --delattr --jsonfile=x; do
		for two in --auto --manual --addattr=a --delattr --jsonfile=x; do
			[[ $one == "$two" ]] || wrong_usage "$text" modify -u "$U1" --value=v $one $two
			[[ $one == "$two" ]] || wrong_usage "$text" modify -u "$U1" -t mtty-2 --value=v $one $two
		done
	done
}

@test "modify --type is a change of its own" {
	definition mtty "$U1" mtty-1 auto '[{"a": "1"}]'
	run -0 mdevctl modify -u "$U1" -t mtty-2
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-2 auto
  Attrs:
    @{0}: {\"a\":\"1\"}"
	run -0 mdevctl modify -u "$U1" --type="Single port serial"
	run -0 mdevctl modify -u "$U1" --type=mtty-2 --manual
	run -0 mdevctl list -d
	same "$U1 mtty mtty-2 manual"
	wrong_usage "Option --index requires --addattr or --delattr" modify -u "$U1" -t mtty-1 --index=0
	wrong_usage "Option --type cannot be used with --live" modify -u "$U1" -t mtty-1 --live
	fails 3 "Error: Mediated device $U2 is not defined" mdevctl modify -u "$U2" -t mtty-1
}

@test "a parent that no device can have is refused by all commands" {
	local parent
	for parent in scripts.d .hidden . .. a/b "" $'a\nb' $'\xff'; do
		run -2 mdevctl define -p "$parent" -t mtty-1
		run -2 mdevctl undefine -u "$U1" -p "$parent"
		run -2 mdevctl modify -u "$U1" -p "$parent" -a
		run -2 mdevctl start -p "$parent" -t mtty-1
		run -2 mdevctl list -p "$parent"
		run -2 mdevctl types -p "$parent"
		run -2 mdevctl start-parent-mdevs "$parent"
		run -2 mdevctl start -u "$U1:$parent"
		run -2 mdevctl status -p "$parent"
	done
	run -0 find "$D" -mindepth 1 ! -name .lock
	same ""
}

@test "modify requires attributes and values together" {
	wrong_usage "Option --addattr requires --value" modify -u "$U1" --addattr=a
	wrong_usage "Option --value requires --addattr" modify -u "$U1" --delattr --value=v
	wrong_usage "Option --value requires --addattr" modify -u "$U1" --auto --value=v
}

@test "modify rejects an index without an attribute option" {
	wrong_usage "Option --index cannot be used with --auto" modify -u "$U1" --auto -i 0
	wrong_usage "Option --index cannot be used with --manual" modify -u "$U1" --manual -i 0
	wrong_usage "Option --index cannot be used with --jsonfile" modify -u "$U1" --jsonfile=x -i 0
	wrong_usage "Option --index cannot be used with --live" modify -u "$U1" --delattr --live -i 0
	wrong_usage "Option --value cannot be used with --live" modify -u "$U1" --live --addattr=a --value=v
}

@test "modify --live cannot be used with --type" {
	wrong_usage "Option --type cannot be used with --live" modify -u "$U1" --live --auto -t mtty-1
}

@test "an index is a 32-bit number" {
	definition mtty "$U1" mtty-1
	local bad
	for bad in "" x 1x 0x1 -1 + ++1 " 1" 1.0 4294967296 99999999999999999999; do
		wrong_usage "Option '--index' has invalid value '$bad': not a number from 0 to 4294967295" \
			modify -u "$U1" --delattr "--index=$bad"
	done
	fails 1 "Error: Attribute index 4294967295 is invalid
Device $U1 has no attributes" mdevctl modify -u "$U1" --delattr --index=4294967295
}

@test "the time of --wait is a number of seconds, given with = or omitted" {
	wrong_usage "Option '--wait' has invalid value 'x': not a number from 0 to 4294967295" start -u "$U1" --wait=x
	wrong_usage "Option '--wait' has invalid value '': not a number from 0 to 4294967295" stop -u "$U1" --wait=
	wrong_usage "Unexpected argument '5'" stop -u "$U1" --wait 5
}

@test "a parent name is a single path component" {
	local bad shown
	for bad in "" . .. / /etc a/b ../../x "$(printf 'a%.0s' {1..256})" $'a\nb' $'a\x7f' $'\xff'; do
		shown=${bad//[$'\x7f\xff']/?} # control characters and invalid UTF-8 are replaced
		wrong_usage "Option '--parent' has invalid value '$shown': not the name of a parent" define -u "$U1" -t mtty-1 "--parent=$bad"
		wrong_usage "Argument PARENT has invalid value '$shown': not the name of a parent" start-parent-mdevs "$bad"
	done
	run -0 find "$ROOT/etc" -type f
	same ""
}

@test "a parent name may have 255 bytes, spaces and non-ASCII letters" {
	local name
	for name in "$(printf 'a%.0s' {1..255})" "a b" "größe" "0000:00:02.0" a...; do
		run -0 mdevctl list -p "$name"
		same ""
	done
}

@test "a type name is a single path component" {
	local bad shown
	for bad in "" . .. ../mtty-1 /mtty-1 mtty-1/ ../mdev_supported_types/mtty-1 $'\t' $'\xc0\x80'; do
		shown=${bad/$'\xc0\x80'/??}
		wrong_usage "Option '--type' has invalid value '$shown': not the name of a type" define -u "$U1" -p mtty "--type=$bad"
		wrong_usage "Option '--type' has invalid value '$shown': not the name of a type" start -u "$U1" -p mtty "--type=$bad"
	done
	# Human-readable names may have slashes.
	definition mtty "$U2" mtty-1
	local hint=". It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)"
	for bad in mtty-1/9 mtty-1/name; do
		fails 3 "Error: Parent mtty does not support mdev type $bad$hint" \
			mdevctl define -u "$U1" -p mtty "--type=$bad"
		fails 3 "Error: Unable to find parent device 'later'" \
			mdevctl define -u "$U1" -p later "--type=$bad"
		fails 3 "Error: Parent mtty does not support mdev type $bad$hint" \
			mdevctl start -u "$U1" -p mtty "--type=$bad"
		fails 3 "Error: Parent mtty does not support mdev type $bad$hint" \
			mdevctl modify -u "$U2" --auto "--type=$bad"
	done
}

@test "the human-readable name of a type may have slashes" {
	local title="I/O subchannel (Non-QDIO)"
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw "$title"
	mdevctl define -u "$U1" -p 0.0.0313 -t "$title"
	definition 0.0.0313 "$U2" other
	mdevctl modify -u "$U2" --manual -t "$title"
	mdevctl start -u "$U3" -p 0.0.0313 -t "$title"
	mdevctl stop -u "$U3"
	run -0 mdevctl list -d
	same "$U1 0.0.0313 vfio_ccw-io manual
$U2 0.0.0313 vfio_ccw-io manual"
	mdevctl undefine -u "$U1"
	mdevctl undefine -u "$U2"
	printf '{ "ccw": { "mdev_type": "%s", "start": "manual", "parents": ["0.0.*"] } }' "$title" >"$ROOT/f"
	run -0 mdevctl apply "$ROOT/f"
	[[ $output == "define   "*" 0.0.0313 vfio_ccw-io ccw/0" ]]
	run -0 mdevctl apply "$ROOT/f"
	same ""
}

@test "an attribute name cannot leave the device directory" {
	definition mtty "$U1" mtty-1
	local bad
	for bad in "" . .. ../x x/../y /etc/passwd x/ x//y power/.. $'a\nb'; do
		wrong_usage "Option '--addattr' has invalid value '$bad': not the name of an attribute" modify -u "$U1" "--addattr=$bad" --value=1
	done
	run -0 mdevctl modify -u "$U1" --addattr=power/control --value=on
}

@test "an attribute value must be representable in JSON" {
	definition mtty "$U1" mtty-1
	wrong_usage "Option '--value' has invalid value '?': not valid UTF-8" modify -u "$U1" --addattr=a $'--value=\xff'
}

@test "--help takes precedence over missing and conflicting options" {
	local words
	for words in "define" "undefine" "modify" "start" "stop" "list" "types" "start-parent-mdevs" \
		"define --jsonfile b --type x --auto" "modify --defined --live --jsonfile b" \
		"modify --index x" "undefine --uuid nonsense" "modify --auto --manual --value v"; do
		# shellcheck disable=SC2086 # words are words
		run -0 --separate-stderr mdevctl $words --help
		same_stderr ""
		[[ ${lines[0]} == "Usage: mdevctl ${words%% *} "* ]]
	done
}

@test "--help takes effect where it is reached, from left to right" {
	wrong_usage "Unknown option '--bogus'" modify --bogus --help
	wrong_usage "Unexpected argument 'x'" modify x --help
	wrong_usage "Option '--live' cannot be used multiple times" modify --live --live --help
	run -0 mdevctl modify --help --bogus x
	[[ ${lines[0]} == "Usage: mdevctl modify --uuid=UUID "*" [OPTIONS]" ]]
	run -0 mdevctl list -dhx
	[[ ${lines[0]} == "Usage: mdevctl list [OPTIONS]" ]]
}

@test "--help after an option that requires a value is not a value" {
	wrong_usage "Option '--uuid' requires a value (--uuid=UUID)" define --uuid --help
}

@test "help uses the name by which the program was called" {
	run -0 mdev-stop -h
	same "Usage: mdev-stop --uuid=UUID [OPTIONS]
       mdev-stop --all [--parent=PARENT] [OPTIONS]

Stop a running mediated device, or all of them.

Options:
  -u, --uuid=UUID           UUID of the device
      --all                 Stop all running devices
  -p, --parent=PARENT       With --all, only devices of this parent or card
  -f, --force               Proceed if a script refuses, or if use is unknown
      --ensure              Succeed if the device is not running
      --settle              Ignore a device that udev is still processing
      --wait[=SECONDS]      Wait until the device is not in use (default: 30 s)
  -h, --help                Print this help and exit

See mdev-stop(8)."
	run -0 lsmdev --help
	same "Usage: lsmdev [OPTIONS]

List running or defined mediated devices.

Options:
  -d, --defined             List defined devices instead of running devices
      --dumpjson            Print JSON; with --uuid, only the device definition
  -v, --verbose             Print attributes as well
  -u, --uuid=UUID           List only this device
  -p, --parent=PARENT       List only devices of this parent
  -V, --version             Print the version and exit
  -h, --help                Print this help and exit

See mdev-list(8)."
	run -0 mdevctl types -h
	same "Usage: mdevctl types [OPTIONS]

List the types of mediated devices that parents support.

Options:
  -p, --parent=PARENT       List only the types of this parent
      --dumpjson            Print JSON
  -h, --help                Print this help and exit

See mdev-types(8)."
}

@test "programs work both standalone and when run by mdevctl" {
	run -0 mdev-define -u "$U1" -p mtty -t mtty-1
	run -0 mdev-modify -u "$U1" --auto
	run -0 mdev-list -d
	same "$U1 mtty mtty-1 auto"
	run -0 mdev-autostart mtty
	run -0 lsmdev
	same "$U1 mtty mtty-1 auto (defined)"
	run -0 mdev-stop -u "$U1"
	run -0 mdev-start -u "$U1"
	run -0 mdev-undefine -u "$U1"
	run -0 mdev-list
	same "$U1 mtty mtty-1 manual"
	run -0 mdev-types -p matrix
	same "matrix
  vfio_ap-passthrough
    Available instances: 65536
    Device API: vfio-ap
    Name: VFIO AP Passthrough Device"
}

@test "usage errors use the name by which the program was called" {
	run -2 mdev-stop
	same "Error: Exactly one of the options --uuid or --all is required
Try 'mdev-stop --help' for more information."
	run -2 lsmdev x
	same "Error: Unexpected argument 'x'
Try 'lsmdev --help' for more information."
}
