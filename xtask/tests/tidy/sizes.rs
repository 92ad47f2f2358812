//! Sizes: files to 500 lines, functions to 70 lines of code, tests not counted.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use xtask::tree::Source;

use crate::{nothing_found, nothing_found_in_rust};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, each with its reason. At most five.
const LONGER: [(&str, &str); 0] = [];

fn file_findings(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let listed = LONGER.iter().any(|(path, _)| *path == source.path);
    if source.is_test() || listed || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!("{} has {lines} lines; {FILE_LINES_MAX} are the limit", source.path)]
}

struct Functions<'a> {
    source: &'a Source,
    found: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], body: Span) {
        let lines = code_lines(&self.source.text, body.start().line, body.end().line);
        if lines > FUNCTION_LINES_MAX && !is_exempt(attributes) {
            let at = name.span().start().line;
            let path = &self.source.path;
            self.found.push(format!(
                "{path}:{at}: {name} has {lines} lines of code; {FUNCTION_LINES_MAX} are the limit"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.attrs, function.block.span());
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.attrs, function.block.span());
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module.attrs.iter().any(is_test_only) {
            syn::visit::visit_item_mod(self, module);
        }
    }
}

/// Lines between the braces that hold code, as the lint `too_many_lines` counts them.
fn code_lines(text: &str, first: usize, last: usize) -> usize {
    let inside = text.lines().skip(first).take(last.saturating_sub(first + 1)).map(str::trim);
    inside.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

fn is_test_only(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|l| l.tokens.to_string() == "test")
}

/// A table may be longer when it says why.
fn is_exempt(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("expect")).any(|attribute| {
        let tokens = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        tokens.contains("too_many_lines") && tokens.contains("reason")
    })
}

fn function_findings(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let mut functions = Functions { source, found: Vec::new() };
    match syn::parse_file(&source.text) {
        Ok(file) => functions.visit_file(&file),
        Err(error) => functions.found.push(format!("{}: cannot be read: {error}", source.path)),
    }
    functions.found
}

#[test]
fn files_have_at_most_500_lines() {
    nothing_found_in_rust(file_findings);
}

#[test]
fn functions_have_at_most_70_lines() {
    nothing_found_in_rust(function_findings);
}

#[test]
fn at_most_five_files_are_longer_and_each_has_a_reason() {
    assert!(LONGER.len() <= 5);
    let without: Vec<String> =
        LONGER.iter().filter(|(_, why)| why.is_empty()).map(|(path, _)| (*path).into()).collect();
    nothing_found(&without);
}

#[test]
fn a_long_file_is_found_unless_it_holds_tests() {
    let text = "x\n".repeat(501);
    assert_eq!(file_findings(&Source::made_up("a/src/x.rs", &text)).len(), 1);
    assert_eq!(file_findings(&Source::made_up("a/src/x/tests.rs", &text)).len(), 0);
    assert_eq!(file_findings(&Source::made_up("a/src/x.rs", &"x\n".repeat(500))).len(), 0);
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let body = |lines: usize| format!("{{\n{}// a comment\n\n}}\n", "x();\n".repeat(lines));
    let free = Source::made_up("a/src/x.rs", &format!("fn f() {}", body(71)));
    assert_eq!(function_findings(&free), ["a/src/x.rs:1: f has 71 lines of code; 70 are the limit"]);
    let method = Source::made_up("a/src/x.rs", &format!("impl A {{ fn f() {} }}", body(71)));
    assert_eq!(function_findings(&method).len(), 1);
    assert_eq!(function_findings(&Source::made_up("a/src/x.rs", &format!("fn f() {}", body(70)))).len(), 0);
    let reason = "#[expect(clippy::too_many_lines, reason = \"a table\")]\n";
    assert_eq!(
        function_findings(&Source::made_up("a/src/x.rs", &format!("{reason}fn f() {}", body(71)))).len(),
        0
    );
    let tests = format!("#[cfg(test)]\nmod tests {{ fn f() {} }}", body(71));
    assert_eq!(function_findings(&Source::made_up("a/src/x.rs", &tests)).len(), 0);
}
