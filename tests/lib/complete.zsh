#!/usr/bin/env zsh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Types a line into a real interactive shell on a terminal of its own, has it insert all completions of
# the last word, and prints the line: what it was, then the completions. Errors on the terminal too.
# usage: complete.zsh bash|zsh COMPLETION-FILE LINE
emulate -R zsh
zmodload zsh/zpty
file=$2 line=$3
result=$(mktemp) dump=$BATS_FILE_TMPDIR/zcompdump
export RESULT=$result TERM=dumb PS1= HISTFILE=
case $1 in
(bash)
	rc=$(mktemp)
	cat >$rc <<-END
		bind 'set enable-bracketed-paste off'
		bind 'set bell-style none'
		bind '"\C-t": insert-completions'
		bind -x '"\C-o": printf "%s" "\$READLINE_LINE" >"\$RESULT"'
		. /usr/share/bash-completion/bash_completion
		. $file
		printf ready
	END
	zpty shell "stty cols 10000; exec bash --noprofile --rcfile $rc -i"
	;;
(zsh)
	rc=$(mktemp -d)
	ln -s $file $rc/_mdevctl
	cat >$rc/.zshrc <<-END
		fpath=($rc \$fpath)
		# Only the first shell of a file of tests looks at all functions.
		autoload -Uz compinit && { [[ -e $dump ]] && compinit -C -d $dump || compinit -u -d $dump; }
		all-matches() { _main_complete; compstate[insert]=all compstate[list]= }
		zle -C all-matches complete-word all-matches
		bindkey '^T' all-matches
		show() { print -rn -- "\$BUFFER" >"\$RESULT" }
		zle -N show
		bindkey '^O' show
		PS1=
		unsetopt zle_bracketed_paste prompt_sp
		zle-line-init() { print -n ready; zle -D zle-line-init; unfunction zle-line-init }
		zle -N zle-line-init
	END
	zpty shell "stty cols 10000; export ZDOTDIR=$rc; exec zsh -d -i"
	;;
esac
zpty -r shell before '*ready' 
zpty -w -n shell "$line"$'\C-t\C-o'
for ((i = 0; i < 6000; i++)); do
	[[ -s $result ]] && break
	sleep 0.02
done
zpty -r -t shell shown '*'
zpty -d shell
cat $result
print -r -- "$shown" >&2
rm -rf $rc $result
