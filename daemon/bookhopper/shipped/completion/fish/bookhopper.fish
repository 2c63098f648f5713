# fish completion for bookhopper: at each Tab the program is asked, which knows its commands.

function __bookhopper_complete
    set -l program (string replace -r '^~/' $HOME/ -- (commandline -opc)[1])
    set -l line (commandline -cp | string collect)
    set -l word (commandline -ct | string collect)
    set -l option (string match -r '^--[^=]*=' -- $word)
    set -l begun (string replace -r '^--[^=]*=' '' -- $word)
    for answer in (_BOOKHOPPER_COMPLETE=line_complete COMP_LINE=$line $program 2>/dev/null)
        set -l said (string split \t -- $answer)
        switch $said[1]
            case file
                printf '%s\n' "$option"(__fish_complete_path $begun)
            case dir
                printf '%s\n' "$option"(__fish_complete_directories $begun)
            case plain
                printf '%s%s\t%s\n' "$option" $said[2] "$said[3]"
        end
    end
end

complete -c bookhopper -f -a '(__bookhopper_complete)'
