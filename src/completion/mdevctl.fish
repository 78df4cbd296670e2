# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for mdevctl, lsmdev and mdev-*. Commands and options are read from --help; devices, parents and
# types are queried when they are needed. mdevctl.bash and mdevctl.zsh work in the same way.

# The sbin directories are not in the path of all users, but in that of sudo.
function __mdevctl_run
    set -lx PATH $PATH /usr/sbin /sbin
    command $argv 2>/dev/null </dev/null
end

# __mdevctl_given NAME LETTER: prints the value of the option in the words before the cursor.
function __mdevctl_given
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        switch $words[$i]
            case "--$argv[1]=*" "-$argv[2]=*"
                string replace -r '^[^=]*=' '' -- $words[$i]
                return
            case "--$argv[1]" "-$argv[2]"
                test (count $words) -gt $i; and echo $words[(math $i + 1)]
                return
            case "-$argv[2]?*"
                string sub -s 3 -- $words[$i]
                return
        end
    end
end

# Prints the UUID, and the parent if it is known; --uuid=UUID:PARENT specifies both.
function __mdevctl_given_device
    set -l uuid (__mdevctl_given uuid u)
    set -q uuid[1]; or return
    set -l parts (string split -m 1 : -- $uuid)
    set -q parts[2]; or set -a parts (__mdevctl_given parent p)
    printf '%s\n' $parts
end

function __mdevctl_has
    string match -qr -- "^(--$argv[1]|-[a-z]*$argv[2][a-z]*)\$" (commandline -opc)
end

# Prints the UUIDs that a command can be used for, with the rest of their line as description.
function __mdevctl_uuid
    set -l lines
    switch $argv[1]
        case undefine
            set lines (__mdevctl_run mdevctl list -d)
        case start
            set lines (__mdevctl_run mdevctl list -d | string match -v '*(active)')
        case define
            set lines (__mdevctl_run mdevctl list | string match -v '*(defined)')
        case modify
            if __mdevctl_has live l
                set lines (__mdevctl_run mdevctl list)
            else
                set lines (__mdevctl_run mdevctl list -d)
            end
        case list
            if __mdevctl_has defined d
                set lines (__mdevctl_run mdevctl list -d)
            else
                set lines (__mdevctl_run mdevctl list)
            end
        case status
            set lines (begin
                __mdevctl_run mdevctl list
                __mdevctl_run mdevctl list -d
            end | sort -u)
        case '*'
            set lines (__mdevctl_run mdevctl list)
    end
    string replace ' ' \t -- $lines
end

function __mdevctl_parent
    set -l device (__mdevctl_given_device)
    begin
        switch $argv[1]
            case undefine modify
                if set -q device[1]
                    __mdevctl_run mdevctl list -d -u $device[1]
                else
                    __mdevctl_run mdevctl list -d
                end | cut -d ' ' -f 2
            case autostart
                __mdevctl_run mdevctl list -d | cut -d ' ' -f 2
            case list
                begin
                    __mdevctl_run mdevctl list
                    __mdevctl_run mdevctl list -d
                end | cut -d ' ' -f 2
            case status
                __mdevctl_run mdevctl status --json |
                    string replace -rf '^      "(?:parent|card|vf)": "(.*)",$' '$1'
            case '*'
                __mdevctl_run mdevctl types | string match -r '^[^ ].*'
        end
    end | sort -u
end

# Prints the types of the given parent, or else of the parent of the device, with the available instances.
function __mdevctl_type
    set -l device (__mdevctl_given_device)
    set -l parent $device[2] (__mdevctl_given parent p)
    if set -q device[1]; and not set -q parent[1]
        set parent (__mdevctl_run mdevctl list -d -u $device[1] | cut -d ' ' -f 2)
    end
    set -q parent[1]; and set parent -p$parent[1]
    for line in (__mdevctl_run mdevctl types $parent)
        if set -l name (string match -rg '^  ([^ ].*)' -- $line)
            set type $name
        else if set -l left (string match -rg '^    Available instances: (.*)' -- $line)
            printf '%s\t%s available\n' $type $left
        end
    end | sort -u
