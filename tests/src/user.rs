//! Somebody who works at the real Slurm, by its own commands or by those for Torque's users.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::binary::Home;
use crate::services::{self, Slurm};

/// A user with a home, who always names the same profile.
#[derive(Debug)]
pub struct User {
    /// The home.
    pub home: Home,
    /// The site.
    pub slurm: Slurm,
    profile: String,
}

impl User {
    /// At the site, which is started unless it runs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn new(profile: &str) -> User {
        User { home: Home::new(), slurm: services::slurm(), profile: profile.to_owned() }
    }

    /// `rpar --profile PROFILE WORDS`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.args(["--profile", &self.profile]).args(words).envs(&self.slurm.environment);
        command
    }

    /// Runs it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn rpar(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("rpar starts")
    }

    /// What it prints when it ends well.
    ///
    /// # Panics
    /// When it does not.
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.rpar(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rpar {words:?} ended with {}: {stderr}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// What it answers as JSON.
    ///
    /// # Panics
    /// When it fails.
    pub fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--json"]].concat())).expect("JSON")
    }

    /// What a command of the site prints.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn site(&self, program: &str, words: &[&str]) -> String {
        self.slurm.said(program, words)
    }

    /// Where the profile's cluster lives.
    pub fn directory(&self) -> PathBuf {
        self.home.state().join(&self.profile).join("default")
    }

    /// The site's jobs that run in that directory and have not ended: `FORMAT` is squeue's.
    pub fn jobs(&self, format: &str) -> Vec<String> {
        let jobs = self.site("squeue", &["-h", "-o", &format!("%Z|{format}")]);
        let here = format!("{}|", self.directory().display());
        jobs.lines().filter_map(|line| line.strip_prefix(&here)).map(str::to_owned).collect()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // the site's commands are not on the home's own terms
        if self.home.state().exists() {
            let _ = self.command(&["stop", "--all"]).output();
        }
    }
}
