//! What an interpreter child runs: the files below `interpreter/`, embedded, and sent to it at its start.

use std::fmt::Write;

use bytes::Bytes;

/// Names and texts; each imports only those before it, and the last one serves.
const FILES: [(&str, &str); 8] = [
    ("failures", include_str!("interpreter/failures.py")),
    ("link", include_str!("interpreter/link.py")),
    ("streams", include_str!("interpreter/streams.py")),
    ("namespace", include_str!("interpreter/namespace.py")),
    ("room", include_str!("interpreter/room.py")),
    ("functions", include_str!("interpreter/functions.py")),
    ("tasks", include_str!("interpreter/tasks.py")),
    ("serve", include_str!("interpreter/serve.py")),
];

/// The texts, one after the other.
pub(super) fn segments() -> impl Iterator<Item = Bytes> {
    FILES.iter().map(|(_, text)| Bytes::from_static(text.as_bytes()))
}

/// Python that reads the texts from the socket, since arguments of their length would fill every listing of processes, and
/// makes modules of them. Their frames are known in tracebacks by names that begin with `<rpar `.
pub(super) fn bootstrap() -> String {
    let mut lengths = String::new();
    for (name, text) in FILES {
        // writing to a string has no way to fail
        let _ = write!(lengths, "('{name}',{}),", text.len());
    }
    let total: usize = FILES.iter().map(|(_, text)| text.len()).sum();
    // within `exec`: the user's namespace, in which this text runs, begins empty
    format!(
        "exec(\"\"\"import os,sys\n\
         s=b''\n\
         while len(s)<{total}:s+=os.read(1,{total}-len(s))or os._exit(0)\n\
         p='rpar_interpreter'\n\
         sys.modules[p]=type(sys)(p)\n\
         for n,l in {lengths}:\n \
         m=sys.modules[p+'.'+n]=type(sys)(p+'.'+n)\n \
         setattr(sys.modules[p],n,m)\n \
         exec(compile(s[:l],'<rpar '+n+'>','exec'),m.__dict__)\n \
         s=s[l:]\n\"\"\",{{}})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_embedded() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/python/interpreter");
        let mut there: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
            .collect();
        there.sort();
        let mut embedded: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(there, embedded);
    }
}