end

# Prints the writable files in the directory of the device, or of a similar one if it is not running.
function __mdevctl_attribute
    set -l device (__mdevctl_given_device)
    set -q device[1]; or return
    set -l uuid $device[1]
    set -l dir "$MDEVCTL_ENV_ROOT/sys/bus/mdev/devices"
    if not test -e $dir/$uuid
        set -q device[2]; and set device[2] -p$device[2]
        set device (__mdevctl_run mdevctl list -d -u $device | head -n 1 | string split ' ')
        set -q device[3]; or return
        set uuid (__mdevctl_run mdevctl list -p $device[2] | string match -rg "^(\\S+) \\S+ \\Q$device[3]\\E ")[1]
    end
    set -q uuid[1]; or return
    find -H $dir/$uuid -maxdepth 2 -type f -perm -200 -printf '%P\n' 2>/dev/null |
        string match -vr '^(remove|(.*/)?uevent|power/autosuspend_delay_ms)$'
end

function __mdevctl_index
    set -l device (__mdevctl_given_device)
    set -q device[1]; or return
    set -q device[2]; and set device[2] -p$device[2]
    __mdevctl_run mdevctl list -dv -u $device | string replace -rf '^    @\{(\d+)\}: \{(.*)\}$' '$1\t$2'
end

function __mdevctl_commands
    __mdevctl_run mdevctl --help | string replace -rf '^  ([a-z]+) +([A-Z].*)' '$1\t$2'
end

# Whether this is the command of mdevctl, e.g. for "mdevctl sta".
function __mdevctl_command
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end

# __mdevctl_options COMMAND COMPLETE-OPTIONS...: defines the options printed by "mdev-COMMAND --help".
function __mdevctl_options
    set -l command $argv[1]
    set -l rule complete $argv[2..]
    for line in (__mdevctl_run mdev-$command --help)
        set -l found (string match -rg '^  -?([a-zA-Z ]),? +--([a-z-]+)(\[?)=?([A-Z]*)\]? +(.*)' -- $line)
        or continue
        set -l option -l $found[2] -d $found[5]
        test "$found[1]" != ' '; and set -a option -s $found[1]
        switch "$found[3]$found[4]"
            case UUID PARENT TYPE ATTRIBUTE INDEX
                set -a option -x -k -a "(__mdevctl_"(string lower $found[4])" $command)"
            case FILE
                set -a option -r -F
            case VALUE
                set -a option -x
        end
        $rule $option
    end
end

complete -c mdevctl -f
complete -c mdevctl -n 'test (count (commandline -opc)) = 1' -k -a '(__mdevctl_commands)'
complete -c mdevctl -n 'test (count (commandline -opc)) = 1' -s h -l help -d 'Print this help and exit'
complete -c mdevctl -n 'test (count (commandline -opc)) = 1' -s V -l version -d 'Print the version and exit'
complete -c mdevctl -n '__mdevctl_command help; and test (count (commandline -opc)) = 2' -k -a '(__mdevctl_commands)'
complete -c mdevctl -n '__mdevctl_command start-parent-mdevs' -k -a '(__mdevctl_parent autostart)'
for command in define undefine modify start stop list status types
    complete -c mdev-$command -f
    __mdevctl_options $command -c mdev-$command
    __mdevctl_options $command -c mdevctl -n "__mdevctl_command $command"
end
complete -c mdev-autostart -f -k -a '(__mdevctl_parent autostart)'
__mdevctl_options autostart -c mdev-autostart
complete -c mdev-apply -F
complete -c mdevctl -n '__mdevctl_command apply' -F
__mdevctl_options apply -c mdev-apply
__mdevctl_options apply -c mdevctl -n '__mdevctl_command apply'
complete -c lsmdev -f
__mdevctl_options list -c lsmdev
