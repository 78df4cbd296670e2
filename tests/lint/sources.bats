# SPDX-License-Identifier: LGPL-2.1-or-later
# Compilers and static analysers report nothing for the sources. Run by "make lint" with the versions of
# Debian 12; newer ones have different warnings, so "make check" does not depend on them.
bats_require_minimum_version 1.5.0
load ../lib/world.bash

# Excludes $TOP/build and data files.
sources() {
	find src tests -name data -prune -o -name corpus -prune -o \( "$@" \) -print | LC_ALL=C sort
}

# Prints all shell scripts, recognized by name or by their first line.
shell_files() {
	{
		find .ci src tests packaging -type f -name '*.ba[ts]*'
		find .ci src tests man packaging -type f -exec awk \
			'FNR == 1 && /^#! ?\/.*[\/ ](ba|da)?sh( |$)/ { print FILENAME } { nextfile }' {} +
	} | LC_ALL=C sort -u
}

setup() {
	cd "$TOP" || return 1
}

@test "lint: gcc builds everything without a warning" {
	run -0 make -s CC=gcc BUILD="$BATS_TEST_TMPDIR" CFLAGS="-O2 -g -Werror" test-programs
	same ""
}

@test "lint: gcc builds everything without a warning at -O3" {
	run -0 make -s CC=gcc BUILD="$BATS_TEST_TMPDIR" CFLAGS="-O3 -g -Werror" test-programs
	same ""
}

@test "lint: clang builds everything without a warning" {
	run -0 make -s CC=clang BUILD="$BATS_TEST_TMPDIR" CFLAGS="-O2 -g -Werror" test-programs
	same ""
}

@test "lint: C files are formatted according to .clang-format" {
	mapfile -t files < <(sources -name '*.[ch]')
	run -0 clang-format --dry-run -Werror "${files[@]}"
	same ""
}

@test "lint: shellcheck reports nothing" {
	mapfile -t files < <(shell_files)
	# It would also report nothing without files.
	[[ " ${files[*]} " == *" .ci/run "*" tests/lint/sources.bats "*" tests/tools/check "* ]]
	run -0 shellcheck -x -P SCRIPTDIR "${files[@]}"
	same ""
}

# bats waits until no process has file descriptor 3 open, even if the test has failed.
@test "lint: background processes of tests do not keep bats waiting" {
	output=$(grep -nE '[^&>]& *(}.*)?$' tests/*/*.bats tests/lib/*.bash |
		grep -vE '3>&-|:sleep 600 &$') || true # the script of a test
	same ""
}

# bash gives a subshell other random numbers than those of the seed.
@test "lint: tests do not choose at random in subshells" {
	mapfile -t files < <(grep -rlw --exclude-dir=lint RANDOM tests)
	output=$(grep -nE '\bRANDOM.*[^&>]& *$|[$<]\([^(].*\bRANDOM' "${files[@]}") || true
	same ""
}

@test "lint: cppcheck reports nothing" {
	local options=(
		--quiet --error-exitcode=1 --std=c11
		--enable=warning --enable=style --enable=performance --enable=portability
		--suppress=missingIncludeSystem # not required
		--suppress=unreadVariable       # does not recognize cleanup functions; compilers do
		--suppress=variableScope        # variables may be declared together at the top
		# mistakes the minimum of two numbers for one of them
		--suppress=knownConditionTrueFalse:src/lib/base/spawn.c
		--suppress=unusedStructMember:tests/lib/replay.c # the layout of a file
		-D_GNU_SOURCE -Isrc/lib '-DVERSION="2"' '-DSBINDIR="/usr/sbin"' '-DLIBEXECDIR="/usr/libexec"' '-DMANDIR="/usr/share/man"'
	)
	run -0 cppcheck "${options[@]}" src tests/lib tests/unit
	same ""
}

@test "lint: clang-tidy reports nothing" {
	# shellcheck disable=SC2016 # $@ is for the inner shell
	run -0 bash -c 'printf "%s\0" src/*.c src/lib/*/*.c | xargs -0 -n 2 -P "$(nproc)" bash -c '\''
		clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -Isrc/lib \
			"-DVERSION=\"2\"" "-DSBINDIR=\"/usr/sbin\"" "-DLIBEXECDIR=\"/usr/libexec\"" 2>&1 | grep -v " warnings\? generated" |
			grep . && exit 1 || exit 0'\'' bash'
	same ""
}

@test "lint: mandoc reports nothing" {
	run -0 mandoc -Tlint -W warning man/*.[1-9]
	same ""
}

@test "lint: every source file has a license line" {
	mapfile -t files < <(
		sources -type f -name '*.[ch]'
		shell_files
		find rules.d units man/*.[1-9] src/completion Makefile -type f
	)
	# Examples in a manual page have no license line; a kernel module has the license of the kernel.
	mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -v '^man/examples/')
	output=$(grep -LE '^[^[:alnum:]]*SPDX-License-Identifier: (LGPL-2\.1-or-later|GPL-2\.0)' \
		"${files[@]}") || true
	same ""
}

@test "lint: rpmspec and rpmlint report nothing for the spec file" {
	run -0 bash -c 'rpmspec -P packaging/mdev-tools.spec 2>&1 >/dev/null'
	same ""
	run -0 rpmlint -r packaging/mdev-tools.rpmlintrc packaging/mdev-tools.spec
	[[ $output == *" 0 errors, 0 warnings, "* ]]
}
