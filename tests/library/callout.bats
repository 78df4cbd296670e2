# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2154 # bodies are for the scripts to expand; run sets stderr
# The protocol of mdevctl-callout(7): which scripts are called, with which input, in which order, and the
# meaning of replies.
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/scripts.bash

setup() {
	make_scripts_world "$BATS_TEST_TMPDIR/root"
}

# words TYPE EVENT ACTION STATE UUID PARENT: the arguments of a call, for $ROOT/full.
words() {
	echo "-t $1 -e $2 -a $3 -s $4 -u $5 -p $6"
}

PROVIDES='{"provides":{"version":2,"actions":["start","stop","define","undefine","modify","attributes","capabilities"],"events":["pre","post","notify","get","live"]}}'

# Input of scripts

@test "start calls scripts with twelve arguments and the device on stdin: capabilities, pre, post, notify" {
	definition matrix "$U1" vfio_ap-passthrough auto '[{"assign_adapter":"5"}]'
	script "$CALLOUTS" one
	script "$NOTIFIERS" two
	run -0 mdevctl start -u "$U1"
	same ""
	local json='{"mdev_type":"vfio_ap-passthrough","start":"auto","attrs":[{"assign_adapter":"5"}]}'
	same_file "$ROOT/full" "one: $(words vfio_ap-passthrough get capabilities none "$U1" matrix) <$PROVIDES>
one: $(words vfio_ap-passthrough pre start none "$U1" matrix) <$json>
one: $(words vfio_ap-passthrough post start success "$U1" matrix) <$json>
two: $(words vfio_ap-passthrough notify start success "$U1" matrix) <>
"
}

@test "pre is called before the change, and post and notify are called after it" {
	local look='{ echo "$event"; ls "$ROOT/sys/bus/mdev/devices"; } >>"$ROOT/seen"'
	script "$CALLOUTS" one "$look"
	script "$NOTIFIERS" two "$look"
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-1
	same_file "$ROOT/seen" "get
pre
post
$U1
notify
$U1
"
}

@test "stop passes scripts no attributes and start mode manual, regardless of the definition" {
	definition matrix "$U1" vfio_ap-passthrough auto '[{"assign_adapter":"5"}]'
	mdevctl start -u "$U1"
	script "$CALLOUTS" one
	script "$NOTIFIERS" two
	run -0 mdevctl stop -u "$U1"
	same ""
	local json='{"mdev_type":"vfio_ap-passthrough","start":"manual","attrs":[]}'
	same_file "$ROOT/full" "one: $(words vfio_ap-passthrough get capabilities none "$U1" matrix) <$PROVIDES>
one: $(words vfio_ap-passthrough pre stop none "$U1" matrix) <$json>
one: $(words vfio_ap-passthrough post stop success "$U1" matrix) <$json>
two: $(words vfio_ap-passthrough notify stop success "$U1" matrix) <>
"
}

@test "define passes scripts the new definition, with values escaped for JSON" {
	printf '{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"say \\"ä\\"\\n"}]}' >"$ROOT/json"
	script "$CALLOUTS" one
	script "$NOTIFIERS" two
	run -0 mdevctl define -u "$U1" -p mtty --jsonfile "$ROOT/json"
	same ""
	local json='{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"say \"ä\"\n"}]}'
	same_file "$ROOT/full" "one: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
one: $(words mtty-1 pre define none "$U1" mtty) <$json>
one: $(words mtty-1 post define success "$U1" mtty) <$json>
two: $(words mtty-1 notify define success "$U1" mtty) <>
"
}

@test "modify passes scripts the new definition" {
	definition mtty "$U1" mtty-1 auto '[{"a":"1"}]'
	script "$CALLOUTS" one
	script "$NOTIFIERS" two
	run -0 mdevctl modify -u "$U1" --addattr b --value 2
	same ""
	local json='{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"1"},{"b":"2"}]}'
	same_file "$ROOT/full" "one: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
one: $(words mtty-1 pre modify none "$U1" mtty) <$json>
one: $(words mtty-1 post modify success "$U1" mtty) <$json>
two: $(words mtty-1 notify modify success "$U1" mtty) <>
"
}

@test "undefine calls scripts for each definition" {
	definition matrix "$U1" vfio_ap-passthrough
	definition mtty "$U1" mtty-1 auto '[{"a":"1"}]'
	script "$CALLOUTS" one
	script "$NOTIFIERS" two
	run -0 mdevctl undefine -u "$U1"
	same ""
	local first='{"mdev_type":"vfio_ap-passthrough","start":"manual","attrs":[]}'
	local second='{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"1"}]}'
	same_file "$ROOT/full" "one: $(words vfio_ap-passthrough get capabilities none "$U1" matrix) <$PROVIDES>
one: $(words vfio_ap-passthrough pre undefine none "$U1" matrix) <$first>
one: $(words vfio_ap-passthrough post undefine success "$U1" matrix) <$first>
two: $(words vfio_ap-passthrough notify undefine success "$U1" matrix) <>
one: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
one: $(words mtty-1 pre undefine none "$U1" mtty) <$second>
one: $(words mtty-1 post undefine success "$U1" mtty) <$second>
two: $(words mtty-1 notify undefine success "$U1" mtty) <>
"
}

