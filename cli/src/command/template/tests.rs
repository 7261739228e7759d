use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

use bytes::Bytes;
use rpar_core::task::Arguments;

use super::*;
use crate::command::input::Record;

/// Arguments that a careless quoting would split, expand or execute.
const NASTY: [&str; 12] = [
    "plain",
    "two  words",
    "",
    "'",
    "\"",
    "$(echo executed)",
    "`echo executed`",
    "; echo executed #",
    "*",
    "$HOME",
    "back\\slash\\",
    "a\nb'\"$(echo executed)",
];

fn record(arguments: &[&str]) -> Record {
    let arguments = arguments.iter().map(|argument| Bytes::copy_from_slice(argument.as_bytes()));
    Record { number: 7, arguments: arguments.collect(), alike: 0 }
}

fn parse(command: &str) -> Result<Template, TemplateError> {
    Template::parse(command, Some(1))
}

fn output(mut command: Command, script: &str) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The command as a task runs it, and its script.
fn task(shell: &str, template: &Template, arguments: &[&str]) -> (Command, String) {
    let (plan, record) = (template.plan(arguments.len()), record(arguments));
    let arguments = Arguments::decode(plan.payload(&record)).unwrap().0;
    let arguments = arguments.iter().map(|argument| OsString::from_vec(argument.to_vec()));
    let mut command = Command::new(shell);
    command.env("PARALLEL_JOBSLOT", "3");
    command.arg("-c").arg(&plan.script).arg("rpar").args(arguments);
    (command, plan.script)
}

/// What the command prints as a task.
fn run(shell: &str, template: &Template, arguments: &[&str]) -> String {
    let (command, script) = task(shell, template, arguments);
    output(command, &script)
}

/// What its line prints when it is pasted.
fn paste(shell: &str, template: &Template, arguments: &[&str]) -> String {
    let line = OsString::from_vec(template.command_line(&record(arguments), None));
    let mut command = Command::new(shell);
    command.env("PARALLEL_JOBSLOT", "3");
    command.arg("-c").arg(&line);
    output(command, &line.to_string_lossy())
}

/// Commands that print the argument between brackets, whatever it is.
#[test]
fn every_context_passes_any_argument_whole() {
    let commands = [
        "printf '[%s]' {}",
        "printf '[%s]'",
        "printf '[%s]' \"{}\"",
        "printf '[%s]' ''{}''",
        "printf '[%s]' '{}'",
        "printf \"[%s]\" {} # it's a comment with {}",
        "printf '[%s]' \"$(printf '%s.' {})\" | sed '$s/\\.]$/]/'",
        "printf '[%s]' \"$(printf '%s.' \"{}\")\" | sed '$s/\\.]$/]/'",
        "case x in x) printf '[%s]' {};; esac",
        "x=$(case a in a) printf '%s.' {};; esac); printf '[%s]' \"${x%.}\"",
        "x={}; printf '[%s]' \"${x}\"",
        "(printf '[%s]' {})",
        "{ printf '[%s]' {}; }",
        "f() { printf '[%s]' \"$1\"; }; f {}",
        "if true; then printf '[%s]' {}; fi",
        "cat <<'END' >/dev/null\nit's \"torn ( text\nEND\nprintf '[%s]' {}",
        "cat <<-END >/dev/null; printf '[%s]' {}\n\tit's\n\tEND\n",
        "test $((1 << 2)) = 4 && printf '[%s]' {}",
        "echo `echo \"it's\"` >/dev/null; printf '[%s]' {}",
        "test -n $# && printf '[%s]' {}",
        "printf '[%s]' {} && : \"${HOME#'}'}\"",
        "f() { printf '[%s]' {}; }; f other",
        "f() { printf '[%s]' \"{}\"; }; f",
        "set -- other; printf '[%s]' '{}'",
        "x=`printf '%s.' {}`; printf '[%s]' \"${x%.}\"",
        "x=\"`printf '%s.' \"{}\"`\"; printf '[%s]' \"${x%.}\"",
        "x=\"`printf \\\"%s.\\\" '{}' # note`\"; printf '[%s]' \"${x%.}\"",
        "x=`y=\\`printf '%s.' {}\\`; printf %s \"$y\"`; printf '[%s]' \"${x%.}\"",
        "x=$(cat <<END\n{}.\nEND\n); printf '[%s]' \"${x%.}\"",
        "x=$(cat <<-END; printf 1 <<OTHER\n\t$(printf %s {} `:`).\n\tEND\n{}\nOTHER\n); printf '[%s]' \"${x%.*}\"",
    ];
    for command in commands {
        let template = parse(command).unwrap();
        for shell in ["sh", "bash"] {
            for argument in NASTY {
                let expected = format!("[{argument}]");
                assert_eq!(run(shell, &template, &[argument]), expected, "{shell} of {command}");
                assert_eq!(paste(shell, &template, &[argument]), expected, "{shell} of {command}, pasted");
            }
        }
    }
}

