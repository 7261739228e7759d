//! The program's file on nodes that share no files with this host: once for each build, in the user's cache there.
//!
//! A local shell stands for the node's process: it asks the node whether the build is there, sends it if not, and becomes
//! the `ssh` that runs it. So nodes do not wait for each other, and all that is said of it is in the node's log.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// How many builds stay in a node's cache, the latest used ones: enough for somebody who compares two versions while a
/// third is being replaced. Each takes some tens of megabytes of the user's quota.
const KEPT: usize = 4;

/// What the node answers when it does not have the build, whole and the user's alone: no exit status of ssh, nor of a shell.
const ABSENT: u8 = 77;

/// Shell functions of the node. What others can change is not run: what is to be run, and each directory that leads to it
/// from the cache on, belongs to the user, and neither group nor others may write it.
const ALONE: &str = r#"alone() {
[ -O "$1" ] && [ -n "$(find -L "$1" -prune ! -perm -020 ! -perm -002)" ]
}
ours() {
for dir in "${program%/*/*/*/*}" "${program%/*/*/*}" "${program%/*/*}" "${program%/*}"; do
if [ -e "$dir" ] && ! alone "$dir"; then
echo "rpar: $dir can be changed by others, so nothing in it is run: it must be yours, with \`chmod go-w\`" >&2
exit 1
fi
done
}
"#;

/// A program's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
    size: u64,
    /// SHA-256 of its contents, in hexadecimal digits.
    hash: String,
}

impl Program {
    /// Reads the file for its hash, on a thread for what blocks.
    ///
    /// # Errors
    /// When it cannot be read, in one line.
    pub(super) async fn read(path: PathBuf) -> Result<Program, String> {
        let of = path.clone();
        let read = tokio::task::spawn_blocking(move || hash(&of)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error.to_string())));
        let (size, hash) =
            read.map_err(|error| format!("the program {} cannot be read: {error}", path.display()))?;
        Ok(Program { path, size, hash })
    }

    /// The line of shell that names its place on a node.
    pub(super) fn place(&self) -> String {
        format!("program=${{XDG_CACHE_HOME:-$HOME/.cache}}/rpar/bin/{}/rpar\n", self.hash)
    }

    /// The local command that sees to it that a node has the program, and then becomes `ssh`.
    pub(super) fn argv(&self, node: &str, ssh: &[String]) -> Vec<String> {
        let megabytes = format!("{:.1} MB", self.size as f64 / 1e6);
        let path = self.path.display().to_string();
        let words = ["sh", "-c", LOCAL, "sh", &self.ask(), &self.receive(), &path, &megabytes, node];
        words.map(str::to_owned).into_iter().chain(ssh.iter().cloned()).collect()
    }

    /// Run by the node's bash: whether the build is there. Tells the cache that it is used.
    ///
    /// The hash is taken each time, as a node that died may have kept a part of what it had: 0.1 s for 20 MB without
    /// instructions for it, and what is read is what is about to be loaded.
    fn ask(&self) -> String {
        let (place, hash) = (self.place(), &self.hash);
        format!(
            r#"{{
{place}{ALONE}ours
[ -f "$program" ] && [ ! -L "$program" ] && [ -x "$program" ] && alone "$program" || exit {ABSENT}
sum=$(sha256sum < "$program") && [ "${{sum%% *}}" = {hash} ] || exit {ABSENT}
touch -c "${{program%/*}}"
exit 0
}}
"#
        )
    }

    /// Run by the node's bash, which reads no further than its last line: the program follows. It gets its name once it is
    /// whole, so that nobody ever runs half of it, however many nodes share this cache.
    fn receive(&self) -> String {
        let (place, hash, first_old) = (self.place(), &self.hash, KEPT + 1);
        format!(
            r#"{{
umask 077
{place}{ALONE}dir=${{program%/*}} bin=${{program%/*/*}}
mkdir -p "$dir" && ours && new=$(mktemp "$dir/.new-XXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
cat > "$new" && sum=$(sha256sum < "$new") || exit 1
if [ "${{sum%% *}}" != {hash} ]; then
echo "rpar: the program has not arrived whole in $dir" >&2
exit 1
fi
chmod 700 "$new" && mv -f "$new" "$program" && touch "$dir" || exit 1
find "$bin" -name '.new-*' -mmin +60 -exec rm -f {{}} +
ls -1t "$bin" | tail -n +{first_old} | while read -r old; do
case $old in *[!0-9a-f]*) ;; *) rm -rf "$bin/$old" ;; esac
done
exit 0
}}
"#
        )
    }
}

/// Run here. Its stdin is what the last `ssh` reads, so the others have one of their own.
const LOCAL: &str = r#"ask=$1 receive=$2 program=$3 size=$4 node=$5
shift 5
printf %s "$ask" | "$@"
there=$?
if [ "$there" = 77 ]; then
    echo "rpar: copying $program ($size) to $node"
    { printf %s "$receive"; cat "$program"; } | "$@" || exit
    echo "rpar: $node has it"
