//! What is suspicious in a rendered job script.

use super::finding::Finding;

/// How the options of batch systems begin in a script.
const MARKS: [&str; 2] = ["#PBS", "#SBATCH"];

/// The short forms of sbatch(1) that scripts use, and their long ones.
const SHORT: [(&str, &str); 9] = [
    ("-N", "--nodes"),
    ("-n", "--ntasks"),
    ("-t", "--time"),
    ("-p", "--partition"),
    ("-A", "--account"),
    ("-J", "--job-name"),
    ("-o", "--output"),
    ("-e", "--error"),
    ("-c", "--cpus-per-task"),
];

/// Options that say a thing of their own each time.
const REPEATABLE: [&str; 4] = ["-W", "-v", "-m", "--export"];

/// One option of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Directive {
    mark: &'static str,
    /// The option: `--nodes`, `-q`, or `-l walltime`.
    key: String,
    value: String,
    line: usize,
}

/// Options that are there twice, contradict each other or come too late, and engines that are never started.
pub(crate) fn lint(script: &str, pilot: &str) -> Vec<Finding> {
    let directives = directives(script);
    let mut findings = repeated(&directives);
    findings.extend(both_forms(&directives));
    findings.extend(late(script));
    let runs = script.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(pilot));
    if !runs {
        findings.push(
            Finding::error("no line of the job script starts the engines")
                .because("`{{ pilot }}` stands in comments only")
                .next("end the script with `exec {{ pilot }}`"),
        );
    }
    findings
}

fn directives(script: &str) -> Vec<Directive> {
    let mut found = Vec::new();
    for (index, text) in script.lines().enumerate() {
        let Some(mark) = MARKS.iter().find(|mark| is_directive(text, mark)) else { continue };
        // what follows a blank and # is a comment to sbatch, and to people
        let text = text[mark.len()..].split(" #").next().unwrap_or_default().trim();
        let (option, value) = match text.split_once(['=', ' ', '\t']) {
            Some((option, value)) => (option, value.trim()),
            None => (text, ""),
        };
        let directive =
            |key: String, value: &str| Directive { mark, key, value: value.to_owned(), line: index + 1 };
        if *mark == "#PBS" && option == "-l" {
            // one resource list holds many: `nodes=2:ppn=8,walltime=1:00:00`
            found.extend(value.split(',').map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                directive(format!("-l {}", name.trim()), value.trim())
            }));
            continue;
        }
        let long = SHORT.iter().find(|(short, _)| *mark == "#SBATCH" && *short == option);
        found.push(directive(long.map_or(option, |(_, long)| long).to_owned(), value));
    }
    found
}

fn is_directive(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.starts_with([' ', '\t']))
}

fn repeated(directives: &[Directive]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, later) in directives.iter().enumerate() {
        let same = |other: &&Directive| other.mark == later.mark && other.key == later.key;
        let Some(first) = directives[..index].iter().find(same) else { continue };
        if REPEATABLE.contains(&later.key.as_str()) {
            continue;
        }
        let (mark, key) = (later.mark, &later.key);
        let lines = format!("lines {} and {} of the script", first.line, later.line);
        findings.push(if first.value == later.value {
            Finding::warning(format!("`{mark} {key}` is there twice, in {lines}")).next("keep one of them")
        } else {
            Finding::error(format!("`{mark} {key}` is `{}` and `{}`, in {lines}", first.value, later.value))
                .because("which of the two counts depends on the site")
                .next("keep one of them")
        });
    }
    findings
}

/// qsub(1B) of PBS: `select` and `nodes` exclude each other.
fn both_forms(directives: &[Directive]) -> Option<Finding> {
    let find = |key: &str| directives.iter().find(|directive| directive.key == key);
    let (nodes, select) = (find("-l nodes")?, find("-l select")?);
    let lines = format!("lines {} and {} of the script", nodes.line, select.line);
    Some(
        Finding::error(format!("`-l nodes` and `-l select` both ask for nodes, in {lines}"))
            .because("PBS refuses a job with both")
            .next("keep `select` on OpenPBS and PBS Pro, `nodes` on Torque"),
    )
}

/// Batch systems stop to look for options at the first command.
fn late(script: &str) -> Vec<Finding> {
    let mut commands = false;
    let mut findings = Vec::new();
    for (index, line) in script.lines().enumerate() {
        let comment = line.trim().is_empty() || line.starts_with('#');
        if commands && MARKS.iter().any(|mark| is_directive(line, mark)) {
            let what = format!("`{}` in line {} of the script is not read", line.trim(), index + 1);
            let why = "the site reads options only above the first command";
            findings.push(Finding::warning(what).because(why).next("move it up"));
        }
        commands |= !comment;
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity::{Error, Warning};

    fn told(script: &str) -> Vec<(crate::check::Severity, String)> {
        lint(script, "/bin/rpar pilot").into_iter().map(|finding| (finding.severity, finding.what)).collect()
    }

    #[test]
    fn a_script_like_our_own_is_fine() {
        let script = "#!/bin/bash -l\n#PBS -S /bin/bash\n#PBS -l nodes=2:ppn=8\n#PBS -l walltime=00:30:00\n\
                      #PBS -W umask=022\n#PBS -W block=true\n#SBATCH --ntasks-per-node=8\ncd x || exit 1\nexec /bin/rpar pilot\n";
        assert_eq!(told(script), []);
    }

    #[test]
    fn what_contradicts_or_repeats_is_told() {
        let end = "exec /bin/rpar pilot\n";
        let cases = [
            ("#PBS -q a\n#PBS -q a\n", Warning, "`#PBS -q` is there twice, in lines 1 and 2 of the script"),
            (
                "#PBS -l nodes=1,walltime=1:0:0\n#PBS -l walltime=2:0:0\n",
                Error,
                "`#PBS -l walltime` is `1:0:0` and `2:0:0`",
            ),
            ("#SBATCH -N 2\n#SBATCH --nodes=3 # three\n", Error, "`#SBATCH --nodes` is `2` and `3`"),
            ("#PBS -l nodes=2\n#PBS -l select=2\n", Error, "`-l nodes` and `-l select` both ask for nodes"),
            ("cd x\n#SBATCH -p debug\n", Warning, "`#SBATCH -p debug` in line 2 of the script is not read"),
        ];
        for (begin, severity, what) in cases {
            let told = told(&(begin.to_owned() + end));
            assert!(
                told.len() == 1 && told[0].0 == severity && told[0].1.starts_with(what),
                "{begin}{told:?}"
            );
        }
    }

    #[test]
    fn a_script_that_starts_nothing_is_an_error() {
        let told = told("#PBS -q a\n# exec /bin/rpar pilot\n");
        assert_eq!(told, [(Error, "no line of the job script starts the engines".to_owned())]);
    }
}
