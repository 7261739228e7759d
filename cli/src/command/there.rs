//! Commands for a cluster of another host: those that need its files, or its batch system, are run there.

use std::ffi::OsString;

use super::arguments::ahead::Ahead;
use super::arguments::profile_name;
use super::exit::Exit;
use super::report::{Outcome, Report};
use crate::remote::{Remote, RemoteError};

/// Commands that work from here, over a link; and those that are about no cluster.
const HERE: [&[&str]; 12] = [
    &["map"],
    &["run"],
    &["submit"],
    &["wait"],
    &["cancel"],
    &["status"],
    &["why"],
    &["engines", "list"],
    &["completions"],
    &["complete"],
    &["man"],
    &[],
];

/// Runs a command line where its `--profile NAME@HOST` says, unless it is one that works from here.
pub(crate) fn run(words: &[OsString]) -> Outcome<Option<Exit>> {
    let ahead = Ahead::of(words);
    if HERE.iter().any(|path| *path == ahead.path) {
        return Ok(None);
    }
    match Remote::parse(&profile_name(ahead.profile))? {
        Some(remote) => obey(&remote, words).map(Some),
        None => Ok(None),
    }
}

fn obey(remote: &Remote, words: &[OsString]) -> Outcome {
    let words = words_there(&remote.profile, words);
    let mut command = remote.command(&words);
    let status = command.status();
    let status = status.map_err(|error| {
        let what = format!("could not run `{}`", command.get_program().to_string_lossy());
        Report::new(Exit::Link, what).because(error.to_string())
    })?;
    match status.code() {
        // ssh and the shell there have said why, on the same stderr
        Some(code @ (127 | 255)) => {
            let error = RemoteError::ended(remote, code);
            let hint = error.hint();
            Err(Report::of(Exit::Link, &error).hint(hint))
        }
        Some(code) => Ok(Exit::Command(u8::try_from(code).unwrap_or(u8::MAX))),
        None => Err(Report::new(Exit::Link, format!("ssh to {} was killed", remote.host))),
    }
}

/// The same command line for a profile of the host that it runs on.
fn words_there(profile: &str, words: &[OsString]) -> Vec<OsString> {
    let mut there = vec!["--profile".into(), profile.into()];
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        match text.as_ref() {
            "--profile" => drop(words.next()),
            given if given.starts_with("--profile=") => {}
            _ => there.push(word.clone()),
        }
    }
    there
}

impl From<RemoteError> for Report {
    fn from(error: RemoteError) -> Report {
        let exit = match &error {
            RemoteError::Name(_) => Exit::Profile,
            RemoteError::Host { .. } => Exit::Usage,
            RemoteError::There { exit: 110, .. } => Exit::Profile,
            RemoteError::There { exit: 111, .. } => Exit::NotRunning,
            RemoteError::There { exit: 117, .. } => Exit::Files,
            _ => Exit::Link,
        };
        let hint = error.hint();
        Report::of(exit, &error).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_called_there_what_it_is_there() {
        let cases = [
            ("rpar --profile c@h start --ppn 8", "--profile c start --ppn 8"),
            ("rpar stop --profile=c@h --all", "--profile c stop --all"),
            ("rpar list", "--profile c list"),
        ];
        for (line, expected) in cases {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let there = words_there("c", &words);
            let there: Vec<_> = there.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(there.join(" "), expected, "{line}");
        }
    }
}
