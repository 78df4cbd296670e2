# SPDX-License-Identifier: LGPL-2.1-or-later
# Callouts and notifiers for tests: each notes how it was called before it does anything else. Loaded
# after world.bash.

make_scripts_world() {
	make_world "$1"
	CALLOUTS=$ROOT/usr/lib/mdevctl/scripts.d/callouts
	NOTIFIERS=$ROOT/usr/lib/mdevctl/scripts.d/notifiers
	OLD=$ROOT/etc/mdevctl.d/scripts.d # where mdevctl had them before 1.3
	export ROOT CALLOUTS NOTIFIERS OLD
	: >"$ROOT/calls"
}

# script DIRECTORY NAME [BODY]: BODY is bash; it finds $type, $event, $action, $state, $uuid, $parent and
# $input, what stdin held. $ROOT/calls gets "NAME EVENT ACTION STATE", $ROOT/full every word and stdin.
script() {
	mkdir -p "$1"
	cat >"$1/$2" <<EOF
#!/bin/bash
input=\$(cat; echo .)
input=\${input%.}
type=\$2 event=\$4 action=\$6 state=\$8 uuid=\${10} parent=\${12}
{ printf '%s' "$2:"; printf ' %s' "\$@"; printf ' <%s>\n' "\$input"; } >>"$ROOT/full"
echo "$2 \$event \$action \$state" >>"$ROOT/calls"
${3:-}
EOF
	chmod 755 "$1/$2"
}

# versioned NAME [ACTIONS EVENTS [BODY]]: a callout that supports these (as JSON lists); all by default.
versioned() {
	local actions=${2-'"start","stop","define","undefine","modify","attributes","capabilities"'}
	local events=${3-'"pre","post","get","live"'}
	script "$CALLOUTS" "$1" "if [[ \$action == capabilities ]]; then
	echo '{\"supports\":{\"version\":2,\"actions\":[$actions],\"events\":[$events]}}'
	exit 0
fi
${4:-}"
}

# called LINES: the scripts that were called since the last time, in order, without the state "none".
called() {
	local got
	got=$(sed 's/ none$//' "$ROOT/calls")
	: >"$ROOT/calls"
	output=$got same "$1"
}

# Waits until a file is there; a program that hangs fails the test after a minute.
wait_for() {
	local i
	for ((i = 0; i < 3000; i++)); do
		[[ ! -e $1 ]] || return 0
		sleep 0.02
	done
	echo "$1 did not appear"
	return 1
}