elif [ "$there" != 0 ]; then
    exit "$there"
fi
exec "$@"
"#;

/// Size and hash of a file.
fn hash(path: &PathBuf) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use super::*;

    /// Brings a program to a "node" that is a shell with a home of its own, and runs it there.
    async fn run(home: &Path, program: &Path, ssh: &str) -> Output {
        let program = Program::read(program.to_owned()).await.unwrap();
        let argv = program.argv("node1", &["sh", "-c", ssh].map(str::to_owned));
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let script = format!("{{\n{}\"$program\" \"$(cat)\"\n}}\nthe input", program.place());
        // one that is not reached does not read
        let _ = io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn a_build_is_copied_once_and_old_ones_go() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        for build in 0..KEPT + 2 {
            write(&program, &format!("#!/bin/sh\necho build {build} got \"$1\"\n"));
            for first in [true, false] {
                let output = run(home.path(), &program, "exec bash -s").await;
                let said = String::from_utf8(output.stdout).unwrap();
                assert_eq!(said.contains("copying"), first, "{said}");
                assert!(said.ends_with(&format!("build {build} got the input\n")), "{said}");
            }
        }
        let bin = home.path().join(".cache/rpar/bin");
        let builds: Vec<_> = fs::read_dir(&bin).unwrap().flatten().collect();
        assert_eq!(builds.len(), KEPT, "{builds:?}");
        assert_eq!(builds[0].path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(builds[0].path()).unwrap().count(), 1, "nothing but the program");
    }

    #[tokio::test]
    async fn what_arrives_damaged_is_never_run() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        write(&program, "#!/bin/sh\necho it ran\n");
        let output = run(home.path(), &program, "sed 's/it ran/it lies/' | exec bash -s").await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && !out.contains("lies"), "{out}");
        assert!(err.contains("has not arrived whole"), "{err}");
    }

    /// The only build in a cache.
    fn cached(home: &Path) -> PathBuf {
        let builds: Vec<_> = fs::read_dir(home.join(".cache/rpar/bin")).unwrap().flatten().collect();
        assert_eq!(builds.len(), 1);
        builds[0].path().join("rpar")
    }

    #[tokio::test]
    async fn what_is_not_whole_in_the_cache_or_open_to_others_comes_anew() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        write(&program, "#!/bin/sh\necho it ran\n");
        run(home.path(), &program, "exec bash -s").await;
        let there = cached(home.path());
        let spoil: [&dyn Fn(); 5] = [
            &|| fs::write(&there, "#!/bin/sh\necho it").unwrap(),
            &|| fs::write(&there, "").unwrap(),
            &|| fs::set_permissions(&there, fs::Permissions::from_mode(0o720)).unwrap(),
            &|| fs::set_permissions(&there, fs::Permissions::from_mode(0o600)).unwrap(),
            &|| {
                fs::rename(&there, there.with_extension("old")).unwrap();
                std::os::unix::fs::symlink(&program, &there).unwrap();
            },
        ];
        for (which, spoil) in spoil.iter().enumerate() {
            spoil();
            let output = run(home.path(), &program, "exec bash -s").await;
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains("copying") && said.ends_with("it ran\n"), "{which}: {said}");
            let output = run(home.path(), &program, "exec bash -s").await;
            assert_eq!(String::from_utf8_lossy(&output.stdout), "it ran\n", "{which}: it is whole now");
        }
    }

    #[tokio::test]
    async fn nothing_is_run_from_a_directory_that_others_can_write() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        write(&program, "#!/bin/sh\necho it ran\n");
        run(home.path(), &program, "exec bash -s").await;
        let directory = cached(home.path()).parent().unwrap().to_owned();
        for open in directory.ancestors().take(4) {
            for (mode, runs) in [(0o720, false), (0o702, false), (0o755, true)] {
                fs::set_permissions(open, fs::Permissions::from_mode(mode)).unwrap();
                let output = run(home.path(), &program, "exec bash -s").await;
                let out = String::from_utf8_lossy(&output.stdout);
                let err = String::from_utf8_lossy(&output.stderr);
                assert_eq!(out.ends_with("it ran\n"), runs, "{}: {out}{err}", open.display());
                let told = format!("rpar: {} can be changed by others", open.display());
                assert_eq!(err.contains(&told), !runs, "{err}");
            }
        }
        // nor is anything taken to one
        fs::remove_dir_all(&directory).unwrap();
        let bin = directory.parent().unwrap();
        fs::set_permissions(bin, fs::Permissions::from_mode(0o777)).unwrap();
        let output = run(home.path(), &program, "exec bash -s").await;
        assert!(!output.status.success() && !directory.exists());
    }

    #[tokio::test]
    async fn a_node_that_cannot_be_reached_ends_it_at_once() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        write(&program, "#!/bin/sh\n");
        let output = run(home.path(), &program, "cat >/dev/null; echo no route >&2; exit 255").await;
        assert_eq!(output.status.code(), Some(255));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "no route\n", "it is tried once");
    }
}