@test "capabilities are requested once per process for each parent and type" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	definition mtty "$U3" mtty-2 auto
	script "$CALLOUTS" one
	run -0 mdevctl start-parent-mdevs mtty
	same ""
	called "one get capabilities
one pre start
one post start success
one pre start
one post start success
one get capabilities
one pre start
one post start success"
}

@test "capabilities for one parent do not apply to another parent with the same type" {
	definition matrix "$U1" mtty-1
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one
	run -0 mdevctl undefine -u "$U1"
	same ""
	called "one get capabilities
one pre undefine
one post undefine success
one get capabilities
one pre undefine
one post undefine success"
}

@test "a versioned script is remembered for the next device of the type" {
	definition mtty "$U1" mtty-1 auto
	definition mtty "$U2" mtty-1 auto
	script "$CALLOUTS" a 'exit 1'
	versioned b
	run -0 mdevctl start-parent-mdevs mtty
	same ""
	called "a get capabilities
b get capabilities
b pre start
b post start success
b pre start
b post start success"
}

@test "a script inherits the working directory and environment, and no file descriptors except the standard ones" {
	printf '#!/bin/sh\necho "$PWD $CUSTOM" >"$ROOT/seen"\nexec ls /proc/self/fd >&2\n' >"$CALLOUTS/one"
	chmod 755 "$CALLOUTS/one"
	cd "$ROOT/etc"
	CUSTOM=mine run -0 mdevctl define -u "$U1" -p mtty -t mtty-1 9</dev/null
	local wanted
	wanted=$(printf 'one: 0\n1\n2\n3\n%.0s' pre post)
	same "$wanted" # 3 is the directory that ls reads
	same_file "$ROOT/seen" "$ROOT/etc mine
"
}

@test "stdout of scripts is discarded, and stderr is shown with their names, also on success" {
	script "$CALLOUTS" one 'echo "out $event"; printf "err $event\n more" >&2'
	run -0 --separate-stderr mdevctl define -p mtty -t mtty-1
	[[ $output =~ ^[0-9a-f-]{36}$ ]]
	output=$stderr same "one: err pre
 more
one: err post
 more"
}