#[test]
fn the_script_is_as_promised() {
    let cases = [
        ("echo \"{}\"", "echo \"${1}\""),
        ("echo {}", "echo \"${1}\""),
        ("echo", "echo \"${1}\""),
        ("echo 'a {} b'", "echo 'a '\"${1}\"' b'"),
        ("echo \"\\{}\"", "echo \"\\\\${1}\""),
        ("echo \\{}", "echo \\{} \"${1}\""),
        ("echo $${}", "echo $$\"${1}\""),
        ("mv {} {.}.old; echo {}", "mv \"${1}\" \"${2}\".old; echo \"${1}\""),
        ("echo `cat {}`", "echo $( cat \"${1}\"\n)"),
        ("echo `(cat) {}`", "echo $( (cat) \"${1}\"\n)"),
        ("cat <<X\n\\{} $a\nX", "cat <<X\n\\\\${1} $a\nX"),
        ("f() { rm {}; }; f", "rpar_1=${1}\nf() { rm \"${rpar_1}\"; }; f"),
    ];
    for (command, script) in cases {
        assert_eq!(parse(command).unwrap().plan(1).script, script, "{command}");
    }
}

#[test]
fn relatives_of_the_placeholder() {
    let cases = [
        ("{}", "a/b.c/d.tar.gz", "a/b.c/d.tar.gz"),
        ("{.}", "a/b.c/d.tar.gz", "a/b.c/d.tar"),
        ("{.}", "a.b/c", "a.b/c"),
        ("{/}", "a/b.c/d.tar.gz", "d.tar.gz"),
        ("{//}", "a/b.c/d.tar.gz", "a/b.c"),
        ("{//}", "d.gz", "."),
        ("{//}", "/d", "/"),
        ("{/.}", "a/b.c/d.tar.gz", "d.tar"),
        ("{#}", "a", "7"),
        ("$(( {#} + {#} ))", "a", "14"),
        ("$(( (1 + {%}) * 2 ))", "a", "8"),
        ("'{%}'\"{%}\"{%}", "a", "333"),
    ];
    for (placeholder, argument, expected) in cases {
        let template = parse(&format!("printf %s {placeholder}")).unwrap();
        assert_eq!(run("sh", &template, &[argument]), expected, "{placeholder} of {argument}");
    }
}

