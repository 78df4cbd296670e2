#compdef mdevctl lsmdev mdev-define mdev-undefine mdev-modify mdev-start mdev-stop mdev-list mdev-status mdev-types mdev-autostart mdev-apply
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for mdevctl, lsmdev and mdev-*. Commands and options are read from --help; devices, parents
# and types are queried when they are needed. mdevctl.bash and mdevctl.fish work in the same way.

# The sbin directories are not in the path of all users, but in that of sudo.
_mdevctl_run() {
	PATH=$PATH:/usr/sbin:/sbin command "$@" 2>/dev/null </dev/null
}

# _mdevctl_given --NAME -LETTER: prints the value of the option as parsed by _arguments.
_mdevctl_given() {
	print -r -- ${${opt_args[$1]:-${opt_args[$2]}}//\\:/:}
}

# Sets uuid and parent; --uuid=UUID:PARENT specifies both.
_mdevctl_given_device() {
	uuid=$(_mdevctl_given --uuid -u) parent=$(_mdevctl_given --parent -p)
	[[ $uuid != *:* ]] || { parent=${uuid#*:} uuid=${uuid%%:*}; }
}

_mdevctl_has() {
	(( ${+opt_args[$1]} + ${+opt_args[$2]} ))
}

# Prints the lines of the devices that the command can be used for.
_mdevctl_devices() {
	case $_mdevctl_command in
	(undefine) _mdevctl_run mdevctl list -d ;;
	(start) _mdevctl_run mdevctl list -d | grep -v '(active)$' ;;
	(define) _mdevctl_run mdevctl list | grep -v '(defined)$' ;;
	(modify)
		if _mdevctl_has --live -l; then
			_mdevctl_run mdevctl list
		else
			_mdevctl_run mdevctl list -d
		fi
		;;
	(list)
		if _mdevctl_has --defined -d; then
			_mdevctl_run mdevctl list -d
		else
			_mdevctl_run mdevctl list
		fi
		;;
	(status) { _mdevctl_run mdevctl list; _mdevctl_run mdevctl list -d } | sort -u ;;
	(*) _mdevctl_run mdevctl list ;;
	esac
}

_mdevctl_uuid() {
	local -a devices=(${(f)"$(_mdevctl_devices)"})
	devices=(${devices/ /:})
	_describe -t devices device devices
}

_mdevctl_parent() {
	local uuid parent expl
	local -aU parents
	_mdevctl_given_device
	case $_mdevctl_command in
	(undefine|modify) parents=(${(f)"$(_mdevctl_run mdevctl list -d ${uuid:+-u$uuid} | cut -d ' ' -f 2)"}) ;;
	(autostart) parents=(${(f)"$(_mdevctl_run mdevctl list -d | cut -d ' ' -f 2)"}) ;;
	(list)
		parents=(${(f)"$(_mdevctl_run mdevctl list | cut -d ' ' -f 2)"}
			${(f)"$(_mdevctl_run mdevctl list -d | cut -d ' ' -f 2)"})
		;;
	(status)
		parents=(${(f)"$(_mdevctl_run mdevctl status --json |
			sed -n 's/^      "\(parent\|card\|vf\)": "\(.*\)",$/\2/p')"})
		;;
	(*) parents=(${(f)"$(_mdevctl_run mdevctl types | grep '^[^ ]')"}) ;;
	esac
	_wanted parents expl parent compadd -a parents
}

# Prints the types of the given parent, or else of the parent of the device, with the available
# instances.
_mdevctl_type() {
	local uuid parent
	local -aU types
	_mdevctl_given_device
	[[ -n $parent || -z $uuid ]] || parent=$(_mdevctl_run mdevctl list -d -u $uuid | cut -d ' ' -f 2)
	types=(${(f)"$(_mdevctl_run mdevctl types ${parent:+-p$parent} | sed -n '
		s/:/\\:/g
		/^  [^ ]/{ s/^  //; h; }
		/^    Available instances/{ s/.*: /:/; s/$/ available/; H; g; s/\n//p; }')"})
	_describe -t types type types
}

# Prints the writable files in the directory of the device, or of a similar one if it is not running.
_mdevctl_attribute() {
	local uuid parent dir=$MDEVCTL_ENV_ROOT/sys/bus/mdev/devices expl
	local -a device attributes
	_mdevctl_given_device
	if [[ -n $uuid && ! -e $dir/$uuid ]]; then
		device=(${=$(_mdevctl_run mdevctl list -d -u $uuid ${parent:+-p$parent})})
		uuid=$(_mdevctl_run mdevctl list -p "$device[2]" | grep " $device[3] " | head -n 1 | cut -d ' ' -f 1)
	fi
	[[ -n $uuid ]] || return
	attributes=(${(f)"$(find -H $dir/$uuid -maxdepth 2 -type f -perm -200 -printf '%P\n' 2>/dev/null |
		grep -vx -e '\(.*/\)\{0,1\}uevent' -e remove -e 'power/autosuspend_delay_ms')"})
	_wanted attributes expl attribute compadd -a attributes
}

_mdevctl_index() {
	local uuid parent
	local -a indices
	_mdevctl_given_device
	indices=(${(f)"$(_mdevctl_run mdevctl list -dv -u "$uuid" ${parent:+-p$parent} |
		sed -n 's/:/\\:/g; s/^    @{\([0-9]*\)}\\: {\(.*\)}$/\1:\2/p')"})
	_describe -V -t indices index indices
}

# Converts the output of "$@ --help" to specifications for _arguments.
_mdevctl_options() {
	local line letter name argument help
	local -a match mbegin mend
	for line in ${(f)"$(_mdevctl_run "$@" --help)"}; do
		[[ $line =~ '^  (-[a-zA-Z],|   ) (--[a-z-]+)(\[?=[A-Z]+\]?)?  *(.*)' ]] || continue
		letter=${match[1]%,} name=$match[2] argument=${match[3]//[=\[\]]/}
		help=${${match[4]//\[/\\[}//\]/\\]}
		case $argument in
		('') ;;
		(FILE) argument=:file:_files ;;
		(UUID|PARENT|TYPE|ATTRIBUTE|INDEX) argument=:${(L)argument}:_mdevctl_${(L)argument} ;;
		(*) argument=":${(L)argument}: " ;;
		esac
		if [[ $match[3] == \[* ]]; then
			specs+=("${name}=-[$help]:$argument")
		elif [[ $letter == -* ]]; then
			specs+=("($name)${letter}${argument:++}[$help]$argument"
				"($letter)${name}${argument:+=}[$help]$argument")
		else
			specs+=("${name}${argument:+=}[$help]$argument")
		fi
	done
}

_mdevctl_commands() {
	local -a commands=(${(f)"$(_mdevctl_run mdevctl --help |
		sed -n 's/^  \([a-z]*\)  *\([A-Z].*\)/\1:\2/p')"})
	_describe -t commands command commands
}

_mdevctl() {
	local _mdevctl_command curcontext=$curcontext state line
	local -A opt_args
	local -a specs
	case $service in
	(mdevctl)
		_mdevctl_options mdevctl
		_arguments -s $specs '1:command:_mdevctl_commands' '*::: :->rest' && return
		[[ $state == rest ]] || return
		_mdevctl_command=$line[1]
		words=($line[1] "$words[@]") specs=()
		(( CURRENT++ ))
		;;
	(lsmdev) _mdevctl_command=list ;;
	(*) _mdevctl_command=${service#mdev-} ;;
	esac
	case $_mdevctl_command in
	(help) _arguments '1:command:_mdevctl_commands'; return ;;
	(start-parent-mdevs) _mdevctl_command=autostart ;;
	esac
	_mdevctl_options mdev-$_mdevctl_command
	[[ $_mdevctl_command != autostart ]] || specs+=('1:parent:_mdevctl_parent')
	[[ $_mdevctl_command != apply ]] || specs+=('1:file:_files')
	_arguments -s $specs
}

_mdevctl "$@"