@test "a script may call mdevctl in post and notify: the lock is not held" {
	local change='[[ $event != post && $event != notify ]] ||
		env -u LD_PRELOAD mdevctl modify -u "$uuid" --addattr "$event" --value 1'
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one "[[ -z \$AGAIN ]] || exit 0; export AGAIN=1; $change"
	script "$NOTIFIERS" two "[[ -z \$AGAIN ]] || exit 0; export AGAIN=1; $change"
	MDEVCTL_LOCK_TIMEOUT=5 run -0 mdevctl modify -u "$U1" --auto
	same ""
	run -0 mdevctl list -d -v
	same "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"post\":\"1\"}
    @{1}: {\"notify\":\"1\"}"
}

@test "a script may also call mdevctl in pre, and its changes are kept" {
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one '[[ $event == pre && ! -e $ROOT/again ]] || exit 0; : >"$ROOT/again"
env -u LD_PRELOAD mdevctl modify -u "$uuid" --addattr pre --value 1'
	MDEVCTL_LOCK_TIMEOUT=5 run -0 mdevctl modify -u "$U1" --auto
	same ""
	run -0 mdevctl list -d -v
	same "$U1 mtty mtty-1 auto
  Attrs:
    @{0}: {\"pre\":\"1\"}"
	called "one get capabilities
one pre modify
one get capabilities
one pre modify
one post modify success
one post modify failure
one pre modify
one post modify success"
}

@test "a definition that is changed each time before it is written is not modified" {
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one '[[ $event == pre ]] || exit 0; echo >>"$ROOT/times"
printf "{\"mdev_type\":\"mtty-1\",\"start\":\"manual\",\"times\":%d}" "$(wc -l <"$ROOT/times")" \
	>"$ROOT/etc/mdevctl.d/mtty/$uuid"'
	run -1 mdevctl modify -u "$U1" --auto
	same "Error: The definition of $U1 on mtty was changed by another process"
	output=$(wc -l <"$ROOT/times") same 100
	same_file "$D/mtty/$U1" '{"mdev_type":"mtty-1","start":"manual","times":100}'
}

@test "a slow callout does not block other writers" {
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one '[[ $event == pre && $uuid == 1* ]] || exit 0
: >"$ROOT/reached"; until [[ -e $ROOT/go ]]; do sleep 0.02; done'
	mdevctl modify -u "$U1" --auto 3>&- &
	wait_for test -e "$ROOT/reached"
	MDEVCTL_LOCK_TIMEOUT=1 run -0 mdevctl define -u "$U2" -p mtty -t mtty-1
	same ""
	: >"$ROOT/go"
	wait $!
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto
$U2 mtty mtty-1 manual"
}

@test "post is run even if nobody reads its output" {
	script "$CALLOUTS" one 'echo "on $event" >&2'
	{ mdevctl start -u "$U1" -p mtty -t mtty-1 2>&1 3>&-; echo "$?" >"$ROOT/status"; } | true
	same_file "$ROOT/status" "0
"
	[[ -e $DEVICES/$U1 ]]
	called "one get capabilities
one pre start
one post start success"
}

@test "a notifier may also call mdevctl after a refusal" {
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" one '[[ $event != pre || -n $AGAIN ]] || exit 1'
	script "$NOTIFIERS" two '[[ -z $AGAIN ]] || exit 0
export AGAIN=1
env -u LD_PRELOAD mdevctl modify -u "$uuid" --addattr "$event" --value 1'
	MDEVCTL_LOCK_TIMEOUT=5 run -7 mdevctl modify -u "$U1" --auto
	run -0 mdevctl list -d -v
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"notify\":\"1\"}"
}

# Which scripts, in which order

@test "callouts are called in bytewise order, /usr/lib before /etc, until one handles the device" {
	script "$CALLOUTS" b 'exit 2'
	script "$CALLOUTS" B 'exit 2'
	script "$CALLOUTS" a10 'exit 2'
	script "$CALLOUTS" a9 'exit 2'
	script "$OLD/callouts" 0
	script "$OLD/callouts" 1
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "B get capabilities
a10 get capabilities
a9 get capabilities
b get capabilities
0 get capabilities
1 get capabilities
B pre define
a10 pre define
a9 pre define
b pre define
0 pre define
0 post define success"
}

@test "if no script handles the device, the change is made and post is sent to all scripts" {
	script "$CALLOUTS" a 'exit 2'
	script "$CALLOUTS" b 'exit 2'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
b get capabilities
a pre define
b pre define
a post define success
b post define success"
}

@test "post is sent to the script that accepted pre, not to a preceding one" {
	script "$CALLOUTS" a '[[ $event == post ]] || exit 2'
	script "$CALLOUTS" b
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
b get capabilities
a pre define
b pre define
b post define success"
}

@test "without script directories there are no scripts" {
	rm -r "$ROOT/usr/lib/mdevctl"
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
}

@test "a file in place of a script directory is reported in a warning" {
	rm -r "$NOTIFIERS"
	: >"$NOTIFIERS"
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Unable to read directory $NOTIFIERS: Not a directory"
}

@test "hidden files, leftovers, directories and files that are not executable are not run" {
	local name
	for name in .hidden a~ a.bak a.orig a.rpmsave a.rpmnew a.dpkg-old a.dpkg-new plain; do
		script "$CALLOUTS" "$name" 'exit 1'
		script "$NOTIFIERS" "$name"
	done
	chmod 644 "$CALLOUTS/plain" "$NOTIFIERS/plain"
	mkdir "$CALLOUTS/directory"
	ln -s nowhere "$CALLOUTS/dangling"
	script "$CALLOUTS" a.sh
	script "$NOTIFIERS" orig
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a.sh get capabilities
a.sh pre define
a.sh post define success
orig notify define success"
}

@test "a symbolic link to a script is run" {
	script "$ROOT" real
	ln -s "$ROOT/real" "$CALLOUTS/link"
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "real get capabilities
real pre define
real post define success"
}

# Meaning of replies

@test "a refused change is not made, post is not run, and notifiers get the state none" {
	script "$CALLOUTS" a '[[ $event != pre ]] || { echo "not today" >&2; exit 1; }'
	script "$CALLOUTS" b
	script "$NOTIFIERS" n
	run -7 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "a: not today
Error: Script '\"$CALLOUTS/a\"' failed with status '1'"
	[[ ! -e $D/mtty ]]
	called "a get capabilities
b get capabilities
a pre define
n notify define"
	run -7 mdevctl start -u "$U1" -p mtty -t mtty-1
	[[ ! -e $DEVICES/$U1 ]]
}

@test "every exit status except 0 and 2 is a refusal and is reported" {
	local code
	for code in 3 126 127 255; do
		script "$CALLOUTS" a "[[ \$event != pre ]] || exit $code"
		run -7 mdevctl define -u "$U1" -p mtty -t mtty-1
		same "Error: Script '\"$CALLOUTS/a\"' failed with status '$code'"
	done
}

# refused ACTION ARGUMENTS...: is refused by the script a, and succeeds with --force.
refused() {
	local action=$1 failed="Script '\"$CALLOUTS/a\"' failed with status '1'"
	shift
	run -7 mdevctl "$@"
	same "Error: $failed"
	run -0 mdevctl "$@" --force
	same "Warning: Forcing operation '$action' despite callout failure. Error was: $failed"
}

@test "each action can be refused, and forced" {
	definition mtty "$U1" mtty-1
	mdevctl start -u "$U2" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $event != pre ]] || exit 1'
	refused start start -u "$U1"
	[[ -e $DEVICES/$U1 ]]
	refused stop stop -u "$U2"
	[[ ! -e $DEVICES/$U2 ]]
	refused modify modify -u "$U1" --auto
	refused define define -u "$U3" -p mtty -t mtty-1
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto (active)
$U3 mtty mtty-1 manual"
}

@test "undefine continues after a refusal, and can be forced" {
	definition matrix "$U1" vfio_ap-passthrough
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" a '[[ $event != pre || $parent != matrix ]] || exit 1'
	local failed="Script '\"$CALLOUTS/a\"' failed with status '1'"
	run -7 mdevctl undefine -u "$U1"
	same "Warning: Undefine of $U1 on parent matrix failed with error: $failed
Error: Undefine failed"
	run -0 mdevctl list -d
	same "$U1 matrix vfio_ap-passthrough manual"
	run -0 mdevctl undefine -u "$U1" --force
	same "Warning: Forcing operation 'undefine' despite callout failure. Error was: $failed"
	run -0 mdevctl list -d
	same ""
}

