//! What was found out about a profile: one statement, with what to do about it.

use crate::profile::{Origin, Origins};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Works, or may; somebody will wonder.
    Warning,
    /// Does not work.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// File and line, or what else set it.
    pub place: Option<String>,
    /// Why that matters, or what the system said.
    pub why: Option<String>,
    /// What to do about it.
    pub next: Option<String>,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>) -> Self {
        Finding { severity, what: what.into(), place: None, why: None, next: None }
    }

    /// Something that is as it should be.
    pub(crate) fn ok(what: impl Into<String>) -> Self {
        Finding::new(Severity::Ok, what)
    }

    /// Something that is suspicious.
    pub(crate) fn warning(what: impl Into<String>) -> Self {
        Finding::new(Severity::Warning, what)
    }

    /// Something that does not work.
    pub(crate) fn error(what: impl Into<String>) -> Self {
        Finding::new(Severity::Error, what)
    }

    /// Where it is.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Where a key was set, if somebody has set it.
    pub(crate) fn at_key(mut self, origins: &Origins, key: &str) -> Self {
        self.place = origins.of(key).filter(|origin| **origin != Origin::BuiltIn).map(ToString::to_string);
        self
    }

    /// Why it matters.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// What to do about it.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}
