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

/// The command that runs `setup` in a shell and then becomes `argv`. Without setup lines it is `argv` itself.
///
/// The shell is bash: `module` and `conda activate` are bash functions, which a plain `sh` would drop from the
/// environment. `login` makes it read the login files, for places that nothing has set up (a fresh ssh session).
pub fn with_setup(setup: &[String], argv: &[String], login: bool) -> Vec<String> {
    if setup.is_empty() {
        return argv.to_vec();
    }
    let script = format!("{}\nexec \"$@\"", setup.join("\n"));
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
    fn setup_runs_in_the_shell_that_becomes_the_program() {
        let setup = ["export X='from setup'".to_owned()];
        let argv = ["sh", "-c", "echo \"$X $1\"", "sh", "a  b"].map(str::to_owned);
        let command = with_setup(&setup, &argv, false);
        let output = std::process::Command::new(&command[0]).args(&command[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "from setup a  b\n");
    }
}