@test "after a forced change, post is sent to the first script that handles it, followed by notify" {
	script "$CALLOUTS" a '[[ $event == post ]] || exit 2'
	script "$CALLOUTS" b '[[ $event != pre ]] || exit 1'
	script "$CALLOUTS" c
	script "$NOTIFIERS" n
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1 --force
	called "a get capabilities
b get capabilities
c get capabilities
a pre define
b pre define
a post define success
n notify define success"
}

@test "post and notify are informed that the change failed" {
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" a
	script "$NOTIFIERS" n
	FAKEKERNEL_FAIL=create=EIO run -1 mdevctl start -u "$U1"
	called "a get capabilities
a pre start
a post start failure
n notify start failure"
}

@test "the exit status of post is ignored" {
	script "$CALLOUTS" a '[[ $event != post ]] || exit 1'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	[[ -e $D/mtty/$U1 ]]
}

@test "MDEVCTL_LOG=debug logs each script that is run, is ignored, or fails in post" {
	script "$CALLOUTS" a '[[ $event != post ]] || exit 1'
	: >"$CALLOUTS/README"
	MDEVCTL_LOG=debug run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	output=$(grep -F "$CALLOUTS" <<<"$output") same "Debug: Ignoring $CALLOUTS/README: not a script
Debug: get capabilities: running $CALLOUTS/a
Debug: pre define: running $CALLOUTS/a
Debug: post define: running $CALLOUTS/a
Debug: Script '\"$CALLOUTS/a\"' failed with status '1'"
}

# Versioned scripts

@test "a versioned script is the only one called, even if an unversioned one precedes it" {
	script "$CALLOUTS" a 'exit 1'
	versioned b
	versioned c
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
b get capabilities
b pre define
b post define success"
}

@test "a reply to capabilities is accepted with any exit status except 2" {
	local answer='{"supports":{"version":2,"actions":["define"],"events":["pre"]}}'
	script "$CALLOUTS" a "[[ \$action != capabilities ]] || { echo '$answer'; exit 2; }; exit 1"
	script "$CALLOUTS" b "[[ \$action != capabilities ]] || { echo '$answer'; exit 1; }"
	script "$CALLOUTS" c
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
b get capabilities
b pre define"
}

@test "an invalid reply to capabilities is not an error and makes a script unversioned" {
	local answer
	for answer in '' 'usage: a' '{"supports":{}}' '{"supports":{"version":2,"actions":["define"]}}' \
		'{"supports":{"version":"2","actions":["define"],"events":["pre"]}}' \
		'{"supports":{"version":2,"actions":["define"],"events":["pre"]}} x' \
		'{"supports":{"version":2,"actions":"define","events":["pre"]}}' '[]' "$PROVIDES"; do
		script "$CALLOUTS" a "[[ \$action != capabilities ]] || { echo '$answer'; exit 0; }; exit 2"
		script "$CALLOUTS" b
		run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
		same ""
		called "a get capabilities
b get capabilities
a pre define
b pre define
b post define success"
		rm "$D/mtty/$U1"
	done
}

@test "trailing NULs in the reply to capabilities are ignored" {
	local answer='{"supports":{"version":2,"actions":["define"],"events":["pre"]}}'
	script "$CALLOUTS" a "[[ \$action != capabilities ]] || printf '$answer\\0\\0'"
	script "$CALLOUTS" b
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
a pre define"
}

@test "unknown names of actions and events cause a warning" {
	versioned a '"define","migrate","reset"' '"pre","sing"'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Warning: Callout script \"$CALLOUTS/a\" provides unknown Action type: migrate, reset
Warning: Callout script \"$CALLOUTS/a\" provides unknown Event type: sing"
	called "a get capabilities
a pre define"
}

@test "an action that a versioned script does not list is refused, regardless of other scripts" {
	definition mtty "$U1" mtty-1
	versioned a '"start","stop"' '"pre","post"'
	script "$CALLOUTS" b
	run -7 mdevctl modify -u "$U1" --auto
	same "Error: Script \"$CALLOUTS/a\" does not support action 'Modify'"
	run -0 mdevctl modify -u "$U1" --auto --force
	same "Warning: Forcing operation 'modify' despite callout failure. Error was: Script \"$CALLOUTS/a\" does not support action 'Modify'"
	called "a get capabilities
a get capabilities"
}

@test "an event that a versioned script does not list is refused, after the action has been checked" {
	definition mtty "$U1" mtty-1
	versioned a '"modify"' '"post"'
	run -7 mdevctl modify -u "$U1" --auto
	same "Error: Script \"$CALLOUTS/a\" does not support event 'Pre'"
	versioned a '' ''
	run -7 mdevctl modify -u "$U1" --auto
	same "Error: Script \"$CALLOUTS/a\" does not support action 'Modify'"
}

@test "post is not sent to a versioned script that does not list it" {
	versioned a '"define"' '"pre"'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "a get capabilities
a pre define"
}

