//! Colours, for those who can see them.

/// Whether texts are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// They are.
    Colour,
    /// They are not.
    Plain,
}

/// What a text says beside its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Usual,
    /// It is a heading.
    Heading,
    /// All is well.
    Good,
    /// Something goes on, or needs a look.
    Attention,
    /// Something is wrong.
    Bad,
    /// It matters less.
    Dim,
}

impl Paint {
    /// Colours where a person looks and has not refused them; `forced` gives them to everybody.
    pub(crate) fn of(forced: bool, is_terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let refused = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        if forced || (is_terminal && !refused) { Self::Colour } else { Self::Plain }
    }

    /// The text in its tone.
    pub(crate) fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Usual => return text.into(),
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Attention => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
        };
        match self {
            Self::Plain => text.into(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}
