//! Whether Python tasks can run: looked at while the engines come, so that a user need not find out by a task that fails.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rpar_backends::Exec;
use rpar_core::runner::{Answer, Invocation, Runner};

use crate::profile::Resolved;

/// What an interpreter of an engine needs, besides Python's own library.
const NEEDS: &str = "import cloudpickle";

/// How long that may take: Python may come from a slow file system.
const LIMIT: Duration = Duration::from_secs(20);

/// How long is waited for the answer once the engines are there: it is a remark, and none worth a delay.
const PATIENCE: Duration = Duration::from_secs(1);

/// A look that is under way.
#[derive(Debug)]
pub(crate) struct Look {
    python: String,
    answer: Receiver<Option<Answer>>,
}

impl Look {
    /// Begins, on a thread of its own; `None` where this host cannot tell: the interpreter is looked up on the nodes, or
    /// what it finds there is made by their set-up.
    pub(crate) fn begin(resolved: &Resolved) -> Option<Look> {
        let python = resolved.python.executable.clone()?;
        if !Path::new(&python).is_absolute() || !resolved.engines.setup.is_empty() {
            return None;
        }
        let (tell, answer) = mpsc::channel();
        let argv = [&python, "-c", NEEDS].map(str::to_owned).to_vec();
        let invocation = Invocation { argv, directory: None, stdin: None, limit: LIMIT };
        let look = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let answer = runtime.ok().and_then(|runtime| runtime.block_on(Exec.run(&invocation)).ok());
            // nobody waits for a late answer
            let _ = tell.send(answer);
        };
        std::thread::Builder::new().name("rpar-python".into()).spawn(look).ok()?;
        Some(Look { python, answer })
    }

    /// Why Python tasks would fail, if that is known by now.
    pub(crate) fn problem(&self) -> Option<String> {
        let answer = self.answer.recv_timeout(PATIENCE).ok()??;
        let said = answer.stderr.lines().last().unwrap_or_default();
        (answer.exit != Some(0)).then(|| remark(&self.python, said))
    }
}

fn remark(python: &str, said: &str) -> String {
    let (what, next) = if said.contains("No module named 'cloudpickle'") {
        ("has no cloudpickle".to_owned(), format!("`{python} -m pip install cloudpickle`"))
    } else {
        (format!("does not run: {said}"), "see to it".to_owned())
    };
    format!(
        "Python tasks would fail: {python} {what}; {next}, or name another as `[python] executable` in the profile"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remark_says_what_to_do() {
        let missing = remark("/usr/bin/python3", "ModuleNotFoundError: No module named 'cloudpickle'");
        assert!(missing.contains("`/usr/bin/python3 -m pip install cloudpickle`"), "{missing}");
        let broken = remark("/opt/python", "libpython3.so: cannot open shared object file");
        assert!(broken.contains("/opt/python does not run: libpython3.so"), "{broken}");
    }
}
