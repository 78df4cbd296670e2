# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# README.md is up to date
bats_require_minimum_version 1.5.0
load ../lib/world.bash

@test "README.md lists every variable of the Makefile" {
	while read -r name; do
		[[ $name == FUZZ_SECONDS ]] || grep -q "^| .*\`$name\`" "$TOP/README.md" ||
			{ echo "not listed: $name"; return 1; }
	done < <(sed -n 's/^\([A-Z_]*\) *?=.*/\1/p' "$TOP/Makefile")
}

@test "README.md gives the defaults of the Makefile" {
	local name value
	while IFS='|' read -r _ name value _; do
		name=${name//[\` ]/} value=${value//[\` ]/}
		[[ -z $value ]] || grep -q "^$name *?= $value\$" "$TOP/Makefile" ||
			{ echo "not so: $name $value"; return 1; }
	done < <(grep "^| \`[A-Z]*\` |" "$TOP/README.md")
}

@test "README.md lists exactly the existing modules" {
	local name
	run -0 sed -n '/^    src\/lib\//,/^    src\/completion\//p' "$TOP/README.md"
	for name in "$TOP"/src/lib/*/*.c; do
		name=$(basename "$name" .c)
		[[ $output == *[\ ]"$name"[\ *]* ]] || { echo "not named: $name"; return 1; }
	done
	sed -n 's/^      \([a-z]*\)  *\([a-z ]*[a-z]\)   *[a-zA-Z].*/\1 \2/p' <<<"$output" |
		while read -r folder names; do
			for name in $names; do
				[[ -f $TOP/src/lib/$folder/$name.c ]] || { echo "not there: $folder/$name"; return 1; }
			done
		done
}

@test "the transcript in README.md shows the output of the commands" {
	local command line first second
	make_world "$BATS_TEST_TMPDIR/root"
	export LC_ALL=C.UTF-8
	rm -r "$SYS/class/mdev_bus/matrix"
	sed -n 's/^    //; /^# mdevctl types/,/^$/p' "$TOP/README.md" | sed '/^$/,$d' >"$BATS_TEST_TMPDIR/shown"
	first=$(sed -n '/mdevctl define/{n;p}' "$BATS_TEST_TMPDIR/shown")
	second=$(sed -n '/type=mtty-1/{n;p}' "$BATS_TEST_TMPDIR/shown")
	while IFS= read -r line; do
		[[ $line == '# '* ]] || continue
		command=${line#'# '}
		echo "$line"
		# UUIDs are those shown in README.md.
		[[ $command != *define* ]] || { command+=" --uuid=$first"; line=$first; }
		[[ $command != *type=mtty-1* ]] || { command+=" --uuid=$second"; line=$second; }
		$command
		[[ $line == '#'* ]] || echo "$line"
	done <"$BATS_TEST_TMPDIR/shown" >"$BATS_TEST_TMPDIR/got"
	run -0 cat "$BATS_TEST_TMPDIR/got"
	same "$(cat "$BATS_TEST_TMPDIR/shown")"
}
