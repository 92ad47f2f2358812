//! JSON as the API wrote it: its fields in their order and none of them lost, on one line or with indentation.

/// The text without white space between its parts. It must be JSON.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    rewrite(text, |token, _| out.push_str(token));
    out
}

/// The text with one part per line, indented by two spaces. It must be JSON.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth: usize = 0;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    rewrite(text, |token, next| match token {
        "{" | "[" => {
            out.push_str(token);
            depth += 1;
            if !matches!(next, Some('}' | ']')) {
                line(&mut out, depth);
            }
        }
        "}" | "]" => {
            depth = depth.saturating_sub(1);
            if !out.ends_with(['{', '[']) {
                line(&mut out, depth);
            }
            out.push_str(token);
        }
        "," => {
            out.push(',');
            line(&mut out, depth);
        }
        ":" => out.push_str(": "),
        other => out.push_str(other),
    });
    out
}

/// Hands over each token, with the first letter of what follows it.
fn rewrite(text: &str, mut take: impl FnMut(&str, Option<char>)) {
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            '"' => 1 + quoted(&rest[1..]),
            _ => rest.find(|c: char| "{}[],:\"".contains(c) || c.is_whitespace()).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length.max(1));
        rest = behind.trim_start();
        take(token, rest.chars().next());
    }
}

/// How many bytes of `text` belong to a text that was opened just before it, the closing sign included.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
