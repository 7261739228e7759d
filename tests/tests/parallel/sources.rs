//! Where arguments come from.

use crate::{Differs, compare};

const SOURCES: &[&str] = &[
    "map echo ::: a b c",
    "map echo ::: 'a  b' '' c",
    "map echo :::",
    "map echo < /dev/null",
    "map echo ::: a b ::: c d",
    "map echo ::: a b ::: c d ::: e f",
    "map echo ::: a b :::+ c d",
    "map echo ::: a b c :::+ d",
    "map echo ::: a :::+ b c d",
    "map echo ::: a b :::+ c d :::+ e f",
    "map echo ::: a b :::+ c d ::: e f",
    "map echo ::: a b ::: c d :::+ e f",
    "map echo :::: f",
    "map echo :::: f g",
    "map echo :::: f :::: g",
    "map echo :::: f ::::+ g",
    "map echo :::: g ::::+ f",
    "map echo :::: f :::+ a b ::: x y",
    "map echo ::: a b :::: f",
    "map echo ::: a b ::::+ f",
    "map echo :::: torn",
    "map echo :::: empty",
    "map -a f echo",
    "map --arg-file f echo",
    "map -a f -a g echo",
    "map -a f echo ::: a b",
    "map -a f echo {1} {2} {3} ::: a b :::: g",
    "printf '1\\n2\\n' | map echo",
    "printf '1\\n2' | map echo '[{}]'",
    "printf 'a\\n\\nb\\n' | map 'echo [{}]'",
    "printf ' a  b \\r\\n' | map 'echo [{}]' | od -c",
    "printf '1\\n2\\n' | map echo :::: - ::: a b",
    "printf '1\\n2\\n' | map echo :::: f ::::+ -",
    "printf '1\\n2\\n' | map -a - echo",
    "printf 'a\\nb\\0c\\0' | map -0 'echo [{}]'",
    "printf 'a\\0\\0b' | map --null 'echo [{}]'",
    "map -0 echo ::: a b",
    "map sh -c {} ::: 'echo a' 'echo b'",
    "yes | map echo | head -n 3",
    "yes | map echo :::: - ::: a b | head -n 5",
    "seq 100 | map echo | cksum",
];

const COLUMNS: &[&str] = &[
    "map --colsep , 'echo [{1}] [{2}] [{3}]' :::: csv",
    "map --colsep , 'echo [{2}] [{1}]' ::: a,b c,d",
    "map -C , 'echo [{2}] [{1}]' ::: a,b c,d",
    "map --colsep '[,;]' 'echo [{1}] [{2}] [{3}] [{-1}]' ::: 'a,b;c' 'd,e;f'",
    "map --colsep ' +' 'echo [{1}] [{2}]' ::: 'a   b' 'c d'",
    "map --colsep '\\s+' 'echo [{1}] [{2}]' ::: $'a \\t b' 'c d'",
    "map --colsep '\\.' 'echo [{1}] [{2}]' ::: a.b",
    "map --colsep , 'echo [{1}] [{2}] [{3}]' ::: a,b c,d ::: x y",
    "map --colsep , 'echo [{1}] [{2}] [{3}] [{4}]' ::: a,b ::: x,y z,w",
    "map --colsep , \"printf '[%s]' {}\" ::: a,b,,c , ''",
    "map --colsep , echo ::: a,b c",
    "map --colsep , echo {2.} {1/} ::: x/a.b,c.d/e.f",
];

const DIFFERENT: &[Differs] = &[
    Differs {
        line: "map 'echo [{}]' ::: $'a\\nb' c",
        parallel: ("[a]\n[b]\n[c]\n", 0),
        rpar: ("[a\nb]\n[c]\n", 0),
        why: "an argument of the command line is one argument",
    },
    Differs {
        line: "map 'echo [{1}] [{2}]' ::: a b :::",
        parallel: ("[a] []\n[b] []\n", 0),
        rpar: ("", 0),
        why: "nothing times something is nothing",
    },
    Differs {
        line: "map echo ::: a :::: empty",
        parallel: ("a \n", 0),
        rpar: ("", 0),
        why: "nothing times something is nothing",
    },
    Differs {
        line: "map ::: 'echo a' 'echo b'",
        parallel: ("a\nb\n", 0),
        rpar: ("", 2),
        why: "an argument is never executed",
    },
    Differs {
        line: "map echo :::: absent",
        parallel: ("", 255),
        rpar: ("", 117),
        why: "files that cannot be read have a status of their own",
    },
    Differs {
        line: "printf '1\\n' | map echo :::: - -",
        parallel: ("1 \n", 0),
        rpar: ("", 2),
        why: "what was read once is gone",
    },
];

#[test]
fn arguments_come_from_the_same_places() {
    compare(SOURCES, "", DIFFERENT);
}

#[test]
fn arguments_are_split_into_the_same_columns() {
    compare(COLUMNS, "", &[]);
}
