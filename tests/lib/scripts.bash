# SPDX-License-Identifier: LGPL-2.1-or-later
# Callouts and notifiers for tests, which log how they are called before they do anything else. Loaded after
# world.bash.

make_scripts_world() {
	make_world "$1"
	CALLOUTS=$ROOT/usr/lib/mdevctl/scripts.d/callouts
	NOTIFIERS=$ROOT/usr/lib/mdevctl/scripts.d/notifiers
	OLD=$ROOT/etc/mdevctl.d/scripts.d # directory used by mdevctl before 1.3
	export ROOT CALLOUTS NOTIFIERS OLD
	: >"$ROOT/calls"
}

# script DIRECTORY NAME [BODY]: creates a script. BODY is bash code that can use $type, $event, $action,
# $state, $uuid, $parent and $input (its stdin). It appends "NAME EVENT ACTION STATE" to $ROOT/calls, and all
# arguments and stdin to $ROOT/full.
script() {
	[[ -d $1 ]] || mkdir -p "$1"
	cat >"$1/$2" <<EOF
#!/bin/bash
IFS= read -rd '' input
type=\$2 event=\$4 action=\$6 state=\$8 uuid=\${10} parent=\${12}
{ printf '%s' "$2:"; printf ' %s' "\$@"; printf ' <%s>\n' "\$input"; } >>"$ROOT/full"
echo "$2 \$event \$action \$state" >>"$ROOT/calls"
${3:-}
EOF
	chmod 755 "$1/$2"
}

# versioned NAME [ACTIONS EVENTS [BODY]]: creates a callout that supports these (JSON lists; default: all).
versioned() {
	local actions=${2-'"start","stop","define","undefine","modify","attributes","capabilities"'}
	local events=${3-'"pre","post","get","live"'}
	script "$CALLOUTS" "$1" "if [[ \$action == capabilities ]]; then
	echo '{\"supports\":{\"version\":2,\"actions\":[$actions],\"events\":[$events]}}'
	exit 0
fi
${4:-}"
}

# called LINES: exactly these scripts have been called since the last check, in this order; the state "none"
# is omitted.
called() {
	local got
	got=$(sed 's/ none$//' "$ROOT/calls")
	: >"$ROOT/calls"
	output=$got same "$1"
}
