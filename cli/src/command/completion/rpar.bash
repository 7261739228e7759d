# Completion of the command NAME for bash.

_NAME() {
    local IFS=$'\n' words=() word index=0 i typed=$2 answer candidate
    # bash takes --flag=value apart at the =, which is one word to everybody else
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)) && [[ $word != = ]]; then
            word=$typed
        fi
        if ((i > 0)) && [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        if ((i == COMP_CWORD)); then
            index=$((${#words[@]} - 1))
        fi
    done
    COMPREPLY=()
    answer=$(PROGRAM complete "$index" -- "${words[@]}" 2>/dev/null) || return
    if [[ $answer == :files ]]; then
        compopt -o default
        return
    fi
    # bash replaces only what stands behind the =
    local known=$((${#words[index]} - ${#typed}))
    if [[ $typed == = ]]; then
        known=${#words[index]}
    fi
    for candidate in $answer; do
        candidate=${candidate%%$'\t'*}
        COMPREPLY+=("$(printf %q "${candidate:known}")")
    done
}

complete -F _NAME NAME