@test "exit status 2 of a versioned script is a refusal" {
	versioned a '"define"' '"pre"' 'exit 2'
	script "$CALLOUTS" b
	run -7 mdevctl define -u "$U1" -p mtty -t mtty-1
	same "Error: Script '\"$CALLOUTS/a\"' failed with status '2'"
}

# Live changes

# A running device, and its new definition in $ROOT/json.
live_world() {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	printf '{"mdev_type":"mtty-1","start":"auto","attrs":[{"a":"1"}]}' >"$ROOT/json"
}

@test "modify --live passes the new attributes to the versioned script, and notifiers get the state none" {
	live_world
	versioned a
	script "$NOTIFIERS" n
	run -0 mdevctl modify -u "$U1" -p mtty --live --jsonfile "$ROOT/json"
	same ""
	same_file "$ROOT/full" "a: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
a: $(words mtty-1 live modify none "$U1" mtty) <$(cat "$ROOT/json")>
n: $(words mtty-1 notify modify none "$U1" mtty) <>
"
	[[ ! -e $D/mtty/$U1 ]]
}

@test "stderr of the script that handles the call is shown, and that of others only with MDEVCTL_LOG=debug" {
	script "$CALLOUTS" b 'echo "b $event $action" >&2; exit 2'
	script "$CALLOUTS" c 'echo "c $event $action" >&2; [[ $event != pre ]] || kill -KILL $$'
	script "$CALLOUTS" d 'echo "d $event $action" >&2; [[ $event == post ]] || exit 2'
	script "$CALLOUTS" e 'echo "e $event $action" >&2'
	script "$NOTIFIERS" n 'echo "n $event $action" >&2'
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1
	same_stderr "Warning: callout script \"$CALLOUTS/c\" was terminated by a signal (Killed)
e: e pre start
e: e post start"
	mdevctl stop -u "$U1" 2>/dev/null
	MDEVCTL_LOG=debug run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1
	output=$(grep -E '^[^ ]+ [a-e n]: |^(Debug: )?[a-en]: ' <<<"$stderr" | sed 's/.*Debug: //')
	same "b: b get capabilities
c: c get capabilities
d: d get capabilities
e: e get capabilities
b: b pre start
c: c pre start
d: d pre start
e: e pre start
e: e post start
n: n notify start"
}

@test "stderr of a versioned script is always shown" {
	versioned a '"start","stop"' '"pre","post"' 'echo "a $event" >&2; [[ $event == pre ]] || exit 2'
	run -0 --separate-stderr mdevctl start -u "$U1" -p mtty -t mtty-1
	same_stderr "a: a pre
a: a post"
	versioned a '"start","stop"' '"pre","post"' 'echo "a $event" >&2; kill -KILL $$'
	fails 7 "a: a pre
Warning: callout script \"$CALLOUTS/a\" was terminated by a signal (Killed)
Error: No reply from callout script \"$CALLOUTS/a\"" mdevctl stop -u "$U1"
}

@test "stderr of a versioned script is shown for its capabilities as well" {
	script "$CALLOUTS" a '[[ $action != capabilities ]] || { echo mine >&2
echo "{\"supports\":{\"version\":2,\"actions\":[\"define\"],\"events\":[\"pre\",\"post\"]}}"; }'
	script "$CALLOUTS" Z '[[ $action != capabilities ]] || echo other >&2'
	run -0 --separate-stderr mdevctl define -u "$U1" -p mtty -t mtty-1
	same_stderr "a: mine"
}

@test "define queries and stores attributes for the parent and type that are defined" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $action != attributes ]] || echo "[{\"$parent\":\"$type\"}]"'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-2
	same ""
	run -0 mdevctl define -u "$U1" -p matrix -t vfio_ap-passthrough
	same ""
	run -0 mdevctl list -dv
	same "$U1 matrix vfio_ap-passthrough manual
  Attrs:
    @{0}: {\"matrix\":\"vfio_ap-passthrough\"}
$U1 mtty mtty-2 manual
  Attrs:
    @{0}: {\"mtty\":\"mtty-2\"}"
}

@test "define fails if the attributes cannot be queried for another type" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $action != attributes ]] || exit 7'
	fails 7 "Error: Script '\"$CALLOUTS/a\"' failed with status '7'" \
		mdevctl define -u "$U1" -p mtty -t mtty-2
	[[ ! -e $D/mtty ]]
}

@test "modify --live requires a versioned script" {
	live_world
	script "$CALLOUTS" a
	script "$NOTIFIERS" n # nothing was tried, so there is no notification
	run -1 mdevctl modify -u "$U1" -p mtty --live --jsonfile "$ROOT/json"
	same "Error: Live modification is not supported for this device type. \
Changing the device configuration requires stopping and restarting the device."
	called "a get capabilities"
}

@test "modify --live fails if the script does not list the event, even with --force" {
	live_world
	versioned a '"modify"' '"pre"'
	run -7 mdevctl modify -u "$U1" -p mtty --live --jsonfile "$ROOT/json" --force
	same "Error: Script \"$CALLOUTS/a\" does not support event 'Live'"
}

