//! Options that change what a task is given, and how its lines begin.

use crate::{Differs, compare};

const ROWS: &[&str] = &[
    "map -N2 echo ::: a b c",
    "map -N2 'echo {1}-{2} {} {#}' ::: a b c",
    "map -N2 \"printf '[%s]' {1} {2}; echo\" ::: 'a  b' '$(touch x)' '*'; ls",
    "map -N2 'echo {} {.}' ::: a.b c d.e f",
    "map -N2 'echo {-1}' ::: a b c",
    "map -N3 echo ::: a b ::: c d",
    "map -N2 'echo {1}-{2}-{3}-{4}' ::: a b ::: c d",
    "map -N2 'echo {1}-{2}-{3}-{4}' ::: a b :::+ c d",
    "map --max-replace-args 2 echo ::: a b c",
    "map --max-args 2 echo ::: a b c",
    "seq 10 | map -N4 echo",
    "map -N0 echo hello ::: a b",
    "map -N0 'echo {#}' ::: a b",
    "map -N2 --tag echo ::: a b c",
    "map -m echo ::: a 'b  c' d",
    "map -m 'echo x{}y {.} {2}' ::: a.b c",
    "map -m 'echo {#}' ::: a b c",
    "map -X echo ::: a b c",
    "seq 100 | map -m 'echo' | cksum",
    "map -m echo < /dev/null",
    "map -m --dry-run echo ::: 'a b' c",
    "map -N2 --dry-run echo ::: 'a b' c d",
    "map -N2 --joblog log 'echo {2}' ::: a b c; cut -f 1,7,9 log",
];

const HEADERS: &[&str] = &[
    "map --header : 'echo {a} {b}' ::: a 1 2 ::: b 3 4",
    "map --header : 'echo {b} {}' ::: a 1 2 :::+ b 3 4",
    "map --header : echo ::: a 1 2",
    "map --header : 'echo {other} {1}' ::: a 1",
    "map --header : 'echo {file} {file.} {file/} {file//} {file/.}' ::: file a/b.c",
    "map --header : --colsep , 'echo [{a}] [{b c}] [{2}]' :::: csv",
    "map --header : 'echo {1}{one}' ::: one a b",
    "printf 'n\\n1\\n2\\n' | map --header : 'echo {n}'",
    "printf 'n\\n1\\n2\\n' > t; map --header : 'echo {n} {m}' :::: t ::: m x",
    "map --header : 'echo {a}' ::: a",
    "map --header : --tag 'echo {a}' ::: a 1",
    "map --header : --tagstring '{a}-{#}' echo ::: a 1",
    "map --header : 'echo {a}' ::: a '$(touch x)'; ls",
    "map --header : --results res echo ::: b 1 ::: a 2; find res | sort",
];

const ENDS: &[&str] = &[
    "map --trim n 'echo [{}]' ::: ' a  b '",
    "map --trim l 'echo [{}]' ::: ' a  b '",
    "map --trim r 'echo [{}]' ::: ' a  b '",
    "map --trim lr 'echo [{}]' ::: ' a  b ' '' ' '",
    "map --trim rl 'echo [{}]' ::: $'\\ta '",
    "map --trim lr --tag 'echo [{}]' ::: ' a '",
    "map --trim n --colsep , 'echo [{1}] [{2}]' ::: ' a , b '",
    "map --trim l --colsep , 'echo [{1}] [{2}]' ::: ' a , b '",
    "map --trim lr --colsep , 'echo [{1}] [{2}]' ::: ' a , b '",
];

const TAGS: &[&str] = &[
    "map --tagstring x echo ::: a 'b  c'",
    "map --tagstring '{}' echo ::: a 'b  c'",
    "map --tagstring '{#}:{/.} {%}' echo ::: a/b.c d",
    "map --tagstring '{2} {1}' echo ::: a b ::: c d",
    "map --tagstring '\\t{}' echo ::: a",
    "map --tagstring '{/}' --tag echo ::: a/b",
    "map --tagstring '$x' echo ::: a",
];

const QUOTES: &[&str] = &[
    "map --quote echo '$HOME  x' ';' '*' '\"' \"'\" ::: 'a  b'",
    "map --quote echo {} '{}.old' {#} ::: a b",
    "map --quote awk 'BEGIN { print ARGV[1], \"$1\" }' {} ::: 'a  b'",
    "map --quote --dry-run echo 'a  b' c ::: x",
];

const SHUFFLED: &[&str] = &[
    "map --shuf echo ::: a b c d | sort",
    "map --shuf 'echo {#}' ::: a b c d",
    "map --shuf echo ::: a b ::: c d | sort",
    "seq 1000 | map --shuf echo | sort -n | cksum",
];

const DIFFERENT: &[Differs] = &[
    Differs {
        line: "seq 2500 | map -m echo | wc -l",
        parallel: ("1\n", 0),
        rpar: ("3\n", 0),
        why: "at most 1000 arguments are given to one command",
    },
    Differs {
        line: "map -N3 'echo {4}' ::: a b c",
        parallel: ("\n", 0),
        rpar: ("", 2),
        why: "a place that no task has is a mistake",
    },
    Differs {
        line: "map -N2 'echo x{}y' ::: a b c d",
        parallel: ("xay xby\nxcy xdy\n", 0),
        rpar: ("xa by\nxc dy\n", 0),
        why: "as {} does with several sources, in parallel too",
    },
];

#[test]
fn tasks_are_given_several_arguments_alike() {
    compare(ROWS, "", DIFFERENT);
}

const NAMES: &[Differs] = &[Differs {
    line: "map --header : --results res echo ::: a/c 2; find res -type f | sort",
    parallel: ("res/a/c/2/seq\nres/a/c/2/stderr\nres/a/c/2/stdout\n", 0),
    rpar: ("res/a\\_c/2/seq\nres/a\\_c/2/stderr\nres/a\\_c/2/stdout\n", 0),
    why: "results stay where they were asked for",
}];

#[test]
fn columns_have_names_alike() {
    compare(HEADERS, "", NAMES);
}

#[test]
fn ends_are_trimmed_alike() {
    compare(ENDS, "", &[]);
}

#[test]
fn lines_are_tagged_alike() {
    compare(TAGS, "", &[]);
}

#[test]
fn commands_are_quoted_alike() {
    compare(QUOTES, "", &[]);
}

#[test]
fn what_is_shuffled_is_all_there() {
    compare(SHUFFLED, "", &[]);
}
