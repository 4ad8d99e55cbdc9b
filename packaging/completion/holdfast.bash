# SPDX-License-Identifier: Apache-2.0
# bash completion for holdfast. Verbs and options come from the program's own help, so they cannot be out of date.

_holdfast_verbs()
{
	holdfast --help 2>/dev/null | sed -n '/^  holdfast/d; s/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)\( .*\)\{0,1\}$/\1/p'
}

_holdfast_options()
{
	holdfast "$@" --help 2>/dev/null | grep -oE '^ +--[a-z-]+' | tr -d ' '
}

# The words that a verb takes in this place, such as on|off: from the first line of its help.
_holdfast_fixed()
{
	local place=$1
	shift
	holdfast "$@" --help 2>/dev/null | sed '1s/ \[OPTION …\]$//;q' | cut -d' ' -f$((place + 1)) |
		tr -d '[]' | grep -E '^[a-z][a-z-]*(\|[a-z][a-z-]*)*$' | tr '|' '\n'
}

# What stands behind an option for its value: DIR, N, skip|update|new; nothing for a flag.
_holdfast_value()
{
	local option=$1
	shift
	[[ $option =~ ^--[a-z-]+$ ]] && holdfast "$@" --help 2>/dev/null | sed -n "s/^  *$option \([^ ][^ ]*\).*/\1/p"
}

_holdfast()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} first=${COMP_WORDS[1]-} second=${COMP_WORDS[2]-}
	local verbs
	COMPREPLY=()
	verbs=$(_holdfast_verbs)
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "$(cut -d' ' -f1 <<<"$verbs" | sort -u) --help --version" -- "$cur"))
		return
	fi
	# A verb of two words.
	if [ "$COMP_CWORD" -eq 2 ] && grep -q "^$first " <<<"$verbs"; then
		COMPREPLY=($(compgen -W "$(sed -n "s/^$first //p" <<<"$verbs")" -- "$cur"))
		return
	fi
	local verb=("$first") fixed value
	grep -qx "$first $second" <<<"$verbs" && verb=("$first" "$second")
	value=$(_holdfast_value "$prev" "${verb[@]}")
	case $value in
	DIR) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	FILE | PATH) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	[a-z]*\|*) COMPREPLY=($(compgen -W "${value//|/ }" -- "$cur")); return ;;
	?*) return ;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$(_holdfast_options "${verb[@]}")" -- "$cur"))
		return
	fi
	fixed=$(_holdfast_fixed $COMP_CWORD "${verb[@]}")
	if [ -n "$fixed" ]; then
		COMPREPLY=($(compgen -W "$fixed" -- "$cur"))
		return
	fi
	COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _holdfast holdfast