#[test]
fn what_cannot_be_passed_safely_is_refused() {
    let cases = [
        ("echo $(( {} + 1 ))", "arithmetic"),
        ("(( {} + 1 ))", "arithmetic"),
        ("echo `echo $(( {} ))`", "arithmetic"),
        ("cat <<END\n$(( {} ))\nEND", "arithmetic"),
        ("cat <<'END'\n{}\nEND", "here-document"),
        ("cat <<EN\"D\"\n{}\nEND", "here-document"),
        ("echo ${x:-{}}", "${...}"),
        ("echo \"${x:-\"{}\"}\"", "${...}"),
        ("echo ${}", "${...}"),
        ("echo $'{}'", "$'...'"),
        ("echo 'torn", "never closes"),
        ("echo it's {}", "never closes"),
        ("echo \"torn {}", "never closes"),
        ("echo $(torn {}", "never closes"),
        ("echo `torn {}", "never closes"),
        ("echo `echo $(torn {}`", "never closes"),
        ("echo a;", "cannot be appended"),
        ("echo a | ", "cannot be appended"),
        ("echo a &", "cannot be appended"),
        ("echo a # note", "cannot be appended"),
        ("(cd /; ls)", "cannot be appended"),
        ("cat <<END\ntext\nEND", "cannot be appended"),
        ("", "cannot be appended"),
        ("  ", "cannot be appended"),
    ];
    for (command, expected) in cases {
        let error = parse(command).expect_err(command);
        assert!(error.to_string().contains(expected), "{command}: {error}");
        assert!(!error.hint().is_empty());
    }
    let deep = "$(".repeat(100) + "{}" + &")".repeat(100);
    assert!(matches!(parse(&deep), Err(TemplateError::TooDeep { .. })));
}

/// What bash takes for an expression, and executes: each of these runs `touch` there, were it not refused.
#[test]
fn what_bash_would_evaluate_is_refused() {
    let cases = [
        ("a [[ ]] that compares numbers", "[[ {} -eq 1 ]]"),
        ("a [[ ]] that compares numbers", "if [[ -n x && ( \"{}\" -lt 1 ) ]]; then echo; fi"),
        ("a [[ ]] that compares numbers", "[[ 1 -ge '{}' ]] && echo"),
        ("a [[ ]] that compares numbers", "! [[ x ||\n 1 -ne $(echo {}) ]]"),
        ("a [[ ]] that compares numbers", "while time [[ 1 -gt {} ]]; do break; done"),
        ("a [[ ]] that compares numbers", "echo `[[ {} -le 1 ]]`"),
        ("the file of a >&", "echo x >& {}.log"),
        ("the file of a >&", "echo x 1>&\"{}\" 2>&1"),
        ("the name of a variable", "[[ -v {} ]]"),
        ("the name of a variable", "test -v {}"),
        ("the name of a variable", "[ ! -v {} ]"),
        ("the name of a variable", "read -rpx < <(echo) {}"),
        ("the name of a variable", "printf -v {} x"),
        ("the name of a variable", "echo | read -r {}"),
        ("the name of a variable", "read -p '? ' x {} <<< 'a b'"),
        ("the name of a variable", "a=(1); unset {}"),
        ("the name of a variable", ": & wait -n -p {}"),
        ("the name of a variable", "declare {}=1"),
        ("the name of a variable", "typeset -g x{}=1"),
        ("an expression", "let {}"),
        ("an expression", "let x=1"),
        ("the name of a variable", "read -r"),
        ("an expression", "true; let x=1 2>&1 y={}"),
        ("an expression", "x=1 command let \"x={}\""),
        ("an expression", "case a in a) builtin let {};; esac"),
        ("an expression", "declare -i x={}"),
        ("an expression", "f() { local -ri x={}; }; f"),
        ("an expression", "declare -n x={}; x=1"),
        ("an expression", "RANDOM={}"),
        ("an expression", "x=abc; echo ${x:{}}"),
        ("an expression", "x=abc; echo \"${x:1:{}}\""),
        ("an expression", "x=abc; echo ${x:$(echo {})}"),
        ("the subscript", "x=(1); echo \"${x[`echo {}`]}\""),
        ("the subscript", "x=(1); echo ${x[{}]}"),
        ("the subscript", "a[{}]=1"),
        ("the subscript", "a[ 1 + {} ]=1"),
        ("the name of a variable", "declare x -p {}"),
        ("the subscript", "if true; then x=1 a[1+{}]+=1; fi"),
        ("the subscript", "a=(x [{}]=1)"),
        ("the subscript", "declare -a a=([\"{}\"]=1)"),
        ("arithmetic", "for (( i = {}; i < 1; i++ )); do echo; done"),
    ];
    for (place, command) in cases {
        let error = parse(command).expect_err(command);
        assert!(error.to_string().contains(place), "{command}: {error}");
        assert!(!error.hint().is_empty());
    }
    // the second argument is a word of its own
    for command in ["read -p {}", "let x=1 > {}", "declare x={}"] {
        assert!(
            Template::parse(command, Some(2)).is_err() && Template::parse(command, None).is_err(),
            "{command}"
        );
        assert!(parse(command).is_ok(), "{command}");
    }
}