@test "modify --live fails with any exit status except 0, even with --force" {
	local code
	live_world
	definition mtty "$U1" mtty-1
	for code in 1 2; do
		versioned a '"modify"' '"pre","live"' "[[ \$event != live ]] || { echo no >&2; exit $code; }"
		run -7 mdevctl modify -u "$U1" -p mtty --live --defined --jsonfile "$ROOT/json" --force
		same "a: no
Error: Script '\"$CALLOUTS/a\"' failed with status '$code'"
		called "a get capabilities
a live modify"
	done
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 manual (active)"
}

@test "modify --live --defined changes the device first, then the definition with pre and post" {
	live_world
	definition mtty "$U1" mtty-1
	versioned a
	script "$NOTIFIERS" n
	run -0 mdevctl modify -u "$U1" -p mtty --live --defined --jsonfile "$ROOT/json"
	same ""
	called "a get capabilities
a live modify
n notify modify
a pre modify
a post modify success
n notify modify success"
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto (active)"
}

# Attributes of running devices

# attributes REPLY [CODE]: creates a script that prints this reply; REPLY is a format of printf.
attributes() {
	script "$CALLOUTS" a "[[ \$action != attributes ]] || { printf '$1'; exit ${2:-0}; }"
}

@test "list without attributes runs no script, and neither does a list of definitions" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	attributes '[{"a":"1"}]'
	definition mtty "$U1" mtty-1
	run -0 mdevctl list
	same "$U1 mtty mtty-1 manual (defined)"
	run -0 mdevctl list -d -v
	same "$U1 mtty mtty-1 manual (active)"
	run -0 mdevctl list -d --dumpjson
	called ""
}

@test "list -v and --dumpjson show the attributes that a script reports, in its order" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	attributes '[{"b":"1"},\n{"a":"2"}, {"b":"3"}]\n'
	run -0 mdevctl list -v
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"b\":\"1\"}
    @{1}: {\"a\":\"2\"}
    @{2}: {\"b\":\"3\"}"
	same_file "$ROOT/full" "a: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
a: $(words mtty-1 get attributes none "$U1" mtty) <>
"
	run -0 mdevctl list --dumpjson -u "$U1"
	same '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": [
    {
      "b": "1"
    },
    {
      "a": "2"
    },
    {
      "b": "3"
    }
  ]
}'
}

@test "attributes are requested from scripts in order until one does not exit with 2" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	attributes '[{"a":"1"}]' 2
	script "$CALLOUTS" b '[[ $action != attributes ]] || echo "[{\"b\":\"2\"}]"'
	script "$CALLOUTS" c
	run -0 mdevctl list -v
	same "$U1 mtty mtty-1 manual
  Attrs:
    @{0}: {\"b\":\"2\"}"
	called "a get capabilities
b get capabilities
c get capabilities
a get attributes
b get attributes"
}

@test "replies that mean no attributes" {
	local answer
	mdevctl start -u "$U1" -p mtty -t mtty-1
	for answer in '' '\n' '[]' '[]\n' 'null\n' '[{}]' '[{}]\n' '[ ]\0\0'; do
		attributes "$answer"
		run -0 mdevctl list -v
		same "$U1 mtty mtty-1 manual"
		run -0 mdevctl define -u "$U1"
		same ""
		rm "$D/mtty/$U1"
	done
}

@test "invalid replies are never shown: list prints a warning and continues, define fails" {
	local answer why head="Invalid JSON received from callout script \"$CALLOUTS/a\":"
	mdevctl start -u "$U1" -p mtty -t mtty-1
	mdevctl start -u "$U2" -p mtty -t mtty-1
	while IFS='|' read -r answer why; do
		why=${why//'\n'/$'\n'}
		attributes "$answer"
		run -0 --separate-stderr mdevctl list -v
		same "$U1 mtty mtty-1 manual
$U2 mtty mtty-1 manual"
		output=$stderr same "Warning: Unable to get the attributes of $U1: $head $why
Warning: Unable to get the attributes of $U2: $head $why"
		run -8 mdevctl define -u "$U1"
		same "Error: $head $why"
		[[ ! -e $D/mtty/$U1 ]]
	done <<'END'
[|Invalid JSON in answer: unexpected end at line 1 column 2
[{"a":"1"}] x|Invalid JSON in answer: unexpected text at line 1 column 13\n  [{"a":"1"}] x\n              ^
{"a":"1"}|Invalid answer: attributes field is not an array
["a"]|Invalid answer: invalid JSON format for attribute: not an object
[{"a":"1","b":"2"}]|Invalid answer: invalid JSON format for attribute: too many fields
[{"ok":"1"},{"a":"1","a":"2"}]|Invalid answer: invalid JSON format for attribute: too many fields
[{"a":1}]|Invalid answer: invalid JSON format for attribute "a": value must be of type str
[{"a":null}]|Invalid answer: invalid JSON format for attribute "a": value must be of type str
[{"a":["b"]}]|Invalid answer: invalid JSON format for attribute "a": value must be of type str
[{"../a":"1"}]|Invalid answer: invalid attribute name '../a'
[{"":"1"}]|Invalid answer: invalid attribute name ''
[{"a":"\xe4"}]|Invalid JSON in answer: not valid UTF-8
[{"a":"b\0c"}]|Invalid JSON in answer: not valid UTF-8
[{"a":"b\\u0000c"}]|Invalid JSON in answer: control character at line 1 column 10\n  [{"a":"b\u0000c"}]\n           ^
[{"a":"b\nc"}]|Invalid JSON in answer: control character at line 1 column 9\n  [{"a":"b\n          ^
END
}

@test "a reply of more than 1 MiB is invalid" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $action != attributes ]] || head -c 5M /dev/zero | tr "\0" " "'
	run -8 mdevctl define -u "$U1"
	same "Error: Invalid JSON received from callout script \"$CALLOUTS/a\": Too long"
}

@test "a script fails to report attributes: define fails, list continues without a message of its own" {
	local failed="Script '\"$CALLOUTS/a\"' failed with status '1'"
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$CALLOUTS" a '[[ $action != attributes ]] || { echo "not now" >&2; exit 1; }'
	run -7 mdevctl define -u "$U1"
	same "a: not now
Error: $failed"
	run -0 mdevctl list -v
	same "a: not now
$U1 mtty mtty-1 manual"
	MDEVCTL_LOG=debug run -0 mdevctl list -v
	[[ $output == *"Debug: Unable to get the attributes of $U1: $failed"* ]]
}

@test "a versioned script without get, or without attributes: define of a running device fails" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	versioned a '"define","attributes"' '"pre","post"'
	run -7 mdevctl define -u "$U1"
	same "Error: Script \"$CALLOUTS/a\" does not support event 'Get'"
	versioned a '"define"' '"pre","post","get"'
	run -7 mdevctl define -u "$U1"
	same "Error: Script \"$CALLOUTS/a\" does not support action 'Attributes'"
	run -0 mdevctl list -v
	same "$U1 mtty mtty-1 manual"
}

