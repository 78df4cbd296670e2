# SPDX-License-Identifier: LGPL-2.1-or-later
# mdevctl define / mdev-define
bats_require_minimum_version 1.5.0
load lib/world.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

@test "define writes the definition as mdevctl does, without a newline at its end" {
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-2 --auto
	same ""
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-2",
  "start": "auto",
  "attrs": []
}'
}

@test "define refuses a device that is already defined" {
	definition mtty "$U1" mtty-1
	run -4 mdevctl define -u "$U1" -p mtty -t mtty-2
	same "Error: Device $U1 on mtty already defined"
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": []
}'
}
