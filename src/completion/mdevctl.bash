# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion for mdevctl, lsmdev and mdev-*. Commands and options are read from --help; devices,
# parents and types are queried when they are needed. mdevctl.zsh and mdevctl.fish work in the same
# way.

# The sbin directories are not in the PATH of all users, but in that of sudo.
_mdevctl_run() {
	PATH=$PATH:/usr/sbin:/sbin command "$@" 2>/dev/null </dev/null
}

# _mdevctl_given --NAME -LETTER: prints the value of the option in the words before the cursor.
_mdevctl_given() {
	local i
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		"$1"=* | "$2"=*) printf '%s' "${words[i]#*=}" ;;
		"$1" | "$2") printf '%s' "${words[i + 1]}" ;;
		"$2"?*) printf '%s' "${words[i]#"$2"}" ;;
		*) continue ;;
		esac
		return
	done
}

# _mdevctl_has --NAME -LETTER: whether the option is among the words before the cursor.
_mdevctl_has() {
	local word
	for word in "${words[@]:1:${#words[@]}-2}"; do
		[[ $word == "$1" || $word == "$1"=* ]] && return
		[[ $2 == -* && $word == -[!-]* && ${word%%=*} == *"${2#-}"* ]] && return
	done
	return 1
}

_mdevctl_commands() {
	_mdevctl_run mdevctl --help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p'
}

# Prints the long options that have not been given, with "=" if they require a value.
_mdevctl_options() {
	local line name
	while IFS= read -r line; do
		[[ ${line:2:6} == [-\ ][a-zA-Z\ ][,\ ]\ -- ]] || continue
		name=${line:6}
		name=${name%%[ =[]*}
		_mdevctl_has "$name" "${line:2:2}" && continue
		[[ ${line:6} == "$name="* ]] && name+="="
		echo "$name"
	done < <(_mdevctl_run "$@" --help)
}

# Prints the UUIDs that a command can be used for.
_mdevctl_uuids() {
	case $1 in
	undefine) _mdevctl_run mdevctl list -d ;;
	start) _mdevctl_run mdevctl list -d | grep -v '(active)$' ;;
	define) _mdevctl_run mdevctl list | grep -v '(defined)$' ;;
	modify)
		if _mdevctl_has --live -l; then
			_mdevctl_run mdevctl list
		else
			_mdevctl_run mdevctl list -d
		fi
		;;
	list)
		if _mdevctl_has --defined -d; then
			_mdevctl_run mdevctl list -d
		else
			_mdevctl_run mdevctl list
		fi
		;;
	status) { _mdevctl_run mdevctl list; _mdevctl_run mdevctl list -d; } | sort -u ;;
	*) _mdevctl_run mdevctl list ;;
	esac | cut -d ' ' -f 1
}

# _mdevctl_parents COMMAND UUID
_mdevctl_parents() {
	case $1 in
	undefine | modify) _mdevctl_run mdevctl list -d ${2:+-u "$2"} | cut -d ' ' -f 2 ;;
	autostart) _mdevctl_run mdevctl list -d | cut -d ' ' -f 2 ;;
	list) { _mdevctl_run mdevctl list; _mdevctl_run mdevctl list -d; } | cut -d ' ' -f 2 ;;
	status)
		_mdevctl_run mdevctl status --json |
			sed -n 's/^      "\(parent\|card\|vf\)": "\(.*\)",$/\2/p'
		;;
	*) _mdevctl_run mdevctl types | grep '^[^ ]' ;;
	esac | sort -u
}

# _mdevctl_types UUID PARENT: prints the types of the given parent, or else of the parent of the
# device.
_mdevctl_types() {
	local parent=$2
	[[ $parent || ! $1 ]] || parent=$(_mdevctl_run mdevctl list -d -u "$1" | cut -d ' ' -f 2)
	_mdevctl_run mdevctl types ${parent:+-p "$parent"} | sed -n 's/^  \([^ ].*\)/\1/p' | sort -u
}

# _mdevctl_attributes UUID PARENT: prints the writable files in the directory of the device, or of a
# similar one if the device is not running.
_mdevctl_attributes() {
	local uuid=$1 parent=$2 type dir=${MDEVCTL_ENV_ROOT-}/sys/bus/mdev/devices
	if [[ $uuid && ! -e $dir/$uuid ]]; then
		read -r _ parent type _ < <(_mdevctl_run mdevctl list -d -u "$uuid" ${parent:+-p "$parent"})
		uuid=$(_mdevctl_run mdevctl list -p "$parent" | grep " $type " | head -n 1 | cut -d ' ' -f 1)
	fi
	[[ $uuid ]] || return
	find -H "$dir/$uuid" -maxdepth 2 -type f -perm -200 -printf '%P\n' 2>/dev/null |
		grep -vx -e '\(.*/\)\{0,1\}uevent' -e remove -e 'power/autosuspend_delay_ms'
}

