# shellcheck shell=bash
# Completion of chg and canhazgpu in bash. The program is asked what may stand at the cursor; what follows the -- is
# completed as the command that it is.

_chg() {
    local line=${COMP_LINE:0:COMP_POINT} word gap i
    # The words as they were typed, and at which of bash's own words each begins: bash takes them apart at = and : too.
    local -a words=() begins=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)); then
            gap=${line%%[![:space:]]*}
            word=${line#"$gap"}
        else
            gap=${line%%"$word"*}
            line=${line#"$gap$word"}
        fi
        if ((i > 0)) && [[ -z $gap ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
            begins+=("$i")
        fi
    done

    local program=${words[0]/#\~/$HOME}
    local -a answer
    mapfile -t answer < <("$program" completions --answer "${words[@]:1}" 2>/dev/null)

    # What bash replaces is only what stands behind the last = or :.
    local whole=${words[${#words[@]} - 1]} text=$word
    [[ $text == [=:] ]] && text=
    local before=${whole%"$text"} candidate

    COMPREPLY=()
    case ${answer[0]-} in
    "command "*)
        i=${answer[0]#command }
        _chg_command "${begins[i + 1]}" "$text"
        ;;
    files)
        compopt -o default
        ;;
    directories)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$text")
        ;;
    groups)
        mapfile -t COMPREPLY < <(compgen -g -- "$text")
        ;;
    words)
        for candidate in "${answer[@]:1}"; do
            candidate=${candidate%%$'\t'*}
            [[ $candidate == "$whole"* ]] || continue
            [[ $candidate == *[=:/] ]] && compopt -o nospace
            COMPREPLY+=("$(printf '%q' "${candidate#"$before"}")")
        done
        ;;
    esac
}

# The command that begins at this word of bash's.
_chg_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -c -- "$2")
    else
        compopt -o default
    fi
}

complete -F _chg chg canhazgpu