@test "define of a running device requests its attributes between pre and post, which get none" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	attributes '[{"a":"1"}]'
	run -0 mdevctl define -u "$U1"
	same ""
	local json='{"mdev_type":"mtty-1","start":"manual","attrs":[]}'
	same_file "$ROOT/full" "a: $(words mtty-1 get capabilities none "$U1" mtty) <$PROVIDES>
a: $(words mtty-1 pre define none "$U1" mtty) <$json>
a: $(words mtty-1 get attributes none "$U1" mtty) <>
a: $(words mtty-1 post define success "$U1" mtty) <$json>
"
	same_file "$D/mtty/$U1" '{
  "mdev_type": "mtty-1",
  "start": "manual",
  "attrs": [
    {
      "a": "1"
    }
  ]
}'
}

# Notifiers

@test "all notifiers are run in bytewise order, /usr/lib before /etc, regardless of their exit status" {
	script "$NOTIFIERS" b 'exit 1'
	script "$NOTIFIERS" B 'exit 2'
	script "$OLD/notifiers" A
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
	called "B notify define success
b notify define success
A notify define success"
}

@test "the output of notifiers is discarded" {
	script "$NOTIFIERS" a 'echo out; echo err >&2'
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	same ""
}

@test "list and types do not run notifiers" {
	mdevctl start -u "$U1" -p mtty -t mtty-1
	script "$NOTIFIERS" a
	run -0 mdevctl list -v
	run -0 mdevctl types
	called ""
}

# s390's ap-check

# Like ap-check: a lock that contains the process ID of the parent from pre to post; other processes are
# locked out. (ap-check waits; this one fails, so that an error does not take 90 seconds.)
ap_check() {
	versioned ap-check "$AP" '"pre","post","get","live"' 'lock=$ROOT/ap.lock
case $event in
pre)
	set -C
	echo $PPID 2>/dev/null >"$lock" || { echo "locked by $(cat "$lock")" >&2; exit 1; }
	;;
post)
	[[ $(cat "$lock") == "$PPID" ]] || { echo "not my lock" >&2; exit 1; }
	rm "$lock"
	;;
get)
	[[ ! -e $lock || $(cat "$lock") == "$PPID" ]] || { echo "not my lock" >&2; exit 1; }
	echo "[{\"assign_adapter\":\"5\"}]"
	;;
esac'
}
AP='"start","stop","define","undefine","modify","attributes","capabilities"'

# quietly ARGUMENTS...: succeeds without messages, and the lock is released.
quietly() {
	run -0 mdevctl "$@"
	same ""
	[[ ! -e $ROOT/ap.lock ]]
}

@test "ap-check: the lock taken for the parent process in pre is released in post" {
	ap_check
	quietly start -u "$U1" -p matrix -t vfio_ap-passthrough
	quietly define -u "$U1" # requests attributes while it holds the lock
	quietly modify -u "$U1" --auto
	quietly stop -u "$U1"
	quietly start-parent-mdevs matrix
	quietly undefine -u "$U1"
	output=$(grep -c ' post ' "$ROOT/calls") same 6
}

@test "ap-check: the lock is released if the change fails" {
	definition matrix "$U1" vfio_ap-passthrough auto '[{"assign_adapter":"5"}]'
	definition matrix "$U2" vfio_ap-passthrough auto
	ap_check
	FAKEKERNEL_FAIL=assign_adapter=EINVAL run -1 mdevctl start-parent-mdevs matrix
	[[ ! -e $ROOT/ap.lock ]]
	[[ ! -e $DEVICES/$U1 && -e $DEVICES/$U2 ]]
	called "ap-check get capabilities
ap-check pre start
ap-check post start failure
ap-check pre start
ap-check post start success"
}