/// And what looks like it, but takes the argument as it is.
#[test]
fn what_bash_does_not_evaluate_is_not_refused_and_executes_nothing() {
    let commands = [
        "[[ {} == 1 ]]",
        "[[ {#} -eq 1 ]]; let x={%}; a[{#}]={}",
        "[[ -n {} && 1 -eq 1 ]]",
        "[[ 1 -eq 1 ]] && echo {}",
        "[[ -e {} || {} =~ x ]]",
        "[ {} -eq 1 ]",
        "echo {} > {}.1 2>&1 {}; echo {} 2>&1 >> {}.2; echo {} &> {}.3; cat <& {}",
        "test {} -gt 1 && echo more",
        "echo [[ {} -eq 1 ]]",
        "echo let {}",
        "let x=1 > {}",
        "let x=1 && echo {}",
        "let x=1; echo {}",
        "let x=1 | cat {}",
        "let x=1 # {}\necho {}",
        "let x=1 <<END\n{}\nEND",
        "declare x={}; declare -r y={}",
        "declare -p {}",
        "export {}; export x={}",
        "readonly {}",
        "x={}; echo \"$x\"",
        "ls [{}]* a[{}]",
        "a=({} x); echo \"${a[@]}\"",
        "declare -A m; m[{}]=1; m+=([{}]=2)",
        "declare -A m=([{}]=1)",
        "read -p {} -t 1 x < /dev/null",
        "read x < {}",
        "read x <<< {}",
        "printf %d {}; printf -v x %s {}",
        "unset -f {}",
        "x=abc; echo ${x:1} ${x:-$(echo {})} {}",
        "x=(1 2); echo ${x[0]}{}",
        "mapfile x < {}; getopts x {}",
        "exit {}",
        "for x in {}; do echo \"$x\"; done",
        "case 1 in {}) echo;; *) echo {};; esac",
    ];
    let place = tempfile::tempdir().unwrap();
    for command in commands {
        let template = parse(command).unwrap_or_else(|error| panic!("{command}: {error}"));
        for argument in ["a[$(touch executed)0]", "a[$(touch executed)0]=1", "$(touch executed)"] {
            let (mut bash, _) = task("bash", &template, &[argument]);
            bash.current_dir(place.path()).stdin(Stdio::null()).output().unwrap();
            assert!(!place.path().join("executed").exists(), "{command}");
        }
    }
}

/// Whatever is typed: an answer, or a reason.
#[test]
fn no_command_makes_the_scanner_panic() {
    let parts = [
        "{}",
        "{#}",
        "{2.}",
        "[[",
        "]]",
        "-eq",
        "-v",
        "let",
        "declare",
        "-A",
        "m",
        "a[",
        "]=",
        "=(",
        "(",
        ")",
        "((",
        "))",
        "$(",
        "${",
        "$[",
        "}",
        "{",
        "'",
        "\"",
        "`",
        "\\",
        "$'",
        "<<E",
        "\nE\n",
        "<<<",
        "<(",
        ">",
        "&",
        "&>",
        "|",
        ";",
        "#",
        "case x in",
        "esac",
        " ",
        "\t",
        "\n",
        "é",
        ":",
        "function f",
        "read -p",
        "unset",
    ];
    let mut state = 1u64;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % limit
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let command: String =
            (0..1 + next(12)).map(|_| [parts[next(parts.len())], [" ", ""][next(2)]].concat()).collect();
        if let Ok(template) = Template::parse(&command, None) {
            template.plan(2);
            template.command_line(&record(&["a", "b"]), None);
            read += 1;
        }
    }
    assert!(read > 1000, "{read} made sense");
}

