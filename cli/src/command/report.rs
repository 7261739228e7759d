//! What the user reads when something went wrong: the error, its causes, and what to do next.

use std::error::Error;

use crate::command::exit::Exit;

/// The result of a command.
pub(crate) type Outcome<T = Exit> = Result<T, Report>;

/// What is about one cluster, and needs to be told which.
const OF_CLUSTERS: [&str; 4] = ["start", "stop", "status", "logs"];

/// A failure on its way to the user.
#[derive(Debug)]
pub(crate) struct Report {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What went wrong; `None` when there is nothing to say (nobody reads the output any more).
    pub(crate) error: Option<String>,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// What the user can do next.
    pub(crate) hint: Option<String>,
}

impl Report {
    /// A failure that is described here and now.
    pub(crate) fn new(exit: Exit, error: impl Into<String>) -> Self {
        Report { exit, error: Some(error.into()), causes: Vec::new(), hint: None }
    }

    /// A failure that an error describes, with all its sources.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // transparent errors repeat their sources, and others tell them in their own words' midst
            if causes.last().is_none_or(|last| *last != text) && !error.to_string().contains(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        Report { exit, error: Some(error.to_string()), causes, hint: None }
    }

    /// An end that needs no words.
    pub(crate) fn silent(exit: Exit) -> Self {
        Report { exit, error: None, causes: Vec::new(), hint: None }
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says what the user can do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with the cluster that `flags` name in the commands of its hint: what makes an error knows no cluster.
    pub(crate) fn about(mut self, flags: &str) -> Self {
        for verb in OF_CLUSTERS.iter().filter(|_| !flags.is_empty()) {
            let (plain, whole) = (format!("`rpar {verb}"), format!("`rpar{flags} {verb}"));
            self.hint = self.hint.map(|hint| hint.replace(&plain, &whole));
        }
        self
    }

    /// The lines to show; `color` adds terminal colours. Later lines of a text are indented below its first.
    pub(crate) fn render(&self, color: bool) -> String {
        let Some(error) = &self.error else { return String::new() };
        let label = |name: &str, code: &str| match color {
            true => format!("\x1b[1;{code}m{name}:\x1b[0m "),
            false => format!("{name}: "),
        };
        let mut text = label("error", "31") + &indent(error, "  ") + "\n";
        for cause in &self.causes {
            text += &format!("  {}{}\n", label("caused by", "33"), indent(cause, "    "));
        }
        if let Some(hint) = &self.hint {
            text += &format!("  {}{}\n", label("hint", "36"), indent(hint, "    "));
        }
        text
    }
}

fn indent(text: &str, by: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_causes_hint() {
        let report =
            Report::new(Exit::Site, "no allocation").because("qsub said:\nno such queue").hint("try -q");
        let plain = "error: no allocation\n  caused by: qsub said:\n    no such queue\n  hint: try -q\n";
        assert_eq!(report.render(false), plain);
        assert!(report.render(true).starts_with("\x1b[1;31merror:\x1b[0m no"));
        assert_eq!(Report::silent(Exit::Signal(13)).render(false), "");
        let report = Report::new(Exit::Link, "lost").hint("`rpar logs controller` tells, `rpar list` shows");
        let hint = report.about(" --cluster-id b").hint.unwrap();
        assert_eq!(hint, "`rpar --cluster-id b logs controller` tells, `rpar list` shows");
    }

    #[test]
    fn sources_become_causes() {
        let inner = std::io::Error::other("disk full");
        let outer = std::io::Error::other(inner);
        let report = Report::of(Exit::Files, &outer);
        assert_eq!(report.error.as_deref(), Some("disk full"));
        assert!(report.causes.is_empty());
        let source = std::io::Error::other("disk full");
        let telling = crate::cluster::LockError::Io { path: "/state".into(), source };
        assert!(Report::of(Exit::Files, &telling).causes.is_empty(), "told once is enough");
    }
}
