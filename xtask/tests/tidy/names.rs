//! Names: nouns of the domain, verbs that say their shape, claims for tests, and no yes-or-no parameters.

use syn::visit::Visit;
use xtask::tree::Source;

use crate::nothing_found_in_rust;

/// Words that name a pattern and not a thing, as parts of a type's name.
const PATTERNS: [&str; 9] =
    ["Manager", "Helper", "Handler", "Util", "Utils", "Impl", "Service", "Data", "Info"];

/// Beginnings of function names that say nothing.
const EMPTY_VERBS: [&str; 4] = ["get_", "do_", "handle_", "process_"];

#[derive(Default)]
struct Names {
    found: Vec<(usize, String)>,
}

impl Names {
    fn check_type(&mut self, name: &syn::Ident) {
        let text = name.to_string();
        if let Some(word) = words(&text).into_iter().find(|word| PATTERNS.contains(&word.as_str())) {
            self.add(name, format!("the type {text} is named after a pattern ({word})"));
        }
    }

    fn check_function(&mut self, signature: &syn::Signature, attributes: &[syn::Attribute]) {
        let text = signature.ident.to_string();
        let is_test = attributes.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test"));
        if is_test && text.starts_with("test_") {
            self.add(&signature.ident, format!("the test {text} is no claim; leave out \"test_\""));
        }
        if let Some(verb) = EMPTY_VERBS.iter().find(|verb| text.starts_with(**verb)) {
            self.add(&signature.ident, format!("the function {text} begins with {verb}"));
        }
    }

    fn check_public(&mut self, visibility: &syn::Visibility, signature: &syn::Signature) {
        let is_bool = |input: &syn::FnArg| match input {
            syn::FnArg::Typed(typed) => matches!(&*typed.ty, syn::Type::Path(p) if p.path.is_ident("bool")),
            syn::FnArg::Receiver(_) => false,
        };
        if matches!(visibility, syn::Visibility::Public(_)) && signature.inputs.iter().any(is_bool) {
            let name = &signature.ident;
            self.add(name, format!("the public function {name} takes a bool; an enum says what is meant"));
        }
    }

    fn add(&mut self, at: &syn::Ident, finding: String) {
        self.found.push((at.span().start().line, finding));
    }
}

/// The words of a name in camel case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check_type(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check_type(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.check_type(&item.ident);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.check_type(&item.ident);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check_function(&item.sig, &item.attrs);
        self.check_public(&item.vis, &item.sig);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check_function(&item.sig, &item.attrs);
        self.check_public(&item.vis, &item.sig);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.check_function(&item.sig, &item.attrs);
    }

    /// A foreign trait's method has the name that its author gave it.
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none() {
            syn::visit::visit_item_impl(self, item);
        }
    }
}

fn name_findings(source: &Source) -> Vec<String> {
    let mut names = Names::default();
    match syn::parse_file(&source.text) {
        Ok(file) => names.visit_file(&file),
        Err(error) => return vec![format!("{}: cannot be read: {error}", source.path)],
    }
    names.found.into_iter().map(|(line, finding)| format!("{}:{line}: {finding}", source.path)).collect()
}

#[test]
fn types_functions_and_tests_are_named_after_what_they_are() {
    nothing_found_in_rust(name_findings);
}

#[test]
fn bad_names_are_found() {
    let findings = |text: &str| name_findings(&Source::made_up("a/src/x.rs", text)).len();
    assert_eq!(findings("struct VmManager;"), 1);
    assert_eq!(findings("enum StoreUtil {}"), 1);
    assert_eq!(findings("trait DataStore {}"), 1);
    assert_eq!(findings("struct Database; struct Information; struct Implement;"), 0);
    assert_eq!(findings("fn get_vm() {}"), 1);
    assert_eq!(findings("impl A { fn handle_it(&self) {} }"), 1);
    assert_eq!(findings("impl Tr for A { fn get_it(&self) {} }"), 0);
    assert_eq!(findings("#[test] fn test_it() {}"), 1);
    assert_eq!(findings("#[tokio::test] async fn test_it() {}"), 1);
    assert_eq!(findings("pub fn f(yes: bool) {}"), 1);
    assert_eq!(findings("fn f(yes: bool) {}"), 0);
}
