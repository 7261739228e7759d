//! The first text of a new profile: what one changes, with what this site told of itself, and the rest as comments.

use toml::Value;

use super::level::Level;
use crate::survey::Survey;

/// What a new profile is made from.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The profile that it extends; `None` when it stands on lower layers of its own name.
    pub(crate) base: Option<&'a str>,
    /// The `kind` of its scheduler.
    pub(crate) kind: &'a str,
    /// Who it is for.
    pub(crate) level: Level,
    /// What this host has told.
    pub(crate) survey: &'a Survey,
}

impl Draft<'_> {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let batch = !matches!(self.kind, "local" | "hosts");
        let mut text = self.heading() + &self.ppn();
        if batch {
            text += &self.queue();
            text +=
                &noted("\n[params.walltime]", "how long nodes are kept, unless --walltime says otherwise");
            text += "default = \"00:30:00\"\n# range = [\"00:01:00\", \"24:00:00\"]\n";
            text += &noted("\n# [params.account]", "where nodes are charged to an account");
            text += "# default = \"m1234\"\n";
            text += &noted(
                "\n# [params.memory]",
                "one of your own: a flag of `rpar start`, and a variable below",
            );
            text += "# type = \"string\"\n# default = \"4gb\"\n# help = \"memory of a node\"\n";
            text += &self.scheduler();
        }
        if self.kind != "local" {
            text += &self.transport();
        }
        text + &self.nodes(batch)
    }

    fn heading(&self) -> String {
        let Draft { name, base, .. } = self;
        let heading = format!(
            "# {name}: how rpar uses this site. docs/profiles.md has every key.\n#\n\
             #     rpar profile check {name}             tells what is wrong with it\n\
             #     rpar profile check {name} --live      tries it on a node, for a minute\n\
             #     rpar --profile {name} start --nodes 2\n\n"
        );
        match base {
            Some(base) => {
                let extends = format!("extends = {}", quoted(base));
                let about = quoted(&format!("{name}, on top of {base}"));
                heading
                    + &noted(&extends, "all it says holds, unless it is said otherwise here")
                    + &format!("description = {about}\n")
            }
            None => {
                heading
                    + &format!("# what this file does not say, lower layers do: `rpar profile path {name}`\n")
            }
        }
    }

    fn ppn(&self) -> String {
        match self.survey.cores {
            Some(cores) => {
                let why = format!("engines on a node; the smallest here has {cores} cores");
                noted("\n[params.ppn]", &why) + &format!("default = {cores}\nrange = [1, {cores}]\n")
            }
            None => {
                noted("\n# [params.ppn]", "engines on a node, at most as many as it has cores")
                    + "# default = 8\n# range = [1, 8]\n"
            }
        }
    }

    fn queue(&self) -> String {
        let queues = &self.survey.queues;
        if queues.is_empty() {
            return noted("\n# [params.queue]", "the queues or partitions that users may name")
                + "# type = \"choice\"\n# choices = [\"batch\", \"debug\"]\n# default = \"batch\"\n";
        }
        let names: Vec<String> = queues.iter().map(|queue| quoted(&queue.name)).collect();
        let default = match queues.iter().find(|queue| queue.default) {
            Some(queue) => format!("default = {}\n", quoted(&queue.name)),
            None => noted(&format!("# default = {}", names[0]), "without one, the site decides"),
        };
        let choices = format!("type = \"choice\"\nchoices = [{}]\n", names.join(", "));
        noted("\n[params.queue]", "those that this site has") + &choices + &default
    }

    fn scheduler(&self) -> String {
        let directive = match self.kind {
            "slurm" => "--mem={{ memory }}",
            _ => "-l mem={{ memory }}",
        };
        let directives = format!("# directives = [{}]", quoted(directive));
        "\n[scheduler]\n".to_owned()
            + &noted(&directives, "further lines of the job script")
            + &noted("# setup = [\"umask 077\"]", "shell lines before anything runs on the first node")
    }

    fn transport(&self) -> String {
        let interfaces: Vec<String> = match self.survey.interfaces.as_slice() {
            [] => vec![quoted("ib0")],
            names => names.iter().map(|name| quoted(name)).collect(),
        };
        let advertise = format!("# advertise = [{}]", interfaces.join(", "));
        "\n[transport]\n".to_owned()
            + &noted(&advertise, "what the nodes dial, best first; without it, every address of this host")
    }

    fn nodes(&self, batch: bool) -> String {
        let mut text = "\n[engines]\n".to_owned();
        text += &noted("# setup = [\"module load python\"]", "shell lines on every node");
        if self.kind != "local" {
            let why = "where the nodes find rpar, if not where this host does";
            text += &noted("# program = \"/opt/rpar/bin/rpar\"", why);
        }
        text += "\n[python]\n";
        text += &noted("# executable = \"python3\"", "looked up on the node, after `setup`");
        if batch {
            let dir = match self.level {
                Level::Site => "/scratch/{{ user }}/rpar",
                Level::User | Level::Project => "{{ home }}/rpar",
            };
            text += "\n[storage]\n";
            let why = "a directory that the nodes see too; without it, below ~/.local/state";
            text += &noted(&format!("# dir = {}", quoted(dir)), why);
        }
        text
    }
}

/// A line and what it is about, in a column of its own.
fn noted(line: &str, about: &str) -> String {
    let (gap, line) = line.strip_prefix('\n').map_or(("", line), |line| ("\n", line));
    format!("{gap}{line:<35} # {about}\n")
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Queue;

    /// What is commented out is there to be uncommented.
    #[test]
    fn a_draft_is_toml_with_and_without_its_comments() {
        let queue = |name: &str, default| Queue { name: name.into(), default };
        let known = Survey {
            cores: Some(8),
            queues: vec![queue("batch", true), queue("debug", false)],
            interfaces: vec!["ib0".into(), "eth0".into()],
            ..Survey::default()
        };
        for survey in [known, Survey::default()] {
            for kind in ["slurm", "torque", "local", "hosts"] {
                let draft =
                    Draft { name: "our", base: Some(kind), kind, level: Level::User, survey: &survey };
                let text = draft.text();
                let table: toml::Table = toml::from_str(&text).expect(&text);
                assert_eq!(table["extends"].as_str(), Some(kind));
                let meant = |line: &str| line.contains(" = ") || line.starts_with("# [");
                let open: Vec<&str> = text
                    .lines()
                    .map(|line| if meant(line) { line.trim_start_matches("# ") } else { line })
                    .collect();
                let open = open.join("\n");
                toml::from_str::<toml::Table>(&open).expect(&open);
            }
        }
    }
}
