# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # the names of world.bash
# Random hosts, files and mishaps for mdevctl apply. A seed always makes the same host, the same file and the same
# mishaps in the same order: nothing runs at the same time. Sourced by a test and by tests/tools/apply-long, after
# world.bash.

# pick NAME WORD...: sets the variable to one of them. (In a subshell, RANDOM does not depend on the seed.)
pick() {
	local -n ret=$1
	# shellcheck disable=SC2034 # the variable of the caller
	ret=${*:RANDOM % ($# - 1) + 2:1}
}

# chance N: true once in N times.
chance() {
	((RANDOM % $1 == 0))
}

random_file() {
	local sets='' name type start parents count spread attrs
	for name in a b c; do
		! chance 4 || continue
		pick type t t u Tee
		pick start auto auto manual
		pick parents '"p1"' '"p1", "p2"' '"p*"' '"p3", "p[12]"'
		pick count 1 2 2 3 4 '"max"' 0
		pick spread cards fill
		pick attrs '' ', "attrs": [{"assign_x": "1"}]'
		sets+=${sets:+, }"\"$name\": { \"mdev_type\": \"$type\", \"start\": \"$start\", \"parents\": [$parents], "
		sets+="\"count\": $count, \"spread\": \"$spread\"$attrs }"
	done
	echo "{ $sets }" >"$F"
}

# What drivers, scripts and other programs do to a run: one script that is asked about each change. It decides by
# the seed and the number of times that it has been asked.
random_script() {
	add_script callouts random <<-END
		#!/bin/bash
		[[ -z \${NESTED:-} && "\$*" != *" get "* ]] || exit 2
		n=\$((\$(<"$MISHAPS") + 1))
		echo "\$n" >"$MISHAPS"
		RANDOM=\$(($1 + n * 7919))
		: \$RANDOM
		((RANDOM % $2 == 0)) || exit 2
		uuid=\${10} parent=\${12} export NESTED=1
		case \$((RANDOM % 7)) in
		0 | 1) [[ "\$*" != *" pre "* ]] || exit 1 ;;
		2) rm -f "$D/\$parent/\$uuid" ;;
		3) mdev-stop -u "\$uuid" ;;
		4) mkdir -p "$D/p2"; cp "$D/\$parent/\$uuid" "$D/p2/\$uuid" ;;
		5) sed -i 's/"auto"/"manual"/' "$D/\$parent/\$uuid" ;;
		6) mdev-start -u "\$uuid" -p "\$parent" -t t ;;
		esac >/dev/null 2>&1
		exit 2
	END
}

# random_host SEED: creates $ROOT and $F, and sets FAKEKERNEL_FAIL.
random_host() {
	local parent type uuid n title other rules=()
	RANDOM=$(($1 % 32768))
	rm -rf "$ROOT"
	make_world "$ROOT"
	rm -r "$SYS/class/mdev_bus"/*
	for parent in p1 p2 p3; do
		[[ $parent == p2 ]] || ! chance 10 || continue
		for type in t u; do
			[[ $parent == p2 ]] || ! chance 20 || continue
			pick n 1 1 2 3 4
			[[ $type == t ]] && title=Tee || title=
			add_type "$parent" "$type" "$n" vfio-pci "$title"
			add_attribute "$parent" "$type" assign_x
		done
	done
	random_file
	mdev-apply "$F" >/dev/null 2>&1 || true
	for uuid in "$D"/p*/*; do
		[[ -f $uuid ]] || continue
		case $((RANDOM % 12)) in
		0 | 1) rm "$uuid" ;;
		2 | 3) mdev-stop -u "${uuid##*/}" ;;
		4)
			mdev-stop -u "${uuid##*/}"
			FAKEKERNEL_FAIL=assign_x=KILL mdev-start -u "${uuid##*/}"
			;;
		5) echo '{' >"$uuid" ;;
		6)
			pick other p1 p3 other
			mkdir -p "$D/$other"
			cp "$uuid" "$D/$other/"
			;;
		7) sed -i '/"set"/d; /mdev_type_name/d; s/\],/]/' "$uuid" ;;
		esac >/dev/null 2>&1 || true
	done
	! chance 3 || random_file
	for uuid in "$DEVICES"/* "$D"/p*/*; do
		pick n EUSERS EUSERS EIO
		! chance 4 || rules+=("create:${uuid##*/}=$n")
	done
	pick n create=EUSERS create=EIO remove=EBUSY assign_x=EINVAL
	! chance 4 || rules+=("$n")
	printf -v FAKEKERNEL_FAIL '%s,' "${rules[@]}"
	echo 0 >"$MISHAPS"
	pick n 2 4 8 1000
	random_script "$1" "$n"
}

# The number of rounds that any of these hosts may need: ten because of other programs, and one for each of 12
# devices that is refused or in use, and for each of 6 types that is full.
ROUNDS=30

# random_apply SEED: applies the file with mishaps, then twice without: the last one changes nothing. Sets rounds;
# prints what is wrong.
random_apply() {
	local status=0
	random_host "$1"
	MDEVCTL_LOG=debug FAKEKERNEL_FAIL=$FAKEKERNEL_FAIL timeout 60 mdev-apply "$F" >"$OUT" 2>&1 || status=$?
	rounds=$(grep -c '^Debug: Round ' "$OUT") || true # none if the file is wrong for this host
	((status != 124)) || { echo "seed $1: endless"; return 1; }
	((status < 124 && rounds <= ROUNDS)) || { echo "seed $1: status $status, $rounds rounds"; return 1; }
	rm "$ROOT/usr/lib/mdevctl/scripts.d/callouts/random"
	FAKEKERNEL_FAIL='' timeout 60 mdev-apply "$F" >/dev/null 2>&1 || status=$?
	((status != 124)) || { echo "seed $1: endless without mishaps"; return 1; }
	if [[ -n $(FAKEKERNEL_FAIL='' mdev-apply --dry-run "$F" 2>"$OUT") ]]; then
		echo "seed $1: the second run is not the last one that changes something"
		return 1
	fi
}
