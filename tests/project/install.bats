# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# make install and make uninstall, as called by packages.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

setup() {
	cd "$TOP" || return 1
	T=$BATS_TEST_TMPDIR/dest
	mkdir "$T"
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

run_make() {
	make -s BUILD="$BUILD" DESTDIR="$T" "$@"
}

# Prints mode and path of everything below $T except directories.
files() {
	(cd "$T" && find . ! -type d -printf '%M %P\n' | LC_ALL=C sort -k 2)
}

@test "install installs these files, with these modes" {
	run_make install
	local page name share=usr/share
	run -0 files
	same "$({
		cat <<-END
			-rwxr-xr-x usr/libexec/mdev-tools/mdev-show
			-rw-r--r-- usr/lib/systemd/catalog/mdev-tools.catalog
			-rw-r--r-- usr/lib/systemd/system/mdev-autostart@.service
			-rw-r--r-- usr/lib/systemd/system/mdev@.service
			-rw-r--r-- usr/lib/tmpfiles.d/mdev-tools.conf
			-rw-r--r-- usr/lib/udev/rules.d/60-mdevctl.rules
			lrwxrwxrwx usr/sbin/lsmdev
			-rwxr-xr-x usr/sbin/mdev-apply
			-rwxr-xr-x usr/sbin/mdev-autostart
			-rwxr-xr-x usr/sbin/mdev-define
			-rwxr-xr-x usr/sbin/mdev-list
			-rwxr-xr-x usr/sbin/mdev-modify
			-rwxr-xr-x usr/sbin/mdev-start
			-rwxr-xr-x usr/sbin/mdev-status
			-rwxr-xr-x usr/sbin/mdev-stop
			-rwxr-xr-x usr/sbin/mdev-types
			-rwxr-xr-x usr/sbin/mdev-undefine
			-rwxr-xr-x usr/sbin/mdevctl
			-rw-r--r-- $share/bash-completion/completions/mdev-list
			-rw-r--r-- $share/fish/vendor_completions.d/mdev-list.fish
			lrwxrwxrwx $share/man/man5/mdev-autostart@.service.5
			-rw-r--r-- $share/zsh/site-functions/_mdevctl
		END
		for name in mdevctl lsmdev mdev-{define,undefine,modify,start,stop,status,types,autostart,apply}; do
			echo "lrwxrwxrwx $share/bash-completion/completions/$name"
			echo "lrwxrwxrwx $share/fish/vendor_completions.d/$name.fish"
		done
		for page in man/*.[1-9]; do
			echo "-rw-r--r-- usr/share/man/man${page##*.}/${page#man/}"
		done
	} | LC_ALL=C sort -k 2)"
	[[ $(readlink "$T/usr/sbin/lsmdev") == mdev-list ]]
	run -0 find "$T" -xtype l
	same "" # no link leads to nothing
}

@test "install creates the directories of definitions and scripts" {
	run_make install
	run -0 stat -c '%A %n' "$T"/etc/mdevctl.d "$T"/usr/lib/mdevctl/scripts.d/{callouts,notifiers}
	same "drwxr-xr-x $T/etc/mdevctl.d
drwxr-xr-x $T/usr/lib/mdevctl/scripts.d/callouts
drwxr-xr-x $T/usr/lib/mdevctl/scripts.d/notifiers"
}

@test "install again changes nothing" {
	run_make install
	local before
	before=$(cd "$T" && find . ! -type d -exec cksum {} + | sort)
	run_make install
	output=$(cd "$T" && find . ! -type d -exec cksum {} + | sort) same "$before"
}

@test "install ignores a restrictive umask" {
	umask 077
	run_make install
	run -0 find "$T" -mindepth 1 ! -type l ! -perm -o=r
	same ""
}

@test "uninstall leaves nothing behind" {
	run_make install
	run_make uninstall
	run -0 files
	same ""
	run -0 find "$T" -name '*mdev*'
	same ""
}

@test "uninstall keeps definitions and third-party scripts" {
	run_make install
	mkdir "$T/etc/mdevctl.d/mtty"
	echo '{}' >"$T/etc/mdevctl.d/mtty/$U1"
	echo '#!/bin/sh' >"$T/usr/lib/mdevctl/scripts.d/callouts/theirs"
	run_make uninstall
	run -0 files
	same "-rw-r--r-- etc/mdevctl.d/mtty/$U1
-rw-r--r-- usr/lib/mdevctl/scripts.d/callouts/theirs"
}

@test "uninstall without an installation succeeds" {
	run_make uninstall
}

# The absolute paths in installed rules, units and completion, without comments.
paths_inside() {
	find "$T" -type f \( -name '60-*' -o -name '*.service' -o -name 'mdev-list' -path '*comp*' -o \
		-name '_mdevctl' -o -name '*.fish' \) -exec sed '/^ *#/d' {} + |
		grep -oE '(^|[^A-Za-z0-9_.*}/$])(/[A-Za-z0-9._-]+)+' | sed 's|^[^/]*||' |
		grep -E '^/(usr|bin|sbin|lib|opt|a$|a/|j$|k$)' | LC_ALL=C sort -u
}

@test "install puts PREFIX, SYSTEMCTL and TIMEOUT into rules, units and completion" {
	run_make install
	run -0 paths_inside
	same "/sbin
/usr/bin/systemctl
/usr/bin/timeout
/usr/sbin
/usr/sbin/mdev-autostart
/usr/sbin/mdev-start
/usr/sbin/mdev-stop
/usr/sbin/mdevctl"
	rm -r "$T"
	run_make PREFIX=/opt/mdev SYSTEMCTL=/j TIMEOUT=/k install
	run -0 paths_inside
	same "/j
/k
/opt/mdev/sbin
/opt/mdev/sbin/mdev-autostart
/opt/mdev/sbin/mdev-start
/opt/mdev/sbin/mdev-stop
/opt/mdev/sbin/mdevctl
/sbin"
	[[ -x $T/opt/mdev/sbin/mdevctl && -d $T/etc/mdevctl.d && ! -e $T/usr/sbin ]]
}

@test "every directory can be set by a make variable" {
	local dirs=(SBINDIR=/a MANDIR=/b RULESDIR=/c UNITDIR=/d CONFDIR=/e SCRIPTDIR=/f
		BASHCOMPDIR=/g ZSHCOMPDIR=/h FISHCOMPDIR=/i TMPFILESDIR=/j LIBEXECDIR=/k CATALOGDIR=/l)
	run_make "${dirs[@]}" install
	[[ -x $T/a/mdevctl && -f $T/b/man8/mdevctl.8 && -f $T/c/60-mdevctl.rules ]]
	[[ -f $T/d/mdev@.service && -d $T/e && -d $T/f/callouts && -d $T/f/notifiers ]]
	grep -q '^ExecStart=/a/mdev-start ' "$T/d/mdev@.service"
	grep -q '"/a/mdevctl start-parent-mdevs' "$T/c/60-mdevctl.rules"
	[[ -L $T/g/mdevctl && -f $T/h/_mdevctl && -L $T/i/mdevctl.fish && -f $T/j/mdev-tools.conf ]]
	[[ -x $T/k/mdev-show && -f $T/l/mdev-tools.catalog && ! -e $T/usr ]]
	run_make "${dirs[@]}" uninstall
	run -0 files
	same ""
}

@test "README.md lists every variable of a path" {
	local name missing=()
	while read -r name; do
		grep -qw "$name" README.md || missing+=("$name")
	done < <(sed -nE 's/^([A-Z]*) *\?= *[/$].*/\1/p' Makefile)
	output="${missing[*]}" same ""
}

@test "installed programs define, list, start, stop and undefine in a fake root" {
	run_make install
	make_world "$BATS_TEST_TMPDIR/root"
	PATH=/usr/bin:/bin
	run -0 "$T/usr/sbin/mdevctl" define -u "$U1" -p mtty -t mtty-1
	run -0 "$T/usr/sbin/mdevctl" list -d
	same "$U1 mtty mtty-1 manual"
	run -0 "$T/usr/sbin/mdevctl" start -u "$U1"
	run -0 "$T/usr/sbin/lsmdev"
	same "$U1 mtty mtty-1 manual (defined)"
	run -0 "$T/usr/sbin/mdevctl" stop -u "$U1"
	run -0 "$T/usr/sbin/mdevctl" undefine -u "$U1"
	run -0 "$T/usr/sbin/mdevctl" list -d
	same ""
}

@test "all packages have the version of the Makefile" {
	local version
	version=$(sed -n 's/^VERSION *?= *//p' Makefile)
	run -0 sed -n '1s/.*(\(.*\)-[0-9]*).*/\1/p' packaging/debian/changelog
	same "$version"
	run -0 sed -n 's/^Version: *//p' packaging/mdev-tools.spec
	same "$version"
	run -0 sed -n 's/^version: *//p' packaging/ansible/galaxy.yml
	same "$version"
	run -0 sed -n 's/^pkgver=//p' packaging/arch/PKGBUILD
	same "$version"
	run -0 sed -n 's/^## //p' packaging/NEWS.md
	[[ ${lines[0]} == "$version" ]]
	run -0 grep -noE '(mdev-tools-|\{)[0-9.]+[0-9]' README.md
	# shellcheck disable=SC2001 # several lines
	output=$(sed 's/.*[-{]//' <<<"$output" | sort -u) same "$version"
}
