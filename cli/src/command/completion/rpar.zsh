#compdef NAME
# Completion of the command NAME for zsh.

_NAME() {
    local answer line value help
    local -a candidates
    answer=$(PROGRAM complete $((CURRENT - 1)) -- "${words[@]}" 2>/dev/null) || return 1
    [[ -n $answer ]] || return 1
    if [[ $answer == :files ]]; then
        _files
        return
    fi
    for line in "${(@f)answer}"; do
        # VALUE<tab>HELP becomes VALUE:HELP
        value=${${line%%$'\t'*}//:/\\:}
        help=${line#*$'\t'}
        [[ $help == $line ]] && candidates+=("$value") || candidates+=("$value:$help")
    done
    _describe -V NAME candidates
}

if [[ ${funcstack[1]} == _NAME ]]; then
    _NAME "$@"
else
    compdef _NAME NAME
fi
