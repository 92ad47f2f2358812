//! Details: one thing as lines of a label and a text, in paragraphs.

use super::paint::{Paint, Tone};
use super::table::Table;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Line { label: &'static str, text: String, tone: Tone },
    Gap,
    Titled { title: String, body: Table },
}

/// Lines, gaps and tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    parts: Vec<Part>,
}

impl Details {
    /// Adds a line.
    pub(crate) fn line(&mut self, label: &'static str, text: impl Into<String>) {
        self.toned(label, text, Tone::Usual);
    }

    /// Adds a line with a tone.
    pub(crate) fn toned(&mut self, label: &'static str, text: impl Into<String>, tone: Tone) {
        self.parts.push(Part::Line { label, text: text.into(), tone });
    }

    /// Adds a line unless its text is empty.
    pub(crate) fn line_if_any(&mut self, label: &'static str, text: &str) {
        if !text.is_empty() {
            self.line(label, text);
        }
    }

    /// Begins a new paragraph.
    pub(crate) fn gap(&mut self) {
        self.parts.push(Part::Gap);
    }

    /// Adds a table below a title, as a paragraph of its own.
    pub(crate) fn table(&mut self, title: impl Into<String>, body: Table) {
        self.parts.push(Part::Titled { title: title.into(), body });
    }

    /// The whole as lines.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let label_width = |part: &Part| match part {
            Part::Line { label, .. } => label.len(),
            _ => 0,
        };
        let width = self.parts.iter().map(label_width).max().unwrap_or_default() + 1;
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Gap => out.push('\n'),
                Part::Titled { title, body } if body.is_empty() => {
                    out += &format!("\n{} none\n", paint.paint(&format!("{title}:"), Tone::Heading));
                }
                Part::Titled { title, body } => {
                    out += &format!("\n{}\n", paint.paint(&format!("{title}:"), Tone::Heading));
                    for line in body.render(paint).lines() {
                        out += &format!("  {line}\n");
                    }
                }
                Part::Line { label, text, tone } => {
                    let heading = if label.is_empty() { String::new() } else { format!("{label}:") };
                    let padding = " ".repeat(width - heading.len());
                    let heading = paint.paint(&heading, Tone::Heading);
                    out += format!("{heading}{padding}  {}", paint.paint(text, *tone)).trim_end();
                    out.push('\n');
                }
            }
        }
        out
    }
}
