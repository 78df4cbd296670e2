# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Creates trees of Debian releases and runs commands in them. Packages are installed with apt as configured on
# the host, which must be Debian. Requires root.

tree_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# make_tree SUITE DIRECTORY PACKAGES [OPTION...]: PACKAGES are separated by commas; options are those of
# mmdebstrap.
make_tree() {
	local suite=$1 tree=$2 packages=$3 uri conf status=0
	shift 3
	# shellcheck source=/dev/null disable=SC2016 # apt expands it
	uri=$(. /etc/os-release && apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
		awk -v "release=$VERSION_CODENAME" '$2 == release && $3 == "main" { print $1; exit }')
	[[ -n $uri ]] || { echo "No source of this Debian release is configured in apt" >&2; return 1; }
	conf=$(mktemp)
	apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|Check-|Allow)' >"$conf"
	rm -rf "$tree"
	mkdir -p "${tree%/*}"
	# shellcheck disable=SC2016 # $1 is for the hooks to expand
	mmdebstrap --quiet --variant=minbase --include="$packages" \
		--setup-hook='mkdir -p "$1/etc/apt/apt.conf.d" "$1/etc/apt/auth.conf.d"' \
		--setup-hook="cp '$conf' "'"$1/etc/apt/apt.conf.d/50host"' \
		--setup-hook='cp -r /etc/apt/auth.conf.d "$1/etc/apt"' \
		--skip=cleanup/apt/lists "$@" \
		"$suite" "$tree" "deb $uri $suite main" || status=$?
	rm -f "$conf"
	cp /etc/resolv.conf "$tree/etc" 2>/dev/null
	return "$status"
}

# in_tree DIRECTORY COMMAND...: runs it with its own /proc, /dev, /sys and /run; no processes or mounts are
# left behind.
in_tree() {
	# shellcheck disable=SC2016 # $1, ... are for the inner shell
	unshare --mount --pid --fork --kill-child bash -c '
		cd / && mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
		mount --rbind /sys "$1/sys" && mount -t tmpfs -o mode=755 tmpfs "$1/run" || exit 1
		path=$2 && cd "$1" && pivot_root . . && umount --lazy . || exit 1
		shift 2
		exec chroot . /usr/bin/env -i "PATH=$path" HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
			DEBIAN_FRONTEND=noninteractive "$@"' bash "$1" "$tree_path" "${@:2}"
}
