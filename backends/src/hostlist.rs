//! Folded host lists, as Slurm writes them: `node[1-3,07],login[01-02]-ib0`.

/// A list longer than this is taken to be malformed: more nodes than any machine has.
const MOST: usize = 1 << 20;

/// Unfolds a list in its order. `None` when it is malformed.
///
/// The notation is that of `SLURM_JOB_NODELIST` (scontrol(1), `show hostnames`): names separated by commas, each with
/// any number of brackets holding numbers and ranges; leading zeros are kept.
pub(crate) fn expand(list: &str) -> Option<Vec<String>> {
    let mut hosts = Vec::new();
    for folded in split(list)? {
        let mut names = vec![String::new()];
        let mut rest = folded;
        while let Some((before, inside)) = rest.split_once('[') {
            let (ranges, after) = inside.split_once(']')?;
            let numbers = numbers(ranges)?;
            if names.len().checked_mul(numbers.len())? > MOST {
                return None;
            }
            names = names
                .iter()
                .flat_map(|name| numbers.iter().map(move |number| format!("{name}{before}{number}")))
                .collect();
            rest = after;
        }
        names.iter_mut().for_each(|name| name.push_str(rest));
        hosts.append(&mut names);
        if hosts.len() > MOST {
            return None;
        }
    }
    Some(hosts)
}

/// Splits at the commas outside brackets.
fn split(list: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in list.char_indices() {
        match c {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            '[' | ']' => return None,
            ',' if !inside => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    (!inside && parts.iter().all(|part| !part.is_empty())).then_some(parts)
}

fn numbers(ranges: &str) -> Option<Vec<String>> {
    let mut numbers = Vec::new();
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (low, high): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        if high.checked_sub(low)? >= MOST as u64 {
            return None;
        }
        let width = first.len();
        numbers.extend((low..=high).map(|number| format!("{number:0width$}")));
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfolds() {
        for (list, hosts) in [
            ("node1", "node1"),
            ("node[1-3,7]", "node1 node2 node3 node7"),
            ("n[08-11]", "n08 n09 n10 n11"),
            ("n[9-11]", "n9 n10 n11"),
            ("n[1-2],login1,m[03]", "n1 n2 login1 m03"),
            ("r[1-2]c[0-1]", "r1c0 r1c1 r2c0 r2c1"),
            ("gpu[1,3]-ib0", "gpu1-ib0 gpu3-ib0"),
            ("a-b.example.org", "a-b.example.org"),
        ] {
            assert_eq!(expand(list).unwrap().join(" "), hosts, "{list}");
        }
    }

    #[test]
    fn refuses_what_is_malformed_or_endless() {
        for list in [
            "",
            "a,",
            "n[1",
            "n1]",
            "n[3-1]",
            "n[a-b]",
            "n[]",
            "n[1-99999999999]",
            "n[[1]]",
            "a[1-1024]b[1-1024]c[1-1024]",
        ] {
            assert_eq!(expand(list), None, "{list}");
        }
    }
}
