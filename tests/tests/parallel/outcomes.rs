//! How tasks end, and what is written of it.

use crate::{Differs, compare};

const ENDS: &[&str] = &[
    "map exit ::: 0 1 2",
    "map exit ::: 0 0",
    "map 'exit 1; : {}' ::: $(seq 100)",
    "map 'exit 1; : {}' ::: $(seq 101)",
    "map 'kill -9 $$; : {}' ::: a b",
    "map no-such-command ::: a",
    "map 'echo {}; exit {}' ::: 1 0 1",
    "map --timeout 0.3 'sleep {}; echo {}' ::: 0 5 0",
    "map --timeout 0.3 'echo begun {}; sleep {}' ::: 0 5 0",
    "map --joblog log --timeout 0.3 'echo begun; exec sleep {}' ::: 5",
    "map --timeout 0.3 --results DIR 'echo begun {}; sleep {}' ::: 5; cat DIR/1/5/stdout",
    "map --retries 1 'echo x >> tries; exit 1; : {}' ::: a; echo $?",
    "map --delay 0.05 echo ::: a b c",
    "map --bar echo ::: a b 2> /dev/null",
    "map --eta echo ::: a b 2> /dev/null",
];

const HALTS: &[&str] = &[
    "map --halt never 'exit {}' ::: 0 3 4 0",
    "map --halt soon,fail=1 'sleep 0.05; exit {}' ::: 0 3 0 0",
    "map --halt now,fail=1 'sleep 0.05; exit {}' ::: 0 7 0 0",
    "map --halt now,fail=1 'sleep 0.05; exit {}' ::: 0 0",
    "map --halt now,fail=1 'sleep 0.05; kill -9 $$; : {}' ::: a b",
    "map --halt now,fail=2 'sleep 0.05; exit {}' ::: 3 0 3 0 0",
    "map --halt now,fail=9 'exit {}' ::: 3 0 3",
    "map --halt now,fail=50% 'sleep 0.05; exit {}' ::: 3 3 0 0",
    "map --halt now,fail=80% 'exit {}' ::: 3 0 0",
    "map --halt now,success=1 'sleep 0.05; exit {}' ::: 3 0 3 3",
    "map --halt soon,success=9 'exit {}' ::: 3 0 3",
    "map --halt now,done=1 'sleep 0.05; exit {}' ::: 3 0",
    "map --halt now,done=2 'sleep 0.05; exit {}' ::: 3 0 0",
    "map --halt now,done=50% 'sleep 0.05; exit {}' ::: 3 0 0 0",
    "map --halt 2 'sleep 0.05; exit {}' ::: 5 0 0",
    "map --halt -2 'sleep 0.05; exit {}' ::: 0 5 5",
    // what begins, and what does not
    "map --halt now,fail=1 'sleep 0.2; touch {}; exit 3' ::: a b c d; ls [a-d]",
    "map --halt soon,fail=1 'touch {}; sleep 0.2; exit 3' ::: a b c d e; ls [c-e] | wc -l",
];

const LOGS: &[&str] = &[
    "map --joblog log 'echo {}; exit {}' ::: 0 1 2",
    "map --joblog log echo ::: a 'b  c' '' \"it's\" 'x=y' '*' '$x'",
    "map --joblog log -0 echo ::: $'n\\nl' $'\\xff'",
    "map --joblog log 'kill -9 $$; : {}' ::: a",
    "map --joblog log 'kill -TERM $$; : {}' ::: a",
    "map --joblog log --timeout 0.3 'sleep {}' ::: 5",
    "map --joblog log echo ::: a b ::: c d",
    "map --joblog log --tag echo ::: abc",
    "map --joblog log 'echo {%} x{%}y' ::: a",
    "head -n 1 log 2>/dev/null; map --joblog log echo ::: a; head -n 1 log",
    "map --joblog log 'exit {}' ::: 0 1; map --joblog log echo ::: z",
    "map --joblog log 'test -e ok{} && echo {}' ::: a b; touch okb; map --joblog log --resume 'test -e ok{} && echo {}' ::: a b c",
    "map --joblog log 'test -e ok{} && echo {}' ::: a b; touch okb; map --joblog log --resume-failed 'test -e ok{} && echo {}' ::: a b c",
    "map --joblog log --resume 'echo {} {#} $PARALLEL_SEQ' ::: a; map --joblog log --resume 'echo {} {#} $PARALLEL_SEQ' ::: a b c",
    "map --joblog log --resume-failed echo ::: a; map --joblog log --resume-failed echo ::: a b",
    "map --joblog log echo ::: a; head -n 1 log > head; mv head log; map --joblog log --resume echo ::: a b",
    "map --joblog log --dry-run echo ::: a b; ls log 2>/dev/null | wc -l > /dev/null; touch log",
];

