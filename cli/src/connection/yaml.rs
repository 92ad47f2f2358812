//! The part of YAML that the `pvc.conf` of earlier versions is written in: nested mappings and lists by indentation, and
//! plain or quoted values on one line.
//!
//! Everything else, such as `{…}`, `[…]`, anchors or texts over several lines, is skipped over or kept as its own text:
//! none of it is used for the keys that lead to the API.

/// A document or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A value.
    Text(String),
    /// Keys with what belongs to them.
    Map(Vec<(String, Yaml)>),
    /// A list.
    List(Vec<Yaml>),
    /// A key without anything.
    Nothing,
}

impl Yaml {
    /// What these keys lead to, one below the other.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Yaml> {
        let Some((key, deeper)) = keys.split_first() else { return Some(self) };
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key)?.1.at(deeper)
    }

    /// The first of a list.
    pub(super) fn first(&self) -> Option<&Yaml> {
        match self {
            Self::List(items) => items.first(),
            _ => None,
        }
    }

    /// A value.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is one of the words for yes.
    pub(super) fn is_yes(&self) -> bool {
        self.text()
            .is_some_and(|text| matches!(text.to_lowercase().as_str(), "yes" | "true" | "on" | "y" | "1"))
    }
}

#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    indent: usize,
    text: &'a str,
}

/// Reads a document. There is none that it refuses: what it does not understand is not there.
pub(super) fn parse(text: &str) -> Yaml {
    let written = text.lines().map(str::trim_end).filter(|line| {
        let bare = line.trim_start();
        !bare.is_empty() && !bare.starts_with('#') && bare != "---" && bare != "..."
    });
    let lines: Vec<Line<'_>> = written
        .map(|line| Line { indent: line.len() - line.trim_start().len(), text: line.trim_start() })
        .collect();
    block(&mut lines.as_slice())
}

/// Reads everything that is indented like the next line, and what is deeper.
fn block(lines: &mut &[Line<'_>]) -> Yaml {
    match lines.first() {
        None => Yaml::Nothing,
        Some(line) if is_item(line.text) => list(lines),
        Some(_) => map(lines),
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn list(lines: &mut &[Line<'_>]) -> Yaml {
    let indent = lines[0].indent;
    let mut items = Vec::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent != indent || !is_item(line.text) {
            break;
        }
        let inner = line.text[1..].trim_start();
        let inner_indent = indent + line.text.len() - inner.len();
        let (deeper, after) = rest.split_at(rest.iter().take_while(|next| next.indent > indent).count());
        *lines = after;
        let first = (!inner.is_empty()).then_some(Line { indent: inner_indent, text: inner });
        let is_pair = first.is_some_and(|line| pair(line.text).is_some());
        items.push(match first {
            Some(line) if !is_pair => Yaml::Text(value(line.text)),
            first => {
                block(&mut first.into_iter().chain(deeper.iter().copied()).collect::<Vec<_>>().as_slice())
            }
        });
    }
    Yaml::List(items)
}

fn map(lines: &mut &[Line<'_>]) -> Yaml {
    let indent = lines[0].indent;
    let mut pairs = Vec::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent < indent || (line.indent == indent && is_item(line.text)) {
            break;
        }
        *lines = rest;
        let Some((key, text)) = pair(line.text).filter(|_| line.indent == indent) else { continue };
        let is_below =
            |next: &&Line<'_>| next.indent > indent || (next.indent == indent && is_item(next.text));
        let (deeper, after) = rest.split_at(rest.iter().take_while(is_below).count());
        *lines = after;
        let value = match text {
            "" if deeper.is_empty() => Yaml::Nothing,
            "" => block(&mut &*deeper),
            text => Yaml::Text(value(text)),
        };
        pairs.push((key.to_owned(), value));
    }
    Yaml::Map(pairs)
}

/// A key, and what stands behind it on its line.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, behind) = text.split_once(':')?;
    if key.starts_with(['"', '\'', '{', '[']) && !key.ends_with(['"', '\'']) {
        return None;
    }
    let stands_apart = behind.is_empty() || behind.starts_with(' ');
    let behind = behind.trim_start();
    let behind = if behind.starts_with('#') { "" } else { behind };
    stands_apart.then_some((key.trim().trim_matches(['"', '\'']), behind))
}

/// A value without its quotes and without the remark behind it.
fn value(text: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner.to_owned();
        }
    }
    text.split(" #").next().unwrap_or_default().trim_end().to_owned()
}
