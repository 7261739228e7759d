//! Arguments that a careless quoting would split, expand or execute, wherever the braces stand.

use crate::{Differs, compare};

/// `touch x` must not happen, which `ls` shows.
const WHOLE: &[&str] = &[
    "map -0 \"printf '[%s]' {}\" ::: '$(touch x)' '`touch x`' '; touch x' '| touch x' '> x' '& touch x'; ls",
    "map -0 \"printf '[%s]' {}\" ::: $'n\\nl' ' ' '  b  ' $'\\t' '' -n -- \"'\" '\"' '\\' '\\\\n' '*' '?' '[a]' '~'",
    "map -0 \"printf '[%s]' {}\" ::: '$HOME' '${HOME}' '!!' '#' '%s' '{1}' '{}' '=' 'a=b' '^' 'é' | od -c",
    "map -0 \"printf '[%s]' {}\" ::: $'\\xff' $'\\xc3' $'a\\xfe\\n' $'\\x01\\x7f' | od -c",
    "map -0 \"printf '[%s]' {}\" ::: \"it's\" \"''\" \"a'b\\\"c\" '$(' '`' '${' | od -c",
    "printf '$(touch x)\\n -n\\n\\xff\\n' | map \"printf '[%s]' {}\" | od -c; ls",
    "map -0 'x={}; printf \"[%s]\" \"$x\"' ::: '$(touch x)' 'a  b' $'n\\nl' '' '*'; ls",
    "map -0 'printf \"[%s]\" $(printf %s. {})' ::: '$(touch x)' '' -n \"'\"; ls",
    "map -0 'printf \"[%s]\" \"$(printf %s. {})\"' ::: '$(touch x)' 'a  b' $'n\\nl' '' '*' \"'\"; ls",
    "map -0 'printf \"[%s]\" `printf %s. {}`' ::: '$(touch x)' '' -n; ls",
    "map -0 'f() { printf \"[%s]\" {}; }; f other' ::: '$(touch x)' 'a  b' '' '*'; ls",
    "map -0 'set -- other; printf \"[%s]\" {}' ::: '$(touch x)' 'a  b'; ls",
    "map -0 'case {} in a*) echo a;; *) echo {};; esac' ::: ab 'b c' '*' '$(touch x)'; ls",
    "map -0 'if [ -n {} ]; then echo {}; fi' ::: a '' 'b c'",
    "map -0 'echo {} | tr a-z A-Z' ::: a '$(touch x)'; ls",
    "map -0 '(echo {}); { echo {}; }' ::: 'a  b' '$(touch x)'; ls",
    "map -0 \"printf '[%s]' {1} {2}\" ::: '$(touch x)' '' ::: 'a  b' $'n\\nl'; ls",
    // in quotes, what needs none
    "map \"echo '{}' \\\"{}\\\" \\\"\\$(echo '{}')\\\"\" ::: a b/c.d-e_f",
    "map 'echo \"{1}-{2}\"' ::: a b ::: c d",
    "map \"cat <<END\n{} {.}\nEND\" ::: a.b c",
    "map \"cat <<'END'\nnothing\nEND\necho {}\" ::: 'a  b'",
];

const QUOTED: &str = "parallel adds quotes of its own, which are part of the argument within others";
const EXECUTED: &str = "within double quotes parallel's own do not keep the shell from executing it";

const DIFFERENT: &[Differs] = &[
    Differs {
        line: "map -0 \"printf '[%s]' '{}'\" ::: 'a  b' \"it's\" '$x'",
        parallel: ("[a][b][]", 1),
        rpar: ("[a  b][it's][$x]", 0),
        why: QUOTED,
    },
    Differs {
        line: "map -0 'printf \"[%s]\" \"{}\"' ::: 'a  b' \"it's\" '*'",
        parallel: ("['a  b']['*']", 1),
        rpar: ("[a  b][it's][*]", 0),
        why: QUOTED,
    },
    Differs {
        line: "map -0 'printf \"[%s]\" \"{}\"' ::: '$(touch x)' '`touch x`'; ls x",
        parallel: ("['']['']x\n", 0),
        rpar: ("[$(touch x)][`touch x`]", 2),
        why: EXECUTED,
    },
    Differs {
        line: "map -0 \"cat <<END\n{}\nEND\" ::: 'a  b' '$(touch x)' '\\'; ls x",
        parallel: ("'a  b'\n''\n'\\'\nx\n", 0),
        rpar: ("a  b\n$(touch x)\n\\\n", 2),
        why: EXECUTED,
    },
    Differs {
        line: "map 'echo $(( {} + 1 ))' ::: 1",
        parallel: ("2\n", 0),
        rpar: ("", 2),
        why: "shells such as bash evaluate, and so execute, what an arithmetic expression names",
    },
    Differs {
        line: "map 'echo ${x:-{}}' ::: 1",
        parallel: ("1\n", 0),
        rpar: ("", 2),
        why: "what may stand there depends on the quotes around it",
    },
    Differs {
        line: "map \"cat <<'END'\n{}\nEND\" ::: 1",
        parallel: ("1\n", 0),
        rpar: ("", 2),
        why: "nothing is expanded there, parameters neither",
    },
    Differs {
        line: "map --dry-run \"echo '{}'\" ::: 'a b'",
        parallel: ("echo ''a b''\n", 0),
        rpar: ("echo '''a b'''\n", 0),
        why: "a line that is pasted does what the task does",
    },
];

#[test]
fn arguments_arrive_whole_where_parallel_passes_them_so() {
    compare(WHOLE, "", &[]);
}

#[test]
fn quotes_around_the_braces_do_no_harm_here() {
    compare(&[], "", DIFFERENT);
}
