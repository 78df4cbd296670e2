# SPDX-License-Identifier: LGPL-2.1-or-later
# The command lines of libvirt's node device driver, exactly as it runs them, and its requirements:
# definitions on a pipe, only a UUID on stdout, and JSON that it can read.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
	cd /
	JSON='{"mdev_type":"mtty-1","start":"manual"}'
	ATTRS='{"mdev_type":"vfio_ap-passthrough","start":"manual","attrs":[{"assign_adapter":"5"},{"assign_domain":"0xab"},{"assign_adapter":"6"}]}'
}

# libvirt STDIN MDEVCTL-ARGUMENT...: like virCommand: stdin, stdout and stderr are pipes.
libvirt() {
	local input=$1
	shift
	printf %s "$input" | mdevctl "$@" | cat
	return "${PIPESTATUS[1]}"
}

# quiet COMMAND...: succeeds without any output.
quiet() {
	run -0 --separate-stderr "$@"
	same ""
	same_stderr ""
}

# prints_uuid COMMAND...: succeeds and prints only a UUID, which is stored in $uuid.
prints_uuid() {
	run -0 --keep-empty-lines --separate-stderr "$@"
	[[ $output =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'\n'$ ]]
	same_stderr ""
	uuid=${output%$'\n'}
}

# shaped JSON: libvirt accepts it as a list (checked with jq).
shaped() {
	jq -e 'type == "array" and (length == 0 or (length == 1 and (.[0] | type == "object" and
		all(to_entries[]; .value | type == "array" and all(.[]; type == "object" and length == 1 and
		(to_entries[0] |
			(.key | test("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")) and
			(.value | keys_unsorted == ["mdev_type", "start", "attrs"] and
				(.mdev_type | type == "string") and
				(.start == "auto" or .start == "manual") and
				(.attrs | type == "array" and
					all(.[]; type == "object" and length == 1 and
						(.[] | type == "string"))))))))))' <<<"$1" >/dev/null
}

@test "libvirt: nodedev-create with a UUID" {
	quiet libvirt "$JSON" start --parent=mtty --jsonfile=/dev/stdin "--uuid=$U1"
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual"
}

@test "libvirt: nodedev-create with attributes" {
	quiet libvirt "$ATTRS" start --parent=matrix --jsonfile=/dev/stdin "--uuid=$U1"
	same_file "$DEVICES/$U1/assign_adapter" 6
	same_file "$DEVICES/$U1/assign_domain" 0xab
}

@test "libvirt: nodedev-create without a UUID" {
	prints_uuid libvirt "$JSON" start --parent=mtty --jsonfile=/dev/stdin
	run -0 mdevctl list
	same "$uuid mtty mtty-1 manual"
}

@test "libvirt: nodedev-define with a UUID" {
	quiet libvirt "$ATTRS" define --parent=matrix --jsonfile=/dev/stdin "--uuid=$U1"
	same_file "$D/matrix/$U1" '{
  "mdev_type": "vfio_ap-passthrough",
  "start": "manual",
  "attrs": [
    {
      "assign_adapter": "5"
    },
    {
      "assign_domain": "0xab"
    },
    {
      "assign_adapter": "6"
    }
  ]
}'
}

@test "libvirt: nodedev-define without a UUID" {
	prints_uuid libvirt "$JSON" define --parent=mtty --jsonfile=/dev/stdin
	same_file "$D/mtty/$uuid" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
}

@test "libvirt: nodedev-define of a device that is already defined" {
	definition mtty "$U1" mtty-2 auto '[
    {
      "a": "1"
    }
  ]'
	run -0 libvirt "" modify --defined --live --jsonfile b --help
	quiet libvirt "$JSON" modify --parent=mtty --jsonfile=/dev/stdin "--uuid=$U1" --defined
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
}