@test "ap-check: another process is locked out between pre and post" {
	echo 1 >"$ROOT/ap.lock"
	ap_check
	run -7 mdevctl start -u "$U1" -p matrix -t vfio_ap-passthrough
	same "ap-check: locked by 1
Error: Script '\"$CALLOUTS/ap-check\"' failed with status '1'"
	same_file "$ROOT/ap.lock" "1
"
	[[ ! -e $DEVICES/$U1 ]]
}

# The distributed examples

# example NAME: prints the example as shown in mdevctl-callout(7).
example() {
	awk -v "name=examples/$1" '
		$1 == ".Pa" && $2 == name { found = 1 }
		found && text && $1 == ".Ed" { exit }
		found && text { gsub(/\\e/, "\\"); gsub(/\\\(aq/, "\047"); sub(/^\\&/, ""); print }
		found && $0 == ".Bd -literal" { text = 1 }' "$TOP/man/mdevctl-callout.7"
}

@test "the manual page shows the examples as distributed" {
	run -0 example callout
	same "$(cat "$TOP/man/examples/callout")"
	run -0 example notifier
	same "$(cat "$TOP/man/examples/notifier")"
}

@test "the example callout handles only its own type" {
	install -m 755 "$TOP/man/examples/callout" "$CALLOUTS/mtty"
	mkdir -p "$ROOT/run/maintenance"
	add_attribute mtty mtty-2 speed 9600
	run -0 mdevctl start -u "$U1" -p mtty -t mtty-2
	run -0 mdevctl list -v
	same "$U1 mtty mtty-2 manual
  Attrs:
    @{0}: {\"speed\":\"9600\"}"
	: >"$ROOT/run/maintenance/mtty"
	run -7 mdevctl start -u "$U2" -p mtty -t mtty-2
	same "mtty: mtty is under maintenance
Error: Script '\"$CALLOUTS/mtty\"' failed with status '1'"
	run -0 mdevctl start -u "$U2" -p mtty -t mtty-1
	run -0 mdevctl stop -u "$U1"
}

@test "the example notifier logs successful changes to the system log" {
	install -m 755 "$TOP/man/examples/notifier" "$NOTIFIERS/log"
	mkdir "$ROOT/bin"
	printf '#!/bin/sh\necho "$@" >>"$ROOT/log"\n' >"$ROOT/bin/logger"
	chmod 755 "$ROOT/bin/logger"
	PATH=$ROOT/bin:$PATH
	run -0 mdevctl define -u "$U1" -p mtty -t mtty-1
	run ! mdevctl start -u "$U2" -p missing -t mtty-1
	same_file "$ROOT/log" "-t mdevctl define of device $U1 on mtty
"
}

# Installs a callout that handles and refuses device U2 only.
refuse_second() {
	script "$CALLOUTS" 1 '[[ $uuid == "$U2" ]] || exit 2
exit 1'
}

@test "each script is asked for each device, whatever it has answered for others" {
	local uuid
	for uuid in "$U1" "$U2" "$U3"; do
		definition mtty "$uuid" mtty-1 auto
	done
	refuse_second
	run -1 --separate-stderr mdev-autostart mtty
	same_stderr "Warning: Start of $U2 on mtty failed: Script '\"$CALLOUTS/1\"' failed with status '1'
Error: 1 of 3 devices on mtty could not be started: $U2"
	called "1 get capabilities
1 pre start
1 post start success
1 pre start
1 pre start
1 post start success"
	run -0 mdevctl list -v
	called "1 get capabilities
1 get attributes
1 get attributes"
}

@test "apply obeys a script that refuses one of several devices" {
	local uuid
	for uuid in "$U1" "$U2" "$U3"; do
		definition mtty "$uuid" mtty-1 manual
	done
	mdevctl list -d --dumpjson | sed 's/manual/auto/' >"$ROOT/file"
	refuse_second
	run -7 --separate-stderr mdev-apply "$ROOT/file"
	[[ $stderr == *"Unable to modify $U2 on mtty: Script '\"$CALLOUTS/1\"' failed with status '1'"* ]]
	run -0 mdevctl list -d
	same "$U1 mtty mtty-1 auto (active)
$U2 mtty mtty-1 manual
$U3 mtty mtty-1 auto (active)"
}

@test "stop --all obeys a script that refuses one of several devices" {
	local uuid
	for uuid in "$U1" "$U2" "$U3"; do
		running mtty "$uuid" mtty-1
	done
	refuse_second
	fails 7 "Warning: Stop of $U2 on mtty failed: Script '\"$CALLOUTS/1\"' failed with status '1'
Error: 1 of 3 devices could not be stopped" mdev-stop --all
	run -0 mdevctl list
	same "$U2 mtty mtty-1 manual"
}

@test "undefine obeys a script that refuses the second of two definitions" {
	definition matrix "$U1" mtty-1
	definition mtty "$U1" mtty-1
	script "$CALLOUTS" 1 '[[ $parent == mtty ]] || exit 2
exit 1'
	fails 7 "Warning: Undefine of $U1 on parent mtty failed with error: Script '\"$CALLOUTS/1\"' failed with status '1'
Error: Undefine failed" mdev-undefine -u "$U1"
	[[ ! -e $D/matrix/$U1 && -e $D/mtty/$U1 ]]
}
