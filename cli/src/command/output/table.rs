//! Tables that fit the terminal.

use super::columns;

/// Rows under a heading. The last column takes what room is left.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Table { rows: vec![heading.map(str::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The lines, at most as wide as the terminal; on no terminal, nothing is cut.
    pub(crate) fn render(&self, color: bool) -> String {
        self.render_in(columns(std::io::stdout()), color)
    }

    fn render_in(&self, columns: Option<usize>, color: bool) -> String {
        let count = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> =
            (0..count).map(|i| self.rows.iter().map(|row| length(&row[i])).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - length(cell) + 2));
            }
            let mut line = line.trim_end().to_owned();
            if let Some(columns) = columns
                && length(&line) > columns
            {
                line = line.chars().take(columns.saturating_sub(1)).chain(['…']).collect();
            }
            text += &if index == 0 && color { format!("\x1b[1m{line}\x1b[0m\n") } else { line + "\n" };
        }
        text
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_long_lines_are_cut() {
        let mut table = Table::new(["NODE", "STATE"]);
        table.row(["n1".into(), "running since noon".into()]);
        table.row(["node12".into(), "queued".into()]);
        let wide = "NODE    STATE\nn1      running since noon\nnode12  queued\n";
        assert_eq!(table.render_in(None, false), wide);
        assert_eq!(table.render_in(Some(12), false), "NODE    STA…\nn1      run…\nnode12  que…\n");
        assert!(table.render_in(None, true).starts_with("\x1b[1mNODE"));
    }
}