@test "libvirt: nodedev-start, nodedev-destroy, nodedev-undefine" {
	definition mtty "$U1" mtty-1
	quiet mdevctl start "--uuid=$U1" </dev/null
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
	quiet mdevctl stop "--uuid=$U1" </dev/null
	run -0 mdevctl list
	same ""
	quiet mdevctl undefine "--uuid=$U1" </dev/null
	run -0 mdevctl list -d
	same ""
}

@test "libvirt: nodedev-destroy keeps the group open, in which it has looked for a guest" {
	mkdir -p "$SYS/kernel/iommu_groups/7" "$ROOT/dev/vfio"
	: >"$ROOT/dev/vfio/7"
	ln -s /proc "$ROOT"
	running mtty "$U1" mtty-1
	ln -s "$SYS/kernel/iommu_groups/7" "$DEVICES/$U1/iommu_group"
	exec {group}<>"$ROOT/dev/vfio/7"
	# shellcheck disable=SC2031 # set above
	quiet mdevctl stop "--uuid=$U1" {group}<&- </dev/null
	exec {group}<&-
	[[ ! -e $DEVICES/$U1 ]]
}

@test "libvirt: the check whether modify can --live and --defined" {
	run -0 --separate-stderr mdevctl modify --defined --live --jsonfile b --help </dev/null
	[[ ${lines[0]} == "Usage: mdevctl modify --uuid=UUID {--auto | --manual | --addattr=ATTRIBUTE | --delattr | --type=TYPE} [OPTIONS]" ]]
	same_stderr ""
	rm -r "${ROOT:?}/etc" "${ROOT:?}/usr"
	run -0 mdevctl modify --defined --live --jsonfile b --help </dev/null
	run -2 mdevctl modify --defined --lively --jsonfile b --help </dev/null
}

@test "libvirt: nodedev-update of the definition" {
	definition matrix "$U1" vfio_ap-passthrough
	quiet libvirt "$ATTRS" modify --parent=matrix --jsonfile=/dev/stdin "--uuid=$U1" --defined
	run -0 mdevctl list -dv
	same "$U1 matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_domain\":\"0xab\"}
    @{2}: {\"assign_adapter\":\"6\"}"
}

# live_script: a script that can change running devices; its input is stored in $BATS_TEST_TMPDIR/live.
live_script() {
	add_script callouts live <<EOF
#!/bin/sh
case \$4/\$6 in
get/capabilities) echo '{"supports":{"version":2,"actions":["modify"],"events":["pre","post","live"]}}' ;;
live/modify) cat >'$BATS_TEST_TMPDIR/live' ;;
*) cat >/dev/null ;;
esac
EOF
}

@test "libvirt: nodedev-update of the running device" {
	running matrix "$U1" vfio_ap-passthrough
	definition matrix "$U1" vfio_ap-passthrough
	live_script
	quiet libvirt "$ATTRS" modify --parent=matrix --jsonfile=/dev/stdin "--uuid=$U1" --live
	same_file "$BATS_TEST_TMPDIR/live" "$ATTRS"
	same_file "$D/matrix/$U1" '{
  "mdev_type": "vfio_ap-passthrough",
  "start": "manual",
  "attrs": []
}'
}

