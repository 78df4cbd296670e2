# SPDX-License-Identifier: LGPL-2.1-or-later
# not with sanitizers
# --help, manual page and completion of each program list the same options
bats_require_minimum_version 1.5.0
load ../lib/world.bash
load ../lib/complete.bash
load ../lib/man.bash

setup() {
	make_world "$BATS_TEST_TMPDIR/root"
}

# help_options PROGRAM...: prints "-u --uuid=UUID", "-- --wait[=SECONDS]", one per line, sorted.
help_options() {
	"$@" --help | sed -n 's/^  \(-.\), \(--[^ ]*\) .*/\1 \2/p; s/^      \(--[^ ]*\) .*/-- \1/p' | sort
}

# The same for the OPTIONS of a manual page, where operands are in lower case.
page_options() {
	sed -n '/^\.Sh OPTIONS/,/^\.Sh/s/^\.It Fl //p' "$1" | sed -E 's/^(.) , (.*)/-\1 -\2/; t argument
		s/^/-- -/
		: argument
		s/ Ns = Ns Ar (.*)/=\U\1/; s/ Ns Op = Ns Ar (.*)/[=\U\1]/' | sort
}

long_names() {
	sed "s/^-[^ ]* //; s/=.*//; s/\\[\$//" | sort
}

@test "--help and the manual page list the same options" {
	local program
	for program in mdevctl lsmdev "${PROGRAMS[@]}"; do
		run -0 help_options "$program"
		[[ $output == *--help* ]]
		same "$(page_options "$TOP/man/$program.8")" || { echo "of $program"; return 1; }
	done
}

@test "--help and shell completion list the same options" {
	local program
	for program in mdevctl lsmdev "${PROGRAMS[@]}"; do
		mapfile -t names < <(help_options "$program" | long_names)
		offers "$program --" "${names[@]}"
	done
}

@test "mdevctl COMMAND is completed like mdev-COMMAND" {
	local program
	for program in define undefine modify start stop list status types apply; do
		mapfile -t names < <(help_options "mdev-$program" | long_names)
		offers "mdevctl $program --" "${names[@]}"
	done
}

@test "every command of mdevctl --help is in the manual page and has a program or is built in" {
	local command
	while read -r command; do
		grep -q "^\.It Cm $command" "$TOP/man/mdevctl.8"
		[[ -f $TOP/src/mdev-$command.c || $command == version || $command == help ]]
	done < <(mdevctl --help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p')
}

@test "the programs read exactly the environment variables in mdevctl(8)" {
	run -0 sed -n 's/^\.It Ev \([A-Z_]*\)$/\1/p' "$TOP/man/mdevctl.8"
	output=$(sort -u <<<"$output")
	# Variables that the system sets for all programs are not documented.
	same "$(grep -hoE '(getenv|seconds)\("[A-Z_]+"' "$TOP"/src/*.c "$TOP"/src/lib/*/*.c |
		grep -oE '[A-Z_]{2,}' | grep -vx -e TERM -e NOTIFY_SOCKET -e JOURNAL_STREAM | sort -u)"
}
