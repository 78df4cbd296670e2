# SPDX-License-Identifier: LGPL-2.1-or-later
# Messages that say what to do next; those that mdevctl has, too, are tested with their commands.
bats_require_minimum_version 1.5.0
load lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# suggests WORD... -- COMMAND: what stderr asks "Did you mean" for; nothing if WORD is empty.
suggests() {
	local wanted=$1
	shift
	"$@" 2>"$BATS_TEST_TMPDIR/stderr" && return 1
	output=$(sed -n "s/.*Did you mean '\(.*\)'?.*/\1/p" "$BATS_TEST_TMPDIR/stderr")
	same "$wanted"
}

@test "a command that is misspelt gets the nearest one" {
	suggests start mdevctl strat
	suggests undefine mdevctl undefin
	suggests types mdevctl TYPES
	suggests modify mdevctl mod
	suggests stop mdevctl help stpo
	suggests "" mdevctl frobnicate
	suggests "" mdevctl x
	suggests "" mdevctl ""
}

@test "an option that is misspelt gets the nearest one that the program takes" {
	suggests --parent mdevctl types --parnet=mtty
	suggests --dumpjson mdevctl list --dump
	suggests --settle mdevctl start --setle
	suggests "" mdevctl define --settle
	suggests "" mdevctl list --x
}

@test "a parent that is misspelt gets the nearest one" {
	add_type 0000:41:00.4 nvidia-63 4 vfio-pci
	suggests matrix mdevctl start -p matirx -t x
	suggests 0000:41:00.4 mdevctl start -p 0000:41:00.5 -t x
	suggests 0000:41:00.4 mdevctl start -p 000:41:00.4 -t x
	suggests "" mdevctl start -p 0000:c8:3b.7 -t x
	suggests "" mdevctl start -p t -t x
}

@test "a type that is misspelt gets the nearest one of the parent" {
	suggests vfio_ap-passthrough mdevctl start -p matrix -t vfio-ap-passthrough
	suggests mtty-2 mdevctl start -p mtty -t mty-2
	suggests "" mdevctl start -p matrix -t mtty-1
	suggests "" mdevctl start -p mtty -t "$(printf 'x%.0s' {1..255})"
}

@test "no instances left: devices of the parent are named, three of them" {
	local type=$SYS/class/mdev_bus/mtty/mdev_supported_types/mtty-1
	for i in 1 2 3 4 5; do
		mdevctl start -u "${U1%1}$i" -p mtty -t mtty-2
	done
	mdevctl start -u "$U3" -p matrix -t vfio_ap-passthrough
	echo 0 >"$type/available_instances"
	fails 5 "Error: No available instances of mtty-1 on mtty; running there: ${U1%1}1 (mtty-2), ${U1%1}2 (mtty-2), ${U1%1}3 (mtty-2) and 2 more" \
		mdevctl start -u "$U2" -p mtty -t mtty-1
}
