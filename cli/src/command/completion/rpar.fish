# Completion of the command NAME for fish.

function __NAME_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l typed (commandline --current-token --cut-at-cursor)
    set -l answer (PROGRAM complete (count $words) -- $words "$typed" 2>/dev/null)
    if test "$answer" = :files
        __fish_complete_path "$typed"
    else
        string join -- \n $answer
    end
end

complete --command NAME --no-files --keep-order --arguments '(__NAME_complete)'