@test "libvirt: nodedev-update of both" {
	running matrix "$U1" vfio_ap-passthrough
	definition matrix "$U1" vfio_ap-passthrough
	live_script
	quiet libvirt "$ATTRS" modify --parent=matrix --jsonfile=/dev/stdin "--uuid=$U1" --defined --live
	same_file "$BATS_TEST_TMPDIR/live" "$ATTRS"
	run -0 mdevctl list -dv
	same "$U1 matrix vfio_ap-passthrough manual (active)
  Attrs:
    @{0}: {\"assign_adapter\":\"5\"}
    @{1}: {\"assign_domain\":\"0xab\"}
    @{2}: {\"assign_adapter\":\"6\"}"
}

@test "libvirt: nodedev-autostart and its --disable" {
	definition mtty "$U1" mtty-1 manual '[
    {
      "a": "1"
    }
  ]'
	cp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
	quiet mdevctl modify --uuid "$U1" --auto </dev/null
	run -0 mdevctl list -dv
	same "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"a\":\"1\"}"
	quiet mdevctl modify --uuid "$U1" --manual </dev/null
	cmp "$D/mtty/$U1" "$BATS_TEST_TMPDIR/before"
}

@test "libvirt: the older command lines of 6.5 to 7.x" {
	prints_uuid libvirt "$JSON" start -p mtty --jsonfile /dev/stdin
	quiet mdevctl stop -u "$uuid"
	prints_uuid libvirt "$JSON" define -p mtty --jsonfile /dev/stdin
	quiet mdevctl start -u "$uuid"
	quiet mdevctl undefine -u "$uuid"
}

@test "libvirt: empty lists" {
	run -0 --separate-stderr mdevctl list --dumpjson --defined </dev/null
	same "[]"
	same_stderr ""
	run -0 mdevctl list --dumpjson </dev/null
	same "[]"
	rm -r "${ROOT:?}/etc" "${ROOT:?}/usr" "${ROOT:?}/sys"
	run -0 --separate-stderr mdevctl list --dumpjson --defined </dev/null
	same "[]"
	same_stderr ""
	run -0 mdevctl list --dumpjson </dev/null
	same "[]"
}

@test "libvirt: lists have the expected structure" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1
	definition matrix "$U1" vfio_ap-passthrough manual '[
    {
      "assign_adapter": "5"
    },
    {
      "assign_domain": "a\"<&>\\ \u0007 é"
    }
  ]'
	mdevctl start -u "$U2"
	mdevctl start -u "$U1" -p mtty
	run -0 --separate-stderr mdevctl list --dumpjson --defined </dev/null
	shaped "$output"
	run -0 jq -c '.[0] | [to_entries[] | [.key, (.value[] | keys[0])]]' <<<"$output"
	same "[[\"matrix\",\"$U1\"],[\"mtty\",\"$U1\",\"$U2\"]]"
	run -0 --separate-stderr mdevctl list --dumpjson </dev/null
	shaped "$output"
	run -0 jq -c '.[0].mtty | map(.[].start)' <<<"$output"
	same '["auto","manual"]'
}

@test "libvirt: lists do not contain script replies that would crash it" {
	running matrix "$U1" vfio_ap-passthrough
	local answer
	for answer in '[{"a":"1","b":"2"}]' '[{}]' '["a"]' '[{"a":1}]' '{"a":"1"}' '' 'null' "$(printf '\377')"; do
		add_script callouts attributes <<EOF
#!/bin/sh
[ "\$6" = attributes ] || exit 2
printf '%s' '$answer'
EOF
		run -0 --separate-stderr mdevctl list --dumpjson </dev/null
		shaped "$output"
		run -0 jq -c '.[0].matrix[0][].attrs' <<<"$output"
		same "[]"
	done
}

@test "libvirt: lists are not affected by an invalid definition, a temporary file and unusual names" {
	definition mtty "$U1" mtty-1
	mkdir "$D/matrix" "$D/scripts.d"
	: >"$D/mtty/$U2"
	echo '{"mdev_type":"t","start":"auto","attrs":[{"a":"1","b":"2"}]}' >"$D/mtty/$U3"
	: >"$D/mtty/.mdevctl.tmp.1"
	: >"$D/plain"
	: >"$D/mtty/.$U2.swp"
	: >"$D/matrix/$U1~"
	run -0 --separate-stderr mdevctl list --dumpjson --defined </dev/null
	shaped "$output"
	same "[
  {
    \"mtty\": [
      {
        \"$U1\": {
          \"mdev_type\": \"mtty-1\",
          \"start\": \"manual\",
          \"attrs\": []
        }
      }
    ]
  }
]"
	same_stderr "Warning: Can't determine uuid for file '$U1~' in /etc/mdevctl.d/matrix
