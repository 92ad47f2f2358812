//! Order and size of what a file offers: what is public comes first, ports are small, and an error's text leaves its
//! source out.

use xtask::tree::Source;

use crate::{nothing_found, nothing_found_in_rust};

/// A port of at most so many methods is one that a second implementation can keep.
const METHODS_MAX: usize = 10;

const PARAMETERS_MAX: usize = 5;

/// A helper that stands above everything public: the reader must pass it to find what the file is for.
fn helpers_first(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let file = syn::parse_file(&source.text).unwrap();
    let is_public = |item: &syn::Item| match item {
        syn::Item::Struct(item) => is_visible(&item.vis),
        syn::Item::Enum(item) => is_visible(&item.vis),
        syn::Item::Trait(item) => is_visible(&item.vis),
        syn::Item::Fn(item) => is_visible(&item.vis),
        _ => false,
    };
    let Some(first) = file.items.iter().position(is_public) else { return Vec::new() };
    let helpers = file.items.iter().take(first).filter_map(|item| match item {
        syn::Item::Fn(item) => Some(&item.sig.ident),
        _ => None,
    });
    helpers
        .map(|name| {
            let line = name.span().start().line;
            format!("{}:{line}: the helper {name} stands above what is public", source.path)
        })
        .collect()
}

fn is_visible(visibility: &syn::Visibility) -> bool {
    !matches!(visibility, syn::Visibility::Inherited)
}

fn large_traits(source: &Source) -> Vec<String> {
    let file = syn::parse_file(&source.text).unwrap();
    let traits = file.items.iter().filter_map(|item| match item {
        syn::Item::Trait(item) => Some(item),
        _ => None,
    });
    traits
        .filter_map(|item| {
            let methods = item.items.iter().filter(|i| matches!(i, syn::TraitItem::Fn(_))).count();
            let line = item.ident.span().start().line;
            let rule = format!(
                "{}:{line}: {} has {methods} methods; {METHODS_MAX} are the limit",
                source.path, item.ident
            );
            (methods > METHODS_MAX).then_some(rule)
        })
        .collect()
}

fn many_parameters(source: &Source) -> Vec<String> {
    let file = syn::parse_file(&source.text).unwrap();
    let functions = file.items.iter().flat_map(|item| match item {
        syn::Item::Fn(item) => vec![&item.sig],
        syn::Item::Impl(item) => item
            .items
            .iter()
            .filter_map(|i| if let syn::ImplItem::Fn(f) = i { Some(&f.sig) } else { None })
            .collect(),
        _ => Vec::new(),
    });
    functions
        .filter(|f| f.inputs.iter().filter(|i| matches!(i, syn::FnArg::Typed(_))).count() > PARAMETERS_MAX)
        .map(|f| {
            let line = f.ident.span().start().line;
            format!("{}:{line}: {} has more than {PARAMETERS_MAX} parameters", source.path, f.ident)
        })
        .collect()
}

/// The chain of sources is printed by whoever reports; a text that holds its source would be told twice.
fn told_twice(source: &Source) -> Vec<String> {
    let tells = |line: &str| line.trim_start().starts_with("#[error(") && line.contains("{source");
    let found = source.text.lines().enumerate().filter(|(_, line)| tells(line));
    found
        .map(|(index, _)| format!("{}:{}: an error's text holds its source", source.path, index + 1))
        .collect()
}

#[test]
fn what_is_public_comes_first() {
    nothing_found_in_rust(helpers_first);
}

#[test]
fn traits_have_at_most_ten_methods() {
    nothing_found_in_rust(large_traits);
}

#[test]
fn functions_have_at_most_five_parameters() {
    nothing_found_in_rust(many_parameters);
}

#[test]
fn an_errors_text_leaves_its_source_out() {
    nothing_found_in_rust(told_twice);
}

#[test]
fn helpers_on_top_large_traits_and_talkative_errors_are_found() {
    let source = |text: &str| Source::made_up("a/src/x.rs", text);
    assert_eq!(helpers_first(&source("fn a() {}\npub struct B;")).len(), 1);
    nothing_found(&helpers_first(&source("const A: u8 = 1;\npub struct B;\nfn a() {}")));
    nothing_found(&helpers_first(&source("fn a() {}\nfn main() {}")));
    let methods = |count: usize| "fn f();".repeat(count);
    assert_eq!(large_traits(&source(&format!("trait A {{ {} }}", methods(11)))).len(), 1);
    nothing_found(&large_traits(&source(&format!("trait A {{ {} }}", methods(10)))));
    assert_eq!(many_parameters(&source("fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}")).len(), 1);
    nothing_found(&many_parameters(&source("impl A { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {} }")));
    assert_eq!(told_twice(&source("#[error(\"no: {source}\")]")).len(), 1);
    nothing_found(&told_twice(&source("#[error(\"no VM {vm}\")]")));
}
