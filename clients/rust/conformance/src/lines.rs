//! Standard input and output, line by line.

use std::io::{self, Write as _};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines as Reader, Stdin, stdin};

/// What is read and written.
pub(crate) struct Lines(Reader<BufReader<Stdin>>);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(BufReader::new(stdin()).lines())
    }

    /// Returns the next line of the input; `None` at its end.
    pub(crate) async fn read(&mut self) -> io::Result<Option<String>> {
        self.0.next_line().await
    }
}

/// Writes a line at once.
pub(crate) fn write(name: &str, value: impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &serde_json::json!({ name: value }))?;
    out.write_all(b"\n")?;
    out.flush()
}
