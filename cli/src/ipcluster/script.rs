//! A batch template of ipcluster: what of it a profile says by itself, and what is left to be said.

/// What a template comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) queue: Option<String>,
    pub(super) account: Option<String>,
    pub(super) walltime: Option<String>,
    /// Processes on each node.
    pub(super) ppn: Option<u64>,
    /// It asks for `nodes=N:ppn=M`, as Torque has it, and not for chunks.
    pub(super) counts_nodes: bool,
    /// What starts the engines, by the name of a launcher here.
    pub(super) launcher: Option<&'static str>,
    /// Directives that rpar does not write itself, as they stand after `#PBS` or `#SBATCH`.
    pub(super) directives: Vec<String>,
    /// Shell lines before the engines.
    pub(super) setup: Vec<String>,
    /// Lines that have no place in a profile.
    pub(super) left: Vec<String>,
}

/// What starts engines in a template, and the launcher that does here.
const STARTERS: [(&str, &str); 4] =
    [("pbsdsh", "pbsdsh"), ("srun", "srun"), ("mpiexec", "mpiexec"), ("mpirun", "mpiexec")];

/// Reads a template, line by line.
pub(super) fn read(template: &str) -> Script {
    let mut script = Script::default();
    for line in template.lines().map(str::trim) {
        if let Some(directive) = directive(line) {
            script.directive(directive);
        } else if line.contains("{program")
            || line.contains("ipengine")
            || line.contains("ipyparallel.engine")
        {
            let word = line.split_whitespace().next().unwrap_or_default();
            let name = word.rsplit('/').next().unwrap_or_default();
            script.launcher = STARTERS.iter().find(|(starter, _)| *starter == name).map(|(_, kind)| *kind);
        } else if line.is_empty() || line.starts_with('#') || is_usual(line) {
            // rpar's own script has it
        } else if line.contains('{') && !line.contains("${") {
            script.left.push(line.to_owned());
        } else {
            script.setup.push(line.to_owned());
        }
    }
    script
}

fn directive(line: &str) -> Option<&str> {
    ["#PBS", "#SBATCH"].iter().find_map(|mark| line.strip_prefix(mark)).map(str::trim)
}

/// Lines by which a script goes where it was submitted: the pilot does.
fn is_usual(line: &str) -> bool {
    line.starts_with("cd ") && (line.contains("PBS_O_WORKDIR") || line.contains("SLURM_SUBMIT_DIR"))
}

impl Script {
    fn directive(&mut self, text: &str) {
        let (option, value) = text.split_once(['=', ' ']).unwrap_or((text, ""));
        let value = value.trim();
        match option {
            "-q" | "-p" | "--partition" => self.queue = constant(value),
            "-A" | "--account" => self.account = constant(value),
            "-t" | "--time" => self.walltime = constant(value),
            "-l" => value.split(',').for_each(|part| self.resource(part)),
            "--ntasks-per-node" => self.ppn = value.parse().ok().or(self.ppn),
            // how many, what it is called and where its output goes: rpar says so itself
            "-n" | "--ntasks" | "-N" | "--nodes" | "-J" | "--job-name" | "-o" | "--output" | "-e"
            | "--error" | "-j" | "-S" => {}
            // the environment is the profile's: a job must not depend on who submits it
            "-V" | "--export" => {}
            _ if text.contains('{') => self.left.push(text.to_owned()),
            _ => self.directives.push(text.to_owned()),
        }
    }

    fn resource(&mut self, resource: &str) {
        let (name, value) = resource.split_once('=').unwrap_or((resource, ""));
        match name {
            "walltime" => self.walltime = constant(value),
            "nodes" | "select" => {
                self.counts_nodes |= name == "nodes";
                for part in value.split(':').skip(1) {
                    match part.split_once('=') {
                        Some(("ppn" | "ncpus" | "mpiprocs", count)) => {
                            self.ppn = count.parse().ok().or(self.ppn)
                        }
                        _ => self.left.push(format!("-l {name}=...:{part}")),
                    }
                }
            }
            _ if resource.contains('{') => self.left.push(format!("-l {resource}")),
            _ => self.directives.push(format!("-l {resource}")),
        }
    }
}

/// A value that is none of the template's fields.
fn constant(value: &str) -> Option<String> {
    (!value.is_empty() && !value.contains('{')).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_torque() {
        let script = read(
            "#!/bin/bash -l\n#PBS -N ipython\n#PBS -j oe\n#PBS -l walltime=00:30:00\n#PBS -l nodes={n/8}:ppn=8\n#PBS -q debug\n\
             #PBS -l mem=4gb,pvmem=1gb\n#PBS -V\n\ncd $PBS_O_WORKDIR\nmodule load python\n\
             mpiexec -n {n} ipengine --profile-dir={profile_dir}\n",
        );
        assert_eq!(
            script,
            Script {
                queue: Some("debug".into()),
                walltime: Some("00:30:00".into()),
                ppn: Some(8),
                counts_nodes: true,
                launcher: Some("mpiexec"),
                directives: vec!["-l mem=4gb".into(), "-l pvmem=1gb".into()],
                setup: vec!["module load python".into()],
                ..Script::default()
            }
        );
    }

    #[test]
    fn templates_of_slurm_and_openpbs() {
        let script = read(
            "#!/bin/sh\n#SBATCH --partition={queue}\n#SBATCH --time=02:00:00\n#SBATCH --ntasks-per-node=4\n#SBATCH -A m1234\n\
             #SBATCH --constraint=haswell\n#SBATCH --mem={memory}\nexport OMP_NUM_THREADS=1\nsrun {program_and_args}\n",
        );
        assert_eq!((script.queue, script.account), (None, Some("m1234".into())));
        assert_eq!((script.walltime, script.ppn), (Some("02:00:00".into()), Some(4)));
        assert_eq!(script.directives, ["--constraint=haswell"]);
        assert_eq!(
            (script.setup, script.left),
            (vec!["export OMP_NUM_THREADS=1".into()], vec!["--mem={memory}".into()])
        );
        assert_eq!(script.launcher, Some("srun"));

        let script = read("#PBS -l select={n}:ncpus=2:mem=1gb\n{program_and_args}");
        assert!(!script.counts_nodes && script.ppn == Some(2) && script.launcher.is_none());
        assert_eq!(script.left, ["-l select=...:mem=1gb"]);
    }
}