Warning: Invalid JSON in /etc/mdevctl.d/mtty/$U2: unexpected end at line 1 column 1
Warning: Invalid /etc/mdevctl.d/mtty/$U3: invalid JSON format for attribute: too many fields"
}

@test "libvirt: output of scripts is not taken as a UUID" {
	add_script callouts chatty <<EOF
#!/bin/sh
cat >/dev/null
[ "\$6" = capabilities ] && exit 2
echo "Defined a device, very well"
EOF
	add_script notifiers chatty <<<'#!/bin/sh
echo "Look, a device"'
	quiet libvirt "$JSON" define --parent=mtty --jsonfile=/dev/stdin "--uuid=$U1"
	prints_uuid libvirt "$JSON" define --parent=mtty --jsonfile=/dev/stdin
	prints_uuid libvirt "$JSON" start --parent=mtty --jsonfile=/dev/stdin
	quiet mdevctl start "--uuid=$U1"
}

@test "libvirt: a background process of a notifier does not keep its pipes open" {
	add_script notifiers background <<EOF
#!/bin/sh
sleep 600 &
echo \$! >'$BATS_TEST_TMPDIR/pid'
EOF
	# cat ends only when no process has the pipe open; timeout detects otherwise.
	run -0 timeout 100 bash -c "mdevctl define -u $U1 -p mtty -t mtty-1 2>&1 | cat"
	same ""
	kill "$(cat "$BATS_TEST_TMPDIR/pid")"
}

@test "libvirt: errors are single messages on stderr, as expected by users and tests" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	definition mtty "$U2" mtty-1
	mdevctl start -u "$U2"
	fails 4 "Error: Device already exists" mdevctl start "--uuid=$U2"
	fails 1 "Error: Multiple definitions found for device $U1. Please specify a parent." \
		mdevctl start "--uuid=$U1"
	fails 3 "Error: Parent mtty does not support mdev type mtty-99. It supports mtty-1 (Single port serial), mtty-2 (Dual port serial)" \
		libvirt '{"mdev_type":"mtty-99","start":"manual"}' start --parent=mtty --jsonfile=/dev/stdin
	fails 1 "Error: Invalid attribute 'nosuch'" libvirt \
		'{"mdev_type":"mtty-1","start":"manual","attrs":[{"nosuch":"1"}]}' \
		start --parent=mtty --jsonfile=/dev/stdin
	fails 3 "Error: Unable to find parent device '0000:99:00.0'" \
		libvirt "$JSON" start --parent=0000:99:00.0 --jsonfile=/dev/stdin
	fails 4 "Error: Cowardly refusing to overwrite existing config for mtty/$U1" \
		libvirt "$JSON" define --parent=mtty --jsonfile=/dev/stdin "--uuid=$U1"
	fails 3 "Error: Device $U3 is not an active mdev" mdevctl stop "--uuid=$U3"
}

@test "libvirt: undefine of a UUID under two parents removes both" {
	definition mtty "$U1" mtty-1
	definition matrix "$U1" vfio_ap-passthrough
	quiet mdevctl undefine "--uuid=$U1"
	run -0 mdevctl list -d
	same ""
}

@test "libvirt: lists never contain partially written definitions" {
	definition mtty "$U1" mtty-1 auto
	local i auto manual stop=$BATS_TEST_TMPDIR/stop
	auto=$(mdevctl list --dumpjson --defined)
	mdevctl modify --uuid "$U1" --manual
	manual=$(mdevctl list --dumpjson --defined)
	(
		while [[ ! -e $stop ]]; do
			mdevctl modify --uuid "$U1" --auto || exit 1
			mdevctl modify --uuid "$U1" --manual || exit 1
		done
	) 3>&- &
	for ((i = 0; i < 50; i++)); do
		output=$(mdevctl list --dumpjson --defined 2>&1)
		[[ $output == "$auto" || $output == "$manual" ]] || break
	done
	touch "$stop"
	wait $!
	((i == 50)) || same "one of the two"
}