#[test]
fn several_arguments_are_words_of_their_own() {
    let cases: [(&str, &[&str], &str); 12] = [
        ("printf '[%s]'", &["a", "b c"], "[a][b c]"),
        ("printf '[%s]' {}", &["a", "b c"], "[a][b c]"),
        ("printf '[%s]' x{}y", &["a", "b c"], "[xa][b cy]"),
        ("printf '[%s]' \"x{}y\"", &["a", "b  c"], "[xa b  cy]"),
        ("printf '[%s]' 'x{}y'", &["a", "b  c"], "[xa b  cy]"),
        ("printf '[%s]' {.}", &["a.b", "c.d/e.f"], "[a][c.d/e]"),
        ("printf '[%s]' {2} {1} {-1}", &["a", "b"], "[b][a][b]"),
        ("printf '[%s]' {1.} {2/} {2//} {-1/.}", &["a.b", "c.d/e.f"], "[a][e.f][c.d][e]"),
        ("printf '[%s]' {#} {1}", &["a", "b"], "[7][a]"),
        (
            "printf '[%s]' {0} {01} '{1..2}' '{1,2}' {x} {-}",
            &["a", "b"],
            "[{0}][{01}][{1..2}][{1,2}][{x}][{-}][a][b]",
        ),
        ("printf '[%s]' {} ", &["", ""], "[][]"),
        ("set -- x; printf '[%s]' {2} {1}", &["a b", "c"], "[c][a b]"),
    ];
    for (command, arguments, expected) in cases {
        let template = Template::parse(command, Some(arguments.len())).unwrap();
        assert_eq!(run("sh", &template, arguments), expected, "{command}");
        assert_eq!(paste("sh", &template, arguments), expected, "{command}, pasted");
    }
}

#[test]
fn an_argument_that_is_not_there_is_refused_or_nothing() {
    let error = Template::parse("grep '[0-9]{3}' {}", Some(2)).unwrap_err();
    let TemplateError::NoArgument { ref placeholder, columns: 2, .. } = error else { panic!("{error:?}") };
    assert_eq!((placeholder.as_str(), error.hint().is_empty()), ("{3}", false));
    assert!(matches!(Template::parse("x {-2.}", Some(1)), Err(TemplateError::NoArgument { .. })));
    // lines differ in how many columns they have
    let template = Template::parse("printf '[%s]' {3} x\"{-3}\"'{2}'", None).unwrap();
    assert_eq!(run("sh", &template, &["a"]), "[x]");
    assert_eq!(run("sh", &template, &["a", "b", "c"]), "[c][xab]");
}

#[test]
fn a_line_is_quoted_no_more_than_it_needs() {
    let cases = [
        ("echo {}", "a/b-c_d.e+f", "echo a/b-c_d.e+f"),
        ("echo {}", "", "echo ''"),
        ("echo {}", "it's", "echo 'it'\"'\"'s'"),
        ("echo {}", "a=b", "echo 'a=b'"),
        ("echo '{}' \"{}\"", "plain", "echo 'plain' \"plain\""),
        ("echo '{}'", "a b", "echo '''a b'''"),
        ("echo \"{}\"", "$x", "echo \"\"'$x'\"\""),
        ("cat <<X\n{}\nX", "$x \\", "cat <<X\n\\$x \\\\\nX"),
    ];
    for (command, argument, expected) in cases {
        let line = parse(command).unwrap().command_line(&record(&[argument]), None);
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}

#[test]
fn a_task_can_be_told_its_number() {
    let template = parse("set -- x; printf '%s ' $PARALLEL_SEQ {}").unwrap().numbered();
    assert_eq!(run("sh", &template, &["a"]), "7 a ");
}
