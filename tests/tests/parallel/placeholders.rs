//! What stands for arguments.

use crate::{Differs, compare};

const PLACEHOLDERS: &[&str] = &[
    "map echo {} ::: a/b.c.d x.y z /q a/b/ a/.hidden / a.",
    "map echo {.} ::: a/b.c.d x.y z /q a/b/ a/.hidden / a. a.b/c .x",
    "map echo {/} ::: a/b.c.d x.y z /q a/b/ a/.hidden / a. a.b/c .x",
    "map echo {//} ::: a/b.c.d x.y z /q a/b/ a/.hidden / a. a.b/c .x a//b //a",
    "map echo {/.} ::: a/b.c.d x.y z /q a/b/ a/.hidden / a. a.b/c .x",
    "map echo {#} {} ::: a b",
    "map echo {#} ::: a b ::: c d",
    "map 'echo $PARALLEL_SEQ' {} ::: a b",
    "map echo {%} {} ::: a b",
    "map 'echo $PARALLEL_JOBSLOT' {} ::: a b",
    "map 'echo $(( {#} * 10 + {%} - 1 ))' {} ::: a b",
    "map echo ::: a ::: b",
    "map echo {}{} ::: a ::: b",
    "map echo x{}y ::: a ::: b",
    "map echo 1 {} 2 {} ::: a",
    "map echo {1} ::: a b ::: c d",
    "map echo {2} {1} ::: a b ::: c d",
    "map echo {1}{2} {2}{1} ::: a b ::: c d",
    "map echo {-1} {-2} ::: a b ::: c d",
    "map echo {1.} {1/} {1//} {1/.} ::: /a/b.c.d x.y",
    "map echo {2.} {2/} {2//} {2/.} ::: x ::: /a/b.c.d x.y",
    "map echo {-1.} {-1/} {-1//} {-1/.} ::: x ::: /a/b.c.d x.y",
    "map echo {.} {/} ::: a/b.c d.e ::: f/g.h",
    "map 'echo {1..3} {a,b} {x} { } {}}' ::: a",
    "map \"awk 'BEGIN { print ARGV[1] }' {}\" ::: a",
    "map 'echo $((1 + 1)) {}' ::: a",
    "map 'x=${HOME:+set}; echo $x {}' ::: a",
    "map 'echo $# {}' ::: a | grep -c a",
    "map --tag echo ::: a b",
    "map --tag echo ::: a b ::: c 'd e'",
    "map --tag \"printf 'x\\n\\ny'; : {}\" ::: a",
    "map --tag true ::: a",
    "map --tag --colsep , echo ::: a,b",
    "map --tag 'echo {}; echo err >&2' ::: a b 2>&1 | sort",
    "map echo a '\"b  c\"' {} ::: x",
    "map echo 'a  b' {} ::: x",
];

const DIFFERENT: &[Differs] = &[
    Differs {
        line: "map 'echo {3}' ::: a ::: b",
        parallel: ("\n", 0),
        rpar: ("", 2),
        why: "a source that is not there is a mistake",
    },
    Differs {
        line: "map \"echo {} | grep -Ec '^a{2}'\" ::: aa",
        parallel: ("1\n", 0),
        rpar: ("", 2),
        why: "or a regular expression",
    },
];

#[test]
fn placeholders_stand_for_the_same() {
    compare(PLACEHOLDERS, "", DIFFERENT);
}