_mdevctl_indices() {
	_mdevctl_run mdevctl list -dv -u "$1" ${2:+-p "$2"} | sed -n 's/^    @{\([0-9]*\)}.*/\1/p'
}

# _mdevctl_values COMMAND OPTION: prints possible values of the option.
_mdevctl_values() {
	local uuid parent
	uuid=$(_mdevctl_given --uuid -u)
	parent=$(_mdevctl_given --parent -p)
	[[ $uuid != *:* ]] || parent=${uuid#*:} uuid=${uuid%%:*}
	case $2 in
	--uuid | -u) _mdevctl_uuids "$1" ;;
	--parent | -p) _mdevctl_parents "$1" "$uuid" ;;
	--type | -t) _mdevctl_types "$uuid" "$parent" ;;
	--addattr) _mdevctl_attributes "$uuid" "$parent" ;;
	--index | -i) _mdevctl_indices "$uuid" "$parent" ;;
	esac
}

# Sets COMPREPLY to the candidates (one per line) that match the word at the cursor. $before is the
# part of the word before the completed one. bash treats text before "=" or ":" as a separate word,
# which it does not replace.
_mdevctl_reply() {
	local before=$1 line break skip=
	for break in = :; do
		[[ $COMP_WORDBREAKS == *$break* && $cur == *$break* ]] || continue
		line=${cur%"${cur##*"$break"}"}
		((${#line} <= ${#skip})) || skip=$line
	done
	while IFS= read -r line; do
		[[ $line && $before$line == "$cur"* ]] && COMPREPLY+=("${before}${line}")
	done
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
	COMPREPLY=("${COMPREPLY[@]#"$skip"}")
}

_mdevctl() {
	local words cur command option before=
	COMPREPLY=()
	# Split into words as the user sees them, starting with the name of the program.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]] || words+=("")
	while ((${#words[@]} > 2)) && [[ ${words[0]##*/} != "${1##*/}" ]]; do
		words=("${words[@]:1}")
	done
	cur=${words[${#words[@]} - 1]}

	case ${words[0]##*/} in
	mdevctl)
		if ((${#words[@]} == 2)); then
			if [[ $cur == -* ]]; then
				_mdevctl_reply "" < <(_mdevctl_options mdevctl)
			else
				_mdevctl_reply "" < <(_mdevctl_commands)
			fi
			return
		fi
		words=("${words[@]:1}")
		command=${words[0]}
		[[ $command != start-parent-mdevs ]] || command=autostart
		;;
	lsmdev) command=list ;;
	*) command=${words[0]##*mdev-} ;;
	esac
	case $command in
	define | undefine | modify | start | stop | list | status | types | autostart | apply) ;;
	help) ((${#words[@]} != 2)) || _mdevctl_reply "" < <(_mdevctl_commands) ;&
	*) return ;;
	esac

	option=${words[${#words[@]} - 2]}
	if [[ $cur == -*=* ]]; then
		option=${cur%%=*} before=${cur%%=*}=
	elif [[ $cur == -* ]]; then
		option=
	fi
	case $option in
	--uuid | --parent | --type | --addattr | --index | -[upti])
		_mdevctl_reply "$before" < <(_mdevctl_values "$command" "$option")
		;;
	--jsonfile)
		compopt -o filenames 2>/dev/null
		_mdevctl_reply "$before" < <(compgen -f -- "${cur#"$before"}")
		;;
	--value | --wait) [[ $option == --value || $before ]] ;;
	*) false ;;
	esac && return

	if [[ $command == apply && $cur != -* ]]; then
		compopt -o filenames 2>/dev/null
		_mdevctl_reply "" < <(compgen -f -- "$cur")
	elif [[ $command == autostart && $cur != -* ]]; then
		_mdevctl_reply "" < <(_mdevctl_parents autostart)
	else
		_mdevctl_reply "" < <(_mdevctl_options "mdev-$command")
	fi
}

complete -F _mdevctl mdevctl lsmdev mdev-define mdev-undefine mdev-modify mdev-start mdev-stop \
	mdev-list mdev-status mdev-types mdev-autostart mdev-apply
