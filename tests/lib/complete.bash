# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # bats reads output
# Runs completion in each of the three shells.

# candidates SHELL LINE: prints the completions of the last word, sorted, one per line. The option before a
# value and the "=" after an option are removed. Error messages of the shell are included.
candidates() {
	local shell=$1 line=$2 file=$TOP/src/completion/mdevctl.$1
	if [[ $shell == fish ]]; then
		HOME=$BATS_TEST_TMPDIR fish -N -c "source $file; complete -C '$line'" 2>&1 | cut -f 1
	else
		zsh "$TOP/tests/lib/complete.zsh" "$shell" "$file" "$line" >"$BATS_TEST_TMPDIR/line" 2>"$BATS_TEST_TMPDIR/shown" 3>&-
		tail -n +2 "$BATS_TEST_TMPDIR/shown" | tr -d '\r\033\n'
		sed "s|^${line% *} ||" "$BATS_TEST_TMPDIR/line" | tr -s ' ' '\n'
	fi | sed 's/^--[a-z]*=\(.\)/\1/; s/=$//' | grep . | sort -u
}

# offers LINE WORD...: all shells offer these completions.
offers() {
	untraced in_each_shell "$@"
}

in_each_shell() {
	local line=$1 shell wanted
	wanted=$(printf '%s\n' "${@:2}" | sort)
	for shell in bash zsh fish; do
		output=$(candidates "$shell" "$line") # may be empty
		same "$wanted" || { echo "in $shell: $line"; return 1; }
	done
}