const RESULTS: &[&str] = &[
    "map --results res 'echo {}; echo oh {} >&2' ::: a b",
    "map --results res 'echo {}; exit 1' ::: a b ::: c d",
    "map --results res --tag echo ::: a",
    "map --results res echo ::: a/b /c ../d .e x-y",
    "map --results res echo ::: 'a\\b' $'t\\tb' '+' '~'",
    "map --results res echo ::: ''",
    "map --results res --colsep , echo ::: a,b",
    "map --results res/sub 'printf x; : {}' ::: a",
    "map --results res 'echo 1 {}' ::: a b; map --results res --resume 'echo 2 {}' ::: a b c",
    "map --results res --joblog log 'exit {}' ::: 0 1; cut -f 1,7 log",
];

/// All files below a directory, and what is in them.
const TREE: &str =
    "; find res | sort; for f in $(find res -type f | sort); do echo \"$f:\"; cat \"$f\"; done";

const DRY_RUNS: &[&str] = &[
    "map --dry-run echo ::: a 'b  c' '' \"it's\" '$x' '*' 'x=y' 'é' '{}'",
    "map --dry-run -0 echo ::: $'n\\nl' $'\\xff' | od -c",
    "map --dry-run 'echo {1} {2.} {#} > {1/}' ::: a/b 'c d' ::: e.f",
    "map --dry-run --colsep , 'echo {2} {1}' ::: a,b",
    "map --dry-run echo ::: a; echo $?",
    "map --dry-run false ::: a",
];

const DIFFERENT: &[Differs] = &[
    Differs {
        line: "map --retries 2 'echo x >> tries; exit 1; : {}' ::: a; wc -l < tries",
        parallel: ("2\n", 0),
        rpar: ("3\n", 0),
        why: "retries come after the first run",
    },
    Differs {
        line: "map 'echo; ' ::: a",
        parallel: ("\n", 1),
        rpar: ("", 2),
        why: "the argument would be a command",
    },
    Differs {
        line: "map --resume echo ::: a",
        parallel: ("", 255),
        rpar: ("", 2),
        why: "2 is for every command line that makes no sense",
    },
];

const DIFFERENT_RESULTS: &[Differs] = &[
    Differs {
        line: "map --results a/b/c echo ::: .. . ; find a -type f | sort",
        parallel: ("a/b/c/1/seq\na/b/c/1/stderr\na/b/c/1/stdout\na/b/c/seq\na/b/c/stderr\na/b/c/stdout\n", 0),
        rpar: (
            "a/b/c/1/\\./seq\na/b/c/1/\\./stderr\na/b/c/1/\\./stdout\na/b/c/1/\\.\\./seq\na/b/c/1/\\.\\./stderr\na/b/c/1/\\.\\./stdout\n",
            0,
        ),
        why: "results stay where they were asked for, each in a place of its own",
    },
    Differs {
        line: "map --results res --resume-failed echo ::: a",
        parallel: ("", 0),
        rpar: ("", 2),
        why: "results do not tell what failed",
    },
    Differs {
        line: "map --results res echo ::: $(printf 'x%.0s' $(seq 300))a $(printf 'x%.0s' $(seq 300))b; ls res/1 | wc -l",
        parallel: ("1\n", 0),
        rpar: ("2\n", 0),
        why: "no result overwrites another",
    },
    Differs {
        line: "map --results res 'echo {#}' ::: a b a; cat res/1/*/stdout",
        parallel: ("3\n2\n", 0),
        rpar: ("1\n3\n2\n", 0),
        why: "nor that of a task with the same arguments",
    },
    Differs {
        line: "map --results res --resume 'echo {#}' ::: a a b; map --results res --resume 'echo {#}' ::: b a a a; cat res/1/*/stdout",
        parallel: ("1\n3\n", 0),
        rpar: ("1\n2\n4\n3\n", 0),
        why: "each of them is left out once it has its own",
    },
];

#[test]
fn maps_end_alike() {
    compare(ENDS, "", DIFFERENT);
}

#[test]
fn maps_are_halted_alike() {
    compare(HALTS, "", &[]);
}

/// But for the columns of host and time.
#[test]
fn logs_are_alike() {
    compare(LOGS, "; cut -f 1,5-9 log", &[]);
}

#[test]
fn results_are_alike() {
    compare(RESULTS, TREE, DIFFERENT_RESULTS);
}

#[test]
fn dry_runs_are_alike() {
    compare(DRY_RUNS, "", &[]);
}
