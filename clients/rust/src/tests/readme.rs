//! The README's code is the code of `examples/readme.rs`, which compiles.

const README: &str = include_str!("../../README.md");
const COMPILED: &str = include_str!("../../examples/readme.rs");

/// Returns the lines of a text without their indentation.
fn lines(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_readme_shows_compiles() {
    let compiled = lines(COMPILED);
    let mut blocks = README.split("```rust\n").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let (code, _) = block.split_once("```").unwrap();
        assert!(
            compiled.contains(&lines(code)),
            "only in the README:\n{code}"
        );
    }
}
