# Completion of chg and canhazgpu in fish. The program is asked what may stand at the cursor; what follows the -- is
# completed as the command that it is.

function __chg_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $typed[1])
    set -l answer (command $program completions --answer $typed[2..] "$current" 2>/dev/null)
    switch "$answer[1]"
        case 'command *'
            set -l first (math (string replace 'command ' '' -- $answer[1]) + 2)
            complete -C (string join ' ' -- (string escape -- $typed[$first..]) "$current")
        case files directories
            # What stands in front of the path in the same word.
            set -l before (string match -r '^--[^=]*=' -- "$current"; or echo)
            set -l path (string replace -r '^--[^=]*=' '' -- "$current")
            if test "$answer[1]" = files
                printf '%s\n' $before(__fish_complete_path "$path")
            else
                printf '%s\n' $before(__fish_complete_directories "$path")
            end
        case groups
            __fish_complete_groups
        case words
            printf '%s\n' $answer[2..]
    end
end

complete -c chg -f -k -a '(__chg_complete)'
complete -c canhazgpu -f -k -a '(__chg_complete)'
