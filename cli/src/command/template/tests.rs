use std::process::Command;

use super::*;

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

fn run(shell: &str, template: &Template, argument: &str) -> String {
    let arguments = template.arguments(&Bytes::copy_from_slice(argument.as_bytes()), 7);
    let arguments = arguments.0.iter().map(|a| std::str::from_utf8(a).unwrap().to_owned());
    let output =
        Command::new(shell).arg("-c").arg(&template.script).arg("rpar").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{shell} {:?}: {}",
        template.script,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
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
        "test $# = 1 && printf '[%s]' {}",
        "printf '[%s]' {} && : \"${HOME#'}'}\"",
    ];
    for command in commands {
        let template = Template::parse(command).unwrap();
        for shell in ["sh", "bash"] {
            for argument in NASTY {
                assert_eq!(run(shell, &template, argument), format!("[{argument}]"), "{shell} of {command}");
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
    ];
    for (command, script) in cases {
        assert_eq!(Template::parse(command).unwrap().script, script, "{command}");
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
    ];
    for (placeholder, argument, expected) in cases {
        let template = Template::parse(&format!("printf %s {placeholder}")).unwrap();
        assert_eq!(run("sh", &template, argument), expected, "{placeholder} of {argument}");
    }
}

#[test]
fn what_cannot_be_passed_safely_is_refused() {
    let cases = [
        ("echo `cat {}`", "backticks"),
        ("echo \"`cat {}`\"", "backticks"),
        ("echo $(( {} + 1 ))", "arithmetic"),
        ("(( {} + 1 ))", "arithmetic"),
        ("cat <<END\n{}\nEND", "here-document"),
        ("cat <<'END'\n{}\nEND", "here-document"),
        ("echo ${x:-{}}", "${...}"),
        ("echo \"${x:-\"{}\"}\"", "${...}"),
        ("echo ${}", "${...}"),
        ("echo $'{}'", "$'...'"),
        ("echo 'torn", "never closes"),
        ("echo it's {}", "never closes"),
        ("echo \"torn {}", "never closes"),
        ("echo $(torn {}", "never closes"),
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
        let error = Template::parse(command).expect_err(command);
        assert!(error.to_string().contains(expected), "{command}: {error}");
        assert!(!error.hint().is_empty());
    }
    let deep = "$(".repeat(100) + "{}" + &")".repeat(100);
    assert!(matches!(Template::parse(&deep), Err(TemplateError::TooDeep { .. })));
}
