//! Text for a POSIX shell.

/// Quotes one word so that a shell takes it literally.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command line in which every word is literal.
pub fn join(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A command line for a login shell of any kind, csh too, in which every word is literal; `program` is as a POSIX shell
/// reads it. What such shells read differently is spelt in octal, and read by one that is known.
pub fn in_any_shell(program: &str, words: &[&[u8]]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=,+@".contains(byte);
    if words.iter().all(|word| !word.is_empty() && word.iter().all(is_plain)) {
        let plain = words.iter().map(|word| String::from_utf8_lossy(word));
        return plain.fold(program.to_owned(), |line, word| format!("{line} {word}"));
    }
    let mut line = program.as_bytes().to_vec();
    for word in words {
        line.extend_from_slice(b" '");
        line.extend(
            word.iter()
                .flat_map(|byte| if *byte == b'\'' { &b"'\\''"[..] } else { std::slice::from_ref(byte) }),
        );
        line.push(b'\'');
    }
    let spelt = line.iter().map(|byte| match is_plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("\\0{byte:03o}"),
    });
    format!("exec sh -c 'eval \"$(printf %b \"$0\")\"' '{}'", spelt.collect::<String>())
}

/// The environment variable that tells a program which line of its setup has failed.
pub const SETUP_FAILED: &str = "RPAR_SETUP_FAILED";

/// `BASH_SOURCE` is empty for what `bash -c` itself was given.
const TELL: &str = r#"trap 'case ${#BASH_SOURCE[@]} in 0)
export RPAR_SETUP_FAILED="${RPAR_SETUP_FAILED-$BASH_COMMAND (exit status $?)}"
echo "a line of setup failed: $BASH_COMMAND" >&2
esac' ERR"#;

/// The command that runs `setup` in a shell and then becomes `argv`. Without setup lines it is `argv` itself.
///
/// The shell is bash: `module` and `conda activate` are bash functions, which a plain `sh` would drop from the
/// environment. `login` makes it read the login files, for places that nothing has set up (a fresh ssh session).
///
/// A line that fails is told on stderr, and the first one in [`SETUP_FAILED`], but what is set up goes on: some sites'
/// modules fail for no reason that matters. What fails inside a file that a line reads is that file's affair.
pub fn with_setup(setup: &[String], argv: &[String], login: bool) -> Vec<String> {
    if setup.is_empty() {
        return argv.to_vec();
    }
    let script = format!("{TELL}\n{}\nexec \"$@\"", setup.join("\n"));
    let flag = if login { "-lc" } else { "-c" };
    let mut command = ["bash", flag, &script, "rpar"].map(str::to_owned).to_vec();
    command.extend_from_slice(argv);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words =
            ["", "a b", "it's", "$HOME", "`id`", "a\nb", "*", "plain-1.0/x", "~", "\\"].map(str::to_owned);
        let script = format!("printf '%s\\0' {}", join(&words));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let read: Vec<_> =
            output.stdout.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        assert_eq!(read[..words.len()], words);
    }

    #[test]
    fn every_login_shell_reads_the_same_words() {
        let odd: [&[u8]; 9] = [
            b"a b",
            b"",
            b"it's",
            b"$HOME !x `id` \\",
            b"two\nlines\n",
            b"%s",
            b"*",
            b"~",
            "ä\u{1f600}".as_bytes(),
        ];
        let shells = ["sh", "bash", "dash", "csh", "tcsh", "zsh", "fish"];
        let is_there =
            |shell: &&str| std::process::Command::new(shell).args(["-c", "exit 0"]).status().is_ok();
        for shell in shells.into_iter().filter(is_there) {
            let said =
                |line: &str| std::process::Command::new(shell).args(["-c", line]).output().unwrap().stdout;
            let line = in_any_shell("LC_ALL=C; printf '%s\\0'", &odd);
            let (said_odd, said_plain) =
                (said(&line), said(&in_any_shell("printf %s,", &[b"plain-1.0/x", b"a=b"])));
            let read: Vec<&[u8]> = said_odd.split(|byte| *byte == 0).collect();
            assert_eq!(read[..read.len() - 1], odd, "{shell}: {line}");
            assert_eq!(said_plain, b"plain-1.0/x,a=b,", "{shell}");
        }
    }

    #[test]
    fn setup_runs_in_the_shell_that_becomes_the_program() {
        let setup = ["export X='from setup'".to_owned()];
        let argv = ["sh", "-c", "echo \"$X $1\"", "sh", "a  b"].map(str::to_owned);
        let command = with_setup(&setup, &argv, false);
        let output = std::process::Command::new(&command[0]).args(&command[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "from setup a  b\n");
    }

    #[test]
    fn a_line_of_setup_that_fails_is_told_and_stops_nothing() {
        let cases = [
            ("true", "none"),
            ("[ -f /nonexistent ] && . /nonexistent\nfalse || true", "none"),
            ("(exit 3)\nfalse", "( exit 3 ) (exit status 3)"),
            // what fails inside a file is not the line's failure
            ("source <(printf 'false\\ntrue\\n')", "none"),
        ];
        let argv = ["sh", "-c", &format!("echo ${{{SETUP_FAILED}-none}}")].map(str::to_owned);
        for (setup, told) in cases {
            let command = with_setup(&[setup.to_owned()], &argv, false);
            let output = std::process::Command::new(&command[0]).args(&command[1..]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), told, "{setup}");
            let said = String::from_utf8_lossy(&output.stderr).contains("a line of setup failed: ");
            assert_eq!(said, told != "none", "{setup}");
        }
    }
}
