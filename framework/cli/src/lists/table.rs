//! Tables that fit the terminal: columns as wide as what is in them, wrapped where there is no room.

use crate::screen::Screen;
use console::measure_text_width;

/// Between two columns.
const GAP: usize = 2;
/// No column becomes narrower.
const NARROWEST: usize = 8;

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Plain,
    Name,
    Dim,
    Good,
    Warn,
    Bad,
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    pub(super) fn of(look: Look, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            look,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::of(Look::Plain, text)
    }
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// A cell shows at most so many lines.
    lines: usize,
}

impl Table {
    /// With these heads; a cell shows at most so many lines.
    pub(super) fn new(head: &[&'static str], lines: usize) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            lines,
        }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints it. Where nobody sees it, each row is one line, whatever its length.
    pub(super) fn show(&self, screen: Screen) {
        let widths = self.widths(screen.width());
        let head: Vec<Cell> = self.head.iter().map(|name| Cell::of(Look::Dim, *name)).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            for line in self.fit(row, &widths, screen) {
                screen.line(line);
            }
        }
    }

    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|name| measure_text_width(name)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(&cell.text));
            }
        }
        let Some(room) = room else { return widths };
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }

    /// The lines of one row.
    fn fit(&self, row: &[Cell], widths: &[usize], screen: Screen) -> Vec<String> {
        let wrapped: Vec<Vec<String>> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| wrap(&cell.text, *width, self.lines))
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or_default();
        (0..height)
            .map(|line| {
                let mut text = String::new();
                let last = wrapped.iter().rposition(|lines| lines.get(line).is_some());
                for (column, lines) in wrapped.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
                    let part = lines.get(line).map(String::as_str).unwrap_or_default();
                    text.push_str(&painted(screen, row[column].look, part));
                    if Some(column) != last {
                        let width = widths[column] + GAP;
                        text.push_str(&" ".repeat(width.saturating_sub(measure_text_width(part))));
                    }
                }
                text
            })
            .collect()
    }
}

fn painted(screen: Screen, look: Look, text: &str) -> String {
    match look {
        _ if text.is_empty() => String::new(),
        Look::Plain => text.to_owned(),
        Look::Name => screen.cyan(text),
        Look::Dim => screen.dim(text),
        Look::Good => screen.green(text),
        Look::Warn => screen.yellow(text),
        Look::Bad => screen.red(text),
    }
}

/// Prints a text, broken where the terminal ends.
pub(super) fn paragraph(screen: Screen, look: Look, text: &str) {
    for line in wrap(text, screen.width().unwrap_or(usize::MAX), usize::MAX) {
        screen.line(painted(screen, look, &line));
    }
}

/// Text in lines of at most this width, broken at spaces where there are any; what does not fit ends with `…`.
fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && measure_text_width(&line) + measure_text_width(word.trim_end()) > width {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            let next = measure_text_width(letter.encode_utf8(&mut [0; 4]));
            if letter != ' ' && !line.is_empty() && measure_text_width(&line) + next > width {
                lines.push(std::mem::take(&mut line));
            }
            // A line that goes on begins with what follows the spaces.
            if letter != ' ' || !line.is_empty() || lines.is_empty() {
                line.push(letter);
            }
        }
    }
    lines.push(line);
    let cut = lines.len() > most;
    lines.truncate(most.max(1));
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    if let Some(last) = lines.last_mut().filter(|_| cut) {
        while measure_text_width(last) + 1 > width && last.pop().is_some() {}
        last.truncate(last.trim_end().len());
        last.push('…');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_where_there_are_none() {
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("one two", 7, 9), ["one two"]);
        assert_eq!(wrap("abcdefghij", 4, 9), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("abcdefghij", 4, 2), ["abcd", "efg…"]);
        assert_eq!(wrap("", 4, 2), [""]);
        assert_eq!(wrap("abcd  ef", 4, 9), ["abcd", "ef"]);
        assert_eq!(wrap("a=1  b=22222", 4, 9), ["a=1", "b=22", "222"]);
        assert_eq!(wrap("日本語", 4, 9), ["日本", "語"]);
        assert_eq!(wrap("a b c d e f", 3, 2), ["a b", "c…"]);
    }

    #[test]
    fn the_widest_columns_give_way() {
        let mut table = Table::new(&["#", "record", "reason"], 3);
        table.row(vec!["1".into(), "Visit 1".into(), "x".repeat(200).into()]);
        assert_eq!(table.widths(None), [1, 7, 200]);
        assert_eq!(table.widths(Some(40)), [1, 7, 28]);
        table.row(vec!["2".into(), "y".repeat(200).into(), "".into()]);
        assert_eq!(table.widths(Some(45)).iter().sum::<usize>(), 41);
        // Where there is no room at all, nothing becomes unreadable: lines are too long instead.
        assert_eq!(table.widths(Some(5)), [1, 8, 8]);
    }
}
